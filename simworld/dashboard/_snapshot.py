"""What a live dashboard shows, read from the run directory: never asked of the simulation, which goes on meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from simworld.dashboard._tracks import Map, read_map

if TYPE_CHECKING:
    from simworld_analysis import Run

_BINS, _TEXTS, _ASKS, _ROWS = 24, 4, 2_000, 20_000
_NOTES_PER_ASK = 6
_FEW = 6
"""Members whose numbers are shown one by one; those of more are a distribution."""
_LONGEST = 400
"""Points of a series: more do not fit on any screen."""


@dataclass(frozen=True, slots=True)
class Label:
    """Which episode this is."""

    id: str
    arm: str
    seed: int


@dataclass(frozen=True, slots=True)
class Bars:
    """A vector that one member decided or saw, entry by entry."""

    column: str
    unit: str
    labels: tuple[str, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How a number is distributed over the members."""

    column: str
    unit: str
    low: float
    high: float
    counts: tuple[int, ...]
    """Members from low to high; whoever lies beyond is in the last."""


@dataclass(frozen=True, slots=True)
class Lines:
    """A number of a few members over time."""

    column: str
    unit: str
    series: tuple[tuple[str, tuple[float, ...]], ...]
    """(who, values in order), for every member that has any."""


@dataclass(frozen=True, slots=True)
class Said:
    """The latest texts of a few members."""

    column: str
    texts: tuple[tuple[str, str], ...]
    """(who, what)."""


Panel: TypeAlias = Bars | Histogram | Lines | Said | Map
"""What is shown of one column, or of all positions."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One episode as it stands."""

    label: Label
    tick: int
    series: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Samples of the shown measures, in order."""
    units: Mapping[str, str] = field(default_factory=dict)
    panels: tuple[Panel, ...] = ()
    latency: tuple[float, float] | None = None
    """Median and 95th percentile of the seconds that models took for their latest answers."""
    faults: Mapping[str, int] = field(default_factory=dict)
    """By kind."""


def read_episode(run: Run, label: Label, measures: Sequence[str], watch: Sequence[str]) -> Episode | None:
    """An episode as its tables have it now; None if they have nothing yet."""
    columns = ["tick", *measures]
    if "measures" not in run.tables:
        return None
    table = run.rows_of("measures", label.id, columns)
    if table is None or not table.num_rows:
        return None
    series = {m: _series(table[m].to_numpy()) for m in measures}
    panels = _panels(run, label.id, watch)
    return Episode(
        label,
        int(table["tick"][-1].as_py()),
        series,
        run.units("measures"),
        tuple(panels),
        _latency(run, label.id),
        _faults(run, label.id),
    )


def watched(run: Run, label: Label) -> list[str]:
    """What to show of an episode if the scenario does not say.

    Where the members of each role are, the first vector that a lone member decides, the first number in which the
    members of a role differ, the first text.
    """
    from simworld_analysis.positions import is_position  # noqa: PLC0415

    found: dict[str, str] = {}
    places: list[str] = []
    for table in run.tables:
        latest = run.latest(table, label.id, ["agent"]) if table.startswith("decisions.") else None
        if latest is None:
            continue
        seen = [f.name for f in run.schema(table) if f.name.startswith("obs.") and is_position(f)]
        places += [f"{table.removeprefix('decisions.')}.{name}" for name in seen[:1]]
        alone = len(np.unique(latest["agent"].to_numpy())) == 1
        for declared in run.schema(table):
            kind, prefix = _kind(declared.type), declared.name.partition(".")[0]
            if kind in found or (kind, prefix) not in _WATCHED or (kind != "texts" and alone != (kind == "bars")):
                continue
            column = _Column(run, label.id, f"{table.removeprefix('decisions.')}.{declared.name}", table, declared)
            if kind != "histogram" or _histogram(column) is not None:
                found[kind] = column.name
    return [*places, *(found[kind] for kind in ("bars", "histogram", "texts") if kind in found)]


_WATCHED = {("bars", "act"), ("histogram", "obs"), ("texts", "mind")}


def _series(values: Any) -> tuple[float, ...]:
    kept = values[~np.isnan(values)]
    step = max(1, -(-len(kept) // _LONGEST))
    return tuple(kept[::step].tolist())


def _kind(kind: Any) -> str:
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_fixed_size_list(kind) and pa.types.is_floating(kind.value_type):
        return "bars"
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return "histogram"
    return "texts" if pa.types.is_string(kind) or pa.types.is_dictionary(kind) else ""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a role's decisions, and where it is read."""

    run: Run
    episode: str
    name: str
    """With its role, as a scenario writes it."""
    table: str
    field: Any

    @property
    def role(self) -> str:
        return self.table.removeprefix("decisions.")

    @property
    def unit(self) -> str:
        return str((self.field.metadata or {}).get(b"unit", b"").decode())

    def rows(self, *more: str) -> list[dict[str, Any]]:
        """The newest decisions in which it has a value."""
        latest = self.run.latest(self.table, self.episode, ["tick", "agent", "end", self.field.name, *more])
        rows = [] if latest is None else latest.slice(max(0, latest.num_rows - _ROWS)).to_pylist()
        return [row for row in rows if row["end"] is None and row[self.field.name] is not None]


