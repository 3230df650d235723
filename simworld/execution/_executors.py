"""Who executes the episodes: this process, or local worker processes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from multiprocessing.connection import wait
from typing import Protocol

from simworld.execution._batch import Pace
from simworld.execution._board import Board
from simworld.execution._heap import spare_nothing
from simworld.execution._lost import Lost
from simworld.execution._outside import Conditions, Outside
from simworld.execution._spec import EpisodeResult, EpisodeSpec
from simworld.execution._workers import Hand, Worker, hired
from simworld.threads import VARIABLES

_LOOK = 0.5
"""Seconds between looks whether a process is still there whose pipe is silent: a child of its own may hold it open."""


class Executor(Protocol):
    """Runs episodes and yields their results as they come."""

    def run(self, specs: Sequence[EpisodeSpec]) -> Iterator[EpisodeResult]:
        """Execute all; stops early, without an error, if the board asks for it."""


class InProcess:
    """One episode after the other in this process."""

    def __init__(self, board: Board, conditions: Conditions, aside: Callable[[], AbstractContextManager[None]]) -> None:
        self._board, self._conditions, self._aside = board, conditions, aside

    def run(self, specs: Sequence[EpisodeSpec]) -> Iterator[EpisodeResult]:
        """Execute in order."""
        outside = Outside(self._conditions, self._board, lambda: self._board.stopping, self._aside)
        worker = Worker(self._board, self._board.slot(0), outside)
        pace, waiting = Pace(), deque(specs)
        try:
            with closing(outside):
                while waiting and not self._board.stopping:
                    batch = pace.take(waiting, 1)
                    results, failure = worker.work(batch)
                    waiting.extendleft(reversed(pace.took(batch, results)))
                    yield from results
                    if failure is not None:
                        raise failure
        finally:
            spare_nothing()


class LocalProcesses:
    """Worker processes on this machine, each started afresh with one BLAS thread."""

    def __init__(self, board: Board, conditions: Conditions, jobs: int) -> None:
        self._board, self._conditions, self._jobs = board, conditions, jobs
        self._pace, self._lost = Pace(), Lost()

    def run(self, specs: Sequence[EpisodeSpec]) -> Iterator[EpisodeResult]:
        """Execute one batch per worker at a time; where a worker dies, others take up what it held."""
        for name in VARIABLES:
            os.environ[name] = "1"  # inherited by the workers, which import numpy afresh
        waiting = deque(specs)
        with hired(self._board, self._conditions, self._jobs) as hands:
            while (waiting and not self._board.stopping) or any(hand.batch for hand in hands):
                for hand in hands:
                    if not hand.batch and waiting and self._board.wish == "go":
                        hand.give(self._pace.take(waiting, self._jobs, self._lost.alone))
                ready = wait([hand.pipe for hand in hands if hand.batch], _LOOK)
                for hand in hands:
                    if hand.batch and (hand.pipe in ready or not hand.alive):
                        yield from self._taken(hand, waiting)

    def _taken(self, hand: Hand, waiting: deque[EpisodeSpec]) -> Iterator[EpisodeResult]:
        """Take what a worker brings back, or replace it if it died."""
        done, batch = hand.taken() if hand.pipe.poll() else None, hand.batch
        hand.batch = []
        if done is None:
            running = {number for number, _ in self._board.running()}
            hand.replace()
            again, over = self._lost.sort(batch, [spec.id for spec in batch if spec.number in running])
            waiting.extendleft(reversed(again))
            yield from over
            return
        results, failure = done
        waiting.extendleft(reversed(self._pace.took(batch, results)))
        yield from results
        if failure is not None:
            raise failure
