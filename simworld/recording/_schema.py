"""What an episode's tables hold: every column declared, with its unit and meaning as field metadata."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import pyarrow as pa

from simworld.errors import ContractError
from simworld.kernel import Field, Group, Role, World

SCHEMA_VERSION = "1"
"""Version of the tables' layout; a change needs a migration note."""

Parameter: TypeAlias = "bool | int | float | str | Sequence[Parameter] | Mapping[str, Parameter] | None"
"""Value of a sweep parameter, as the scenario file gives it."""

Policy: TypeAlias = "str | Mapping[str, int]"
"""What is recorded of a role's decisions: ``every``, ``none``, or ``{"every": k}``."""

_TEXT = pa.dictionary(pa.int32(), pa.string())
_TYPES = {"bool": pa.bool_(), "int64": pa.int64(), "float64": pa.float64(), "str": pa.string()}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class EpisodeKey:
    """Which episode this is: what the tables call it and where it stands in the sweep."""

    episode: str
    """Stable id, usable as a file name."""
    cell: str = ""
    """Digest of the scenario cell."""
    arm: str = ""
    """Name of the arm."""
    seed: int = 0
    """Seed of the episode; arms share seeds."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    """Values of the sweep's parameters, by dotted key."""


@dataclass(frozen=True, slots=True)
class RoleTable:
    """One role as it is recorded."""

    role: Role
    """The role, sized: every shape in numbers."""
    minds: tuple[tuple[str, tuple[Field, ...]], ...] = ()
    """Label and declared mind fields of each group, in the order of the role's seating."""
    every: int = 1
    """Keep decisions whose index is a multiple of this, and closing rows; 0 keeps nothing."""

    @property
    def mind(self) -> tuple[Field, ...]:
        """Mind fields over all groups. Raises ContractError where two minds declare one field differently."""
        return _union(f"minds of role {self.role.name!r}", (f for _, fields in self.minds for f in fields))


@dataclass(frozen=True, slots=True)
class EpisodeTables:
    """Declaration of everything that is recorded of one episode."""

    key: EpisodeKey
    roles: tuple[RoleTable, ...]
    measures: tuple[Field, ...] = ()
    tick_length: float = 1.0
    tick_unit: str = "tick"
    kinds: Mapping[str, pa.DataType] | None = None
    """Arrow types of the parameters over the whole sweep (see ``parameter_types``); None: those of this episode."""
    backdrop: tuple[tuple[float, ...], ...] = ()
    """What stands still (``World.backdrop``): a note in the schemas of decisions, so that it goes with positions."""

    @staticmethod
    def of(
        key: EpisodeKey,
        world: World,
        seating: Mapping[str, Sequence[Group]],
        record: Mapping[str, Policy] | None = None,
        kinds: Mapping[str, pa.DataType] | None = None,
        probes: Sequence[Field] = (),
    ) -> EpisodeTables:
        """The declaration for a world and the minds that fill its seats.

        Raises:
            ContractError: A policy is not known, or fields, roles or measures cannot be columns.
        """
        sizes = {r.name: sum(g.count for g in seating.get(r.name, ())) for r in world.roles}
        unknown = set(record or {}) - set(sizes)
        if unknown:
            raise ContractError(f"record: the world has no role {sorted(unknown)}; it has {list(sizes)}")
        roles = tuple(
            RoleTable(
                r.sized(sizes),
                tuple((g.label, () if g.mind is None else tuple(g.mind.mind)) for g in seating.get(r.name, ())),
                _every(r.name, (record or {}).get(r.name, "every")),
            )
            for r in world.roles
        )
        clock: tuple[object, object] = (world.tick_length, world.tick_unit)
        if not isinstance(clock[0], int | float) or not isinstance(clock[1], str):
            raise ContractError(
                f"{type(world).__name__}: tick_length and tick_unit are {clock}; accepted: number, text"
            )
        measures, backdrop = (*world.measures, *probes), _segments(world)
        return EpisodeTables(key, roles, measures, float(world.tick_length), world.tick_unit, kinds, backdrop)

    def schemas(self) -> dict[str, pa.Schema]:
        """The schema of every table, by name. Raises ContractError for what cannot be a column."""
        if not _NAME.fullmatch(self.key.episode) or self.key.episode.startswith(("part-", "block-")):
            raise ContractError(f"episode id {self.key.episode!r}: letters, digits, '_', '.', '-' are accepted")
        for table in self.roles:
            if not _NAME.fullmatch(table.role.name):
                raise ContractError(f"role name {table.role.name!r}: letters, digits, '_', '.', '-' are accepted")
        tables = {f"decisions.{t.role.name}": self._decisions(t) for t in self.roles}
        tables["measures"] = [_EPISODE, _TICK, self._time(), *(_declared("", f) for f in self.measures)]
        traits = _union("traits", (f for t in self.roles for f in t.role.traits))
        tables["agents"] = [*_AGENTS, *(_declared("trait.", f) for f in traits)]
        tables |= {"asks": list(_ASKS), "faults": list(_FAULTS), "telemetry": list(_TELEMETRY), "chain": list(_CHAIN)}
        tables["episodes"] = self._episodes()
        note = {"simworld.backdrop": json.dumps(self.backdrop)} if self.backdrop else {}
        notes = {f"decisions.{t.role.name}": note for t in self.roles}
        return {name: _schema(name, fields, notes.get(name, {})) for name, fields in tables.items()}

    def _time(self) -> pa.Field:
        return _column("time", pa.float64(), self.tick_unit, "simulated time: the tick times the length of a tick")

    def _decisions(self, table: RoleTable) -> list[pa.Field]:
        role = table.role
        return [
            _EPISODE,
            _TICK,
            self._time(),
            _AGENT,
            *(_declared("obs.", f) for f in role.logged),
            *(_declared("act.", f) for f in role.act),
            _column("reward", pa.float64(), "", "sum of the rewards credited to this decision; null on closing rows"),
            *(_declared("mind.", f) for f in table.mind),
            _column("fault", _TEXT, "", "why the action is not, or not as it came, the mind's own; null if it is"),
            _column("end", _TEXT, "", "terminated, truncated or left: a closing row without action; else null"),
            _column("decision", pa.int64(), "", "index of the member's decision; on a closing row that of the next"),
            _column("since", pa.int64(), "tick", "tick of the observation"),
        ]

    def _episodes(self) -> list[pa.Field]:
        kinds = parameter_types([self.key.parameters]) if self.kinds is None else self.kinds
        returns = [
            _column(f"return.{t.role.name}", pa.float64(), "", f"sum of all rewards of role {t.role.name}")
            for t in self.roles
        ]
        given = [_column(f"param.{k}", kinds[k], "", f"sweep parameter {k}") for k in self.key.parameters]
        return [*_EPISODES[:-1], *returns, *given, _EPISODES[-1]]


