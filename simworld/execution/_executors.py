"""Who executes the episodes: this process, or local worker processes."""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import Protocol, TypeAlias

from simworld.execution._batch import AHEAD, Pace, run_batch
from simworld.execution._board import Board, Slot
from simworld.execution._episode import run_episode
from simworld.execution._lost import Lost
from simworld.execution._outside import Conditions, Outside
from simworld.execution._spec import EpisodeResult, EpisodeSpec
from simworld.recording import Sheaf
from simworld.threads import VARIABLES, pin_threads

_Done: TypeAlias = tuple[list[EpisodeResult], Exception | None]


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
        outside = Outside(self._conditions, self._board, lambda: self._board.stopping)
        worker = _Worker(self._board, self._board.claim(), outside)
        pace, waiting = Pace(), deque(specs)
        with closing(outside):
            while waiting and not self._board.stopping:
                batch = pace.take(waiting, 1)
                results, failure = worker.work(batch)
                waiting.extendleft(reversed(pace.took(batch, results)))
                yield from results
                if failure is not None:
                    raise failure


class LocalProcesses:
    """Worker processes on this machine, each started afresh with one BLAS thread."""

    def __init__(self, board: Board, conditions: Conditions, jobs: int) -> None:
        self._board, self._conditions, self._jobs = board, conditions, jobs
        self._pace = Pace()

    def run(self, specs: Sequence[EpisodeSpec]) -> Iterator[EpisodeResult]:
        """Execute with a bounded number in flight; where a worker dies, others take up what it held."""
        for name in VARIABLES:
            os.environ[name] = "1"  # inherited by the workers, which import numpy afresh
        waiting, lost = deque(specs), Lost()
        while waiting and not self._board.stopping:
            held = yield from self._pool(waiting)
            if held:
                by_number = {spec.number: spec.id for spec in held}
                suspects = [by_number[number] for number, _ in self._board.running() if number in by_number]
                self._board.show([])
                again, over = lost.sort(held, suspects or None)
                waiting.extendleft(reversed(again))
                yield from over

    def _pool(self, waiting: deque[EpisodeSpec]) -> Generator[EpisodeResult, None, list[EpisodeSpec]]:
        """Work with one pool until nothing is waiting, or a worker dies; returns what it held then."""
        flying: dict[Future[_Done], list[EpisodeSpec]] = {}
        initargs = (self._board, self._conditions)
        with _ended_at_once(
            ProcessPoolExecutor(self._jobs, mp_context=get_context("spawn"), initializer=_begin, initargs=initargs)
        ) as pool:
            while (waiting and not self._board.stopping) or flying:
                try:
                    while waiting and len(flying) < AHEAD * self._jobs and not self._board.stopping:
                        batch = self._pace.take(waiting, self._jobs)
                        try:
                            flying[pool.submit(_work, batch)] = batch
                        except BrokenProcessPool:
                            waiting.extendleft(reversed(batch))
                            raise
                    for future in wait(flying, return_when=FIRST_COMPLETED).done:
                        results, failure = future.result()
                        waiting.extendleft(reversed(self._pace.took(flying.pop(future), results)))
                        yield from results
                        if failure is not None:
                            raise failure
                except BrokenProcessPool:
                    return _held(flying)
        return []


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


def _held(flying: Mapping[Future[_Done], list[EpisodeSpec]]) -> list[EpisodeSpec]:
    """What a broken pool did not finish; what it did, lies sealed in the run directory."""
    wait(flying)
    return sorted((spec for batch in flying.values() for spec in batch), key=lambda spec: spec.number)


@dataclass(frozen=True, slots=True)
class _Worker:
    """What a worker process keeps from batch to batch."""

    board: Board
    slot: Slot
    outside: Outside

    def work(self, batch: Sequence[EpisodeSpec]) -> _Done:
        """Run episodes and seal them."""
        return run_batch(batch, self._run, lambda: self.board.stopping)

    def _run(self, spec: EpisodeSpec, sheaf: Sheaf) -> EpisodeResult:
        return run_episode(spec, self.slot, self.outside.gateway(spec.resolved, spec.seed), sheaf=sheaf)


_worker: _Worker | None = None


def _begin(board: Board, conditions: Conditions) -> None:
    """Set up a worker: one thread, a slot on the board, and no answer to Ctrl-C, which the driver handles."""
    global _worker  # noqa: PLW0603  a process works for one run
    pin_threads()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with, args=(parent_process(),), name="simworld-parent", daemon=True).start()
    _worker = _Worker(board, board.claim(), Outside(conditions, board, lambda: board.stopping))
    atexit.register(_worker.outside.close)


def _die_with(parent: BaseProcess | None) -> None:
    """End this process when whoever gave it work is gone: another may take up the run, and must be alone there."""
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(batch: Sequence[EpisodeSpec]) -> _Done:
    assert _worker is not None
    return _worker.work(batch)
