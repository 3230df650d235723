"""Where members went, if that is recorded."""

from __future__ import annotations

from dataclasses import dataclass

from simworld_analysis._open import OpenError, Run
from simworld_analysis.plots import MOST_WALKS, figure_svg, position_column, trajectories
from simworld_analysis.report._results import Picture


@dataclass(frozen=True, slots=True)
class Trajectories:
    """The paths of the first seed, in up to four variants."""

    column: str
    picture: Picture


def trajectories_of(run: Run, variants: int) -> Trajectories | None:
    """The paths of a run with so many variants; None if it records no positions, or no episode has succeeded."""
    try:
        column = position_column(run)
        if column is None:
            return None
        svg = figure_svg(trajectories(run, column=column), "paths", f"{column}: where members went")
    except OpenError:
        return None
    caption = (
        "One episode of each, all of the same seed, at the same scale. Lines grow darker with time; dots are as far "
        "apart in time; a ring is a start, a disc an end. Dashed beneath: the paths of the arm that is compared with, "
        "where they differ."
    )
    if variants > MOST_WALKS:
        caption += f" These are the first {MOST_WALKS} of {variants}; run.plot.trajectories(arms=[...]) draws others."
    return Trajectories(column, Picture(svg, caption))
