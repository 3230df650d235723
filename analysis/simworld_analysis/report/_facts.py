"""What happened: episodes, faults, models and their cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simworld_analysis._open import STAND_IN, OpenError, Run
from simworld_analysis._values import ended_episodes
from simworld_analysis.report._words import number

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Variant:
    """An arm, or a cell of a sweep, by its name."""

    name: str
    stand_in: bool = False
    """Whether a stand-in answered in it for a language model."""

    def __str__(self) -> str:
        return self.name or "all"


@dataclass(frozen=True, slots=True)
class FlowRow:
    """Episodes of one variant."""

    variant: Variant
    ended: int
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class Flow:
    """Where the planned episodes went."""

    planned: int
    succeeded: int
    failed: int
    broken: int
    """Under way, or broken off: they have rows, but no end."""
    going: bool
    """Whether somebody still works on them."""
    rows: tuple[FlowRow, ...]

    @property
    def not_run(self) -> int:
        """Episodes of which nothing was recorded."""
        return max(0, self.planned - self.succeeded - self.failed - self.broken)


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong, by its kind."""

    kind: str
    times: int
    variants: str
    example: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Episodes that failed of the same."""

    error: str
    """Last line of what they said."""
    times: int
    where: str
    """The first of them."""
    detail: str


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one variant took."""

    variant: Variant
    by: Mapping[str, int]
    """How many asks each source answered: a person's answers and a stand-in's are never one number."""
    asks: int
    prompt_tokens: float
    completion_tokens: float
    usd: float
    faulty: int
    seconds: float

    @property
    def asked(self) -> str:
        """Who answered."""
        return ", ".join(source if len(self.by) == 1 else f"{source}: {n:,}" for source, n in self.by.items())


@dataclass(frozen=True, slots=True)
class Cost:
    """What the run took."""

    models: tuple[tuple[str, str, bool], ...]
    """The name that minds use, the model, and whether it is a stand-in."""
    rows: tuple[CostRow, ...]

    @property
    def stand_ins(self) -> tuple[str, ...]:
        """Models that are none."""
        return tuple(dict.fromkeys(model for _, model, stand_in in self.models if stand_in))

    @property
    def of_stand_ins(self) -> int:
        """How many asks stand-ins answered."""
        return sum(n for row in self.rows for source, n in row.by.items() if source.startswith(STAND_IN))

    def total(self, name: str) -> float:
        """The sum over variants of a column of ``CostRow``."""
        return float(sum(getattr(row, name) for row in self.rows))


@dataclass(frozen=True, slots=True)
class Happened:
    """Episodes, faults and cost of a run."""

    variants: tuple[Variant, ...]
    """Those with an episode that has ended, in their order."""
    flow: Flow
    faults: tuple[Fault, ...]
    failures: tuple[Failure, ...]
    cost: Cost
    noun: str = "arm"
    """What a variant is: an arm, or, in a sweep, a variant."""


def happened(run: Run, manifest: Mapping[str, Any]) -> Happened:
    """What there is to say about the episodes of a run, finished or not."""
    episodes = _ended(run)
    of = dict(zip(episodes["episode"], episodes["variant"], strict=True))
    asks = _rows(run, "asks", ["episode", "source", "fault"])
    asks = asks.assign(variant=asks["episode"].map(of))
    used = asks[asks["source"].astype(str).str.startswith(STAND_IN)]["variant"].dropna().unique()
    names = list(dict.fromkeys(episodes["variant"]))
    variants = tuple(Variant(name, name in set(used)) for name in names)
    return Happened(
        variants,
        _flow(run, manifest, episodes, variants),
        tuple(_faults(run, of)),
        tuple(_failures(run, episodes)),
        Cost(_models(manifest), tuple(_costs(run, asks, of, variants))),
        "variant" if any(str(name).startswith("param.") for name in episodes.columns) else "arm",
    )


def _rows(run: Run, table: str, columns: list[str]) -> pd.DataFrame:
    """A table's rows with texts as texts; none if nothing of it can be read yet, or some column is not there."""
    import pandas as pd  # noqa: PLC0415

    try:
        frame = run.table(table, columns) if table in run.tables else pd.DataFrame(columns=columns)
    except OpenError:
        frame = pd.DataFrame(columns=columns)
    return frame.astype({"episode": str})


