"""Where questions lie open and answers are left: two folders of a run's directory, with a file for each.

::

    people/open/<id>.json       a question that waits for its answer
    people/answered/<id>.json   how it was closed: by an answer, or because its time was over

Whoever comes first with the second file closes the question: it is made whole under another name and linked into its
place, which fails where there is one. So no question is answered twice, and nobody is told that an answer counts which
came too late. An answer stays there until its run is complete: what was answered while the process that had asked died
is found when the run goes on.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkstemp
from typing import Any, ClassVar, Protocol

from simworld.errors import RunError
from simworld.kernel import Json
from simworld.people._person import PersonRequest

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
FOLDER = "people"


@dataclass(frozen=True, slots=True)
class Closing:
    """How a question was closed."""

    digest: str
    """Of the question."""
    value: Json = None
    late: bool = False
    """Nobody answered in time: there is no value."""
    rationale: str = ""
    """Why, in the person's own words."""
    participant: str = ""
    """Who answered, by pseudonym."""
    thought: float | None = None
    """Seconds from taking the question up to the answer."""


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question that lies open."""

    request: PersonRequest
    since: float
    """When it was put there, in seconds of the machine's clock."""


class Box(Protocol):
    """Where somebody who asks puts questions and finds answers."""

    every: ClassVar[float]
    """Seconds between looks for an answer."""

    def put(self, request: PersonRequest) -> None:
        """Lay a question open."""

    def look(self, request: PersonRequest) -> Closing | None:
        """How it was closed; None if it is open still."""

    def close(self, request: PersonRequest, closing: Closing) -> Closing:
        """Close it, unless somebody else has; returns how it is closed."""

    def remove(self, request: PersonRequest) -> None:
        """Lay it open no more."""


@dataclass(frozen=True)
class RunBox:
    """The box in a run's directory."""

    run: Path
    every: ClassVar[float] = 0.1

    @property
    def _open(self) -> Path:
        return self.run / FOLDER / "open"

    @property
    def _answered(self) -> Path:
        return self.run / FOLDER / "answered"

    def put(self, request: PersonRequest) -> None:
        """Lay a question open. Raises RunError if it cannot be written."""
        path = self._path(self._open, request.id)
        try:
            waiting = _written(path, asdict(request))
            waiting.replace(path)
        except OSError as error:
            raise RunError(f"cannot ask a person: {path}: {error.strerror or error}") from error

    def look(self, request: PersonRequest) -> Closing | None:
        """How it was closed; None if it is open still, or another question was closed under its name."""
        found = self._closing(request.id)
        return found if found is not None and found.digest == request.digest else None

    def close(self, request: PersonRequest, closing: Closing) -> Closing:
        """Close it, unless somebody else has; returns how it is closed. Raises RunError if it cannot be written."""
        path = self._path(self._answered, request.id)
        try:
            waiting = _written(path, asdict(closing))
            try:
                os.link(waiting, path)
            except FileExistsError:
                found = self._closing(request.id)
                if found is not None and found.digest == request.digest:
                    return found
                waiting.replace(path)  # of another question, before the run's code was changed
            finally:
                waiting.unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"cannot keep an answer: {path}: {error.strerror or error}") from error
        return closing

    def remove(self, request: PersonRequest) -> None:
        """Lay it open no more."""
        with suppress(OSError):
            self._path(self._open, request.id).unlink(missing_ok=True)

    def lying(self) -> list[OpenQuestion]:
        """All questions that lie open, the oldest first."""
        found = [self.find(path.stem) for path in self._open.glob("*.json")] if self._open.is_dir() else []
        return sorted((one for one in found if one is not None), key=lambda one: (one.since, one.request.id))

    def find(self, name: str) -> OpenQuestion | None:
        """The question of this id, if it lies open and is not closed."""
        if not _ID.fullmatch(name):
            return None
        path = self._open / f"{name}.json"
        data = _read(path)
        if data is None:
            return None
        try:
            request = PersonRequest(**{**data, "options": tuple(data["options"])})
            since = path.stat().st_mtime
        except (OSError, KeyError, TypeError):
            return None  # taken away meanwhile, or none of ours
        return OpenQuestion(request, since) if self.look(request) is None else None

    def closed(self, name: str) -> Closing | None:
        """How the question of this id was closed, if it was."""
        return self._closing(name) if _ID.fullmatch(name) else None

    def clear(self, answers: bool = False) -> None:
        """Nobody is asked; with ``answers``, nothing is left of what was answered either: it is on tape."""
        for folder in (self._open, self._answered)[: 1 + answers]:
            for path in folder.glob("*") if folder.is_dir() else ():
                path.unlink(missing_ok=True)
            with suppress(OSError):
                folder.rmdir()

    def forget(self, participants: Collection[str]) -> None:
        """Nothing is left here of what these have answered. Raises RunError if it cannot be removed."""
        try:
            for path in self._answered.glob("*.json") if self._answered.is_dir() else ():
                found = self._closing(path.stem)
                if found is not None and found.participant in participants:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"cannot write {self._answered}: {error.strerror or error}") from error

    def _closing(self, name: str) -> Closing | None:
        data = _read(self._path(self._answered, name))
        try:
            return None if data is None else Closing(**data)
        except TypeError:
            return None

    def _path(self, folder: Path, name: str) -> Path:
        if not _ID.fullmatch(name):
            raise RunError(f"a person cannot be asked {name!r}: letters, digits, '_', '.' and '-' make a file name")
        return folder / f"{name}.json"


def _written(path: Path, data: Mapping[str, Any]) -> Path:
    """A whole file beside the one that is meant, for its owner's eyes alone."""
    path.parent.parent.mkdir(exist_ok=True)  # never the run: somebody may have removed it
    path.parent.mkdir(exist_ok=True)
    handle, name = mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(data, file)
    return Path(name)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None
