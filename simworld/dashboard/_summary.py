"""The summary of a run: what was measured, arm by arm, what it cost, what went wrong, and where it lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from rich.console import RenderableType

    from simworld_analysis import Run

_MOST_MEASURES = 6
_COLOURS = {"success": "green", "partial": "yellow", "running": "cyan", "interrupted": "yellow"}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over episodes with its 95 % t interval."""

    mean: float
    half_width: float
    """Half the interval; nan for fewer than two episodes."""
    episodes: int


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
    variants: tuple[str, ...]
    """Arms, or cells of the sweep."""
    measures: tuple[str, ...]
    units: Mapping[str, str]
    values: Mapping[str, Mapping[str, Estimate]]
    """By variant and measure: the last sample of each episode, averaged over episodes."""
    differences: Mapping[str, Estimate]
    """Of the first measure, by variant: to the first variant, paired by seed."""
    files: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By table: (rows, bytes)."""

    def as_dict(self) -> dict[str, object]:
        """The summary as plain data."""

        def plain(e: Estimate) -> dict[str, object]:
            half = None if np.isnan(e.half_width) else e.half_width
            return {"mean": e.mean, "half_width": half, "episodes": e.episodes}

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
            "seconds": self.seconds,
            "measures": {v: {m: plain(e) for m, e in row.items()} for v, row in self.values.items()},
            "differences": {v: plain(e) for v, e in self.differences.items()},
            "files": {t: {"rows": r, "bytes": b} for t, (r, b) in self.files.items()},
        }


def summarise(run: Path) -> Summary:
    """The summary of a run directory, finished or not.

    Raises:
        OpenError: Not a run directory.
    """
    from simworld_analysis import open_run  # noqa: PLC0415  the analysis is imported only to look at a run

    opened = open_run(run)
    manifest = opened.manifest
    episodes = opened.arrow("episodes").to_pydict()
    labels = _labels(episodes)
    measures = tuple(manifest.get("measures") or opened.measures)[:_MOST_MEASURES]
    last = _last_samples(opened, measures)
    values: dict[str, dict[str, Estimate]] = {}
    by_seed: dict[str, dict[int, float]] = {}
    for variant in dict.fromkeys(labels.values()):
        mine = [e for e, label in labels.items() if label == variant and e in last]
        values[variant] = {m: _estimate([last[e][m] for e in mine]) for m in measures}
        seeds = dict(zip(episodes["episode"], episodes["seed"], strict=True))
        by_seed[variant] = {seeds[e]: last[e][measures[0]] for e in mine} if measures else {}
    telemetry = opened.arrow("telemetry").to_pydict()
    seconds = [v for k, v in zip(telemetry["key"], telemetry["value"], strict=True) if k == "seconds"]
    files = opened.sizes()
    return Summary(
        run=run,
        name=str(manifest["scenario"]),
        status=opened.status,
        reason=str(manifest.get("reason") or ""),
        episodes=int(manifest["episodes"]),
        episodes_done=len(labels),
        seconds=float(sum(seconds)),
        decisions=sum(rows for table, (rows, _) in files.items() if table.startswith("decisions.")),
        asks=files.get("asks", (0, 0))[0],
        faults=files.get("faults", (0, 0))[0],
        variants=tuple(values),
        measures=measures,
        units=opened.units("measures"),
        values=values,
        differences=_differences(by_seed),
        files=files,
    )


def render_summary(summary: Summary) -> RenderableType:
    """The summary as a terminal shows it."""
    from rich.console import Group  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    colour = _COLOURS.get(summary.status, "red")
    head = Text.from_markup(
        f"\n[bold]{summary.name}[/] [{colour}]{summary.status}[/]  {summary.episodes_done}/{summary.episodes} episodes,"
        f" {summary.decisions:,} decisions recorded, {summary.asks:,} asks, {summary.faults:,} faults,"
        f" {summary.seconds:.1f} s of episodes"
    )
    parts: list[RenderableType] = [head]
    if summary.reason:
        parts.append(Text(summary.reason, style=colour))
    if summary.values:
        parts.append(_values_table(summary))
    if len(summary.differences) > 1:
        parts.append(_differences_table(summary))
    size = sum(b for _, b in summary.files.values())
    parts.append(Text(f"{summary.run}/  ({size / 1e6:.1f} MB in {len(summary.files)} tables)", style="dim"))
    return Group(*parts)


def _values_table(summary: Summary) -> RenderableType:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(
        box=SIMPLE_HEAD, title="last sample of each episode: mean ± half of the 95 % interval", title_justify="left"
    )
    table.add_column("", no_wrap=True)
    for measure in summary.measures:
        unit = summary.units.get(measure, "")
        table.add_column(measure.replace("_", " ") + (f"\n[dim]{unit}[/]" if unit else ""), justify="right")
    for variant in summary.variants:
        row = summary.values[variant]
        table.add_row(variant or "all", *(_cell(row[m]) for m in summary.measures))
    return table


def _differences_table(summary: Summary) -> RenderableType:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    first, measure = summary.variants[0], summary.measures[0]
    title = f"{measure.replace('_', ' ')}: difference to {first}, paired by seed"
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for heading in ("mean difference", "95 % interval", "seeds"):
        table.add_column(heading, justify="right")
    for variant, e in summary.differences.items():
        low, high = e.mean - e.half_width, e.mean + e.half_width
        interval = "one seed: none" if np.isnan(e.half_width) else f"{_number(low)} to {_number(high)}"
        table.add_row(variant, _number(e.mean, sign=True), interval, str(e.episodes))
    return table


def _cell(estimate: Estimate) -> str:
    half = f" ±{_number(estimate.half_width)}" if estimate.half_width > 0 else ""
    return f"{_number(estimate.mean)}{half}"


def _number(value: float, sign: bool = False) -> str:
    plus = "+" if sign and value > 0 else ""
    return plus + (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}")


def _labels(episodes: Mapping[str, Sequence[object]]) -> dict[str, str]:
    """What each successful episode is a run of: its arm and its sweep values."""
    params = [k for k in episodes if k.startswith("param.")]
    labels = {}
    for i, episode in enumerate(episodes["episode"]):
        if episodes["status"][i] != "success":
            continue
        swept = [f"{p.removeprefix('param.').rpartition('.')[2]}={episodes[p][i]}" for p in params]
        labels[str(episode)] = " ".join([str(episodes["arm"][i] or ""), *swept]).strip()
    return labels


def _last_samples(run: Run, measures: Sequence[str]) -> dict[str, dict[str, float]]:
    table = run.arrow("measures", columns=["episode", "tick", *measures])
    ids = np.array(table["episode"].cast("string").to_pylist(), dtype=object)
    columns = {m: table[m].to_numpy() for m in measures}
    # Rows of an episode stand together in the order of time, so its last row is its last sample.
    return {str(e): {m: float(columns[m][i]) for m in measures} for i, e in enumerate(ids)}


def _differences(by_seed: Mapping[str, Mapping[int, float]]) -> dict[str, Estimate]:
    if len(by_seed) < 2:
        return {}
    (_, base), *rest = by_seed.items()
    return {name: _estimate([mine[s] - base[s] for s in sorted(mine) if s in base]) for name, mine in rest}


def _estimate(values: Sequence[float]) -> Estimate:
    from scipy.special import stdtrit  # noqa: PLC0415  the t quantile without the whole of scipy.stats

    x: npt.NDArray[np.float64] = np.array(values, dtype=np.float64)
    n = len(x)
    if n < 2:
        return Estimate(float(x.mean()) if n else float("nan"), float("nan"), n)
    return Estimate(float(x.mean()), float(stdtrit(n - 1, 0.975) * x.std(ddof=1) / np.sqrt(n)), n)
