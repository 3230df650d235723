"""The live dashboard as a terminal shows it: a pure function of what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from simworld.dashboard._canvas import draw_map
from simworld.dashboard._render import number
from simworld.dashboard._snapshot import Bars, Episode, Histogram, Lines, Said
from simworld.dashboard._tracks import Map

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.panel import Panel
    from rich.text import Text

_BLOCKS = "▁▂▃▄▅▆▇█"
_PART = " ▏▎▍▌▋▊▉"
_MOST_ARMS = 8
_SPARK = 18
_TWO_COLUMNS = 100
_FRAME = 5
"""Columns that the border of a panel and the gap beside it take."""
_BORDER = 2
"""Lines that it takes."""
_HEAD = 3
"""Lines above all panels, at most."""
_HIGH = 40
_LEAST_MAP = 10
"""Lines that a map has at least, with its axes: rather below the edge of the screen than a mere stripe."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    name: str
    run: str
    episodes: int
    ended: int
    failed: int
    share: float
    """Of all ticks of all episodes, from 0 to 1."""
    elapsed: float
    """Seconds."""
    left: float | None
    """Estimated seconds; None before anything is known."""
    under_way: int = 1
    """Episodes under way."""
    paused: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """All that a dashboard shows."""

    progress: Progress
    episode: Episode | None = None
    arms: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """The first measure of finished episodes, one number each, by arm."""
    measure: str = ""
    models: Sequence[str] = ()
    asks: int = 0
    tokens: int = 0
    usd: float = 0.0


