"""The tapes of earlier runs that answer for people, as a scenario names them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from simworld.errors import AskError, RunError, ScenarioError, TapeError
from simworld.files import beside, located
from simworld.kernel import PARTICIPANT, REDACTED, read_tape
from simworld.people import AnswerTape, Participants, TapedAnswer, person_request, taped_answers
from simworld.recording import is_locked, read_manifest
from simworld.scenario import Cell, Scenario


def tapes_of(scenario: Scenario) -> dict[str, AnswerTape]:
    """The tapes that a scenario's people answer from, by the names of their runs as it writes them.

    Pseudonyms that two runs have are qualified by the names of their runs: they are not the same people.

    Raises:
        ScenarioError: There is no such run, somebody works on it, or nobody has answered a question in it.
    """
    found: dict[str, AnswerTape] = {}
    folders: dict[str, Path] = {}
    for cell in scenario.cells:
        people: Any = cell.resolved.get("people", {})
        for name, block in people.items():
            run = str(block.get("run", ""))
            if block["kind"] == "tape" and run not in found:
                try:
                    with beside(scenario.folder):
                        folders[run] = _folder(run)
                    found[run] = _tape(folders[run])
                except (RunError, TapeError) as error:
                    accepted = "the directory of a run that is over or stopped, in which people were asked"
                    where = _place(scenario, cell, ("people", name, "run"))
                    raise ScenarioError(f"{where}: found {run!r}; {error}; accepted: {accepted}") from error
    of = Counter(name for tape in _by_folder(found, folders).values() for name in tape.participants)
    doubled = {name for name, count in of.items() if count > 1}
    names = _names(folders)
    return {run: tape.qualified(doubled, names[run]) for run, tape in found.items()} if doubled else found


def _names(folders: Mapping[str, Path]) -> dict[str, str]:
    """What runs are called, by how they are written: where two in different places are called alike, by their paths."""
    places = {run: folder.resolve() for run, folder in folders.items()}
    called = Counter(place.name for place in set(places.values()))
    return {run: place.name if called[place.name] == 1 else str(place) for run, place in places.items()}


def _by_folder(tapes: Mapping[str, AnswerTape], folders: Mapping[str, Path]) -> dict[Path, AnswerTape]:
    """Tapes by where they are: a run may be named in two ways."""
    return {folders[run].resolve(): tape for run, tape in tapes.items()}


def _folder(name: str) -> Path:
    """Where a run is. Raises RunError: there is none."""
    try:
        return located(str(Path(name) / "run.json")).parent
    except ValueError as error:
        raise RunError("there is no such run, neither beside the scenario nor here") from error


def _tape(run: Path) -> AnswerTape:
    """That of a run. Raises RunError if it is not to be had, TapeError if it is damaged."""
    read_manifest(run)
    if is_locked(run):
        raise RunError("somebody works on it")
    tape = taped_answers(_answers(run))
    if not any(not answer.late for answer in tape.answers):
        raise RunError("nobody has answered a question in it, or all who did have withdrawn")
    return tape


def _answers(run: Path) -> Iterator[TapedAnswer]:
    """What was answered in a run: what somebody gave as was asked, and where nobody did in time."""
    gone = {one.name for one in Participants(run).all() if one.withdrawn}
    for path in sorted((run / "tape").glob("*.tape")):
        for ask, answer in read_tape(path):
            who = str(answer.telemetry.get(PARTICIPANT, ""))
            if ask.kind != "person" or answer.fault == REDACTED or who in gone:
                continue
            if not answer.fault or answer.fault == "timeout":
                try:
                    request = person_request(ask, path.stem)
                except AskError as error:
                    raise TapeError(f"{path}: {error}") from error
                late = bool(answer.fault)
                yield TapedAnswer.of(request, None if late else answer.value, late, who)


def _place(scenario: Scenario, cell: Cell, key: tuple[str, ...]) -> str:
    """Where a value of a cell stands, for messages: in the arm that sets it, or where all have it from."""
    for dotted in reversed(scenario.model.arms.get(cell.arm, {})):
        parts = tuple(dotted.split("."))
        if key[: len(parts)] == parts:
            return f"{scenario.place(('arms', cell.arm, dotted, *key[len(parts) :]))}: arms.{cell.arm}: {'.'.join(key)}"
    return f"{scenario.place(key)}: {'.'.join(key)}"
