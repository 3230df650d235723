"""The cognitive filter: what a player would do if it had no body."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from simworld.kernel import Array, Members

FilterName: TypeAlias = Literal["tit_for_tat", "win_stay_lose_shift", "grim"]
"""Filters; the paper has tit for tat, and names the others as possible."""
_TRUSTED = 0.5
"""The least that a grim filter takes for cooperation."""


class Filter:
    """A rule that hears the last round; one place for each seat, for what it must remember."""

    def __init__(self, name: FilterName) -> None:
        self.name = name
        self._trusts = np.zeros(0)

    def add_seats(self, count: int) -> None:
        """Append seats that have seen nothing."""
        self._trusts = np.concatenate([self._trusts, np.ones(count)])

    def says(self, rows: Members | slice, own: Array, other: Array) -> Array:
        """The cognitive action after these actions, shape (n,); full cooperation where they are nan."""
        if self.name == "win_stay_lose_shift":
            # Bilinear between the four cases: it repeats what it did as far as the other cooperated.
            return np.where(np.isnan(other), 1.0, own * other + (1.0 - own) * (1.0 - other))
        if self.name == "grim":
            self._trusts[rows] = np.where(other < _TRUSTED, 0.0, self._trusts[rows])
            return self._trusts[rows].copy()
        return np.where(np.isnan(other), 1.0, other)
