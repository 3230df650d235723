"""The ways of members through a plane."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simworld_analysis._open import Run
from simworld_analysis.plots import _style as s
from simworld_analysis.plots._data import time_unit
from simworld_analysis.plots._paths import Path, Walk, extent, walks_of

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MOST_WALKS = 4
"""Variants that are drawn if none are named."""
_STAGES = 6
_FAINTEST = 0.22
"""Opacity of the first stage; that of the last is 1."""
_THIN, _THICK = 1.0, 2.6
_DASHES = (0, (3.0, 1.6))
_STILL: dict[str, Any] = {"color": s.MUTED, "linewidth": 2.2, "label": "what stands still"}
_MOST_POINTS = 20_000
"""Of the lines of one panel: of longer ones every few are drawn."""
_MOST_MARKS = 400
_MANY = 60
"""Members from which starts and ends are mere dots."""
_SINGLE, _LOWEST, _TALLEST = 4.6, 0.8, 4.4
"""Width of a panel that is alone, and the least and greatest height of one: inches."""
_FLAT = 0.5
"""Height to width below which panels lie below each other."""


def trajectories(
    run: Run, seed: int | None = None, arms: Sequence[str] | None = None, column: str = "obs.position"
) -> Figure:
    """The ways of all members in one episode of each arm, all of the same seed, side by side at the same scale.

    Lines grow darker with time, and have a dot at every second (or at every few, where there are many); a ring is where
    a member starts, a disc where it ends. The role with the most members is thin, others are thick. Beneath an arm lie,
    dashed, the paths of the arm that it is compared with, of those members whose path differs by more than can be seen
    (0.2 percent of the extent), or who are not there. Grey is what stands still, such as walls, if the world names it.

    Args:
        run: The run.
        seed: Which episode of each arm; the first that all of them have by default.
        arms: Arms or variants; the first four variants by default.
        column: The column that holds the positions, of whichever roles have it.

    Raises:
        OpenError: No such column, arm or seed, nobody has a position, or no episode has succeeded.
    """
    seed, walks = walks_of(run, column, seed, MOST_WALKS, arms)
    low, high = extent([walk.paths for walk in walks], [walk.backdrop for walk in walks])
    unit, every = time_unit(run), _every(walks)
    with s.style():
        figure, panels = _panels(low, high, len(walks))
        styles = _styles(walks)
        edges = _stages(walks)
        for axes, walk in zip(panels, walks, strict=False):
            _walk(axes, walk, styles, edges, every)
        for axes in panels[len(walks) :]:
            axes.set_axis_off()
        role = next(role for walk in walks for role, paths in walk.paths.items() if paths)
        name = s.axis_label(column, run.units(f"decisions.{role}").get(column, ""))
        figure.suptitle(f"{name}, seed {seed}", fontsize=8.5, x=0.012, ha="left", color=s.INK)
        handles = _legend(walks, styles, every, unit)
        figure.legend(handles=handles, loc="outside lower left", ncols=4, frameon=False, fontsize=7.5)
        return figure


def _panels(low: npt.NDArray[np.float64], high: npt.NDArray[np.float64], count: int) -> tuple[Figure, list[Axes]]:
    """Panels that all show the same part of the plane, a metre being as long on both axes.

    What is long and flat, as a corridor is, lies below each other.
    """
    room = 0.05 * float((high - low).max()) or 1.0
    low, high = low - room, high + room
    shape = float((high - low)[1] / (high - low)[0])
    columns = 1 if shape < _FLAT else {1: 1, 2: 2, 4: 2}.get(count, 3)
    rows = -(-count // columns)
    wide = s.WIDTH / columns if columns > 1 or shape < _FLAT else _SINGLE
    tall = min(max(wide * shape, _LOWEST), _TALLEST)
    figure = s.new_figure(wide * columns, rows * (tall + 0.3) + 0.75)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel().tolist()
    for axes in panels:
        axes.set_aspect("equal")
        axes.set_xlim(low[0], high[0])
        axes.set_ylim(low[1], high[1])
        s.plain_ticks(axes)
    return figure, panels


def _styles(walks: Sequence[Walk]) -> dict[str, tuple[str, float]]:
    """Colour and width by role: the crowd is thin, others are not to be lost in it."""
    counts: dict[str, int] = {}
    for walk in walks:
        for role, paths in walk.paths.items():
            counts[role] = max(counts.get(role, 0), len(paths))
    crowd = max(counts, key=lambda role: counts[role])
    return {
        role: (s.HUES[place % len(s.HUES)], _THIN if role == crowd else _THICK) for place, role in enumerate(counts)
    }


def _stages(walks: Sequence[Walk]) -> npt.NDArray[np.float64]:
    """Where each stage of time begins, and infinity."""
    times = np.concatenate([path.time[[0, -1]] for path in _all(walks)])
    return np.append(np.linspace(times.min(), times.max(), _STAGES + 1)[:-1], np.inf)


def _every(walks: Sequence[Walk]) -> float:
    """Units of time from mark to mark: 1, or 2 or 5 times a power of ten where these would be too many."""
    longest = max(sum(p.time[-1] - p.time[0] for p in _all([walk])) for walk in walks)
    least = max(1.0, longest / _MOST_MARKS)
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(power * digit for digit in (1.0, 2.0, 5.0, 10.0) if power * digit >= least)


def _all(walks: Sequence[Walk]) -> list[Path]:
    return [path for walk in walks for paths in walk.paths.values() for path in paths.values()]


def _walk(
    axes: Axes,
    walk: Walk,
    styles: Mapping[str, tuple[str, float]],
    edges: npt.NDArray[np.float64],
    every: float,
) -> None:
    axes.set_title(s.short(walk.variant), loc="left", pad=4)
    if walk.baseline:
        axes.set_title(_counted(walk), loc="right", pad=4, fontsize=7.5, color=s.MUTED)
    if len(walk.backdrop):
        walls = _joined(list(walk.backdrop.reshape(-1, 2, 2)))
        axes.plot(walls[:, 0], walls[:, 1], zorder=1.2, **_STILL)
    step = -(-sum(len(path.time) for path in _all([walk])) // _MOST_POINTS) or 1
    size = 1.5 if walk.members > _MANY else 3.6
    for role, (colour, width) in styles.items():
        under, mine = (list(paths.get(role, {}).values()) for paths in (walk.beneath, walk.paths))
        if under:
            xy = _joined([_thinned(path, step).xy for path in under])
            dashed: dict[str, Any] = {"color": s.BASELINE, "linestyle": _DASHES, "alpha": 0.55, "zorder": 1.5}
            axes.plot(xy[:, 0], xy[:, 1], linewidth=0.8 * width, label=f"{role} beneath", **dashed)
        if not mine:
            continue
        lines = [_thinned(path, step) for path in mine]
        for begin, end, alpha in zip(edges, edges[1:], np.linspace(_FAINTEST, 1.0, _STAGES), strict=False):
            xy = _joined([_during(path, begin, end) for path in lines])
            if len(xy):
                # Round ends of two stages would show where they overlap.
                look: dict[str, Any] = {"color": colour, "linewidth": width, "solid_capstyle": "butt", "label": role}
                axes.plot(xy[:, 0], xy[:, 1], alpha=float(alpha), **look)
        every_few = np.concatenate([_marks(path, every) for path in mine])
        dots: dict[str, Any] = {"color": colour, "markersize": 1.4 + 0.6 * width, "markeredgewidth": 0}
        axes.plot(*every_few.T, "o", label=f"{role} every", **dots)
        ends = np.array([path.xy[np.isfinite(path.xy[:, 0])][[0, -1]] for path in mine])
        big: dict[str, Any] = {"color": colour, "markersize": size + width, "markeredgewidth": 0.5 + 0.3 * width}
        axes.plot(*ends[:, 0].T, "o", markerfacecolor="none", label=f"{role} start", **big)
        axes.plot(*ends[:, 1].T, "o", label=f"{role} end", zorder=3, **big)


def _counted(walk: Walk) -> str:
    """How many paths differ, and how many are missing."""
    apart = sum(a in walk.paths[role] for role, paths in walk.beneath.items() for a in paths)
    absent = sum(map(len, walk.beneath.values())) - apart
    return f"{apart} of {walk.members} paths differ" + (f", {absent} absent" if absent else "")


def _joined(pieces: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Lines as one, with a gap after each."""
    gap = np.full((1, 2), np.nan)
    found = [part for piece in pieces if len(piece) > 1 for part in (piece, gap)]
    return np.concatenate(found) if found else np.zeros((0, 2))


