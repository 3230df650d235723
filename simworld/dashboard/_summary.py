"""The summary of a run in numbers: what was measured, arm by arm, what it cost, what went wrong, where it lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from simworld_analysis.statistics import Estimate, mean_interval

if TYPE_CHECKING:
    from simworld_analysis import Run

_MOST_MEASURES = 6

Key: TypeAlias = tuple[str, tuple[object, ...]]
"""A variant: its arm, and its values of the sweep's parameters."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How a variant differs from its baseline in the first measure, paired by seed."""

    baseline: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in numbers."""

    run: Path
    name: str
    status: str
    reason: str
    episodes: int
    episodes_done: int
    seconds: float
    """Time of all episodes together, wall clock."""
    decisions: int
    asks: int
    faults: int
    fault_kinds: Mapping[str, tuple[int, str]]
    """By kind, the most frequent first: how many, and the first one in words."""
    spent: Mapping[str, float]
    """Tokens and USD that went to models."""
    models: tuple[str, ...]
    """Models that its minds ask."""
    variants: tuple[str, ...]
    """Arms, or cells of the sweep."""
    measures: tuple[str, ...]
    units: Mapping[str, str]
    values: Mapping[str, Mapping[str, Estimate]]
    """By variant and measure: one number of each episode, averaged over episodes."""
    differences: Mapping[str, Difference]
    """Of the first measure, by variant: to the first arm at the same values of the sweep, or to the first cell."""
    files: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By table: (rows, bytes)."""
    flows: tuple[str, ...] = ()
    """Measures of which an episode's number is the mean of its samples; of the others it is the last one."""

    @property
    def stand_ins(self) -> tuple[str, ...]:
        """Models among them that are no language models."""
        return tuple(model for model in self.models if model.startswith("stand-in/"))

    def as_dict(self) -> dict[str, object]:
        """The summary as plain data."""
        return {
            "run": str(self.run),
            "name": self.name,
            "status": self.status,
            "reason": self.reason,
            "episodes": self.episodes,
            "episodes_done": self.episodes_done,
            "decisions": self.decisions,
            "asks": self.asks,
            "faults": self.faults,
            "fault_kinds": {k: {"count": n, "example": example} for k, (n, example) in self.fault_kinds.items()},
            "spent": dict(self.spent),
            "models": list(self.models),
            "stand_ins": list(self.stand_ins),
            "seconds": self.seconds,
            "flows": list(self.flows),
            "measures": {v: {m: _as_dict(e) for m, e in row.items()} for v, row in self.values.items()},
            "differences": {
                v: {"measure": self.measures[0], "baseline": d.baseline, **_as_dict(d.estimate)}
                for v, d in self.differences.items()
            },
            "files": {t: {"rows": r, "bytes": b} for t, (r, b) in self.files.items()},
        }


def summarise(run: Path, measures: Sequence[str] = ()) -> Summary:
    """The summary of a run directory, finished or not.

    Args:
        run: The directory.
        measures: Which measures to show; those of the scenario if there are none.

    Raises:
        OpenError: Not a run directory, or no such measure.
    """
    from simworld_analysis import open_run  # noqa: PLC0415  the analysis is imported only to look at a run

    opened = open_run(run)
    manifest = opened.manifest
    files = opened.sizes()
    episodes = opened.arrow("episodes").to_pydict() if "episodes" in files else {"episode": []}
    keys = _keys(episodes)
    labels = _labels(keys, [k for k in episodes if k.startswith("param.")])
    shown = tuple(measures or manifest.get("measures") or (opened.measures if "measures" in files else ()))
    shown = shown if measures else shown[:_MOST_MEASURES]
    measured = shown and "measures" in files
    flows = tuple(m for m in shown if opened.whole(m) == "mean") if measured else ()
    numbers = _numbers(opened, shown, flows) if measured else {}
    seeds = dict(zip(episodes["episode"], episodes.get("seed", ()), strict=False))
    values: dict[str, dict[str, Estimate]] = {}
    by_seed: dict[Key, dict[int, float]] = {}
    for key in dict.fromkeys(keys.values()):
        mine = [e for e, other in keys.items() if other == key and e in numbers]
        values[labels[key]] = {m: mean_interval([numbers[e][m] for e in mine]) for m in shown}
        by_seed[key] = {seeds[e]: numbers[e][shown[0]] for e in mine} if shown else {}
    return Summary(
        run=run,
        name=str(manifest["scenario"]),
        status=opened.status,
        reason=str(manifest.get("reason") or ""),
        episodes=int(manifest["episodes"]),
        episodes_done=len(keys),
        seconds=opened.seconds(),
        decisions=sum(rows for table, (rows, _) in files.items() if table.startswith("decisions.")),
        asks=files.get("asks", (0, 0))[0],
        faults=files.get("faults", (0, 0))[0],
        fault_kinds=_fault_kinds(opened) if "faults" in files else {},
        spent={k: v for k, v in manifest.get("spent", {}).items() if k not in {"asks", "minutes"}},
        models=tuple(dict.fromkeys(m for models in manifest.get("models", {}).values() for m in models)),
        variants=tuple(values),
        measures=shown,
        units=opened.units("measures") if "measures" in files else {},
        values=values,
        differences=_differences(by_seed, labels),
        files=files,
        flows=flows,
    )


