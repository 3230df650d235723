"""Who meets whom: seats and the seats across from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

IntArray: TypeAlias = npt.NDArray[np.int64]
"""An array of int64."""

Pairing: TypeAlias = Literal["halves", "round_robin", "matching", "ring", "small_world", "scale_free"]
"""Who meets whom: the n-th of the first half the n-th of the second, all each other, pairs drawn anew in every round,
neighbours on a graph."""

GRAPHS = ("ring", "small_world", "scale_free")
"""Pairings that are graphs."""


@dataclass(frozen=True, slots=True)
class Meetings:
    """Seats: whose they are, and which seat is across. A player has one seat for each that it meets."""

    player: IntArray
    """The player that a seat belongs to, shape (seats,)."""
    across: IntArray
    """The seat across, shape (seats,); it is across from it, too."""

    def __len__(self) -> int:
        return len(self.player)

    def repeated(self, times: int) -> Meetings:
        """The same once more beside it, so many times in all: the players stay who they are."""
        shift = np.repeat(np.arange(times) * len(self), len(self))
        return Meetings(np.tile(self.player, times), np.tile(self.across, times) + shift)


def halves(players: int) -> Meetings:
    """The n-th of the first half meets the n-th of the second."""
    who = np.arange(players)
    return Meetings(who, (who + players // 2) % max(players, 1))


def along(edges: IntArray) -> Meetings:
    """One seat at each end of every edge, shape (edges, 2), in order of the players.

    An edge from a player to itself has two seats: it meets a copy of itself.
    """
    n = len(edges)
    whose = np.concatenate([edges[:, 0], edges[:, 1]])
    whom = np.concatenate([edges[:, 1], edges[:, 0]])
    order = np.lexsort((np.arange(2 * n), whom, whose))
    place = np.empty(2 * n, dtype=np.int64)
    place[order] = np.arange(2 * n)
    return Meetings(whose[order], place[(order + n) % (2 * n)] if n else order)


def everybody(players: int, self_play: bool) -> IntArray:
    """The edges of a round-robin tournament, with or without meetings of a player and its copy."""
    first, second = np.triu_indices(players, k=0 if self_play else 1)
    return np.stack([first, second], axis=1).astype(np.int64)


def graph_edges(kind: str, players: int, links: int, rewire: float, seed: int) -> IntArray:
    """The edges of a graph of players.

    Args:
        kind: ``ring`` (each with the ``links`` nearest), ``small_world`` (the same, each link rewired with probability
            ``rewire``; Watts and Strogatz 1998), ``scale_free`` (newcomers link to ``links`` others in proportion to
            how many these have; Barabasi and Albert 1999).
        players: How many.
        links: See ``kind``.
        rewire: See ``kind``.
        seed: Of the graph's chance.
    """
    import networkx as nx  # noqa: PLC0415  a sixth of a second to import, for graphs only

    if kind == "scale_free":
        graph = nx.barabasi_albert_graph(players, links, seed=seed)
    else:
        graph = nx.watts_strogatz_graph(players, links, 0.0 if kind == "ring" else rewire, seed=seed)
    return np.array(sorted(graph.edges), dtype=np.int64).reshape(-1, 2)


def matched(places: npt.NDArray[np.float64]) -> IntArray:
    """Random pairs from one uniform number each: who is across, -1 for the one that is left over."""
    order = np.argsort(places, kind="stable")
    across = np.full(len(places), -1, dtype=np.int64)
    pairs = order[: len(order) // 2 * 2].reshape(-1, 2)
    across[pairs[:, 0]], across[pairs[:, 1]] = pairs[:, 1], pairs[:, 0]
    return across
