"""Snapshots: a long numeric episode on disk as it stands, so that a killed process loses a minute of it, not hours."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import pickle
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from simworld import __version__
from simworld.errors import ContractError, SnapshotError
from simworld.execution._course import Course
from simworld.execution._probes import Probes
from simworld.execution._spec import EpisodeSpec
from simworld.kernel import Kernel
from simworld.recording import Environment, EpisodeRecorder, Kept, Sheaf

_SHARE = 20
"""So many times what a snapshot takes to write must lie between two: they cost at most a twentieth."""
_LAYOUT = 3
"""Of what a snapshot holds: one of another layout is not unpickled."""
_WORTH = 1.0
"""Seconds of an episode that are worth a snapshot when it is interrupted."""


@dataclass(frozen=True, slots=True)
class _State:
    """All that an episode is between two moments."""

    kernel: Kernel
    to_come: int
    """Interventions that have not taken effect."""
    probes: Probes
    """Branches under way."""
    kept: Kept


class Snapshots:
    """Those of one episode; it has one at a time, in its run's own directory.

    Only of episodes that ask nobody: what was asked is on the tape, which needs no pickle. A snapshot holds code by
    name and is unpickled, so it is trusted as far as the run directory is: it is taken up only if it is a plain file
    of this user in ``snapshots/`` of the run itself, its digest is right, the same versions on the same kind of CPU
    wrote it, and the streams beside it still begin with the bytes that they had then. Otherwise it is removed, the
    episode begins anew, and its telemetry says why.
    """

    def __init__(self, spec: EpisodeSpec, course: Course, sheaf: Sheaf | None) -> None:
        """Take up the last one, if there is one: the course goes on from there. Raises RunError."""
        self._path, self._course = snapshot_path(spec.run, spec.id), course
        self._place = f"{spec.run.name}/{spec.id}"
        self._every = self._wait = 0.0 if spec.asks else spec.snapshot_seconds
        self._begun = self._last = time.monotonic()
        self.recorder = self._taken_up(spec, sheaf)
        """Who records the episode."""

    @property
    def due(self) -> bool:
        """Whether it is time for the next one."""
        return self._wait > 0 and time.monotonic() - self._last >= self._wait

    def take(self) -> bool:
        """Write one, in place of the last; False if that cannot be done, and then it is not tried again.

        Raises:
            RunError: The tables cannot be written.
        """
        _versions()  # found out once: that is no part of what the next one costs
        begun = time.monotonic()
        state = _State(self._course.kernel, self._course.to_come, self._course.probes, self.recorder.kept())
        try:
            self._write(pickle.dumps(state, protocol=pickle.HIGHEST_PROTOCOL))
        except (pickle.PicklingError, TypeError, AttributeError, ContractError, RecursionError, OSError) as error:
            self.recorder.telemetry("snapshot.impossible", f"{type(error).__name__}: {error}")
            self._wait = 0.0
            return False
        self.recorder.forget()
        self._last = time.monotonic()
        self._wait = max(self._every, _SHARE * (self._last - begun))
        return True

    def interrupt(self) -> None:
        """Keep what there is of the episode for whoever continues: as a snapshot, or sealed to be read at least.

        Raises:
            RunError: The tables cannot be written.
        """
        long = time.monotonic() - self._begun >= min(_WORTH, self._wait)
        if self._wait > 0 and (long or self._path.exists()) and self.take():
            self.recorder.abandon()  # what it holds lies in the streams, where it is continued
        else:
            _remove(self._path)  # its streams will be gone
            self.recorder.interrupt()

    def _taken_up(self, spec: EpisodeSpec, sheaf: Sheaf | None) -> EpisodeRecorder:
        """A recorder that goes on from the last snapshot, as the course then does, or a new one."""
        refused = ""
        if self._wait and self._path.exists():
            try:
                state = self._read()
                recorder = EpisodeRecorder(spec.run, self._course.tables, kept=state.kept)
            except SnapshotError as error:
                refused = str(error)
            else:
                self._course.take_up(state.kernel, state.to_come, state.probes)
                recorder.telemetry("snapshot.tick", state.kernel.tick)
                return recorder
        _remove(self._path)  # before the first stream is opened: it knows nothing of those that come now
        recorder = EpisodeRecorder(spec.run, self._course.tables, sheaf=sheaf)
        if refused:
            recorder.telemetry("snapshot.refused", refused)
        return recorder

    def _write(self, state: bytes) -> None:
        self._path.parent.mkdir(exist_ok=True)
        waiting = self._path.with_suffix(".tmp")
        head = json.dumps([hashlib.sha256(state).hexdigest(), self._origin()])
        waiting.unlink(missing_ok=True)
        with open(os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(head.encode() + b"\n" + state)
            file.flush()
            os.fsync(file.fileno())
        waiting.replace(self._path)
        # On disk before anything that the last one needs is removed.
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _read(self) -> _State:
        """Raises SnapshotError if it must not be taken up."""
        path = self._path
        if path.is_symlink() or path.parent.is_symlink() or path.stat().st_uid != os.getuid():
            raise SnapshotError(f"{path.name}: not a file of the run itself, or of another user")
        try:
            head, state = path.read_bytes().split(b"\n", 1)
            digest, origin = json.loads(head)
        except (OSError, ValueError) as error:
            raise SnapshotError(f"{path.name}: not a snapshot ({error})") from error
        if hashlib.sha256(state).hexdigest() != digest:
            raise SnapshotError(f"{path.name}: damaged (its digest is another)")
        if origin != self._origin():
            raise SnapshotError(f"{path.name}: of another run, written by other versions, or on another kind of CPU")
        try:
            found = pickle.loads(state)  # its digest was checked, and it lies in the run's own directory
        except Exception as error:
            raise SnapshotError(f"{path.name}: cannot be taken up ({type(error).__name__}: {error})") from error
        if not isinstance(found, _State):
            raise SnapshotError(f"{path.name}: not the state of an episode")
        return found

    def _origin(self) -> str:
        """What must be the same where a snapshot is taken up."""
        return hashlib.sha256(f"{_LAYOUT} {self._place} {_versions()}".encode()).hexdigest()


def drop_snapshot(spec: EpisodeSpec) -> None:
    """An episode is over, or must not be continued: remove its snapshot."""
    _remove(snapshot_path(spec.run, spec.id))


def snapshot_path(run: Path, episode: str) -> Path:
    """Where the snapshot of an episode lies."""
    return run / "snapshots" / f"{episode}.snapshot"


def _remove(path: Path) -> None:
    for left in (path, path.with_suffix(".tmp")):  # the process may have died while it wrote one
        with suppress(FileNotFoundError, NotADirectoryError):  # or somebody put a file where the folder should be
            left.unlink()


@functools.cache
def _versions() -> str:
    return json.dumps([__version__, Environment.here().identity], sort_keys=True)
