"""How bodies move, and how near they come to each other."""

from __future__ import annotations

import numpy as np

from simworld.worlds.plaza._scenes import BoolArray, FloatArray

_STRAIGHT = 1e-9
"""Below so many radians per second a path is a straight line."""


def length(vectors: FloatArray) -> FloatArray:
    """Euclidean length of vectors, shape (..., 2) to (...)."""
    return np.sqrt(vectors[..., 0] * vectors[..., 0] + vectors[..., 1] * vectors[..., 1])


def alike(value: float, *shape: int) -> FloatArray:
    """An array of one number; for a few robots numpy's ``full`` takes three times as long."""
    found = np.empty(shape)
    found[...] = value
    return found


def turned(vectors: FloatArray, ahead: FloatArray) -> FloatArray:
    """Vectors (n, k, 2) in the frame whose first axis is the unit vector ``ahead`` (n, 2), the second to its left."""
    x, y = vectors[..., 0], vectors[..., 1]
    cos, sin = ahead[:, None, 0], ahead[:, None, 1]
    return np.stack([cos * x + sin * y, cos * y - sin * x], axis=-1)


def wrapped(angle: FloatArray) -> FloatArray:
    """Angles in rad, brought within (-pi, pi]."""
    return np.pi - np.mod(np.pi - angle, 2.0 * np.pi)


def capped(velocity: FloatArray, top: FloatArray) -> FloatArray:
    """Velocities of shape (n, 2), those that are faster than ``top`` (n,) slowed down to it."""
    speed = length(velocity)
    over = speed > top * (1.0 + 1e-9)
    if not np.count_nonzero(over):
        return velocity
    return np.where(over[:, None], velocity * (top / np.where(over, speed, 1.0))[:, None], velocity)


def driven(heading: FloatArray, forward: FloatArray, turn: FloatArray, dt: float) -> tuple[FloatArray, FloatArray]:
    """A unicycle's way in a tick: along the exact arc.

    Args:
        heading: Where it faces, in rad, shape (n,).
        forward: Speed in m/s, shape (n,).
        turn: Rate of turning in rad/s, shape (n,).
        dt: Length of the tick in s.

    Returns:
        Displacement in m, shape (n, 2), and the new heading within (-pi, pi].
    """
    after = heading + turn * dt
    curved = np.abs(turn) > _STRAIGHT
    rate = np.where(curved, turn, 1.0)
    x = np.where(curved, (np.sin(after) - np.sin(heading)) / rate, np.cos(heading) * dt)
    y = np.where(curved, (np.cos(heading) - np.cos(after)) / rate, np.sin(heading) * dt)
    return np.stack([x * forward, y * forward], axis=1), wrapped(after)


def approach(way: FloatArray, moved: FloatArray) -> FloatArray:
    """How near another comes within a tick: the distance of the origin from a segment.

    Args:
        way: From here to the other at the beginning, shape (..., 2), in m.
        moved: How the other moves as seen from here, shape (..., 2), in m.

    Returns:
        Least distance of the centres, shape (...), in m.
    """
    size = moved[..., 0] ** 2 + moved[..., 1] ** 2
    along = -(way[..., 0] * moved[..., 0] + way[..., 1] * moved[..., 1]) / np.where(size > 0.0, size, 1.0)
    share = np.clip(along, 0.0, 1.0)[..., None]
    return length(way + share * moved)


def from_walls(position: FloatArray, walls: FloatArray) -> tuple[FloatArray, FloatArray]:
    """From each position (n, 2) to the nearest point of each wall (w, 4).

    Returns:
        Vectors of shape (n, w, 2), in m, and where on the wall the point is, from 0 at one end to 1, shape (n, w).
    """
    ends, others = walls[:, :2], walls[:, 2:]
    along = others - ends
    size = np.maximum((along**2).sum(axis=1), 1e-12)
    to = position[:, None] - ends
    share = np.clip((to[..., 0] * along[:, 0] + to[..., 1] * along[:, 1]) / size, 0.0, 1.0)
    vectors: FloatArray = ends + share[..., None] * along - position[:, None]
    return vectors, share


def time_to_contact(way: FloatArray, closing: FloatArray, reach: FloatArray) -> FloatArray:
    """When two discs touch if both go on as they are: seconds, inf if they never do, 0 if they do.

    Args:
        way: From one to the other, shape (..., 2), in m.
        closing: Velocity of the other as seen from the one, shape (..., 2), in m/s.
        reach: Sum of the radii, shape (...), in m.
    """
    a = closing[..., 0] ** 2 + closing[..., 1] ** 2
    b = way[..., 0] * closing[..., 0] + way[..., 1] * closing[..., 1]
    c = way[..., 0] ** 2 + way[..., 1] ** 2 - reach * reach
    inside = b * b - a * c
    hits = (inside >= 0.0) & (b < 0.0) & (a > 0.0)
    when = (-b - np.sqrt(np.where(hits, inside, 0.0))) / np.where(hits, a, 1.0)
    return np.where(c <= 0.0, 0.0, np.where(hits, when, np.inf))


def contacts(
    before: FloatArray,
    velocity: FloatArray,
    people: tuple[FloatArray, FloatArray],
    walls: FloatArray,
    radius: float,
    dt: float,
) -> tuple[BoolArray, FloatArray]:
    """Whom robots touch in a tick.

    Args:
        before: Where each was, in m, shape (n, 2).
        velocity: How it moves over the tick, in m/s, shape (n, 2).
        people: Where people were, and how they moved before, shape (p, 2) each.
        walls: Shape (w, 4).
        radius: Of all bodies, in m.
        dt: Length of the tick, in s.

    Returns:
        Whether each touches a person, a wall, a robot, shape (n, 3); and how near a person's surface comes, in m, inf
        where there is nobody.
    """
    touched = np.zeros((len(before), 3), dtype=np.bool_)
    nearest = alike(np.inf, len(before))
    reach = 2.0 * radius
    if len(people[0]):
        moved = (people[1] - velocity[:, None]) * dt
        nearest = (approach(people[0] - before[:, None], moved) - reach).min(axis=1)
        touched[:, 0] = nearest < 0.0
    if len(walls):
        ends, _ = from_walls(before + velocity * dt, walls)
        touched[:, 1] = length(ends).min(axis=1) < radius
    if len(before) > 1:
        moved = (velocity - velocity[:, None]) * dt
        gaps = approach(before - before[:, None], moved) - reach
        np.fill_diagonal(gaps, np.inf)
        touched[:, 2] = (gaps < 0.0).any(axis=1)
    return touched, nearest
