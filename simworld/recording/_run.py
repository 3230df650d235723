"""A run: its directory, its manifest ``run.json``, and the lock that says that somebody works on it."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import platform
import re
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, TypeAlias, get_args

import numpy as np

from simworld.errors import RunError
from simworld.recording._schema import SCHEMA_VERSION
from simworld.recording._sealing import TableFiles

Status: TypeAlias = Literal["running", "success", "partial", "error", "interrupted", "budget"]
"""How a run stands; only its own checks make it a success."""

_MANIFEST = "run.json"
_LOCK = "run.lock"
_PACKAGES = (
    "numpy",
    "pyarrow",
    "scipy",
    "pandas",
    "pydantic",
    "PyYAML",
    "networkx",
    "mesa",
    "pettingzoo",
    "ray",
    "litellm",
)
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Environment:
    """What decides whether two machines compute the same bits."""

    packages: Mapping[str, str] = field(default_factory=dict)
    """Versions of the packages that matter, by name."""
    python: str = ""
    platform: str = ""
    cpu: tuple[str, ...] = ()
    """CPU features that numpy uses here."""
    threads: Mapping[str, int] = field(default_factory=dict)
    """Threads of numeric libraries, as whoever started the run has set them."""

    @property
    def identity(self) -> Mapping[str, object]:
        """What must be equal for equal bits: packages, python, cpu."""
        return {"packages": self.packages, "python": self.python, "cpu": self.cpu}

    @staticmethod
    def here(threads: Mapping[str, int] | None = None) -> Environment:
        """That of this process."""
        packages = {}
        for name in _PACKAGES:
            try:
                packages[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
        simd = np.show_config(mode="dicts")["SIMD Extensions"]
        features = (*simd["baseline"], *simd.get("found", ()))
        return Environment(packages, platform.python_version(), platform.platform(), features, dict(threads or {}))


@dataclass(frozen=True, slots=True)
class Manifest:
    """What ``run.json`` says: frozen; write a changed copy (``dataclasses.replace``)."""

    status: Status
    scenario: str
    """Name of the scenario."""
    digest: str
    """SHA-256 of the resolved scenario, hexadecimal."""
    seeds: tuple[int, ...] = ()
    episodes: int = 0
    """Episodes of the whole run."""
    done: int = 0
    """Episodes that are sealed."""
    started: str = ""
    """UTC, ISO 8601."""
    ended: str | None = None
    reason: str = ""
    """Why it is not a success, in words."""
    faults: int = 0
    tables: Mapping[str, TableFiles] = field(default_factory=dict)
    """Rows and digests of the sealed tables (see ``inventory``)."""
    description: str = ""
    """What the scenario says that it is about."""
    source: str = ""
    """Folder of the scenario file, from which its own worlds and agents are imported."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the code in that folder that it was run with, by relative path; the run holds a copy."""
    overrides: tuple[str, ...] = ()
    """What was set on the command line."""
    measures: tuple[str, ...] = ()
    """Measures that a summary shows."""
    watch: tuple[str, ...] = ()
    """Columns that the live dashboard shows besides."""
    claims: tuple[Mapping[str, object], ...] = ()
    """What the scenario claimed when the run started."""
    late_claims: Mapping[str, str] = field(default_factory=dict)
    """Claims that an earlier run of the same episodes did not make, and which run that is: they were seen before."""
    models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Models that its minds ask, by the names that they use: one each, or several if arms differ."""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the texts that its minds ask with, by mind and name."""
    mended: Mapping[str, str] = field(default_factory=dict)
    """What was wrong with its tables when it was continued, by path: the episodes were run again."""
    adopted: Mapping[str, str] = field(default_factory=dict)
    """Names of the earlier runs from which episodes were taken over, by episode."""
    spent: Mapping[str, float] = field(default_factory=dict)
    """Asks, tokens and USD that went to models so far, without what was taken over."""
    redacted: Mapping[str, int] = field(default_factory=dict)
    """Answers that were withdrawn by the people who gave them, by pseudonym."""
    environment: Environment = field(default_factory=Environment)
    simworld: str = ""
    """Version of simworld."""
    schema_version: str = SCHEMA_VERSION

    def write(self, run: Path) -> None:
        """Put it in place by renaming: a reader sees the old one or the new one, never half of one.

        Raises:
            RunError: It cannot be written.
        """
        waiting = run / f"{_MANIFEST}.tmp"
        try:
            waiting.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            waiting.replace(run / _MANIFEST)
        except (OSError, UnicodeError) as error:
            raise RunError(f"cannot write {run / _MANIFEST}: {getattr(error, 'strerror', None) or error}") from error


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run directory that was found by its digest."""

    path: Path
    status: Status
    locked: bool
    """Whether somebody works on it right now."""
    sources: Mapping[str, str]
    """SHA-256 of the code beside the scenario that it was run with."""

    @property
    def finished(self) -> bool:
        """Nothing is left to do in it."""
        return self.status in {"success", "partial"}


def create_run(out: Path, scenario: str, digest: str, now: datetime) -> Path:
    """Make a new run directory, ``<UTC time>_<scenario>_<digest>``; nothing is ever overwritten.

    Args:
        out: Where runs are kept; made if it is missing.
        scenario: Name of the scenario.
        digest: Digest of the resolved scenario, hexadecimal.
        now: The time, with its zone.

    Raises:
        RunError: The directory cannot be made.
    """
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", scenario).strip("-.") or "scenario"
    stem = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}_{name}_{digest[:8]}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            run = out / (stem if number == 1 else f"{stem}-{number}")
            try:
                run.mkdir()
            except FileExistsError:
                continue
            (run / "tables").mkdir()
            (run / "tape").mkdir()
            return run
    except (FileExistsError, NotADirectoryError) as error:
        raise RunError(f"cannot make a run directory in {out}: it, or a folder above it, is a file") from error
    except OSError as error:
        raise RunError(f"cannot make a run directory in {out}: {error.strerror or error}") from error
    raise RunError(f"cannot make a run directory in {out}: all names {stem}-<n> are taken")


def read_manifest(run: Path) -> Manifest:
    """Read ``run.json``.

    Raises:
        RunError: There is none, it is damaged, or it was written by another version of the layout.
    """
    path = run / _MANIFEST
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{run} is not a run directory: it has no {_MANIFEST}") from error
    except NotADirectoryError as error:
        raise RunError(f"{run} is not a run directory") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: not readable ({error})") from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION:
        raise RunError(f"{path}: schema version {version!r}; this simworld reads {SCHEMA_VERSION!r}")
    try:
        unknown = set(data) - {f.name for f in fields(Manifest)}
        if unknown or data["status"] not in get_args(Status):
            raise RunError(f"{path}: not a manifest (unknown: {sorted(unknown) or data['status']})")
        data["tables"] = {name: TableFiles(**t) for name, t in data["tables"].items()}
        for name in ("seeds", "overrides", "measures", "watch", "claims"):
            data[name] = tuple(data[name])
        data["models"] = {name: tuple(models) for name, models in data["models"].items()}
        environment = Environment(**data.pop("environment"))
        return Manifest(**data, environment=replace(environment, cpu=tuple(environment.cpu)))
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: not a manifest ({error})") from error


def find_run(out: Path, digest: str) -> list[FoundRun]:
    """Runs of the scenario with this digest, oldest first; directories that are no runs are passed over."""
    found = []
    for run in sorted(out.glob(f"*_{digest[:8]}*")) if out.is_dir() else ():
        try:
            manifest = read_manifest(run)
        except RunError:
            continue  # not a run, or one that nobody can read: it must not keep others from being made
        if manifest.digest == digest:
            found.append(FoundRun(run, manifest.status, is_locked(run), manifest.sources))
    return found


class FolderLock:
    """Held while a run is looked for and made in a folder; a context manager. Whoever comes second waits."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1

    def __enter__(self) -> FolderLock:
        """Wait for the lock, and take it. Raises RunError if the folder cannot be made."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._folder, os.O_RDONLY)
        except (FileExistsError, NotADirectoryError) as error:
            raise RunError(f"cannot make {self._folder}: it, or a folder above it, is a file") from error
        except OSError as error:
            raise RunError(f"cannot make {self._folder}: {error.strerror or error}") from error
        # Some network file systems cannot lock folders: there only the run's own lock tells.
        with suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""
        os.close(self._descriptor)


class RunLock:
    """Says that this process works on a run; a context manager. The system frees it when the process dies."""

    def __init__(self, run: Path) -> None:
        self._path = run / _LOCK
        self._file: IO[str] | None = None

    def __enter__(self) -> RunLock:
        """Take the lock. Raises RunError if another process holds it."""
        try:
            file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            raise RunError(f"cannot lock {self._path.parent}: {error.strerror or error}") from error
        for attempt in range(_TRIES):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                # Somebody may just be looking whether it is locked: that takes an instant.
                if attempt == _TRIES - 1:
                    file.seek(0)
                    holder = file.read().strip() or "another process"
                    file.close()
                    raise RunError(f"{self._path.parent} is in use by {holder}") from error
                time.sleep(0.02)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def is_locked(run: Path) -> bool:
    """Whether a live process works on a run."""
    try:
        with (run / _LOCK).open("r", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
