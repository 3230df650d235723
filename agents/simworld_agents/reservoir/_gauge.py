"""The gauge: what it costs a player, in nats, not to live as its body would alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simworld.kernel import Array
from simworld_agents.reservoir._complexity import gaussian_divergence, knn_divergence

NEIGHBOURS = 5
"""Which neighbour's distance counts (section 6 of the paper)."""


class Gauge:
    """Keeps the states of so many rounds, and then tells how far they are from those of the body alone."""

    def __init__(self, rounds: int, units: int) -> None:
        self.rounds = rounds
        self._lived: Array = np.zeros((0, rounds, units))
        self._alone: Array = np.zeros((0, rounds, units))

    def add_seats(self, alone: Array) -> None:
        """Append seats: states of their bodies alone with one who cooperates, shape (n, rounds, d)."""
        self._lived = np.concatenate([self._lived, np.zeros_like(alone)])
        self._alone = np.concatenate([self._alone, alone])

    def read(self, rows: npt.NDArray[np.int64], rounds: Array, state: Array) -> tuple[Array, Array, Array]:
        """Complexity cost: raw, clipped at zero, and of normal distributions; nan but for those whose time is up.

        The last is nan, too, where there are fewer rounds than units.

        Args:
            rows: Places of seats that have just played a round, shape (n,).
            rounds: How many each has played, shape (n,).
            state: Their states since, shape (n, d).
        """
        within = (rounds > 0) & (rounds <= self.rounds)
        self._lived[rows[within], rounds[within] - 1] = state[within]
        found = np.full((3, len(rows)), np.nan)
        for place in np.flatnonzero(rounds == self.rounds).tolist():
            lived, alone = self._lived[rows[place]], self._alone[rows[place]]
            near = knn_divergence(lived, alone, NEIGHBOURS)
            found[:, place] = near.raw, near.clipped, gaussian_divergence(lived, alone).raw
        return found[0], found[1], found[2]
