"""Who is linked to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import networkx as nx

FloatArray: TypeAlias = npt.NDArray[np.float64]
"""An array of float64."""
IntArray: TypeAlias = npt.NDArray[np.int64]
"""An array of int64."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Links between nodes 0 to n - 1: the neighbours of all nodes in one array, and where each node's begin."""

    starts: IntArray
    """Where the neighbours of each node begin, shape (n + 1,)."""
    ends: IntArray
    """Neighbours of all nodes, node by node, sorted."""

    @staticmethod
    def of(graph: nx.Graph) -> Network:
        """That of a networkx graph; its nodes in their order."""
        place = {node: i for i, node in enumerate(graph.nodes)}
        links = [sorted(place[other] for other in graph.neighbors(node)) for node in graph.nodes]
        starts = np.concatenate([[0], np.cumsum([len(one) for one in links])]).astype(np.int64)
        return Network(starts, np.array([other for one in links for other in one], dtype=np.int64))

    @staticmethod
    def made(
        kind: Literal["ring", "small_world", "scale_free", "random"],
        nodes: int,
        links: int,
        seed: int,
        rewire: float = 0.1,
    ) -> Network:
        """One of networkx's, from a seed that ``turn.draw`` or ``turn.seed`` gives.

        ``links`` are the neighbours on a ring or in a small world, the links of a newcomer in a scale-free network, and
        the mean number of neighbours in a random one.
        """
        import networkx as nx  # noqa: PLC0415  a fifth of a second to import

        if kind == "random":
            return Network.of(nx.gnp_random_graph(nodes, links / max(1, nodes - 1), seed=seed))
        if kind == "scale_free":
            return Network.of(nx.barabasi_albert_graph(nodes, links, seed=seed))
        return Network.of(nx.watts_strogatz_graph(nodes, links, 0.0 if kind == "ring" else rewire, seed=seed))

    def __len__(self) -> int:
        """How many nodes there are."""
        return len(self.starts) - 1

    @property
    def degrees(self) -> IntArray:
        """How many neighbours each node has, shape (n,)."""
        return np.diff(self.starts)

    @property
    def links(self) -> IntArray:
        """Every link once from each side, shape (m, 2): a node and one of its neighbours."""
        return np.stack([np.repeat(np.arange(len(self)), self.degrees), self.ends], axis=1)

    def neighbours(self, node: int) -> IntArray:
        """The neighbours of a node, sorted."""
        return self.ends[self.starts[node] : self.starts[node + 1]]

    def sums(self, values: FloatArray) -> FloatArray:
        """The sum of a number over the neighbours of each node, shape (n,)."""
        own, others = self.links.T
        return np.bincount(own, weights=values[others], minlength=len(self)).astype(np.float64)

    def means(self, values: FloatArray) -> FloatArray:
        """The mean of a number over the neighbours of each node, shape (n,); nan where there are none."""
        degrees = self.degrees
        return np.where(degrees > 0, self.sums(values) / np.maximum(degrees, 1), np.nan)
