"""Two measures against each other: what one costs in the other, by variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from simworld_analysis._open import OpenError, Run
from simworld_analysis.plots import _style as s
from simworld_analysis.plots._data import variants, whole_values
from simworld_analysis.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT = 4.2


def tradeoff(
    run: Run, x: str, y: str, arms: Sequence[str] | None = None, better: tuple[str, str] = ("less", "less")
) -> Figure:
    """Means of two measures by variant, each with its 95 % interval; whoever is beaten in neither is joined by a line.

    Args:
        run: The run.
        x: A measure that the world emits, or one of ``simworld_analysis.measures`` without options.
        y: Another one.
        arms: Arms or variants; the first sixteen variants by default.
        better: Whether less or more is better, of each.

    Raises:
        OpenError: No such measure or arm, no episode has succeeded, or it is neither less nor more that is better.
    """
    words: Sequence[str] = better
    if len(words) != 2 or not {"less", "more"}.issuperset(words):
        raise OpenError(f"better: found {better!r}; accepted: a pair of less and more, one for each measure")
    shown = variants(run, arms)[: s.MOST_VARIANTS]
    found = {name: {v: one.estimate for v, one in whole_values(run, name, shown).items()} for name in (x, y)}
    both = [v for v in shown if not np.isnan(found[x][v].value) and not np.isnan(found[y][v].value)]
    if not both:
        raise OpenError(f"no variant has both {x!r} and {y!r}: there is nothing to draw")
    points = np.array([[found[x][v].value, found[y][v].value] for v in both])
    units = run.units("measures") if "measures" in run.tables else {}
    with s.style():
        figure = s.new_figure(s.WIDTH, _HEIGHT)
        axes = figure.subplots()
        signs = np.array([1.0 if word == "less" else -1.0 for word in better])
        front = unbeaten(points * signs)
        line = points[front[np.argsort(points[front, 0], kind="stable")]]
        axes.plot(line[:, 0], line[:, 1], "-", color=s.MUTED, linewidth=1.0, zorder=1.0, label="beaten in neither")
        _points(axes, both, found[x], found[y])
        axes.set_xlabel(f"{s.axis_label(x, units.get(x, ''))}, {better[0]} is better")
        axes.set_title(f"{s.axis_label(y, units.get(y, ''))}, {better[1]} is better", loc="left")
        return figure


def unbeaten(points: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Which points no other is below in one coordinate without being above it in the other, of shape (n, 2)."""
    others, own = points[None], points[:, None]
    beaten = np.all(others <= own, axis=2) & np.any(others < own, axis=2)
    return np.flatnonzero(~np.any(beaten, axis=1))


def _points(axes: Axes, names: Sequence[str], x: Mapping[str, Estimate], y: Mapping[str, Estimate]) -> None:
    hues = s.colours(list(names))
    for name in names:
        one, other, hue = x[name], y[name], hues[name]
        axes.plot([one.low, one.high], [other.value] * 2, "-", color=hue, linewidth=1.4, alpha=0.7)
        axes.plot([one.value] * 2, [other.low, other.high], "-", color=hue, linewidth=1.4, alpha=0.7)
        axes.plot([one.value], [other.value], "o", color=hue, markersize=5.2, markeredgecolor="white", label=name)
        axes.annotate(
            s.short(name), (one.value, other.value), xytext=(6, 5), textcoords="offset points", color=hue, fontsize=8
        )
