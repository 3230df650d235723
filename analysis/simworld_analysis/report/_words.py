"""Numbers and texts as people read them, and without the paths of whoever ran it."""

from __future__ import annotations

import math
import re

_PATH = re.compile(r"(?<![\w.:/<])/(?:[\w.+@-]+/)+([\w.+@-]+)")
_NOTHING = "–"
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, like: float | None = None, sign: bool = False) -> str:
    """A number to three digits, or as exact as an uncertainty (``like``, to two digits of it) warrants."""
    if not math.isfinite(value):
        return _NOTHING
    if like is not None and math.isfinite(like) and like > 1e-9 * max(1.0, abs(value)):
        places = min(max(1 - math.floor(math.log10(like)), 0), 12)
        text = f"{value:,.{places}f}" if places <= 6 else f"{value:.2e}"
    elif abs(value) < 1e-9:
        text = "0"
    else:
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if float(text.replace(",", "")) == 0.0:
        text = text.lstrip("-")
    elif sign and value > 0.0:
        text = f"+{text}"
    return _typeset(text)


def _typeset(text: str) -> str:
    """With a true minus, and powers of ten as they are printed."""
    digits, _, power = text.partition("e")
    told = digits + (f" × 10{str(int(power)).translate(_RAISED)}" if power else "")
    return told.replace("-", "−")


def count(n: int, one: str, many: str = "") -> str:
    """A number of things: ``no faults``, ``1 fault``, ``1,200 faults``."""
    return f"{n:,} {one}" if n == 1 else f"{f'{n:,}' if n else 'no'} {many or one + 's'}"


def listed(words: list[str], most: int = 8) -> str:
    """``a, b and c``; the rest of a long list as a number."""
    if len(words) > most:
        words = [*words[: most - 1], f"{len(words) - most + 1} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "nothing"


def without_paths(text: str) -> str:
    """A text in which absolute paths are cut to the names of their files."""
    return _PATH.sub(r"…/\1", text)


def plain(value: object) -> str:
    """A parameter's value in one line."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, int | float):
        whole = float(value).is_integer() and abs(value) < 1e15
        return f"{value:,.0f}" if whole and abs(value) >= 10_000 else f"{value:.0f}" if whole else f"{value}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(plain(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {plain(v)}" for k, v in value.items()) + "}"
    return str(value) or "(empty)"
