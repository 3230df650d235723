"""Who takes part in a run: pseudonyms in ``people/participants.json``, and nothing else that is known of them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from simworld.errors import RunError
from simworld.people._box import FOLDER

_FILE, _LOCK = "participants.json", "participants.lock"


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody who takes part."""

    name: str
    """The pseudonym: p-001, p-002, in the order in which they agreed."""
    agreed: str
    """When, UTC; empty if that was in another run, from which their answers come."""
    consent: str
    """SHA-256 of the text to which they agreed; empty if that was elsewhere."""
    secret: str
    """SHA-256 of what their browser shows to be known again; empty if they take no part here."""
    withdrawn: str = ""
    """When they withdrew, UTC; empty if they did not."""


class Participants:
    """Those of a run. Every call reads what is there now: another process may withdraw somebody."""

    def __init__(self, run: Path) -> None:
        self._folder = run / FOLDER

    def all(self) -> list[Participant]:
        """In the order in which they agreed.

        Raises:
            RunError: They cannot be read.
        """
        path = self._folder / _FILE
        try:
            return [Participant(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"{path}: not readable ({error})") from error

    def agree(self, secret: str, now: str, consent: str, taken: Sequence[str] = ()) -> Participant:
        """Somebody takes part from now on.

        Args:
            secret: What their browser shows to be known again.
            now: The time.
            consent: The text to which they agree.
            taken: Pseudonyms that others have, whose answers this run has taken over.
        """

        def add(known: list[Participant]) -> list[Participant]:
            number = 1 + max(map(_number, [*(one.name for one in known), *taken]), default=0)
            return [*known, Participant(f"p-{number:03}", now, _digest(consent), _digest(secret))]

        return self._change(add)[-1]

    def bring(self, names: Iterable[str]) -> None:
        """These have answered elsewhere, and their answers are here, too: they may withdraw them, and do no more."""
        known = {one.name for one in self.all()}
        new = [Participant(name, "", "", "") for name in dict.fromkeys(names) if name not in known]
        if new:
            self._change(lambda all_: [*all_, *new])

    def known(self, secret: str) -> Participant | None:
        """Whoever shows this."""
        digest = _digest(secret)
        return next((one for one in self.all() if one.secret == digest), None)

    def withdraw(self, name: str, now: str) -> Participant:
        """Somebody takes part no more, and their answers are to be redacted; to withdraw twice changes nothing.

        Raises:
            RunError: The run has no such participant.
        """
        found = [one for one in self.all() if one.name == name]
        if not found:
            known = ", ".join(one.name for one in self.all()) or "none"
            raise RunError(f"{self._folder.parent}: no participant {name!r}; it has {known}")
        if found[0].withdrawn:
            return found[0]
        self._change(lambda all_: [replace(one, withdrawn=now) if one.name == name else one for one in all_])
        return replace(found[0], withdrawn=now)

    def _change(self, change: Callable[[list[Participant]], list[Participant]]) -> list[Participant]:
        path = self._folder / _FILE
        try:
            self._folder.mkdir(exist_ok=True)
            with _locked(self._folder / _LOCK):
                changed = change(self.all())
                waiting = path.with_suffix(".tmp")
                with open(
                    os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
                ) as file:
                    json.dump([asdict(one) for one in changed], file, indent=2)
                waiting.replace(path)
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror or error}") from error
        return changed


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _number(name: str) -> int:
    digits = name.removeprefix("p-")
    return int(digits) if digits.isdecimal() else 0


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