def _fault_kinds(run: Run) -> dict[str, tuple[int, str]]:
    faults = run.arrow("faults", columns=["kind", "role", "agent", "tick", "detail"])
    kinds = faults["kind"].cast("string")
    found = {}
    for kind, count in Counter(kinds.to_pylist()).most_common():
        first = faults.slice(kinds.index(kind).as_py(), 1).to_pylist()[0]
        who = f"{first['role']} {first['agent']} at tick {first['tick']}"
        found[str(kind)] = (count, f"{who}: {first['detail']}" if first["detail"] else who)
    return found


def _keys(episodes: Mapping[str, Sequence[object]]) -> dict[str, Key]:
    """What each successful episode is a run of."""
    params = [k for k in episodes if k.startswith("param.")]
    return {
        str(episode): (str(episodes["arm"][i] or ""), tuple(episodes[p][i] for p in params))
        for i, episode in enumerate(episodes["episode"])
        if episodes["status"][i] == "success"
    }


def _labels(keys: Mapping[str, Key], params: Sequence[str]) -> dict[Key, str]:
    """Variants in words; parameters by their last part where that is enough to tell them apart."""
    names = [p.removeprefix("param.") for p in params]
    short = [name.rpartition(".")[2] for name in names]
    names = short if len(set(short)) == len(short) else names
    return {
        key: " ".join([key[0], *(f"{n}={v}" for n, v in zip(names, key[1], strict=True))]).strip()
        for key in dict.fromkeys(keys.values())
    }


def _numbers(run: Run, measures: Sequence[str], flows: Sequence[str]) -> dict[str, dict[str, float]]:
    """Each episode's number of each measure, from its own samples: a world may emit some less often than others."""
    table = run.arrow("measures", columns=["episode", *measures]).combine_chunks()
    if not table.num_rows:
        return {}
    episodes = table["episode"].chunk(0)
    codes, names = episodes.indices.to_numpy(), episodes.dictionary.to_pylist()
    found: dict[str, dict[str, float]] = {name: {} for name in names}
    for measure in measures:
        column = table[measure].to_numpy()
        sampled = np.flatnonzero(~np.isnan(column))
        mine, values = codes[sampled], np.full(len(names), np.nan)
        if measure in flows:
            count = np.bincount(mine, minlength=len(names))
            np.divide(np.bincount(mine, column[sampled], len(names)), count, out=values, where=count > 0)
        else:
            # Rows of an episode stand in the order of time, and of several values the last one stays.
            values[mine] = column[sampled]
        for name, value in zip(names, values.tolist(), strict=True):
            found[name][measure] = value
    return found


def _differences(by_seed: Mapping[Key, Mapping[int, float]], labels: Mapping[Key, str]) -> dict[str, Difference]:
    """Each variant against the first arm at the same values of the sweep; without arms, against the first cell."""
    if not by_seed:
        return {}
    first_arm = next(iter(by_seed))[0]
    several = len({arm for arm, _ in by_seed}) > 1
    found = {}
    for (arm, values), mine in by_seed.items():
        baseline = (first_arm, values) if several else next(iter(by_seed))
        if (arm, values) == baseline or baseline not in by_seed:
            continue
        base = by_seed[baseline]
        paired = mean_interval([mine[seed] - base[seed] for seed in sorted(mine) if seed in base])
        found[labels[arm, values]] = Difference(labels[baseline], paired)
    return found


def _as_dict(estimate: Estimate) -> dict[str, object]:
    low, high = (None if np.isnan(bound) else bound for bound in (estimate.low, estimate.high))
    return {"mean": estimate.value, "low": low, "high": high, "episodes": estimate.n}