def render_view(view: View, width: int = 120, height: int = _HIGH) -> RenderableType:
    """The dashboard for a terminal of a width and a height; only a map has its size from the latter."""
    from rich.console import Group  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    parts: list[RenderableType] = [_progress(view.progress, width)]
    columns_wide = 1 if width < _TWO_COLUMNS else 2
    panels = _panels(view, width // columns_wide - _FRAME, height - _HEAD, columns_wide)
    if columns_wide == 1:
        return Group(*parts, *panels)
    # Two columns, each panel where there is more room, in their order.
    columns: list[list[RenderableType]] = [[], []]
    heights = [0, 0]
    for panel in panels:
        place = 0 if heights[0] <= heights[1] else 1
        columns[place].append(panel)
        heights[place] += panel.height or 0
    grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    grid.add_row(Group(*columns[0]), Group(*columns[1]))
    return Group(*parts, grid)


def sparkline(values: Sequence[float], width: int) -> str:
    """A series as one line of blocks; more values than fit are averaged."""
    if not values:
        return ""
    x = np.array(values, dtype=np.float64)
    if len(x) > width:
        x = np.array([chunk.mean() for chunk in np.array_split(x, width)])
    low, high = float(x.min()), float(x.max())
    scale = (x - low) / (high - low) if high > low else np.full(len(x), 0.5)
    return "".join(_BLOCKS[min(int(v * len(_BLOCKS)), len(_BLOCKS) - 1)] for v in scale)


def bar(share: float, width: int) -> str:
    """A bar of blocks, to an eighth of a character."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_PART[rest] if rest else "")


def _progress(progress: Progress, width: int) -> RenderableType:
    from rich.text import Text  # noqa: PLC0415

    ended = f"{progress.ended}/{progress.episodes} episodes"
    failed = f", {progress.failed} failed" if progress.failed else ""
    left = ", paused" if progress.paused else "" if progress.left is None else f", {_clock(progress.left)} left"
    words = f"{ended}{failed}, {_clock(progress.elapsed)} elapsed{left}"
    # Rather two lines than a time that is cut off.
    gap = "  " if len(progress.name) + len(words) + 2 <= width else "\n"
    head = Text.assemble((progress.name, "bold"), f"{gap}{words}  ", (progress.run, "dim"), overflow="ellipsis")
    head.no_wrap = True
    head.append("\n")
    room = max(10, width - 6)
    head.append(bar(progress.share, room).ljust(room, "·"), style="green")
    head.append(f" {100 * progress.share:3.0f} %")
    return head


def _panels(view: View, width: int, height: int, columns: int) -> list[Panel]:
    from rich.text import Text  # noqa: PLC0415

    episode = view.episode
    panels: list[Panel] = []
    if episode is not None:
        label = episode.label
        where = f"{label.arm + ', ' if label.arm else ''}seed {label.seed}, tick {episode.tick}"
        lines = [_line(m, values, episode.units.get(m, "")) for m, values in episode.series.items()]
        panels.append(_panel(_stacked(lines), f"measures: {where}", len(lines)))
        # A map comes first: beside the measures, or else below them.
        room = height - _BORDER - (0 if columns > 1 else len(lines) + _BORDER)
        panels += [_mapped(p, width, room) if isinstance(p, Map) else _drawn(p) for p in episode.panels]
    if view.arms and (len(view.arms) > 1 or "" not in view.arms):
        panels.append(_arms(view))
    if view.models:
        panels.append(_asking(view, width))
    if episode is not None and episode.faults:
        lines = [Text(f"{kind:<14} {count:,}", style="yellow") for kind, count in episode.faults.items()]
        panels.append(_panel(_stacked(lines), "faults in this episode", len(lines)))
    return panels


def _stacked(lines: Sequence[Text]) -> Text:
    """Lines below each other; one that is too long is cut, never broken."""
    from rich.text import Text  # noqa: PLC0415

    stacked = Text("\n").join(lines)
    stacked.no_wrap, stacked.overflow = True, "ellipsis"
    return stacked


def _panel(content: RenderableType, title: str, lines: int) -> Panel:
    from rich.box import ROUNDED  # noqa: PLC0415
    from rich.panel import Panel  # noqa: PLC0415

    return Panel(content, title=title, title_align="left", box=ROUNDED, border_style="dim", height=lines + 2)


def _line(name: str, values: Sequence[float], unit: str) -> Text:
    from rich.text import Text  # noqa: PLC0415

    last = number(values[-1]) if values else "–"
    line = Text(f"{name.replace('_', ' ')[:19]:<19} ", no_wrap=True, overflow="crop")
    line.append(f"{sparkline(values, _SPARK):<{_SPARK}}", style="cyan")
    line.append(f" {last}", style="bold")
    line.append(f" {unit}", style="dim")
    return line


def _each(panel: Lines) -> list[Text]:
    """One line for each member."""
    from rich.text import Text  # noqa: PLC0415

    wide = max(len(who) for who, _ in panel.series)
    lines = []
    for who, values in panel.series:
        blocks = (f"{sparkline(values, _SPARK):<{_SPARK}}", "cyan")
        # Blocks are as high for a whim as for a change of heart: how far they reach is said beside them.
        reach = (f"{' ' + panel.unit if panel.unit else ''}  {number(min(values))} to {number(max(values))}", "dim")
        lines.append(Text.assemble(f"{who:<{wide}} ", blocks, (f" {number(values[-1])}", "bold"), reach))
    return lines


def _mapped(panel: Map, width: int, room: int) -> Panel:
    lines = draw_map(panel, (width, max(_LEAST_MAP, room)))
    return _panel(_stacked(lines), panel.column, len(lines))


def _drawn(panel: Bars | Histogram | Lines | Said) -> Panel:
    from rich.text import Text  # noqa: PLC0415

    if isinstance(panel, Said):
        texts = [
            Text.assemble((f"{who}: ", "bold"), what, no_wrap=True, overflow="ellipsis") for who, what in panel.texts
        ]
        return _panel(_stacked(texts), panel.column, len(texts))
    if isinstance(panel, Lines):
        return _panel(_stacked(_each(panel)), panel.column, len(panel.series))
    if isinstance(panel, Histogram):
        most = max(panel.counts)
        blocks = "".join(_BLOCKS[min(7, int(8 * c / most))] if c else " " for c in panel.counts)
        low, high = number(panel.low), f"{number(panel.high)}+"
        axis = f"{low}{high:>{max(0, len(blocks) - len(low))}} {panel.unit}"
        text = Text.assemble((blocks, "magenta"), f"  most: {most:,}\n", (axis, "dim"), no_wrap=True, overflow="crop")
        return _panel(text, panel.column, 2)
    top = 1.0 if panel.unit == "fraction" else max(*map(abs, panel.values), 1e-12)
    wide = max(map(len, panel.labels))
    lines = []
    for label, value in zip(panel.labels, panel.values, strict=True):
        shown = f"{100 * value:.0f} %" if panel.unit == "fraction" else number(value)
        lines.append(Text.assemble(f"{label:>{wide}} ", (f"{bar(abs(value) / top, 24):<24}", "blue"), f" {shown}"))
    return _panel(_stacked(lines), panel.column, len(lines))


def _arms(view: View) -> Panel:
    from rich.text import Text  # noqa: PLC0415

    shown = list(view.arms.items())[:_MOST_ARMS]
    means = {arm: float(np.mean(values)) for arm, values in shown}
    top = max(map(abs, means.values())) or 1.0
    wide = max(map(len, means))
    lines = []
    for arm, values in shown:
        count = f"n {len(values)}"
        bars = (f"{bar(abs(means[arm]) / top, 20):<20}", "green")
        lines.append(
            Text.assemble(f"{arm:<{wide}} ", bars, f" {number(means[arm])}", (f"  {count}", "dim"), no_wrap=True)
        )
    return _panel(_stacked(lines), f"{view.measure.replace('_', ' ')}: mean of finished episodes", len(lines))


def _asking(view: View, width: int) -> Panel:
    from rich.text import Text  # noqa: PLC0415

    money = f", ${view.usd:,.4f}" if view.usd else ""
    lines = [Text(f"{view.asks:,} asks, {view.tokens:,} tokens{money}")]
    if view.episode is not None and view.episode.latency is not None:
        median, high = (1000 * s for s in view.episode.latency)
        lines.append(Text(f"latency {number(median)} ms, 95 % within {number(high)} ms"))
    for model in view.models:
        stand_in = model.startswith("stand-in/")
        words = " (a stand-in, not a language model)" if stand_in else ""
        style = "yellow" if stand_in else "dim"
        lines += [Text(line, style=style) for line in wrap(f"{model}{words}", max(width, _SPARK))]
    return _panel(_stacked(lines), "models", len(lines))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
