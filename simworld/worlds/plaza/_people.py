"""What people on foot are like: how fast, and how they take robots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np

from simworld.kernel import Turn
from simworld.worlds.plaza._roles import MANNERS
from simworld.worlds.plaza._scenes import FloatArray, IntArray

Manner: TypeAlias = Literal["regular", "impassive", "surprised", "scared", "curious", "threatening"]


def drawn_speeds(turn: Turn, people: int, mean: float, spread: float) -> FloatArray:
    """How fast each likes to walk, in m/s, shape (n,): between 0.6 and 1.4 times the mean."""
    if not spread:
        return np.full(people, mean)
    drawn = mean + spread * turn.draw("speed", people, "normal")
    return np.clip(drawn, 0.6 * mean, 1.4 * mean)


def drawn_manners(turn: Turn, people: int, weights: Mapping[Manner, float]) -> IntArray:
    """How each takes robots: places in ``MANNERS``, shape (n,), as often as the weights say."""
    each = np.array([weights.get(name, 0.0) for name in MANNERS])  # type: ignore[call-overload]
    edges = np.cumsum(each) / each.sum()
    found = np.searchsorted(edges, turn.draw("manner", people), side="right")
    return np.minimum(found, len(MANNERS) - 1).astype(np.int64)