def parameter_types(cells: Iterable[Mapping[str, Parameter]]) -> dict[str, pa.DataType]:
    """One Arrow type per parameter that holds its values in all cells of a sweep; text where they have none."""
    values: dict[str, list[Parameter]] = {}
    for cell in cells:
        for key, value in cell.items():
            values.setdefault(key, []).append(value)
    return {key: _type_of(found) for key, found in values.items()}


_SIMPLE = {bool: pa.bool_(), float: pa.float64(), str: pa.string()}
"""What needs no inference, for which pyarrow would import pandas."""


def _type_of(values: list[Parameter]) -> pa.DataType:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):  # type: ignore[operator]
        return pa.int64()
    if len(kinds) == 1 and (simple := _SIMPLE.get(kinds.pop())) is not None:
        return simple
    try:
        found = pa.array(values).type
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return pa.string()
    return pa.string() if pa.types.is_null(found) else found


def arrow_type(declared: Field) -> pa.DataType:
    """The Arrow type of a declared field.

    Raises:
        ContractError: A dimension of its shape is not a number.
    """
    found = _TYPES[declared.dtype]
    for size in reversed(declared.shape):
        if not isinstance(size, int):
            raise ContractError(f"field {declared.name!r}: dimension {size!r} is not a number")
        found = pa.list_(found, size)
    return found


def _every(role: str, policy: Policy) -> int:
    if policy in ("every", "none"):
        return 1 if policy == "every" else 0
    if isinstance(policy, Mapping) and set(policy) == {"every"} and policy["every"] >= 1:
        return policy["every"]
    raise ContractError(f"record of role {role!r}: {policy!r}; accepted: every, none, or {{every: k}} with k >= 1")


def _union(what: str, fields: Iterable[Field]) -> tuple[Field, ...]:
    found: dict[str, Field] = {}
    for one in fields:
        known = found.setdefault(one.name, one)
        if (known.dtype, known.shape, known.unit) != (one.dtype, one.shape, one.unit):
            raise ContractError(
                f"{what}: {one.name!r} is declared as {known.dtype}{list(known.shape)} {known.unit!r}"
                f" and as {one.dtype}{list(one.shape)} {one.unit!r}"
            )
    return tuple(found.values())


def _column(name: str, kind: pa.DataType, unit: str, meaning: str) -> pa.Field:
    return pa.field(name, kind, metadata={"unit": unit, "meaning": meaning})


