"""Numbers as people read them, in a terminal and on a page."""

from __future__ import annotations

import math
from collections.abc import Sequence

NOTHING = "–"
"""Where there is no number."""


def number(value: float, sign: bool = False, like: float | None = None) -> str:
    """A number to three digits, or to two digits of an uncertainty (``like``); with a plus if ``sign`` asks for it."""
    if math.isnan(value):
        return NOTHING
    if like is not None and math.isfinite(like) and like > 1e-9 * max(1.0, abs(value)):
        places = min(max(1 - math.floor(math.log10(like)), 0), 12)
        text = f"{value:,.{places}f}" if places <= 6 else f"{value:.2e}"
    elif abs(value) < 1e-9:
        text = "0"
    else:
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if float(text.replace(",", "")) == 0.0:
        return text.lstrip("-")
    return f"+{text}" if sign and value > 0.0 else text


def whole(flows: Sequence[str], measures: Sequence[str]) -> str:
    """What an episode's number is, for measures of which some are flows: ``last sample of each episode``."""
    if not flows:
        return "last sample of each episode"
    if set(flows) >= set(measures):
        return "mean over each episode"
    names = ", ".join(name.replace("_", " ") for name in flows)
    return f"mean over each episode of {names}; last sample of the others"
