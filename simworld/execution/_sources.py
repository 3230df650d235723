"""The code beside a scenario: the worlds and minds of its own folder, and what they import from there.

A change of that code makes another run, as a change of the scenario does; and a run keeps a copy of it, so that it can
be executed again when the folder has moved on.
"""

from __future__ import annotations

import ast
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from simworld.errors import RunError, ScenarioError
from simworld.execution._taped import tapes_of
from simworld.files import beside, located
from simworld.recording import Manifest
from simworld.scenario import Cell, Scenario, check_beside, find, source_beside

_COPIES = "sources"
_OWN = frozenset({"simworld", "simworld_agents", "simworld_analysis"})
_OUTSIDE = "(elsewhere)"
"""Where a run notes files that are not in the scenario's folder, by their content; it keeps no copy of them."""


def sources_of(scenario: Scenario, learner: tuple[type, Mapping[str, object]] | None = None) -> dict[str, str]:
    """SHA-256 of the source files of a scenario's own folder that its worlds and minds come from, by relative path.

    Args:
        scenario: Whose.
        learner: Who trains besides, and its settings.
    """
    with beside(scenario.folder):
        return _sources_of(scenario, learner)


def _sources_of(scenario: Scenario, learner: tuple[type, Mapping[str, object]] | None) -> dict[str, str]:
    folder = scenario.folder
    classes = [find("world", cell.kind).cls for cell in scenario.cells]
    classes += [find("agent", seating.kind).cls for cell in scenario.cells for seating in cell.seatings]
    if learner is not None:
        classes.append(learner[0])
    todo = {cls.__module__ for cls in classes} | {name for cell in scenario.cells for name in _run_by(cell)}
    seen, found = set[str](), dict[str, str]()
    while todo:
        name = todo.pop()
        seen.add(name)
        path = None if name.partition(".")[0] in _OWN else source_beside(folder, name)
        if path is not None:
            check_beside(folder, name)
            found[path.relative_to(folder).as_posix()] = _digest(path)
            todo |= _imported(path, name) - seen
    return dict(sorted((found | _read(scenario, folder, learner)).items()))


def _run_by(cell: Cell) -> Iterator[str]:
    """Modules that parameters of a cell's world name."""
    block: Any = cell.resolved["world"]
    for parameter in getattr(find("world", cell.kind).cls, "runs", ()):
        named = block.get(parameter) or ()
        for reference in (named,) if isinstance(named, str) else named:
            yield reference.partition(":")[0]


def _read(scenario: Scenario, folder: Path, learner: tuple[type, Mapping[str, object]] | None) -> dict[str, str]:
    """SHA-256 of the files that parameters name, such as a trained policy; by relative path where they are there."""
    found: dict[str, str] = {}
    # Of a tape its answers count: whoever withdraws one makes it another.
    for tape in tapes_of(scenario).values():
        found[f"{_OUTSIDE}/{tape.digest[:12]}"] = tape.digest
    named_by: list[tuple[type, Mapping[str, object], str]] = [
        (find("agent", s.kind).cls, s.parameters, s.where) for cell in scenario.cells for s in cell.seatings
    ]
    for cell in scenario.cells:
        block: Any = cell.resolved["world"]
        named_by.append((find("world", cell.kind).cls, block, cell.places.get("world", "world")))
    if learner is not None:
        place = scenario.place(("train", "settings"))
        named_by.append((*learner, f"{place}: train.settings"))
    for cls, parameters, where in named_by:
        for parameter in getattr(cls, "reads", ()):
            named = parameters.get(parameter)
            if isinstance(named, str) and named:
                path = _located(named, where).resolve()
                digest, inside = _digest(path), path.is_relative_to(folder)
                found[path.relative_to(folder).as_posix() if inside else f"{_OUTSIDE}/{digest[:12]}"] = digest
    return found


def _located(name: str, where: str) -> Path:
    try:
        return located(name)
    except ValueError as error:
        raise ScenarioError(f"{where}: {error}") from error


def keep_sources(scenario: Scenario, sources: Mapping[str, str], run: Path) -> None:
    """Copy them into the run directory."""
    folder = scenario.folder
    try:
        for name in (n for n in sources if not n.startswith(_OUTSIDE)):
            copy = run / _COPIES / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, copy)
    except OSError as error:
        raise RunError(f"cannot keep a copy of {folder}: {error.strerror or error}") from error


def source_files(run: Path) -> dict[str, bytes]:
    """The run's own copy of that code, by relative path."""
    folder = run / _COPIES
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def import_folder(run: Path, manifest: Manifest) -> str:
    """Where the code of a run is found: where it was, or the run's own copy if files are missing there."""
    there = Path(manifest.source)
    return str(
        there
        if all((there / name).is_file() or name.startswith(_OUTSIDE) for name in manifest.sources)
        else run / _COPIES
    )


def changed_sources(manifest: Manifest, folder: str) -> list[str]:
    """Files of a run's code that are not there as they were when it was run."""
    inside = {name: digest for name, digest in manifest.sources.items() if not name.startswith(_OUTSIDE)}
    return [name for name, digest in inside.items() if _digest(Path(folder) / name) != digest]


def _imported(path: Path, module: str) -> set[str]:
    """Names of the modules that a file imports, and of their packages."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = set()
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return set()  # it cannot be imported either: whoever tries to says so, or goes on without it
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                start = ".".join([*above, start]).strip(".")
            names |= {start, *(f"{start}.{alias.name}" for alias in node.names)}
    return {".".join(name.split(".")[:i]) for name in names for i in range(1, name.count(".") + 2)} - {""}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
