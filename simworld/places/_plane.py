"""A rectangle of continuous space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
"""An array of float64."""
IntArray: TypeAlias = npt.NDArray[np.int64]
"""An array of int64."""


@dataclass(frozen=True, slots=True)
class Plane:
    """A rectangle from (0, 0) to (width, height); a torus goes on at the other side. Searches are scipy's k-d tree."""

    width: float
    height: float
    torus: bool = False

    def within(self, positions: FloatArray) -> FloatArray:
        """Positions, shape (n, 2), brought back into the rectangle: around it if it is a torus, else to its edge."""
        sides = np.array([self.width, self.height])
        return np.mod(positions, sides) if self.torus else np.clip(positions, 0.0, sides)

    def way(self, start: FloatArray, end: FloatArray) -> FloatArray:
        """The shortest way from one position to the other, shape (n, 2)."""
        way = end - start
        if self.torus:
            sides = np.array([self.width, self.height])
            way = way - sides * np.round(way / sides)
        return way

    def pairs(self, positions: FloatArray, radius: float) -> IntArray:
        """All pairs closer than ``radius``, shape (m, 2): places in ``positions``, the lower first, sorted."""
        found: IntArray = self._tree(positions).query_pairs(radius, output_type="ndarray").astype(np.int64)
        return found[np.lexsort((found[:, 1], found[:, 0]))]

    def nearest(self, positions: FloatArray, count: int) -> IntArray:
        """The nearest others of each, the nearest first, shape (n, count); -1 where there are fewer."""
        n = len(positions)
        wanted = min(count, n - 1)
        found = np.full((n, count), -1, dtype=np.int64)
        if wanted < 1:
            return found
        _, places = self._tree(positions).query(positions, k=wanted + 1)
        # Of two at the same position either may come first: nobody is its own neighbour.
        own = places == np.arange(n)[:, None]
        own[~own.any(axis=1), -1] = True
        found[:, :wanted] = places[~own].reshape(n, wanted)
        return found

    def _tree(self, positions: FloatArray):  # type: ignore[no-untyped-def]
        from scipy.spatial import cKDTree  # noqa: PLC0415  only for those who search

        return cKDTree(self.within(positions), boxsize=[self.width, self.height] if self.torus else None)
