"""Cells: every arm with every combination of the sweep, fully resolved."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from simworld.errors import ScenarioError
from simworld.files import beside, folder_beside
from simworld.scenario._check import CORE, Checker, blocks
from simworld.scenario._explain import Problem, dotted, found, instead, listing
from simworld.scenario._models import ScenarioFile
from simworld.scenario._paths import put
from simworld.scenario._registry import build, find
from simworld.scenario._source import Line, Patch, Source
from simworld.scenario._sweep import points_of, sweep_problems
from simworld.scenario._yaml import Key

if TYPE_CHECKING:
    from simworld.kernel import Agent, Cohort, Role, World
    from simworld.scenario._load import Scenario

MOST_CELLS = 10_000


@dataclass(frozen=True, slots=True)
class Seating:
    """One group of a role in a cell."""

    role: str
    """The role that it fills."""
    index: int
    """Its place among the role's groups."""
    kind: str
    """Which mind."""
    count: int
    """How many members."""
    parameters: Mapping[str, object]
    """All parameters of the mind."""
    where: str
    """Line and key of the block, for messages."""
    folder: str = ""
    """Where the files are that its parameters name."""

    def build(self) -> Agent | Cohort:
        """Construct the mind.

        Raises:
            ScenarioError: Its constructor refuses the parameters.
        """
        with beside(self.folder):
            return build(find("agent", self.kind), self.parameters, self.where)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm with one combination of the sweep: all that determines its episodes besides the seed."""

    arm: str
    """Name of the arm; empty in a scenario without arms."""
    overrides: Mapping[str, object]
    """Values of the sweep by dotted key."""
    resolved: Mapping[str, object]
    """World, roles, horizon, record, and the models and people whom its minds ask, with all defaults: plain data."""
    digest: str
    """SHA-256 of ``resolved`` as canonical JSON, in hex."""
    places: Mapping[str, str] = field(repr=False, compare=False, default_factory=dict)
    """Line and key of each block, for messages: by ``world`` and ``roles.<role>.<index>``."""
    base: str = ""
    """Digest of the cell that it is a fork of, the same with fewer interventions; empty if it has none."""
    shared: int = 0
    """How many of its first interventions that cell has, too."""
    folder: str = field(repr=False, compare=False, default="")
    """Where the files are that its parameters name."""

    @property
    def horizon(self) -> int:
        """Length of an episode in ticks."""
        horizon = self.resolved["horizon"]
        assert isinstance(horizon, int)
        return horizon

    @property
    def kind(self) -> str:
        """Which world."""
        return str(_block(self.resolved["world"])["kind"])

    @property
    def seatings(self) -> tuple[Seating, ...]:
        """All groups, by role and place."""
        seatings = []
        for role, groups in _block(self.resolved["roles"]).items():
            assert isinstance(groups, list)
            for index, group in enumerate(groups):
                where = self.places.get(f"roles.{role}.{index}", "")
                parameters = {name: value for name, value in group.items() if name not in ("kind", "count")}
                seatings.append(Seating(role, index, group["kind"], group["count"], parameters, where, self.folder))
        return tuple(seatings)

    @property
    def record(self) -> dict[str, int]:
        """For every role, which decisions are recorded: every k-th, or none at 0."""
        every = {"none": 0, "every": 1}
        return {
            role: every[setting] if isinstance(setting, str) else int(str(_block(setting)["every"]))
            for role, setting in _block(self.resolved["record"]).items()
        }

    @property
    def parameters(self) -> dict[str, object]:
        """All that is resolved, flat: numbers, texts and plain lists by dotted key, with the arm."""
        flat: dict[str, object] = {"arm": self.arm}
        for key in CORE:
            flat.update(_flat(key, self.resolved.get(key, {})))
        return flat

    def build_world(self) -> World:
        """Construct the world.

        Raises:
            ScenarioError: Its constructor refuses the parameters.
        """
        given = {name: value for name, value in _block(self.resolved["world"]).items() if name != "kind"}
        with beside(self.folder):
            return build(find("world", self.kind), given, self.places.get("world", ""))  # type: ignore[return-value]


def cells(scenario: Scenario) -> tuple[Cell, ...]:
    """All cells of a scenario in file order: arms, and in each the sweep with its last key varying fastest."""
    return scenario.cells


def check_roles(cell: Cell, roles: Sequence[Role]) -> None:
    """Check that a cell fills roles that its world has, with as many seats as they accept.

    Raises:
        ScenarioError: A role is unknown, or has too few or too many seats.
    """
    names = [role.name for role in roles]
    counts = dict.fromkeys(_block(cell.resolved["roles"]), 0)
    where: dict[str, str] = {}
    for seating in cell.seatings:
        counts[seating.role] += seating.count
        where.setdefault(seating.role, seating.where)
    for name in counts:
        start = where.get(name) or f"{cell.places.get('roles', 'roles')}: {name}"
        if name not in names:
            raise ScenarioError(f"{start}: {cell.kind} has no such role{instead(name, names)}")
    for name in _block(cell.resolved["record"]):
        if name not in names:
            start = f"{cell.places.get('roles', 'roles')}: record.{name}"
            raise ScenarioError(f"{start}: {cell.kind} has no such role{instead(name, names)}")
    for role in roles:
        count = counts.get(role.name, 0)
        if count < role.least or (role.most is not None and count > role.most):
            start = where.get(role.name) or f"{cell.places.get('roles', 'roles')}: {role.name}"
            most = "" if role.most is None else f"at most {role.most}"
            limits = " and ".join(part for part in (f"at least {role.least}" if role.least else "", most) if part)
            raise ScenarioError(f"{start}: found {count} seats; accepted: {limits}")


def expand(
    model: ScenarioFile, data: Mapping[str, object], source: Source, checker: Checker
) -> tuple[list[Cell], list[Line]]:
    """All cells of a scenario, or what is wrong with any of them."""
    lines = [source.line(problem) for problem in _keys(model)]
    lines += [source.line(problem) for problem in sweep_problems(model.sweep)]
    if lines:
        return [], lines
    number = math.prod(len(values) for values in model.sweep.grid.values()) * max(1, len(model.arms))
    number *= len(points_of(model.sweep))
    if number > MOST_CELLS:
        message = f"found {number:,} cells; accepted: at most {MOST_CELLS:,}"
        lines.append(source.line(Problem(("sweep", "grid"), message)))
    if lines:
        return [], lines
    core = {key: data[key] for key in CORE if key in data}
    base = checker.core(core)[1]
    # What is missing may be supplied by every arm; what is wrong stays wrong, used or not.
    lines += [source.line(problem) for problem in base if not problem.missing]
    made: dict[str, tuple[Cell, str]] = {}
    roles = dict.fromkeys(_names(core, "roles"))
    recorded: dict[str, Line] = {}
    for variant in _variants(model):
        patched, patches, lost = variant.apply(core)
        lines += [source.line(problem) for problem in lost]
        if lost:
            continue
        resolved, problems = checker.core(patched)
        for problem in problems:
            lines.append(source.cell_line(problem, patches, "" if problem in base else variant.label))
        roles |= dict.fromkeys(_names(patched, "roles"))
        for role in _names(patched, "record"):
            problem = Problem(("record", role), "unknown role")
            recorded.setdefault(role, source.cell_line(problem, patches, ""))
        if resolved is None:
            continue
        places = _places(patched, patches, source)
        own, folder = digest(resolved), str(folder_beside() or "")
        cell = Cell(variant.arm, variant.grid, resolved, own, places, _base(checker, patched), folder=folder)
        if cell.digest in made:
            message = f"{variant.label} is the same as {made[cell.digest][1]}; accepted: variants that differ"
            lines.append(source.line(Problem(variant.key, message)))
        made[cell.digest] = (cell, variant.label)
    # A role may be in some arms only, so what is recorded is compared with the roles of all.
    open_roles = checker.brought(core, recorded, roles)
    lines += [line.ending(instead(r, list(roles))) for r, line in recorded.items() if r not in {*roles, *open_roles}]
    if not lines:
        lines += [source.line(problem) for problem in _without_effect(model, core, source)]
    return _twinned([cell for cell, _ in made.values()]), lines


def _twinned(cells: list[Cell]) -> list[Cell]:
    """Cells with interventions beside the cell that shares most of them: up to the next one both are the same."""
    by_origin: dict[str, list[Cell]] = {}
    for cell in cells:
        by_origin.setdefault(cell.base or cell.digest, []).append(cell)
    found = []
    for cell in cells:
        twins = [(_shared(cell, twin), twin) for twin in by_origin[cell.base or cell.digest] if twin is not cell]
        shared, twin = max(twins, key=lambda pair: pair[0], default=(-1, cell))
        found.append(replace(cell, base=twin.digest, shared=shared) if cell.base and shared >= 0 else cell)
    return found


def _shared(cell: Cell, twin: Cell) -> int:
    """How many interventions both begin with; -1 if the twin is changed first: then it is the fork.

    Of two that are changed at the same tick one comes first all the same, so that no two are forks of each other.
    """
    own, others = _changes(cell), _changes(twin)
    shared = next(n for n, (a, b) in enumerate(zip(own, others, strict=False)) if a != b)
    return shared if own[shared] < others[shared] else -1


def _changes(cell: Cell) -> list[tuple[float, str]]:
    """Tick and content of each intervention, and an end that comes after all of them."""
    blocks = cell.resolved.get("interventions", [])
    assert isinstance(blocks, list)
    return [*((float(one["at"]), json.dumps(one, sort_keys=True)) for one in blocks), (math.inf, "")]


def _base(checker: Checker, core: Mapping[str, object]) -> str:
    if not core.get("interventions"):
        return ""
    resolved, _ = checker.core({key: value for key, value in core.items() if key != "interventions"})
    return "" if resolved is None else digest(resolved)


def _names(core: Mapping[str, object], key: str) -> list[str]:
    block = core.get(key)
    return list(block) if isinstance(block, dict) else []


def canonical(value: object) -> str:
    """Canonical JSON: sorted keys, no blanks, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: object) -> str:
    """SHA-256 of a value as canonical JSON, in hex."""
    return hashlib.sha256(canonical(value).encode("ascii")).hexdigest()


