"""What a robot earns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from simworld.kernel import Array
from simworld.worlds.plaza._scenes import FloatArray


@dataclass(frozen=True)
class Rewards:
    """What a robot earns (by default as in CrowdNav, Chen et al. 2019)."""

    goal: float = 1.0
    """For arriving."""
    collision: float = -0.25
    """For touching somebody or something."""
    discomfort: float = -0.5
    """For every second and metre by which a person's surface is nearer than ``discomfort_distance``."""
    discomfort_distance: Annotated[float, Ge(0)] = 0.2
    """In metres."""
    personal_space: float = 0.0
    """For every second and square metre by which a person's surface is nearer than ``kept``, squared."""
    kept: Annotated[float, Ge(0)] = 0.45
    """In metres: 0.45 is Hall's intimate distance, 1.2 his personal one."""
    progress: float = 0.0
    """For every metre that it comes nearer to its goal."""
    second: float = 0.0
    """For every second."""

    def amounts(self, arrived: Array, hit: Array, gap: FloatArray, closer: FloatArray, dt: float) -> FloatArray:
        """What robots earn in a tick, shape (n,).

        Args:
            arrived: Who has arrived.
            hit: Who touched somebody or something.
            gap: How near a person's surface came, in m; inf where that does not count.
            closer: By how much each came nearer to its goal, in m.
            dt: Length of the tick, in s.
        """
        short = np.maximum(self.discomfort_distance - gap, 0.0)
        close = np.maximum(self.kept - gap, 0.0)
        by_time = self.discomfort * short + self.personal_space * close * close + self.second
        earned: FloatArray = self.goal * arrived + self.collision * hit + by_time * dt + self.progress * closer
        return earned
