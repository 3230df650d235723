"""How people take a robot that they see: where they would then like to go (the person types of HuNavSim).

Pérez-Higueras and others, "HuNavSim: a ROS 2 human navigation simulator", RA-L 2023, names the types and describes them
in words; distances and strengths here are our choice.
"""

from __future__ import annotations

import numpy as np

from simworld.worlds.plaza import MANNERS, FloatArray, length
from simworld_agents.navigator._seeing import View

NOTICE = 4.0
"""So near, in metres, a robot is noticed."""
_SHY = 1.0
"""Metres over which the wish to be away from a robot falls by a factor e."""
_BESIDE = 1.5
"""So near, in metres, the curious come."""
_STANDS = 0.05
"""Slower than this, in m/s, a robot stands."""
_AHEAD = 1.0
"""So far ahead of a robot, in metres, the threatening step in its way."""
_SURPRISED, _SCARED, _CURIOUS, _THREATENING = (
    MANNERS.index(name) for name in ("surprised", "scared", "curious", "threatening")
)


def mannered(preferred: FloatArray, view: View) -> FloatArray:
    """Preferred velocities, shape (n, 2) in m/s, of those who take a robot in a way of their own.

    The surprised stand and look, the scared keep away, the curious go up to it at half their speed, the threatening
    step in its way. To the regular it is one more person, to the impassive a thing that stands.
    """
    robots = view.bodies[view.people :]
    moved = view.sees & (view.manner >= _SURPRISED)
    if not len(robots) or not np.count_nonzero(moved):
        return preferred
    ways = robots[None, :, :2] - view.position[:, None]
    away = length(ways)
    away = np.where(np.isnan(away), np.inf, away)
    which = away.argmin(axis=1)
    rows = np.arange(len(which))
    way, far, robot = ways[rows, which], away[rows, which], robots[which]
    moved &= far < NOTICE
    if not moved.any():
        return preferred
    way, speed = np.where(moved[:, None], way, 0.0), view.speed
    toward = way / np.maximum(far, 1e-9)[:, None]
    pace = length(np.where(moved[:, None], robot[:, 2:4], 0.0))
    velocity = np.where(moved[:, None], robot[:, 2:4], 0.0)
    # Kept up with, and never walked into: where it stands, they stand before it.
    ahead = way + _AHEAD * velocity / np.maximum(pace, 1e-9)[:, None]
    ahead = np.where((pace > _STANDS)[:, None], velocity + ahead, (far - _AHEAD)[:, None] * toward)
    wishes = {
        _SURPRISED: np.zeros_like(preferred),
        _SCARED: preferred - (2.0 * speed * np.exp(-far / _SHY))[:, None] * toward,
        _CURIOUS: np.where(far > _BESIDE, 0.5 * speed, 0.0)[:, None] * toward,
        _THREATENING: ahead,
    }
    chosen = preferred
    for manner, wish in wishes.items():
        size = np.maximum(length(wish), 1e-9)
        capped = wish * np.minimum(1.0, speed / size)[:, None]
        chosen = np.where((moved & (view.manner == manner))[:, None], capped, chosen)
    return chosen