def _declared(prefix: str, one: Field) -> pa.Field:
    kind = arrow_type(one) if prefix else pa.float64()
    column = _column(prefix + one.name, kind, one.unit, one.meaning)
    return column.with_metadata({**column.metadata, b"flow": b"yes"}) if one.flow else column


def _segments(world: World) -> tuple[tuple[float, ...], ...]:
    """What stands still in a world. Raises ContractError for what is no line."""
    start, accepted = f"{type(world).__name__}: backdrop", "accepted: segments of four finite numbers each"
    try:
        found = tuple(tuple(map(float, segment)) for segment in world.backdrop)
    except (TypeError, ValueError) as error:
        raise ContractError(f"{start}: found {world.backdrop!r}; {accepted}") from error
    wrong = next((s for s in found if len(s) != 4 or not all(map(math.isfinite, s))), None)
    if wrong is not None:
        raise ContractError(f"{start}: {wrong}; {accepted}")
    return found


def _schema(name: str, fields: Sequence[pa.Field], notes: Mapping[str, str]) -> pa.Schema:
    names = [f.name for f in fields]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ContractError(f"table {name!r} has two columns of the name {twice}")
    return pa.schema(fields, metadata={"simworld.schema_version": SCHEMA_VERSION, "simworld.table": name, **notes})


_EPISODE = _column("episode", _TEXT, "", "id of the episode")
_TICK = _column("tick", pa.int64(), "tick", "simulated time in whole ticks")
_ROLE = _column("role", _TEXT, "", "role of the member")
_AGENT = _column("agent", pa.int64(), "", "number of the member in its role; never used again")
_DECISION = _column("decision", pa.int64(), "", "index of the member's decision")
_ASK = _column("ask", pa.int64(), "", "index of the ask within its decision")

_AGENTS = (
    _EPISODE,
    _ROLE,
    _AGENT,
    _column("mind", _TEXT, "", "label of the mind that fills the seat"),
    _column("born", pa.int64(), "tick", "when the member took its seat"),
    _column("left", pa.int64(), "tick", "when it left; null if it stayed to the end"),
)
_ASKS = (
    _EPISODE,
    _ROLE,
    _AGENT,
    _DECISION,
    _ASK,
    _column("kind", _TEXT, "", "who was asked: model or person"),
    _column("since", pa.int64(), "tick", "when it was asked"),
    _column("tick", pa.int64(), "tick", "when its answer was used, or the decision discarded"),
    _column("after", pa.int64(), "tick", "declared time until the answer"),
    _column("digest", pa.string(), "", "SHA-256 of the question; the tape holds its text"),
    _column("answer_digest", pa.string(), "", "SHA-256 of the answer; null if the decision was discarded"),
    _column("source", _TEXT, "", "who answered: the model's own name, a stand-in, a person, a fallback"),
    _column("fault", _TEXT, "", "why it is not a proper answer; null if it is"),
)
_FAULTS = (
    _EPISODE,
    _TICK,
    _ROLE,
    _AGENT,
    _DECISION,
    _column("kind", _TEXT, "", "what went wrong"),
    _column("detail", pa.string(), "", "the same in words"),
)
_TELEMETRY = (
    _EPISODE,
    _ROLE,
    _AGENT,
    _DECISION,
    _ASK,
    _column("key", _TEXT, "", "what was noted"),
    _column("value", pa.float64(), "", "its value, if it is a number"),
    _column("text", pa.string(), "", "its value, if it is a text"),
)
_CHAIN = (
    _EPISODE,
    _column("moment", pa.int64(), "", "index of the moment; the last one closes the episode"),
    _TICK,
    _column("priority", pa.int64(), "", "priority of the moment within its tick"),
    _column("link", pa.binary(32), "", "SHA-256 over this moment and everything before it"),
)
_EPISODES = (
    _EPISODE,
    _column("cell", pa.string(), "", "digest of the scenario cell"),
    _column("arm", pa.string(), "", "name of the arm; arms share seeds"),
    _column("seed", pa.int64(), "", "seed of the episode"),
    _column("status", pa.string(), "", "success or failed"),
    _column("moments", pa.int64(), "", "moments that were stepped through"),
    _column("ticks", pa.int64(), "tick", "tick at which the episode ended"),
    _column("chain", pa.string(), "", "last link of the hash chain, hexadecimal"),
    _column("decisions", pa.int64(), "", "decisions that were made, recorded or not"),
    _column("faults", pa.int64(), "", "decisions that were flagged or discarded"),
    _column("error", pa.string(), "", "what a failed episode failed of, where and when; null otherwise"),
)
