"""Loading a scenario: read, override, validate, expand."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from simworld.errors import ScenarioError
from simworld.files import beside
from simworld.scenario._beside import import_beside
from simworld.scenario._bundled import located
from simworld.scenario._cells import Cell, expand, overruled
from simworld.scenario._check import Checker, validate
from simworld.scenario._claims import claim_problems
from simworld.scenario._explain import one_line
from simworld.scenario._models import ScenarioFile
from simworld.scenario._paths import put
from simworld.scenario._source import Source, refuse
from simworld.scenario._yaml import Key, parse_value, read


@dataclass(frozen=True, slots=True, eq=False)
class Scenario:
    """A validated scenario with the overrides that were applied to it."""

    path: Path
    """The file."""
    folder: Path
    """Where its own modules and files are: beside it, unless it was loaded for another folder."""
    text: str
    """The file as it was read."""
    overrides: tuple[str, ...]
    """The overrides, as they were given."""
    model: ScenarioFile
    """What the file says, overrides applied."""
    cells: tuple[Cell, ...] = field(repr=False)
    """All cells in file order: arms times sweep."""
    source: Source = field(repr=False)
    """Where each value comes from."""
    notes: tuple[str, ...] = ()
    """What is accepted, and perhaps not meant."""

    @property
    def name(self) -> str:
        """The scenario's name: as written, or the file's stem."""
        return self.model.name or re.sub(r"[^A-Za-z0-9_-]", "_", self.path.stem)[:80] or "scenario"

    @property
    def seeds(self) -> range:
        """The seeds of every cell's episodes."""
        return range(self.model.seed, self.model.seed + self.model.episodes)

    def place(self, key: Key) -> str:
        """The line of the file, or the override, that a value comes from, for messages."""
        return self.source.place(key)[0]


def load(
    path: str | os.PathLike[str], overrides: Sequence[str] = (), import_from: str | os.PathLike[str] | None = None
) -> Scenario:
    """Load a scenario and check all of it: every arm, every combination of the sweep, every parameter.

    Loading imports the worlds and minds that the scenario names: it is as trusted as code.

    Args:
        path: The YAML file, or the bare name of a scenario that comes with simworld.
        overrides: Texts such as ``world.rate=0.3`` or ``roles.planner.0.kind=fixed``, applied in their order; the
            value is YAML.
        import_from: Folder where ``module:Class`` is looked for besides what is installed; the file's own folder if
            it is left out.

    Raises:
        ScenarioError: One line for each of the first few problems, with file, line, key, what was found and what
            would be accepted.
    """
    path = located(Path(path))
    document = read(path)
    data, places = document.data, []
    for text in overrides:
        data, target = _override(data, text)
        places.append((target, one_line(text)))
    folder = Path(path.parent if import_from is None else import_from).resolve()
    import_beside(folder)
    source = Source(document, tuple(places))
    with beside(folder):
        model, cells = _checked(data, source)
    return Scenario(
        path, folder, document.text, tuple(overrides), model, cells, source, tuple(overruled(model, data, source))
    )


def _checked(data: dict[str, object], source: Source) -> tuple[ScenarioFile, tuple[Cell, ...]]:
    """What a scenario says, and its cells; raises ScenarioError for what is wrong with it."""
    checker = Checker()
    model, problems = validate(ScenarioFile, data)
    if model is None:
        checker.blocks(data, problems)
        refuse((source.line(problem) for problem in problems), checker.cause)
        raise AssertionError("a model that is refused has problems")
    refuse((source.line(problem) for problem in claim_problems(model)), None)
    cells, lines = expand(model, data, source, checker)
    refuse(lines, checker.cause)
    return model, tuple(cells)


def _override(data: dict[str, object], text: str) -> tuple[dict[str, object], Key]:
    key, equals, value = text.partition("=")
    shown = one_line(text)
    if not equals:
        raise ScenarioError(f"--set {shown}: found no '='; accepted: a dotted key and a value such as world.rate=0.3")
    try:
        return put(data, key.strip(), parse_value(value, f"--set {shown}"))
    except ValueError as error:
        raise ScenarioError(f"--set {shown}: {error}") from error
