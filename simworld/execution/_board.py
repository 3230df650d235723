"""The progress board: a few shared numbers that workers write and displays poll, never one message per event."""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing import get_context
from typing import Any, Literal, Protocol, TypeAlias

from simworld.errors import BudgetError
from simworld.gateway import Budget, Spent, check_budget

_WIDTH = 2
IDLE = -1
_GO, _STOP, _BUDGET = 0, 1, 2


Wish: TypeAlias = Literal["go", "pause", "stop"]
"""What is wished of whoever works on a run."""


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

    Plain shared memory: readable from any thread at any time, written by one worker per slot, or under a lock.
    """

    def __init__(self, slots: int, budget: Budget | None = None) -> None:
        context = get_context("spawn")
        self._cells: Any = context.RawArray("q", [IDLE, 0] * slots)
        self._stop: Any = context.RawValue("b", _GO)
        self._paused: Any = context.RawValue("b", False)
        self._next: Any = context.Value("i", 0)
        self._spent: Any = context.Array("d", 3)
        self.budget = budget or Budget()

    def claim(self) -> Slot:
        """A slot for one worker."""
        with self._next.get_lock():
            number = self._next.value
            self._next.value += 1
        return _SharedSlot(self, number % (len(self._cells) // _WIDTH))

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
        with self._spent.get_lock():
            after = self.spent().plus(most)
            try:
                check_budget(self.budget, after)
            except BudgetError:
                self.stop(budget=True)
                raise
            self.carry(after)

    def settle(self, difference: Spent) -> None:
        """Correct what was set aside."""
        with self._spent.get_lock():
            self.carry(self.spent().plus(difference))

    def carry(self, spent: Spent) -> None:
        """Begin with what an earlier process has spent on the same run."""
        self._spent[:] = [spent.asks, spent.tokens, spent.usd]

    def spent(self) -> Spent:
        """What all workers have spent so far, with what is set aside for calls under way."""
        asks, tokens, usd = self._spent[:]
        return Spent(int(asks), int(tokens), usd)


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
