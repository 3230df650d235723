"""A map in characters: positions in, text out. Each character is a braille cell of 2 x 4 dots, which are square."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from rich.text import Text

    from simworld.dashboard._tracks import Map, Points, Track

Size: TypeAlias = tuple[int, int]
"""Columns and rows of characters."""

COLOURS = ("cyan", "yellow", "magenta", "green", "blue", "red")
"""By role: told apart on dark and on light terminals."""
AROUND = 3
"""Lines that the axis and the legend take below the rows of the map."""
_WIDE, _HIGH = 2, 4
"""Dots of a character."""
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint32)
_BLANK = 0x2800
_LEAST: Size = (4, 2)
_FEW = 60
"""Members up to which each is a block of dots; more would hide each other, and are one dot each."""
_BLOCK = ((0, 0), (0, 1), (1, 0), (1, 1))
_STEPS = 25
"""The frame ends at round numbers, about so many of them on the longer side."""


@lru_cache(maxsize=1)
def draw_map(shown: Map, size: Size) -> tuple[Text, ...]:
    """A map as lines: rows between axes in metres, both at one scale, and a legend.

    Members are bright, where they were is dim; what stands still, such as walls, has no colour. Where several roles
    share a character, it has the colour of the one with the fewest members. The last map is kept: a screen is drawn
    more often than a run is looked at.

    Args:
        shown: What is drawn.
        size: How much room there is, with all that stands around the map; a frame of another shape takes less.
    """
    from rich.text import Text  # noqa: PLC0415

    low, high = _frame(shown)
    labels = [_label(high[1]), _label(low[1])]
    left = max(map(len, labels))
    room = (max(_LEAST[0], size[0] - left - 1), max(_LEAST[1], size[1] - AROUND))
    scale, (columns, rows) = _fitted(low, high, room)
    dots, looks = _dotted(shown, np.array([low[0], high[1]]), scale, (columns, rows))
    lines = []
    for row, (cells, look) in enumerate(zip(braille(dots), looks, strict=True)):
        label = labels[0] if row == 0 else labels[1] if row == rows - 1 else ""
        line = Text(no_wrap=True)
        line.append(f"{label:>{left}}{'┤' if label else '│'}", style="dim")
        for start, end in _runs(look):
            line.append(cells[start:end], style=_style(int(look[start])))
        lines.append(line)
    ends = _label(low[0]), f"{_label(high[0])} m"
    lines.append(Text(f"{'':>{left}}└{'─' * columns}", style="dim", no_wrap=True))
    gap = max(len(ends[1]) + 1, columns - len(ends[0]))
    lines.append(Text(f"{'':>{left}} {ends[0]}{ends[1]:>{gap}}", style="dim", no_wrap=True))
    return (*lines, _legend(shown.tracks, left))


def braille(dots: npt.NDArray[np.bool_]) -> list[str]:
    """Rows of characters for dots, shape (4 x rows, 2 x columns)."""
    high, wide = dots.shape
    cells = dots.reshape(high // _HIGH, _HIGH, wide // _WIDE, _WIDE)
    codes = _BLANK + np.einsum("rhcw,hw->rc", cells, _BITS)
    return [row.tobytes().decode("utf-32-le") for row in codes.astype("<u4")]


def _frame(shown: Map) -> tuple[tuple[float, float], tuple[float, float]]:
    """The ends of both axes: round numbers, so that they stay while members move."""
    (x0, y0), (x1, y1) = shown.low, shown.high
    span, reach = max(x1 - x0, y1 - y0), max(map(abs, (x0, y0, x1, y1)))
    # Where nobody has moved, a metre around them.
    step = _round_up(span / _STEPS if span > 1e-6 * reach else max(1.0, 1e-6 * reach))
    edges = []
    for least, most in ((x0, x1), (y0, y1)):
        # What is left of rounding is no reason for another step.
        low, high = math.floor(least / step + 1e-6), math.ceil(most / step - 1e-6)
        edges.append(((low - (low == high)) * step, (high + (low == high)) * step))
    return (edges[0][0], edges[1][0]), (edges[0][1], edges[1][1])


def _label(edge: float) -> str:
    """A round number in full: three digits would not tell 10.05 from 10.1."""
    return f"{edge + 0.0:,.9g}"


def _round_up(value: float) -> float:
    """1, 2 or 5 times a power of ten, at least this value."""
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(power * digit for digit in (1.0, 2.0, 5.0, 10.0) if power * digit >= value * (1.0 - 1e-9))


def _fitted(low: tuple[float, float], high: tuple[float, float], room: Size) -> tuple[float, Size]:
    """Metres from dot to dot, and how many characters it takes: as large as there is room, equal on both axes."""
    spans = (high[0] - low[0], high[1] - low[1])
    dots = (room[0] * _WIDE - 1, room[1] * _HIGH - 1)
    scale = max(span / most for span, most in zip(spans, dots, strict=True))
    needed = [round(span / scale) + 1 for span in spans]
    return scale, (max(_LEAST[0], -(-needed[0] // _WIDE)), max(_LEAST[1], -(-needed[1] // _HIGH)))


def _dotted(
    shown: Map, corner: Points, scale: float, size: Size
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Dots of the whole canvas, and how each of its characters looks: 0, or odd for a trail and even for a member."""
    tracks, (columns, rows) = shown.tracks, size
    now, before = np.zeros((2, rows * _HIGH, columns * _WIDE), dtype=np.bool_)
    looks = np.zeros((rows, columns), dtype=np.int64)
    still = _places(_along(shown.backdrop, scale), corner, scale)
    before[still[:, 0], still[:, 1]] = True
    # The fewest last: one robot is not to be lost in a crowd.
    order = sorted(range(len(tracks)), key=lambda place: -len(tracks[place].now))
    for trail, dots in ((True, before), (False, now)):
        for place in order:
            track = tracks[place]
            at = _places(track.trail if trail else track.now, corner, scale)
            if not trail and len(track.now) <= _FEW:
                # At the edge rather a dot beside its place than half a block.
                at = (np.minimum(at, np.array(dots.shape) - 2)[:, None] + np.array(_BLOCK)).reshape(-1, 2)
            dots[at[:, 0], at[:, 1]] = True
            looks[at[:, 0] // _HIGH, at[:, 1] // _WIDE] = 2 * place + (1 if trail else 2)
    # What is bright are members alone.
    bright = ((looks > 0) & (looks % 2 == 0)).repeat(_HIGH, axis=0).repeat(_WIDE, axis=1)
    return np.where(bright, now, before), looks


def _along(segments: Points, scale: float) -> Points:
    """Points on segments, no further apart than two dots."""
    found = [np.zeros((0, 2))]
    for x0, y0, x1, y1 in segments.tolist():
        count = 2 + math.ceil(math.hypot(x1 - x0, y1 - y0) / scale)
        found.append(np.linspace((x0, y0), (x1, y1), count))
    return np.concatenate(found)


def _places(points: Points, corner: Points, scale: float) -> npt.NDArray[np.int64]:
    """Rows and columns of dots."""
    away: Points = (points - corner) * np.array([1.0, -1.0]) / scale
    return np.rint(away[:, ::-1]).astype(np.int64)


def _runs(look: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Stretches of characters that look the same."""
    edges = [0, *(np.flatnonzero(np.diff(look)) + 1).tolist(), len(look)]
    return list(pairwise(edges))


def _style(look: int) -> str:
    if not look:
        return ""
    colour = COLOURS[(look - 1) // 2 % len(COLOURS)]
    return f"dim {colour}" if look % 2 else f"bold {colour}"


def _legend(tracks: Sequence[Track], left: int) -> Text:
    from rich.text import Text  # noqa: PLC0415

    line = Text(" " * left, no_wrap=True, overflow="ellipsis")
    for place, track in enumerate(tracks):
        line.append(f" ● {track.name}", style=COLOURS[place % len(COLOURS)])
        line.append(f" {len(track.now):,} ", style="dim")
    return line
