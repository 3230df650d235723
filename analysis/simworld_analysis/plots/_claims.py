"""Claims with their intervals, and where each was expected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from simworld_analysis._open import OpenError
from simworld_analysis.plots import _style as s

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from simworld_analysis.claims import Verdict

_COLOURS = {"holds": s.GOOD, "fails": s.BAD, "undecided": s.OPEN, "cannot be tested": s.BAD, "post hoc": s.MUTED}


def intervals(verdicts: Sequence[Verdict]) -> Figure:
    """A row for each claim on an axis of its own: where it was expected (shaded), the estimate, and its interval.

    Raises:
        OpenError: None of them has an estimate.
    """
    shown = [v for v in verdicts if not np.isnan(v.estimate.value)]
    if not shown:
        raise OpenError("no claim has an estimate: there is nothing to draw")
    with s.style(**{"axes.grid": False}):
        figure = s.new_figure(s.WIDTH, 0.52 * len(shown) + 0.1)
        grid = figure.subplots(len(shown), 1, squeeze=False).ravel()
        for axes, verdict in zip(grid, shown, strict=True):
            _row(axes, verdict)
        return figure


def _row(axes: Axes, verdict: Verdict) -> None:
    e, expect, colour = verdict.estimate, verdict.claim.expect, _COLOURS[verdict.word]
    marks = [x for x in (e.value, e.low, e.high, expect.low, expect.high) if np.isfinite(x)]
    low, high = min(marks), max(marks)
    room = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
    low, high = low - room, high + room
    axes.set_xlim(low, high)
    axes.axvspan(max(low, expect.low), min(high, expect.high), color=s.SHADE, linewidth=0)
    for bound in (expect.low, expect.high):
        if np.isfinite(bound):
            axes.axvline(bound, color=s.MUTED, linewidth=0.8, linestyle=(0, (3, 2)))
    if np.isfinite(e.low) and np.isfinite(e.high):
        axes.plot([e.low, e.high], [0, 0], "-", color=colour, linewidth=2.4)
    axes.plot([e.value], [0], "o", color=colour, markersize=5.5, markeredgecolor="white")
    axes.set_ylim(-1, 1)
    axes.set_yticks([0], [s.short(verdict.claim.name)])
    axes.spines["left"].set_visible(False)
    s.plain_ticks(axes, "x")
    axes.tick_params(axis="x", pad=1.5, labelsize=7.5)
