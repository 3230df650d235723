"""A measure over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis._values import baselines, episode_table
from simworld_analysis.plots import _style as s
from simworld_analysis.plots._columns import column_bands, column_unit
from simworld_analysis.plots._data import Bands, bands, time_unit, variants

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4
_PANEL, _MARGIN = 1.32, 0.6
"""Height of a row of panels, and of what stands above and below all of them: inches."""
_TOGETHER = 4
"""Variants in one panel: the bands of more cover each other."""
_FAR = 1.5
"""A band is cut off where it reaches so many times the range of the means beyond them."""


def over_time(run: Run, measure: str, arms: Sequence[str] | None = None) -> Figure:
    """A measure over time: means over episodes with 95 % t intervals, by variant.

    Up to four variants share one panel and are labelled at their ends; more have a panel each, over the mean, in grey,
    of the one that they are compared with (see ``baselines``). Bands that dwarf the means are cut off at the edge.

    Args:
        run: The run.
        measure: A measure that the world emits.
        arms: Arms or variants; the first sixteen variants by default.

    Raises:
        OpenError: No such measure or arm, or no episode has succeeded.
    """
    found = bands(run, measure, variants(run, arms)[: s.MOST_VARIANTS])
    return _figure(run, found, s.axis_label(measure, run.units("measures").get(measure, "")))


def column_over_time(run: Run, column: str, agent: int | None = None, arms: Sequence[str] | None = None) -> Figure:
    """A column of decisions over time, drawn as in ``over_time``.

    Args:
        run: The run.
        column: A role and its column of numbers, such as ``player.mind.receptivity``.
        agent: One member by its number; without it, the mean over all who have a number at a tick.
        arms: As in ``over_time``.

    Raises:
        OpenError: No such column or arm, nobody has a number in it, or no episode has succeeded.
    """
    found = column_bands(run, column, agent, variants(run, arms)[: s.MOST_VARIANTS])
    found = {variant: band for variant, band in found.items() if not np.isnan(band.mean).all()}
    if not found:
        raise OpenError(f"column {column!r} has no number in these arms: there is nothing to draw")
    role, _, name = column.partition(".")
    who = f"{role} {agent}: " if agent is not None else f"{role}: "
    return _figure(run, found, who + s.axis_label(name, column_unit(run, column)))


def _figure(run: Run, found: Mapping[str, Bands], label: str) -> Figure:
    with s.style():
        several = len(found) > _TOGETHER
        rows = -(-len(found) // _COLUMNS)
        figure = s.new_figure(s.WIDTH, _MARGIN + _PANEL * rows if several else 2.7, constrained=not several)
        unit = time_unit(run)
        if several:
            _panels(figure, found, baselines(episode_table(run)), label, unit)
        else:
            _together(figure, found, label, unit)
        return figure


def _together(figure: Figure, found: Mapping[str, Bands], label: str, unit: str) -> None:
    axes = figure.subplots()
    for variant, colour in s.colours(list(found)).items():
        _draw(axes, found[variant], colour, variant)
    axes.set_ylim(*_limits(list(found.values())))
    axes.set_title(label, loc="left", pad=8)
    axes.set_xlabel(unit)
    s.plain_ticks(axes)
    axes.margins(x=0.0)
    if len(found) > 1:
        _label_ends(axes, found)


def _panels(figure: Figure, found: Mapping[str, Bands], against: Mapping[str, str], label: str, unit: str) -> None:
    colours = s.colours(list(found))
    rows = -(-len(found) // _COLUMNS)
    grid = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (variant, band) in zip(grid, found.items(), strict=False):
        below = against.get(variant, variant)
        if variant != below and below in found:
            axes.plot(found[below].x, found[below].mean, color=s.BASELINE, linewidth=0.9, label=below)
        _draw(axes, band, colours[variant], variant)
        axes.set_title(s.short(variant, 24), loc="left", pad=3, fontsize=8)
        s.plain_ticks(axes)
        axes.margins(x=0.0)
    grid[0].set_ylim(*_limits(list(found.values())))
    for place in range(len(found), len(grid)):
        grid[place].set_axis_off()
        grid[place - _COLUMNS].xaxis.set_tick_params(labelbottom=True)
    height = _MARGIN + _PANEL * rows
    figure.subplots_adjust(
        left=0.075, right=0.985, top=1.0 - 0.42 / height, bottom=0.42 / height, hspace=0.42, wspace=0.13
    )
    figure.supxlabel(unit, fontsize=8.5, color=s.INK, y=0.01 / height, va="bottom")
    figure.suptitle(label, fontsize=8.5, x=0.075, y=1.0 - 0.03 / height, ha="left", va="top", color=s.INK)


def _draw(axes: Axes, band: Bands, colour: str, label: str) -> None:
    axes.plot(band.x, band.mean, color=colour, label=label, marker="o" if len(band.x) == 1 else None, markersize=4)
    there = ~np.isnan(band.low)
    if there.any() and float((band.high - band.low)[there].max()) > 0.0:
        axes.fill_between(band.x, band.low, band.high, where=there, color=colour, alpha=0.13, linewidth=0)


def _limits(found: Sequence[Bands]) -> tuple[float, float]:
    """Of the axis: all means, and of the bands what does not dwarf them."""
    means = np.concatenate([b.mean for b in found])
    means = means[np.isfinite(means)]
    if not len(means):
        return (0.0, 1.0)
    low, high = float(means.min()), float(means.max())
    ends = np.concatenate([e for b in found for e in (b.low, b.high)])
    ends = ends[np.isfinite(ends)]
    room = (high - low) or abs(high) or 1.0
    if len(ends):
        low, high = (
            max(min(low, float(ends.min())), low - _FAR * room),
            min(max(high, float(ends.max())), high + _FAR * room),
        )
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        half = max(abs(high) * 0.05, 1e-9 if high else 1.0)
        return low - half, high + half
    return low - 0.04 * (high - low), high + 0.04 * (high - low)


def _label_ends(axes: Axes, found: Mapping[str, Bands]) -> None:
    """Names at the ends of lines, moved apart where they would cover each other."""
    colours = s.colours(list(found))
    low, high = axes.get_ylim()
    ends = {v: b.mean[~np.isnan(b.mean)][-1] for v, b in found.items() if not np.isnan(b.mean).all()}
    scaled = [(end - low) / (high - low) for end in ends.values()]
    places = s.spread_out(scaled, 0.068, 0.0, 1.0)
    for (variant, _), was, place in zip(ends.items(), scaled, places, strict=True):
        axes.annotate(
            s.short(variant, 30),
            xy=(1.0, was),
            xytext=(1.035, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            fontsize=8,
            color=colours[variant],
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colours[variant], "linewidth": 0.6, "shrinkA": 1, "shrinkB": 1},
        )
