"""One style for all figures: sizes, colours, numbers, and where labels go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, SHADE = "#24292f", "#79818a", "#e2e5e9", "#eef4ea"
BASELINE = "#5d6670"
"""Of the first arm, with which the others are compared."""
HUES = ("#0072b2", "#d55e00", "#009e73", "#c4679b", "#c98a00", "#4aa3d8", "#8c6239")
"""After Okabe and Ito (2008), the light ones darkened so that thin lines stay visible on white."""
GOOD, BAD, OPEN = "#1a7f4b", "#b3261e", "#8a6100"

MOST_VARIANTS = 16
"""Arms, or variants of a sweep, that one figure shows."""
MOST_TOGETHER = len(HUES) + 1
"""Lines that can be told apart in one panel."""

WIDTH = 7.4
"""Inches."""

_RC: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "xtick.major.width": 0.7,
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
    "path.simplify": True,
}


@contextmanager
def style(**more: object) -> Iterator[None]:
    """The project's settings, for as long as something is drawn."""
    import matplotlib as mpl  # noqa: PLC0415  half a second to import

    # From the defaults, not from what somebody has set: a figure is the same everywhere.
    defaults = {key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith("backend")}
    with mpl.rc_context({**defaults, **_RC, **more}):  # type: ignore[dict-item]  # keys are known when it is drawn
        yield


def new_figure(width: float, height: float, constrained: bool = True) -> Figure:
    """An empty figure in inches, laid out so that nothing is cut off, or as whoever draws says."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(width, height), layout="constrained" if constrained else None)
    FigureCanvasSVG(figure)
    return figure


def plain_figure(x: str, y: str) -> tuple[Figure, Axes, str]:
    """An empty figure with named axes, and the colour of what is drawn in it."""
    with style():
        figure = new_figure(6.0, 3.2)
        axes = figure.add_subplot()
        axes.set_xlabel(x)
        axes.set_ylabel(y)
    return figure, axes, HUES[0]


def colours(labels: Sequence[str]) -> dict[str, str]:
    """A colour for each label: grey for the first of several, one hue for all that are too many to tell apart."""
    if len(labels) == 1:
        return {labels[0]: HUES[0]}
    if len(labels) > MOST_TOGETHER:
        return {label: HUES[0] if place else BASELINE for place, label in enumerate(labels)}
    return dict(zip(labels, (BASELINE, *HUES), strict=False))


def axis_label(name: str, unit: str) -> str:
    """A measure's name with its unit, as an axis says it."""
    words = name.replace("_", " ")
    return f"{words} ({unit})" if unit else words


def short(label: str, most: int = 28) -> str:
    """A variant's name, cut where it would leave no room for what is drawn."""
    label = label or "all"
    return label if len(label) <= most else f"{label[: most - 1]}…"


def plain_ticks(axes: Axes, which: str = "both") -> None:
    """Few ticks, and numbers as people read them: 120k, 1.5M, 0.25."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: PLC0415

    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if which in (name, "both"):
            axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
            axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(float(value))))


def tick_text(value: float) -> str:
    """A number at a tick: short, without noise of rounding."""
    size = abs(value)
    for least, factor, sign in ((1e9, 1e9, "B"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if size >= least:
            return f"{value / factor:.4g}{sign}".replace("-", "−")
    return (f"{value:,.5g}" if size > 1e-12 else "0").replace("-", "−")


def spread_out(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places near the wanted ones, in the same order, at least a gap apart and, if they fit, within the limits."""
    if not wanted:
        return []
    order = np.argsort(np.asarray(wanted, dtype=float), kind="stable")
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    places = np.asarray(wanted, dtype=float)[order].clip(low, high)
    # Neighbours that are too near share their place evenly; a few rounds suffice for a handful of labels.
    for _ in range(200):
        moved = False
        for i in range(len(places) - 1):
            lack = gap - (places[i + 1] - places[i])
            if lack > 1e-9 * max(1.0, abs(gap)):
                places[i], places[i + 1] = places[i] - lack / 2.0, places[i + 1] + lack / 2.0
                moved = True
        under, over = low - places[0], places[-1] - high
        places = places + max(0.0, under) - max(0.0, over)
        if not moved:
            break
    found = [0.0] * len(places)
    for place, index in zip(places.tolist(), order.tolist(), strict=True):
        found[index] = place
    return found