def _without_effect(model: ScenarioFile, core: Mapping[str, object], source: Source) -> Iterator[Problem]:
    """Overrides that no cell keeps, because arms or the sweep set the same key afterwards."""
    for target, arms in _overruled(model, core, source):
        if len(arms) == max(1, len(model.arms)):
            words = "has no effect, as arms or the sweep set this key; accepted: keys that they leave alone"
            yield Problem(target, words)


def overruled(model: ScenarioFile, data: Mapping[str, object], source: Source) -> Iterator[str]:
    """Notes on overrides that only some arms keep."""
    core = {key: data[key] for key in CORE if key in data}
    for target, arms in _overruled(model, core, source):
        if 0 < len(arms) < len(model.arms):
            yield f"--set {dotted(target)} has no effect in {listing(list(arms))}, which set it themselves"


def _overruled(
    model: ScenarioFile, core: Mapping[str, object], source: Source
) -> Iterator[tuple[Key, tuple[str, ...]]]:
    """Each override's key, with the arms that set it afterwards."""
    reached: dict[str, list[Key]] = {}
    for arm in model.arms or ("",):
        # Which keys are set does not depend on the combination, so the first of each arm stands for all.
        variant = next(variant for variant in _variants(model) if variant.arm == arm)
        reached[arm] = [patch.target for patch in variant.apply(core)[1]]
    for target, _ in source.overrides:
        if target[0] in CORE:
            yield target, tuple(arm for arm, own in reached.items() if any(target[: len(p)] == p for p in own))


