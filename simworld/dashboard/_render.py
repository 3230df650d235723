"""The summary as a terminal shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from simworld.dashboard._summary import Summary

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from simworld_analysis.statistics import Estimate

COLOURS = {"success": "green", "partial": "yellow", "running": "cyan", "interrupted": "yellow", "budget": "yellow"}
_GAP = 3
_LEAST = 40
_MOST_ROWS = 40
"""A sweep may have thousands of variants: so many are shown, and how to see the others is said."""


def render_summary(summary: Summary, width: int = 120) -> RenderableType:
    """The summary for a terminal of a width; where the measures do not fit side by side, they go below each other."""
    from rich.console import Group  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    parts: list[RenderableType] = [_head(summary)]
    if summary.reason:
        parts.append(Text(summary.reason, style=COLOURS.get(summary.status, "red")))
    if summary.values and summary.measures:
        parts.append(Text(f"\n{_whole(summary)}: mean ± half of the 95 % interval", style="italic"))
        parts += [_values_table(summary, group) for group in _groups(summary, width)]
    if summary.differences:
        parts += _differences(summary)
    parts += [Text(note, style="yellow") for note in _notes(summary)]
    parts.append(Text(f"{summary.run}/  ({_bytes(sum(b for _, b in summary.files.values()))})", style="dim"))
    return Group(*parts)


def number(value: float, sign: bool = False, like: float | None = None) -> str:
    """``simworld_analysis.wording.number``."""
    from simworld_analysis import wording  # noqa: PLC0415  the analysis is imported only to look at a run

    return wording.number(value, sign, like)


def interval(estimate: Estimate) -> str:
    """``low to high``, or why there is none."""
    e = estimate
    return e.method if np.isnan(e.low) else f"{number(e.low, like=e.half_width)} to {number(e.high, like=e.half_width)}"


def _whole(summary: Summary) -> str:
    """What an episode's number is."""
    from simworld_analysis import wording  # noqa: PLC0415

    return wording.whole(summary.flows, summary.measures)


def _head(summary: Summary) -> RenderableType:
    from rich.text import Text  # noqa: PLC0415

    colour = COLOURS.get(summary.status, "red")
    counts = [f"{summary.episodes_done}/{summary.episodes} episodes", f"{summary.decisions:,} decisions recorded"]
    counts += [f"{summary.asks:,} asks"] if summary.asks else []
    counts += [f"{summary.spent['tokens']:,.0f} tokens"] if summary.spent.get("tokens") else []
    counts += [f"${summary.spent['usd']:,.4f}"] if summary.spent.get("usd") else []
    counts += [f"{summary.faults:,} faults"] if summary.faults else []
    counts += [f"{summary.seconds:.1f} s of episodes"]
    return Text.assemble("\n", (summary.name, "bold"), " ", (summary.status, colour), f"  {', '.join(counts)}")


def _groups(summary: Summary, width: int) -> list[list[str]]:
    """The measures in as many groups as it takes to show each without cutting it short."""
    left = max(len(v) for v in summary.variants) + _GAP
    groups: list[list[str]] = []
    room = 0
    for measure in summary.measures:
        cells = [_cell(summary.values[variant][measure]) for variant in summary.variants]
        wide = max(map(len, [*_heading(measure), summary.units.get(measure, ""), *cells])) + _GAP
        if not groups or wide > room:
            groups.append([])
            room = max(width, _LEAST) - left
        groups[-1].append(measure)
        room -= wide
    return groups


def _heading(measure: str) -> list[str]:
    """A measure's name on one line, or on two of about equal length."""
    words = measure.split("_")
    if len(measure) <= 12 or len(words) == 1:
        return [" ".join(words)]
    cut = min(range(1, len(words)), key=lambda i: abs(len(" ".join(words[:i])) - len(" ".join(words[i:]))))
    return [" ".join(words[:cut]), " ".join(words[cut:])]


def _table(headings: Sequence[str | Text]) -> Table:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _values_table(summary: Summary, measures: Sequence[str]) -> RenderableType:
    from rich.text import Text  # noqa: PLC0415

    units = {m: summary.units.get(m, "") for m in measures}
    table = _table([Text.assemble("\n".join(_heading(m)), (f"\n{units[m]}".rstrip(), "dim")) for m in measures])
    for variant in summary.variants[:_MOST_ROWS]:
        row = summary.values[variant]
        table.add_row(Text(variant or "all"), *(_cell(row[m]) for m in measures))
    return table


def _differences(summary: Summary) -> list[RenderableType]:
    from rich.text import Text  # noqa: PLC0415

    measure = summary.measures[0].replace("_", " ")
    baselines = list(dict.fromkeys(d.baseline for d in summary.differences.values()))
    one = len(baselines) == 1
    what = f"difference to {baselines[0]}" if one else "difference to the first arm at the same values"
    table = _table([*([] if one else ["compared with"]), "mean difference", "95 % interval", "seeds"])
    for variant, difference in list(summary.differences.items())[:_MOST_ROWS]:
        e = difference.estimate
        found = [number(e.value, sign=True, like=e.half_width), interval(e), str(e.n)]
        cells = found if one else [difference.baseline, *found]
        table.add_row(Text(variant), *map(Text, cells))
    return [Text(f"{measure}: {what}, paired by seed", style="italic"), table]


def _notes(summary: Summary) -> list[str]:
    notes = []
    if summary.stand_ins:
        notes.append(
            f"{', '.join(summary.stand_ins)} is a stand-in, not a language model: its answers come from a fixed rule"
        )
    for kind, (count, example) in summary.fault_kinds.items():
        notes.append(f"{count:,} x {kind}, the first: {example}")
    if len(summary.variants) > _MOST_ROWS:
        more = len(summary.variants) - _MOST_ROWS
        notes.append(f"and {more:,} variants more: simworld show --json, simworld export, or open_run in Python")
    silent = [m for m in summary.measures if all(np.isnan(row[m].value) for row in summary.values.values())]
    if silent and summary.values:
        notes.append(f"never emitted: {', '.join(silent)}")
    return notes


def _cell(estimate: Estimate) -> str:
    # What is left of rounding is no spread.
    spread = estimate.half_width > 1e-9 * max(1.0, abs(estimate.value))
    half = estimate.half_width
    return number(estimate.value, like=half) + (f" ±{number(half, like=half)}" if spread else "")


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