def _thinned(path: Path, step: int) -> Path:
    """Every few moments of a path, and its last."""
    if step == 1:
        return path
    kept = np.unique(np.append(np.arange(0, len(path.tick), step), len(path.tick) - 1))
    return Path(path.tick[kept], path.time[kept], path.xy[kept])


def _during(path: Path, begin: float, end: float) -> npt.NDArray[np.float64]:
    """The part of a path that begins in a stage, to the first point of the next one."""
    first, last = np.searchsorted(path.time, [begin, end])
    return path.xy[first : last + 1]


def _marks(path: Path, every: float) -> npt.NDArray[np.float64]:
    """Where a member was at the whole multiples of some time after its first moment."""
    first, last = path.time[0], path.time[-1]
    when = np.arange(math.floor(first / every) + 1, math.floor(last / every + 1e-9) + 1) * every
    return np.stack([np.interp(when, path.time, path.xy[:, axis]) for axis in (0, 1)], axis=1)


def _legend(walks: Sequence[Walk], styles: Mapping[str, tuple[str, float]], every: float, unit: str) -> list[Line2D]:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    handles = [Line2D([], [], color=colour, linewidth=width, label=role) for role, (colour, width) in styles.items()]
    plain: dict[str, Any] = {"linestyle": "none", "marker": "o", "color": s.MUTED}
    handles += [
        Line2D([], [], markerfacecolor="none", markersize=5, label="start", **plain),
        Line2D([], [], markersize=5, label="end (darker is later)", **plain),
        Line2D([], [], markersize=2, label=f"every {s.tick_text(every)} {unit}", **plain),
    ]
    bases = list(dict.fromkeys(walk.baseline for walk in walks if any(walk.beneath.values())))
    if bases:
        where = s.short(bases[0], 18) if len(bases) == 1 else "the arm compared with"
        handles.append(
            Line2D([], [], color=s.BASELINE, alpha=0.55, linestyle=_DASHES, label=f"in {where}, if different")
        )
    if any(len(walk.backdrop) for walk in walks):
        handles.append(Line2D([], [], **_STILL))
    return handles
