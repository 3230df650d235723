"""The progress board: a few shared numbers that workers write and displays poll, never one message per event."""

from __future__ import annotations

from multiprocessing import get_context
from typing import Any

_WIDTH = 2
IDLE = -1


class Board:
    """Which episode each worker is in, and at which tick; also carries the wish to stop.

    Plain shared memory: readable from any thread at any time, written by one worker per slot.
    """

    def __init__(self, slots: int) -> None:
        context = get_context("spawn")
        self._cells: Any = context.RawArray("q", [IDLE, 0] * slots)
        self._stop: Any = context.RawValue("b", 0)
        self._next: Any = context.Value("i", 0)

    def claim(self) -> Slot:
        """A slot for one worker."""
        with self._next.get_lock():
            number = self._next.value
            self._next.value += 1
        return Slot(self, number % (len(self._cells) // _WIDTH))

    def running(self) -> list[tuple[int, int]]:
        """(episode number, tick) of everything under way."""
        cells = list(self._cells)
        return [(cells[i], cells[i + 1]) for i in range(0, len(cells), _WIDTH) if cells[i] != IDLE]

    def stop(self) -> None:
        """Ask all workers to stop after the moment they are in."""
        self._stop.value = 1

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for."""
        return bool(self._stop.value)


class Slot:
    """One worker's line on the board."""

    def __init__(self, board: Board, number: int) -> None:
        self._board, self._at = board, number * _WIDTH
        self._cells = board._cells
        self._stop = board._stop

    def begin(self, episode: int) -> None:
        """Start an episode."""
        self._cells[self._at + 1] = 0
        self._cells[self._at] = episode

    def tick(self, tick: int) -> bool:
        """Report a tick; True if a stop was asked for."""
        self._cells[self._at + 1] = tick
        return bool(self._stop.value)

    def end(self) -> None:
        """Nothing under way."""
        self._cells[self._at] = IDLE
