"""Who executes the episodes: this process, or local worker processes."""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from multiprocessing import active_children, get_context
from typing import Protocol

from simworld.errors import RunError
from simworld.execution._board import Board, Slot
from simworld.execution._episode import run_episode
from simworld.execution._outside import Conditions, Outside
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

    def __init__(self, board: Board, conditions: Conditions) -> None:
        self._board, self._conditions = board, conditions

    def run(self, specs: Sequence[EpisodeSpec]) -> Iterator[EpisodeResult]:
        """Execute in order."""
        slot = self._board.claim()
        with closing(Outside(self._conditions, self._board)) as outside:
            for spec in specs:
                if self._board.stopping:
                    return
                yield run_episode(spec, slot, outside.gateway(spec))


class LocalProcesses:
    """Worker processes on this machine, each started afresh with one BLAS thread."""

    def __init__(self, board: Board, conditions: Conditions, jobs: int) -> None:
        self._board, self._conditions, self._jobs = board, conditions, jobs

    def run(self, specs: Sequence[EpisodeSpec]) -> Iterator[EpisodeResult]:
        """Execute with a bounded number in flight.

        Raises:
            RunError: A worker process died.
        """
        for name in VARIABLES:
            os.environ[name] = "1"  # inherited by the workers, which import numpy afresh
        waiting = list(reversed(specs))
        with _ended_at_once(
            ProcessPoolExecutor(
                self._jobs,
                mp_context=get_context("spawn"),
                initializer=_begin,
                initargs=(self._board, self._conditions),
            )
        ) as pool:
            flying: set[Future[EpisodeResult]] = set()
            while (waiting and not self._board.stopping) or flying:
                while waiting and len(flying) < _AHEAD * self._jobs and not self._board.stopping:
                    flying.add(pool.submit(_work, waiting.pop()))
                done, flying = wait(flying, return_when=FIRST_COMPLETED)
                for future in done:
                    yield _result(future)


@contextmanager
def _ended_at_once(pool: ProcessPoolExecutor) -> Iterator[ProcessPoolExecutor]:
    """A pool whose workers are waited for, unless something is raised: then they are stopped, whatever they do."""
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in active_children():
            worker.kill()
        raise
    pool.shutdown()


def _result(future: Future[EpisodeResult]) -> EpisodeResult:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise RunError("a worker process died (out of memory, or killed); the same command again resumes") from error


_slot: Slot | None = None
_outside: Outside | None = None


def _begin(board: Board, conditions: Conditions) -> None:
    """Set up a worker: one thread, a slot on the board, and no answer to Ctrl-C, which the driver handles."""
    global _slot, _outside
    pin_threads()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _slot, _outside = board.claim(), Outside(conditions, board)
    atexit.register(_outside.close)


def _work(spec: EpisodeSpec) -> EpisodeResult:
    assert _outside is not None
    return run_episode(spec, _slot, _outside.gateway(spec))
