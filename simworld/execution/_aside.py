"""Standard output without the words of minds, worlds and libraries: a display may have records for machines there."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast


class _Apart:
    """Standard output to which some threads cannot write: their words go to standard error."""

    def __init__(self, out: TextIO, aside: Callable[[threading.Thread], bool]) -> None:
        self._out, self._aside = out, aside
        self.over = False
        """Nobody's words go aside any more."""

    def write(self, text: str) -> int:
        """Write, here or there."""
        aside = not self.over and self._aside(threading.current_thread())
        return (sys.stderr if aside else self._out).write(text)

    def __getattr__(self, name: str) -> Any:
        """Everything else is that of the output itself."""
        return getattr(self._out, name)


@contextmanager
def words_aside(aside: Callable[[threading.Thread], bool]) -> Iterator[None]:
    """What these threads print goes to standard error."""
    out = sys.stdout
    apart = _Apart(out, aside)
    sys.stdout = cast("TextIO", apart)
    try:
        yield
    finally:
        apart.over = True  # somebody may keep it
        if sys.stdout is cast("TextIO", apart):
            sys.stdout = out


@contextmanager
def own_words_aside() -> Iterator[None]:
    """What this thread prints, and those that it starts meanwhile; not those that were there, such as a display's."""
    others = set(threading.enumerate()) - {threading.current_thread()}
    with words_aside(lambda thread: thread not in others):
        yield
