"""A grid of cells, numbered row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Cells: TypeAlias = npt.NDArray[np.int64]
"""Numbers of cells; -1 is no cell."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells in rows: cell ``y * width + x``; a torus goes on at the other side."""

    width: int
    height: int
    torus: bool = False

    @property
    def size(self) -> int:
        """How many cells there are."""
        return self.width * self.height

    def cell(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Cells:
        """The cells at these places, int64 of their common shape; -1 beyond the edge, unless it is a torus."""
        column, row = np.broadcast_arrays(np.asarray(x, dtype=np.int64), np.asarray(y, dtype=np.int64))
        if self.torus:
            around: Cells = np.mod(row, self.height) * self.width + np.mod(column, self.width)
            return around
        inside = (column >= 0) & (column < self.width) & (row >= 0) & (row < self.height)
        return np.where(inside, row * self.width + column, -1)

    def xy(self, cells: Cells) -> tuple[Cells, Cells]:
        """Column and row of each cell."""
        return cells % self.width, cells // self.width

    def moved(self, cells: Cells, dx: npt.ArrayLike, dy: npt.ArrayLike) -> Cells:
        """The cells so many columns and rows further; who would leave the grid stays."""
        x, y = self.xy(cells)
        there = self.cell(x + np.asarray(dx), y + np.asarray(dy))
        return np.where(there < 0, cells, there)

    def around(self, cells: Cells, radius: int = 1, diagonal: bool = True) -> Cells:
        """The cells around each, without itself, shape (n, k), row by row; -1 beyond the edge.

        With ``diagonal`` all within ``radius`` steps of a king (Moore), else of a rook (von Neumann).
        """
        steps = np.arange(-radius, radius + 1)
        dy, dx = (g.ravel() for g in np.meshgrid(steps, steps, indexing="ij"))
        distance = np.maximum(np.abs(dx), np.abs(dy)) if diagonal else np.abs(dx) + np.abs(dy)
        near = (distance > 0) & (distance <= radius)
        x, y = self.xy(cells)
        return self.cell(x[:, None] + dx[near], y[:, None] + dy[near])

    def counts(self, cells: Cells) -> Cells:
        """How many members are in each cell, shape (size,), from the cells that they are in."""
        return np.bincount(cells, minlength=self.size)

    def empty(self, cells: Cells) -> Cells:
        """Cells in which nobody is, sorted."""
        return np.flatnonzero(self.counts(cells) == 0)