def _ended(run: Run) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415

    try:
        return ended_episodes(run)
    except OpenError:
        return pd.DataFrame(columns=["episode", "arm", "seed", "status", "variant"])


def _flow(run: Run, manifest: Mapping[str, Any], episodes: pd.DataFrame, variants: tuple[Variant, ...]) -> Flow:
    seen: set[str] = set()
    for table in run.tables:
        if table == "measures" or table.startswith("decisions."):
            seen |= _episodes_in(run, table)
    rows = []
    for variant in variants:
        status = episodes[episodes["variant"] == variant.name]["status"]
        good = int((status == "success").sum())
        rows.append(FlowRow(variant, len(status), good, len(status) - good))
    succeeded = sum(row.succeeded for row in rows)
    return Flow(
        planned=int(manifest.get("episodes") or len(episodes)),
        succeeded=succeeded,
        failed=len(episodes) - succeeded,
        broken=len(seen - set(episodes["episode"])),
        going=run.status == "running",
        rows=tuple(rows),
    )


def _episodes_in(run: Run, table: str) -> set[str]:
    """Episodes with rows in a table, without holding the table."""
    try:
        return {str(name) for batch in run.batches(table, ["episode"]) for name in batch.column(0).unique().to_pylist()}
    except OpenError:
        return set()


def _faults(run: Run, of: Mapping[str, str]) -> list[Fault]:
    faults = _rows(run, "faults", ["episode", "tick", "role", "agent", "kind", "detail"])
    found = []
    for kind, times in Counter(faults["kind"].astype(str)).most_common():
        mine = faults[faults["kind"].astype(str) == kind]
        first = mine.iloc[0]
        who = f"{first['role']} {first['agent']} at tick {first['tick']}"
        arms = list(dict.fromkeys(of.get(e, "") for e in mine["episode"]))
        where = ", ".join(arm or "all" for arm in arms[:4]) + (f" and {len(arms) - 4} more" if len(arms) > 4 else "")
        detail = first["detail"] if isinstance(first["detail"], str) else ""
        found.append(Fault(kind, times, where, f"{who}: {detail}" if detail else who))
    return found


def _failures(run: Run, episodes: pd.DataFrame) -> list[Failure]:
    said = _rows(run, "episodes", ["episode", "error"]).merge(episodes, on="episode")
    said = said[said["status"] != "success"]
    lines = [str(e).strip().splitlines()[-1] if isinstance(e, str) and e.strip() else "unknown" for e in said["error"]]
    found = []
    for line, times in Counter(lines).most_common():
        first = said.iloc[lines.index(line)]
        where = f"{first['variant'] or 'episode'}, seed {first['seed']}"
        detail = first["error"] if isinstance(first["error"], str) else ""
        found.append(Failure(line, times, where, detail))
    return found


def _models(manifest: Mapping[str, Any]) -> tuple[tuple[str, str, bool], ...]:
    named = manifest.get("models") or {}
    return tuple((name, model, model.startswith(STAND_IN)) for name, models in named.items() for model in models)


def _costs(run: Run, asks: pd.DataFrame, of: Mapping[str, str], variants: tuple[Variant, ...]) -> list[CostRow]:
    noted = _rows(run, "telemetry", ["episode", "role", "key", "value"])
    noted = noted.assign(variant=noted["episode"].map(of), asked=noted["role"].notna())
    sums = noted.groupby(["variant", "asked", noted["key"].astype(str)], observed=True)["value"].sum().to_dict()
    rows = []
    for variant in variants:
        mine = asks[asks["variant"] == variant.name]
        by = Counter(mine["source"].dropna().astype(str))
        faulty = mine["fault"].notna() & (mine["fault"].astype(str) != "mended")
        into, out, usd = (
            float(sums.get((variant.name, True, k), 0.0)) for k in ("prompt_tokens", "completion_tokens", "usd")
        )
        seconds = float(sums.get((variant.name, False, "seconds"), 0.0))
        rows.append(CostRow(variant, by, len(mine), into, out, usd, int(faulty.sum()), seconds))
    return rows


def money(value: float) -> str:
    """US dollars."""
    return f"${value:,.2f}" if value >= 1.0 else f"${number(value)}"
