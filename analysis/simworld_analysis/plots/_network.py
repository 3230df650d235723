"""Who does the same as whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis.plots import _style as s

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_EDGES = 400
"""The strongest ones that are drawn: more cannot be seen."""


def network(run: Run, role: str, action: str, episode: str | None = None) -> Figure:
    """The agreement network of one episode: members, and how often two of them do the same at the same time.

    Thicker lines are more agreement; members who agree more stand nearer to each other.

    Args:
        run: The run.
        role: Whose members.
        action: Which action.
        episode: In which episode; the first by default.

    Raises:
        OpenError: No such role or action, or no decisions in that episode.
    """
    import networkx as nx  # noqa: PLC0415  a sixth of a second to import
    from matplotlib.collections import LineCollection  # noqa: PLC0415

    from simworld_analysis.measures import NotApplicableError, agreement_network  # noqa: PLC0415

    try:
        graph = agreement_network(run, role, action, episode)
    except NotApplicableError as error:
        raise OpenError(str(error)) from error
    places = nx.spring_layout(graph, weight="weight", seed=1, iterations=80)
    edges = sorted(graph.edges(data="weight"), key=lambda edge: -edge[2])[:_EDGES]
    edges = [edge for edge in edges if edge[2] > 0.0]
    with s.style(**{"axes.grid": False}):
        figure = s.new_figure(3.5, 3.5)
        axes = figure.subplots()
        weights = np.array([weight for _, _, weight in edges])
        lines = [(places[a], places[b]) for a, b, _ in edges]
        axes.add_collection(
            LineCollection(lines, linewidths=0.3 + 2.2 * weights, alpha=0.28, colors=s.BASELINE, zorder=1)
        )
        xy = np.array([places[node] for node in graph.nodes])
        few = len(graph) <= 30
        axes.plot(
            xy[:, 0], xy[:, 1], "o", color=s.HUES[0], markersize=14 if few else 6, markeredgecolor="white", zorder=2
        )
        for node in graph.nodes if few else ():
            axes.annotate(str(node), places[node], color="white", ha="center", va="center", fontsize=7, zorder=3)
        axes.margins(0.12)
        axes.set_axis_off()
        return figure
