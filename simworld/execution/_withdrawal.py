"""Withdrawal: a person's answers are taken out of a run, from its tape and from its tables."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from simworld.execution._directory import now
from simworld.kernel import PARTICIPANT, Answer, Ask, read_tape, redact_tape
from simworld.people import Participants, RunBox
from simworld.recording import RunLock, inventory, is_locked, read_manifest, redact_tables


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What came of a withdrawal."""

    participant: str
    answers: int = 0
    """So many were taken out."""
    waits: bool = False
    """Somebody works on the run: they are taken out as soon as nobody does."""


def withdraw(run: Path, participant: str) -> Withdrawal:
    """Somebody withdraws: nothing is asked of them any more, and what they answered is taken out of the run.

    Raises:
        RunError: The run has no such participant, is damaged, or cannot be written.
        TapeError: A tape is damaged, or cannot be written.
    """
    them = Participants(run)
    if all(one.name != participant for one in them.all()):
        them.bring(name for name in participants_on_tape(run) if name == participant)
    them.withdraw(participant, now())
    if is_locked(run):
        return Withdrawal(participant, waits=True)
    with RunLock(run):
        return Withdrawal(participant, redact_withdrawn(run).get(participant, 0))


def redact_withdrawn(run: Path) -> dict[str, int]:
    """Take out what those have answered who have withdrawn; returns how many answers that were, by pseudonym.

    For whoever holds the run's lock, when nobody executes its episodes. Tables that tell nothing of it keep their
    bytes; the manifest counts what was taken out, and has the digests of what is there now.

    Raises:
        RunError: A table is damaged, or cannot be written.
        TapeError: A tape is damaged, or cannot be written.
    """
    gone = {one.name for one in Participants(run).all() if one.withdrawn}
    if not gone:
        return {}
    found, counts = _redacted_tapes(run, gone)
    RunBox(run).forget(gone)
    if not counts:
        return {}
    redact_tables(run, found)
    manifest = read_manifest(run)
    redacted = {name: manifest.redacted.get(name, 0) + counts.get(name, 0) for name in {**manifest.redacted, **counts}}
    tables = inventory(run) if manifest.tables else {}
    replace(manifest, redacted=dict(sorted(redacted.items())), tables=tables).write(run)
    return counts


def participants_on_tape(run: Path) -> list[str]:
    """Pseudonyms of all whose answers a run has, also of those that it has taken over from another."""
    names: dict[str, None] = {}
    for path in sorted((run / "tape").glob("*.tape")):
        for _, answer in read_tape(path):
            if PARTICIPANT in answer.telemetry:
                names[str(answer.telemetry[PARTICIPANT])] = None
    return list(names)


def _redacted_tapes(
    run: Path, gone: Collection[str]
) -> tuple[dict[str, set[tuple[str, int, int, int]]], dict[str, int]]:
    found: dict[str, set[tuple[str, int, int, int]]] = {}
    counts: dict[str, int] = {}

    def withdrawn(_: Ask, answer: Answer) -> bool:
        name = str(answer.telemetry.get(PARTICIPANT, ""))
        if name in gone:
            counts[name] = counts.get(name, 0) + 1
        return name in gone

    for path in sorted((run / "tape").glob("*.tape")):
        asks = redact_tape(path, withdrawn)
        if asks:
            found[path.stem] = {ask.key for ask in asks}
    return found, counts