def _panels(run: Run, episode: str, watch: Sequence[str]) -> list[Panel]:
    """One map of all positions, and a panel for each other column, as far as there is something to show."""
    from simworld_analysis.positions import is_position  # noqa: PLC0415

    found = [column for name in watch if (column := _column(run, episode, name)) is not None]
    places = [(c.role, c.field.name) for c in found if is_position(c.field)]
    shown = read_map(run, episode, places) if places else None
    panels = [panel for c in found if not is_position(c.field) and (panel := _panel(c)) is not None]
    return panels if shown is None else [shown, *panels]


def _column(run: Run, episode: str, column: str) -> _Column | None:
    """A column of a role, as a scenario writes it; None if there is none yet."""
    role, _, name = column.partition(".")
    table = f"decisions.{role}"
    schema = run.schema(table) if table in run.tables else None
    if schema is None or schema.get_field_index(name) < 0:
        return None
    return _Column(run, episode, column, table, schema.field(name))


def _panel(column: _Column) -> Panel | None:
    """A panel for one column of a role, by the column's type; None if there is nothing to show."""
    make = {"bars": _bars, "histogram": _numbers, "texts": _said}.get(_kind(column.field.type))
    return None if make is None else make(column)


def _said(column: _Column) -> Said | None:
    role, name = column.role, column.field.name
    # The newest of each member.
    texts = {f"{role} {row['agent']}": str(row[name]) for row in column.rows() if row[name]}
    return Said(column.name, tuple(texts.items())[-_TEXTS:]) if texts else None


def _numbers(column: _Column) -> Lines | Histogram | None:
    """One by one where few members have this number, as that of a mind that one player has; else how it is spread."""
    who = {row["agent"] for row in column.rows()}
    return _histogram(column) if len(who) > _FEW else _lines(column)


def _lines(column: _Column) -> Lines | None:
    name = column.field.name
    table = column.run.rows_of(column.table, column.episode, ["agent", "end", name])
    if table is None:
        return None
    values = table[name].to_numpy().astype(np.float64)
    agents, decided = table["agent"].to_numpy(), table["end"].is_null().to_numpy()
    # A mind that does not have this number has nan, as has an observation before there is anything to see.
    here = decided & np.isfinite(values)
    role = column.role
    members = np.unique(agents[here]).tolist()
    series = tuple((f"{role} {member}", _series(values[here & (agents == member)])) for member in members)
    return Lines(column.name, column.unit, series) if series else None


def _histogram(column: _Column) -> Histogram | None:
    rows = column.rows()
    if not rows:
        return None
    now = np.array([r[column.field.name] for r in rows if r["tick"] == rows[-1]["tick"]], dtype=np.float64)
    now = now[np.isfinite(now)]
    if len(now) < 2 or now.min() == now.max():
        return None
    # A long tail would leave nothing to see of the rest.
    high = float(np.quantile(now, 0.9))
    counts, edges = np.histogram(np.minimum(now, high), bins=_BINS)
    return Histogram(column.name, column.unit, float(edges[0]), float(edges[-1]), tuple(counts.tolist()))


def _bars(column: _Column) -> Bars | None:
    from simworld_analysis.positions import is_position  # noqa: PLC0415

    name, size = column.field.name, column.field.type
    # Another vector of the same length says what the entries are: the edges of brackets, for example, but no place.
    seen = f"obs.{name.partition('.')[2]}"
    vectors = [f for f in column.run.schema(column.table) if f.type == size and f.name.startswith("obs.")]
    others = [f.name for f in vectors if not is_position(f)]
    about = [other for other in others if other not in (seen, name)][:1]
    rows = column.rows(*about)
    if not rows:
        return None
    values = tuple(0.0 if v is None else float(v) for v in rows[-1][name])
    names = [f"{v:,.0f}" for v in rows[-1][about[0]]] if about else [str(i) for i in range(len(values))]
    return Bars(column.name, column.unit, tuple(names), values)


def _latency(run: Run, episode: str) -> tuple[float, float] | None:
    ask = ["role", "agent", "decision", "ask"]
    if not {"asks", "telemetry"} <= set(run.tables):
        return None
    asks, noted = run.latest("asks", episode, [*ask, "kind"]), run.latest("telemetry", episode, [*ask, "key", "value"])
    if asks is None or noted is None:
        return None
    # People think for minutes; what they take says nothing about a model.
    *keys, kinds = (asks.slice(max(0, asks.num_rows - _ASKS))[name].to_pylist() for name in (*ask, "kind"))
    models = {key for key, kind in zip(zip(*keys, strict=True), kinds, strict=True) if kind == "model"}
    rows = noted.slice(max(0, noted.num_rows - _NOTES_PER_ASK * _ASKS)).to_pydict()
    each = zip(*(rows[name] for name in (*ask, "key", "value")), strict=True)
    seconds = [value for *key, name, value in each if name == "seconds" and tuple(key) in models]
    if not seconds:
        return None
    low, high = np.quantile(seconds, [0.5, 0.95])
    return float(low), float(high)


def _faults(run: Run, episode: str) -> dict[str, int]:
    table = run.rows_of("faults", episode, ["kind"]) if "faults" in run.tables else None
    counts: dict[str, int] = {}
    for kind in [] if table is None else table["kind"].cast("string").to_pylist():
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def whole_sample(run: Run, label: Label, measure: str) -> float | None:
    """An episode's number: the mean of a flow's samples, the last one of a stock's; None if there is none."""
    flow = run.whole(measure) == "mean"
    rows = (run.rows_of if flow else run.latest)("measures", label.id, [measure])
    column = np.zeros(0) if rows is None else rows[measure].to_numpy()
    sampled = column[~np.isnan(column)]
    return float(sampled.mean() if flow else sampled[-1]) if len(sampled) else None
