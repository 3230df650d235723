"""Who executes the episodes: this process, or local worker processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Protocol

from simworld.errors import RunError
from simworld.execution._board import Board, Slot
from simworld.execution._episode import run_episode
from simworld.execution._spec import EpisodeResult, EpisodeSpec
from simworld.threads import VARIABLES, pin_threads

_AHEAD = 2
"""Episodes handed out per worker: one under way, one waiting, so that no worker idles and memory stays flat."""


class Executor(Protocol):
    """Runs episodes and yields their results as they come."""

    def run(self, specs: Sequence[EpisodeSpec]) -> Iterator[EpisodeResult]:
        """Execute all; stops early, without an error, if the board asks for it."""


class InProcess:
    """One episode after the other in this process."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def run(self, specs: Sequence[EpisodeSpec]) -> Iterator[EpisodeResult]:
        """Execute in order."""
        slot = self._board.claim()
        for spec in specs:
            if self._board.stopping:
                return
            yield run_episode(spec, slot)


class LocalProcesses:
    """Worker processes on this machine, each started afresh with one BLAS thread."""

    def __init__(self, board: Board, jobs: int) -> None:
        self._board, self._jobs = board, jobs

    def run(self, specs: Sequence[EpisodeSpec]) -> Iterator[EpisodeResult]:
        """Execute with a bounded number in flight.

        Raises:
            RunError: A worker process died.
        """
        for name in VARIABLES:
            os.environ[name] = "1"  # inherited by the workers, which import numpy afresh
        waiting = list(reversed(specs))
        with ProcessPoolExecutor(
            self._jobs, mp_context=get_context("spawn"), initializer=_begin, initargs=(self._board,)
        ) as pool:
            flying: set[Future[EpisodeResult]] = set()
            while (waiting and not self._board.stopping) or flying:
                while waiting and len(flying) < _AHEAD * self._jobs and not self._board.stopping:
                    flying.add(pool.submit(_work, waiting.pop()))
                done, flying = wait(flying, return_when=FIRST_COMPLETED)
                for future in done:
                    yield _result(future)


def _result(future: Future[EpisodeResult]) -> EpisodeResult:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise RunError("a worker process died (out of memory, or killed); the same command again resumes") from error


_slot: Slot | None = None


def _begin(board: Board) -> None:
    """Set up a worker: one thread, a slot on the board, and no answer to Ctrl-C, which the driver handles."""
    global _slot  # noqa: PLW0603  one per worker process, set once
    pin_threads()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _slot = board.claim()


def _work(spec: EpisodeSpec) -> EpisodeResult:
    return run_episode(spec, _slot)
