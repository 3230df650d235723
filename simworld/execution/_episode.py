"""`run_episode`: the only function that is shipped to workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from simworld.errors import BudgetError, ModelError, RedactedError, RunError, StoppedError, TapeError
from simworld.execution._aside import own_words_aside
from simworld.execution._board import Slot, waited
from simworld.execution._course import Course, tape_path
from simworld.execution._failure import is_own, told, traceback_of
from simworld.execution._heap import spare_loaded
from simworld.execution._snapshot import Snapshots, drop_snapshot
from simworld.execution._spec import EpisodeResult, EpisodeSpec
from simworld.kernel import Answer, Ask, Broker, Gateway, Keep, Kernel, read_tape
from simworld.recording import EpisodeRecorder, Sheaf

_LOOK = 0.05
"""Seconds between reports of progress."""


def read_tape_of(run: Path, episode: str) -> Iterator[tuple[Ask, Answer]]:
    """The asks of an episode of a run with their answers; none if it asked nobody.

    Raises:
        TapeError: Its tape is damaged.
    """
    path = tape_path(run, episode)
    if path.exists():
        yield from read_tape(path)


def run_episode(
    spec: EpisodeSpec,
    slot: Slot | None = None,
    gateway: Gateway | None = None,
    keep: Keep | None = None,
    sheaf: Sheaf | None = None,
) -> EpisodeResult:
    """Run one episode to its end and seal its tables.

    Whatever the world or a mind raises becomes the episode's own result, with its traceback in the table
    ``episodes``: it does not end the run. Only what concerns the run itself (the disk, the tape) is raised.

    Args:
        spec: The episode.
        slot: Where to report progress, and to be asked to stop.
        gateway: Who answers asks that are not on the tape.
        keep: Keeps every answer somewhere else, before it is kept in the run directory.
        sheaf: Takes the tables of an episode that is over soon, to be sealed with others.

    Raises:
        RunError: Tables cannot be written.
        TapeError: The tape does not fit the episode.
    """
    with own_words_aside():
        return _run_episode(spec, slot, gateway, keep, sheaf)


def _run_episode(
    spec: EpisodeSpec, slot: Slot | None, gateway: Gateway | None, keep: Keep | None, sheaf: Sheaf | None
) -> EpisodeResult:
    begun = time.monotonic()
    if slot is not None:
        slot.begin(spec.number)
    course = Course(spec, probed=True)
    snapshots = Snapshots(spec, course, sheaf)
    kernel, recorder = course.kernel, snapshots.recorder
    tape = course.tape(keep)
    broker = Broker(gateway, tape, recorder.hand_over)
    kernel.attach(recorder, broker)
    course.tell(recorder.sampled)
    spare_loaded()
    status, error = "success", ""
    try:
        with _reported(kernel, slot, snapshots):
            status = _run(course, slot, snapshots)
    except (BudgetError, StoppedError):
        status = "interrupted"
    except RedactedError as failure:
        # It cannot go on from its tape; the others can.
        status, error = "failed", told(failure, f"seed {spec.seed}, tick {kernel.tick}")
    except (TapeError, RunError, ModelError):
        # These concern the run: the disk, the tape, a provider that rejects every ask.
        recorder.abandon()
        raise
    except BaseException as failure:  # kept as data: the row of this episode tells it
        if not is_own(failure):
            raise
        status, error = "failed", told(failure, f"seed {spec.seed}, tick {kernel.tick}")
        recorder.telemetry("traceback", traceback_of(failure))
    finally:
        # What is under way is paid for: an episode that goes on later finds it on its tape.
        broker.close(wait=status == "interrupted")
        tape.close()
        if slot is not None:
            slot.end()
    seconds = time.monotonic() - begun
    if status == "interrupted":
        snapshots.interrupt()
    else:
        recorder.telemetry("seconds", seconds)
        for name, why in course.probes.impossible.items():
            recorder.telemetry(f"probe.{name}.impossible", why)
        recorder.finish("failed" if error else "success", kernel.moments, kernel.tick, error or None)
        drop_snapshot(spec)
    return EpisodeResult(
        spec.number,
        spec.id,
        status,
        decisions=recorder.decisions,
        faults=recorder.faults,
        moments=kernel.moments,
        chain=kernel.chain.hex(),
        error=error,
        seconds=seconds,
    )


def record_lost(spec: EpisodeSpec, error: str) -> EpisodeResult:
    """Write the row of an episode that cannot be run to its end.

    Raises:
        RunError: It cannot be written.
    """
    drop_snapshot(spec)
    EpisodeRecorder(spec.run, Course(spec).tables).finish("failed", 0, 0, error)
    return EpisodeResult(spec.number, spec.id, "failed", error=error)


def _run(course: Course, slot: Slot | None, snapshots: Snapshots) -> str:
    """Run on to the end, or until a stop is asked for; says which."""
    course.run()
    while not course.kernel.closed:
        if snapshots.due:
            snapshots.take()
        if slot is not None and not waited(partial(slot.tick, course.kernel.tick)):
            return "interrupted"
        course.kernel.go_on()
        course.run()
    return "success"


@contextmanager
def _reported(kernel: Kernel, slot: Slot | None, snapshots: Snapshots) -> Iterator[None]:
    """Reports the tick from a thread of its own; halts the kernel for a stop, a pause, or a snapshot that is due."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK):
            if snapshots.due or (slot is not None and slot.tick(kernel.tick) != "go"):
                kernel.halt()

    watcher = threading.Thread(target=look, name="simworld-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