@dataclass(frozen=True, slots=True)
class _Variant:
    """Which values an arm and the sweep set."""

    arm: str
    values: tuple[tuple[str, object, Key], ...]
    grid: Mapping[str, object]

    @property
    def label(self) -> str:
        parts = [f"arms.{self.arm}"] if self.arm else []
        parts += [f"sweep {key}={found(value)}" for key, value in self.grid.items()]
        return ", ".join(parts)

    @property
    def key(self) -> Key:
        return ("arms", self.arm) if self.arm and not self.grid else ("sweep", "grid")

    def apply(self, core: Mapping[str, object]) -> tuple[dict[str, object], list[Patch], list[Problem]]:
        """The core with the values set, where each went, and which could not be set."""
        patched, patches, problems = dict(core), [], []
        for text, value, source in self.values:
            parts = text.split(".")
            known = _names(patched, "roles")
            if parts[0] == "roles" and len(parts) > 2 and parts[1] not in known:
                # A whole role may be added, a parameter of one that is not there is a slip.
                problems.append(Problem(source, f"no role {parts[1]!r} to change{instead(parts[1], known)}"))
                continue
            try:
                patched, target = put(patched, text, value)
            except ValueError as error:
                problems.append(Problem(source, str(error)))
            else:
                patches.append(Patch(target, source))
        return patched, patches, problems


