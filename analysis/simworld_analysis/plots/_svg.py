"""A figure as SVG that stands inside a page: the same bytes every time, and colours that follow the page's."""

from __future__ import annotations

import html
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
    svg = re.sub(r'\s(width|height)="[\d.]+pt"', "", svg)
    # Its own style sheet would be the whole page's; ends of lines are what their attributes say.
    svg = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(?:\s*<use [^>]* style="[^"]*"/>){2,}', _shared_style, svg)
    svg = svg.replace("'DejaVu Sans'", "var(--sans, sans-serif)")
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(f": {colour}", f": var({variable}, {colour})")
    svg = re.sub(r'\b(?:d|x|y)="[^"]*"', lambda found: re.sub(r"(\d+\.\d{2})\d+", r"\1", found[0]), svg)
    svg = re.sub(r"\n\s*", "\n", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(title)}" ', 1).strip()


def _shared_style(found: re.Match[str]) -> str:
    """Marks that look alike, with what they look like said once."""
    uses = found[0]
    looks = set(re.findall(r' style="([^"]*)"', uses))
    if len(looks) > 1:
        return uses
    return f'<g style="{looks.pop()}">' + re.sub(r' style="[^"]*"', "", uses) + "</g>"
