"""One number for each episode, by variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis.plots import _style as s
from simworld_analysis.plots._data import Values, variants, whole_values
from simworld_analysis.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 0.235
_MOST_POINTS = 300
"""In one row: more hide each other."""
_GOLDEN = 0.6180339887498949


def distribution(run: Run, measure: str, arms: Sequence[str] | None = None) -> Figure:
    """One number of each episode by variant: points, and their mean with its 95 % interval.

    A flow's number is the mean of its samples, a stock's the last one.
    Of more than 300 episodes of a variant, every few have a point; the mean is that of all. Where variants
    share seeds, a second panel shows how each differs from the first arm, seed by seed.

    Args:
        run: The run.
        measure: A measure that the world emits, or one of ``simworld_analysis.measures`` without options.
        arms: Arms or variants; the first sixteen variants by default.

    Raises:
        OpenError: No such measure or arm, or no episode has succeeded.
    """
    found = whole_values(run, measure, variants(run, arms)[: s.MOST_VARIANTS])
    if not any(v.values for v in found.values()):
        raise OpenError(f"measure {measure!r} has no sample in any successful episode: there is nothing to draw")
    unit = run.units("measures").get(measure, "") if "measures" in run.tables else ""
    compared = any(v.differences for v in found.values())
    with s.style(**{"axes.grid.axis": "x"}):
        figure = s.new_figure(s.WIDTH, 0.75 + _ROW * max(2, len(found)))
        panels = figure.subplots(1, 2 if compared else 1, sharey=True, squeeze=False)[0]
        hues = s.colours(list(found))
        for row, (variant, values) in enumerate(found.items()):
            _row(panels[0], row, list(values.values.values()), values.estimate, hues[variant])
            if values.difference is not None:
                _row(panels[1], row, list(values.differences), values.difference, hues[variant])
        _frame(panels, found)
        label = s.axis_label(measure, unit)
        panels[0].set_title(label, loc="left")
        if compared:
            panels[1].set_title(_compared_with(found), loc="left")
        return figure


def _row(axes: Axes, row: int, values: Sequence[float], estimate: Estimate, colour: str) -> None:
    values = values[:: -(-len(values) // _MOST_POINTS) or 1]
    # Points lie apart by a fixed sequence, not by chance: the same figure every time.
    apart = (np.arange(1, len(values) + 1) * _GOLDEN) % 1.0 - 0.5
    axes.plot(
        values, row + 0.5 * apart, "o", color=colour, alpha=0.32, markersize=3, markeredgewidth=0, label="episodes"
    )
    if not np.isnan(estimate.low):
        axes.plot([estimate.low, estimate.high], [row, row], "-", color=colour, linewidth=2.2, label="interval")
    axes.plot([estimate.value], [row], "o", color=colour, markersize=5.2, markeredgecolor="white", label="mean")


def _frame(panels: Sequence[Axes], found: Mapping[str, Values]) -> None:
    first = panels[0]
    first.set_yticks(range(len(found)), [s.short(name) for name in found])
    first.set_ylim(len(found) - 0.4, -0.6)
    for axes in panels:
        axes.spines["left"].set_visible(False)
        s.plain_ticks(axes, "x")
        if axes.get_xlim()[0] <= 0.0 <= axes.get_xlim()[1]:
            axes.axvline(0.0, color=s.MUTED, linewidth=0.8, zorder=0.5)


def _compared_with(found: Mapping[str, Values]) -> str:
    bases = list(dict.fromkeys(v.baseline for v in found.values() if v.baseline))
    return f"difference to {s.short(bases[0])}, by seed" if len(bases) == 1 else "difference to the first arm, by seed"
