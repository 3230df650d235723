"""Worker processes of this machine: what one does, and what the driver holds of it."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TypeAlias

from simworld.execution._batch import run_batch
from simworld.execution._board import Board, Slot
from simworld.execution._episode import run_episode
from simworld.execution._outside import Conditions, Outside
from simworld.execution._spec import EpisodeResult, EpisodeSpec
from simworld.people import RunBox
from simworld.recording import Sheaf
from simworld.threads import pin_threads

Done: TypeAlias = tuple[list[EpisodeResult], Exception | None]
"""Results of a batch, and what ended it early, if that concerns the run."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What a process that runs episodes keeps from batch to batch."""

    board: Board
    slot: Slot
    outside: Outside

    def work(self, batch: Sequence[EpisodeSpec]) -> Done:
        """Run episodes and seal them."""
        return run_batch(batch, self._run, lambda: self.board.wish)

    def _run(self, spec: EpisodeSpec, sheaf: Sheaf) -> EpisodeResult:
        gateway = self.outside.gateway(spec.resolved, spec.seed, spec.id, RunBox(spec.run))
        return run_episode(spec, self.slot, gateway, sheaf=sheaf)


class Hand:
    """A worker process, and the batch that it holds; where it dies, another one takes its place.

    Each has a pipe of its own and shares no lock with the others: one that dies takes nothing with it but its batch.
    """

    def __init__(self, board: Board, conditions: Conditions, number: int) -> None:
        self._board, self._conditions, self._number = board, conditions, number
        self.batch: list[EpisodeSpec] = []
        """What it works on; empty if it is idle."""
        self._hire()

    def _hire(self) -> None:
        context = get_context("spawn")
        self.pipe, other = context.Pipe()
        """Where its answers come from."""
        self._process = context.Process(target=_serve, args=(other, self._board, self._conditions, self._number))
        with _ctrl_c_blocked():
            self._process.start()
        other.close()

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.is_alive()

    def give(self, batch: list[EpisodeSpec]) -> None:
        """Have it work on a batch."""
        if not self._process.is_alive():
            self.replace()  # it died while it was idle: that is no fault of this batch
        self.batch = batch
        with suppress(OSError):  # it has died: that is seen when its answer is waited for
            self.pipe.send(batch)

    def taken(self) -> Done | None:
        """What it brings back; None if it died.

        Raises whatever was raised there and is nobody's result: a bug.
        """
        try:
            told: Done | BaseException = self.pipe.recv()
        except (EOFError, OSError):
            return None
        if isinstance(told, BaseException):
            raise told
        return told

    def replace(self) -> None:
        """Put another process in the place of one that died."""
        self.kill()
        self._board.slot(self._number).end()
        self._hire()

    def dismiss(self) -> None:
        """Tell it that there is no more to do."""
        with suppress(OSError):
            self.pipe.send(None)

    def join(self) -> None:
        """Wait until it has ended."""
        self._process.join()
        self.pipe.close()

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._process.kill()
        self.join()


@contextmanager
def hired(board: Board, conditions: Conditions, jobs: int) -> Iterator[list[Hand]]:
    """So many workers, which are waited for; unless something is raised: then they are stopped, whatever they do."""
    hands: list[Hand] = []
    try:
        hands += (Hand(board, conditions, number) for number in range(jobs))
        yield hands
        for hand in hands:
            hand.dismiss()
        for hand in hands:
            hand.join()
    except BaseException:
        for hand in hands:
            hand.kill()
        raise


@contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """A process that starts within does not hear Ctrl-C until it can ignore it: it would die among its imports."""
    resource_tracker.ensure_running()  # the first process would start it, and that lets Ctrl-C through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, board: Board, conditions: Conditions, number: int) -> None:
    """Work on what comes through a pipe: with one thread, a line on the board, and no answer to Ctrl-C."""
    pin_threads()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver handles it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with suppress(OSError):  # there may be no standard error
        os.dup2(2, 1)  # the driver alone writes to standard output: a display may have records for machines there
    threading.Thread(target=_die_with, args=(parent_process(),), name="simworld-parent", daemon=True).start()
    with closing(Outside(conditions, board, lambda: board.stopping)) as outside:
        worker = Worker(board, board.slot(number), outside)
        while True:
            batch: list[EpisodeSpec] | None = pipe.recv()
            if batch is None:
                return
            pipe.send(_worked(worker, batch))


def _worked(worker: Worker, batch: list[EpisodeSpec]) -> Done | BaseException:
    try:
        results, failure = worker.work(batch)
    except Exception as error:  # noqa: BLE001  raised again in the driver
        return _portable(error)
    return results, None if failure is None else _portable(failure)


def _portable(error: Exception) -> Exception:
    """An exception that comes through a pipe, with the traceback that does not; one that cannot is told in words."""
    words = "".join(traceback.format_exception(error))
    try:
        error.add_note(f"in a worker process:\n{words}")
        found: Exception = pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001  whatever its class does
        return RuntimeError(words)
    return found


def _die_with(parent: BaseProcess | None) -> None:
    """End this process when whoever gave it work is gone: another may take up the run, and must be alone there."""
    if parent is not None:
        parent.join()
        os._exit(1)
