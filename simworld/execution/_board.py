"""The progress board: a few shared numbers that workers write and displays poll, never one message per event."""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.context import assert_spawning
from multiprocessing.reduction import DupFd
from typing import Any, Literal, Protocol, TypeAlias

from simworld.errors import BudgetError
from simworld.gateway import Budget, Spent, check_budget

_WIDTH = 2
IDLE = -1
_GO, _STOP, _BUDGET = 0, 1, 2
_LOOK = 0.05
"""Seconds between looks whether a pause is over."""


Wish: TypeAlias = Literal["go", "pause", "stop"]
"""What is wished of whoever works on a run."""


def waited(hear: Callable[[], Wish]) -> bool:
    """Wait as long as a pause is wished; False if a stop is."""
    while (wish := hear()) == "pause":
        time.sleep(_LOOK)
    return wish == "go"


class Slot(Protocol):
    """One worker's line on a board."""

    def begin(self, episode: int) -> None:
        """Start an episode."""

    def tick(self, tick: int) -> Wish:
        """Report a tick, and hear what is wished."""

    def end(self) -> None:
        """Nothing under way."""


class Board:
    """Which episode each worker is in, at which tick, and what all have spent; also carries the wish to stop.

    Plain shared memory: readable from any thread at any time, written by one worker per slot, or under a lock that no
    reader takes.
    """

    def __init__(self, slots: int, budget: Budget | None = None) -> None:
        context = get_context("spawn")
        self._cells: Any = context.RawArray("q", [IDLE, 0] * slots)
        self._stop: Any = context.RawValue("b", _GO)
        self._paused: Any = context.RawValue("b", False)
        self._spent: Any = context.RawArray("d", 3)
        self._lock = _Lock()
        self.budget = budget or Budget()

    def slot(self, number: int) -> Slot:
        """The line of one worker; whoever starts the workers numbers them."""
        return _SharedSlot(self, number)

    def running(self) -> list[tuple[int, int]]:
        """(episode number, tick) of everything under way."""
        cells = list(self._cells)
        return [(cells[i], cells[i + 1]) for i in range(0, len(cells), _WIDTH) if cells[i] != IDLE]

    def show(self, running: Sequence[tuple[int, int]]) -> None:
        """Show these (episode number, tick), as many as there are slots for, and nothing else."""
        cells = [number for pair in running for number in pair][: len(self._cells)]
        rest = len(self._cells) - len(cells)
        self._cells[:] = [*cells, *([IDLE, 0] * (rest // _WIDTH))]

    def stop(self, budget: bool = False) -> None:
        """Ask all workers to stop after the moment they are in; say so if it is for the budget's sake."""
        self._stop.value = _BUDGET if budget else _STOP

    def pause(self, paused: bool) -> None:
        """Ask all workers to wait after the moment they are in, or to go on."""
        self._paused.value = paused

    @property
    def wish(self) -> Wish:
        """What is wished of all workers."""
        return "stop" if self._stop.value else "pause" if self._paused.value else "go"

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for."""
        return bool(self._stop.value)

    @property
    def over_budget(self) -> bool:
        """Whether the stop was asked for because the budget is spent."""
        return bool(self._stop.value == _BUDGET)

    # -- the meter of the gateway ----------------------------------------------------------------------------------

    def reserve(self, most: Spent) -> None:
        """Set aside what a call may cost. Raises BudgetError if the budget does not allow it."""
        with self._lock.held():
            after = self.spent().plus(most)
            try:
                check_budget(self.budget, after)
            except BudgetError:
                self.stop(budget=True)
                raise
            self.carry(after)

    def settle(self, difference: Spent) -> None:
        """Correct what was set aside."""
        with self._lock.held():
            self.carry(self.spent().plus(difference))

    def carry(self, spent: Spent) -> None:
        """Begin with what an earlier process has spent on the same run."""
        self._spent[:] = [spent.asks, spent.tokens, spent.usd]

    def spent(self) -> Spent:
        """What all workers have spent so far, with what is set aside for calls under way."""
        asks, tokens, usd = self._spent[:]
        return Spent(int(asks), int(tokens), usd)


class _Lock:
    """One process at a time; however its holder dies, the system frees it, which it does not do with a semaphore."""

    def __init__(self) -> None:
        descriptor, name = tempfile.mkstemp(prefix="simworld-")
        os.unlink(name)  # nothing is left of it when the last process is gone
        self._open(descriptor)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for it, and hold it."""
        # The system's lock is one of processes: all threads of one of them hold it together.
        with self._threads:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def _open(self, descriptor: int) -> None:
        self._descriptor, self._threads = descriptor, threading.Lock()
        weakref.finalize(self, os.close, descriptor)

    def __getstate__(self) -> Any:
        assert_spawning(self)
        return DupFd(self._descriptor)

    def __setstate__(self, state: Any) -> None:
        self._open(state.detach())


class _SharedSlot:
    """One worker's line on the board, in shared memory."""

    def __init__(self, board: Board, number: int) -> None:
        self._board, self._at = board, number * _WIDTH
        self._cells = board._cells

    def begin(self, episode: int) -> None:
        """Start an episode."""
        self._cells[self._at + 1] = 0
        self._cells[self._at] = episode

    def tick(self, tick: int) -> Wish:
        """Report a tick, and hear what is wished."""
        self._cells[self._at + 1] = tick
        return self._board.wish

    def end(self) -> None:
        """Nothing under way."""
        self._cells[self._at] = IDLE
