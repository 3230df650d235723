"""What a rule remembers of each of its seats."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simworld.kernel import Members


class Memory:
    """One number for each seat of a cohort, the same at the start; it grows as seats are taken."""

    __slots__ = ("_start", "values")

    def __init__(self, start: float) -> None:
        self._start = start
        self.values: npt.NDArray[np.float64] = np.zeros(0)

    def make_room(self, rows: Members) -> None:
        """Room for these rows."""
        needed = int(rows.max(initial=-1)) + 1
        if needed > len(self.values):
            fresh = np.full(needed - len(self.values), self._start)
            self.values = np.concatenate([self.values, fresh])
