"""A figure as SVG that stands inside a page: the same bytes every time, and colours that follow the page's."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from simworld_analysis.plots import _style as s

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_VARIABLES = {
    s.INK: "--ink",
    s.MUTED: "--muted",
    s.GRID: "--grid",
    s.SHADE: "--shade",
    s.BASELINE: "--base",
    s.GOOD: "--good",
    s.BAD: "--bad",
    s.OPEN: "--open",
} | {hue: f"--hue{i}" for i, hue in enumerate(s.HUES)}


def figure_svg(figure: Figure, name: str, title: str = "") -> str:
    """A figure as an ``<svg>`` element for a page.

    Args:
        figure: What one of this package's functions returned.
        name: Unlike that of any other figure on the page: all ids start with it. Letters, digits, ``-``.
        title: What it shows, for those who do not see it.

    The page defines the colours as CSS variables (``--ink``, ``--muted``, ``--hue0`` ...); each falls back to its own.
    """
    buffer = io.StringIO()
    with s.style(**{"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href=", "href=")
    svg = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'(<svg [^>]*?)\swidth="([\d.]+)pt"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg [^>]*?)\sheight="([\d.]+)pt"', r"\1", svg, count=1)
    svg = svg.replace("'DejaVu Sans'", "var(--sans, sans-serif)")
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(f": {colour}", f": var({variable}, {colour})")
    svg = re.sub(r"(\d+\.\d{2})\d+", r"\1", svg)
    label = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1).strip()
