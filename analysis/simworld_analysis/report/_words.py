"""Numbers and texts as people read them, and without the paths of whoever ran it."""

from __future__ import annotations

import math
import re

from simworld_analysis import wording

_PATH = re.compile(r"(?<![\w.:/<])/(?:[\w.+@-]+/)+([\w.+@-]+)")
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, like: float | None = None, sign: bool = False) -> str:
    """``wording.number``, typeset; nothing for what is not finite."""
    return _typeset(wording.number(value, sign, like)) if math.isfinite(value) else wording.NOTHING


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