def _variants(model: ScenarioFile) -> Iterator[_Variant]:
    grid = model.sweep.grid
    points = points_of(model.sweep)
    choices = [[(key, index) for index in range(len(values))] for key, values in grid.items()]
    for arm in model.arms or ("",):
        # From the outside in, whatever the order in the file: a whole role first, then a parameter in it.
        keys = sorted(model.arms.get(arm, {}), key=lambda key: (key.count("."), key))
        own = [(key, model.arms[arm][key], ("arms", arm, key)) for key in keys]
        for point, choice in itertools.product(points, itertools.product(*choices)):
            here = {**point.values, **{key: grid[key][index] for key, index in choice}}
            sources = {**point.sources, **{key: ("sweep", "grid", key, index) for key, index in choice}}
            inwards = sorted(here, key=lambda key: (key.count("."), key))
            yield _Variant(arm, (*own, *((key, here[key], sources[key]) for key in inwards)), here)


def _keys(model: ScenarioFile) -> Iterator[Problem]:
    """Keys of arms and sweeps that may not be set there, or are set twice."""
    places: list[tuple[str, Key]] = [(key, ("arms", arm, key)) for arm, own in model.arms.items() for key in own]
    places += [(key, ("sweep", "grid", key)) for key in model.sweep.grid]
    places += [(key, ("sweep", "points", i, key)) for i, one in enumerate(model.sweep.points[:1]) for key in one]
    if model.sweep.sample is not None:
        places += [(key, ("sweep", "sample", "over", key)) for key in model.sweep.sample.over]
    for text, place in places:
        first = text.partition(".")[0]
        if first not in CORE:
            shared = " (arms share seeds)" if first in ("seed", "episodes") else ""
            yield Problem(place, f"found the key {found(text)}{shared}{instead(first, CORE)}")
    for key, values in model.sweep.grid.items():
        seen: dict[str, int] = {}
        for index, value in enumerate(values):
            if seen.setdefault(canonical(value), index) != index:
                yield Problem(
                    ("sweep", "grid", key, index), f"found {found(value)} again; accepted: values that differ"
                )
    for key, by in places:
        for text, place in places if by[0] == "sweep" else ():
            if place != by and (text == key or text.startswith(f"{key}.")):
                yield Problem(place, f"also set by {dotted(by[:2])}: {key}; accepted: one of them")


def _places(core: Mapping[str, object], patches: Sequence[Patch], source: Source) -> dict[str, str]:
    places = {}
    for block in blocks(core):
        key = (*block.key, 0) if len(block.key) == 2 else block.key
        places[".".join(map(str, key))] = _where(block.key, patches, source)
    places["roles"] = _where(("roles",), patches, source)
    return places


def _where(key: Key, patches: Sequence[Patch], source: Source) -> str:
    line = source.cell_line(Problem(key, ""), patches, "")
    return line.text.removesuffix(": ")


def _block(value: object) -> Mapping[str, object]:
    assert isinstance(value, Mapping)
    return value


def _flat(key: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _flat(f"{key}.{name}", below)
    elif isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
        for index, below in enumerate(value):
            yield from _flat(f"{key}.{index}", below)
    else:
        yield key, value
