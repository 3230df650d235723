"""The console that commands print on."""

from __future__ import annotations

from rich.console import Console

_WIDTH = 120


def wide_console(err: bool = False) -> Console:
    """Standard output, or standard error; a pipe or a log, which has no width of its own, is wide."""
    console = Console(stderr=err)
    return console if console.is_terminal else Console(stderr=err, width=_WIDTH)
