"""What is drawn: means with bands over time, and one number for each episode, by variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis._values import baselines, episode_table, episode_values
from simworld_analysis.statistics import Estimate, mean_interval, paired

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

_MOST_POINTS = 200


@dataclass(frozen=True, slots=True)
class Bands:
    """A measure over time in one variant: the mean over its episodes, with 95 % t intervals."""

    x: npt.NDArray[np.float64]
    """Ticks, or times where a tick has a length, shape (points,)."""
    mean: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    """Nan where fewer than two episodes have a value."""
    high: npt.NDArray[np.float64]
    episodes: int


@dataclass(frozen=True, slots=True)
class Values:
    """One number for each episode of a variant, and how it differs from the variant it is compared with."""

    values: dict[int, float]
    """By seed."""
    estimate: Estimate
    differences: tuple[float, ...] = ()
    """Seed by seed; none for what the others are compared with."""
    difference: Estimate | None = None
    baseline: str = ""


def variants(run: Run, arms: Sequence[str] | None = None) -> list[str]:
    """The variants with successful episodes, in their order; of some arms or variants only, if they are named.

    Raises:
        OpenError: No episode has succeeded, or there is no such arm.
    """
    frame = episode_table(run)
    if not len(frame):
        raise OpenError(f"no episode of {run.path} has succeeded: there is nothing to draw")
    if arms is None:
        return list(dict.fromkeys(frame["variant"]))
    arms = [arms] if isinstance(arms, str) else arms
    if not arms:
        raise OpenError("no arm is named; accepted: arms or variants, or nothing for all of them")
    unknown = [arm for arm in arms if not ((frame["arm"] == arm) | (frame["variant"] == arm)).any()]
    if unknown:
        known = ", ".join(dict.fromkeys([*frame["arm"], *frame["variant"]]))
        raise OpenError(f"there is no arm {unknown[0]!r}; accepted: {known}")
    chosen = frame[frame["arm"].isin(arms) | frame["variant"].isin(arms)]
    return list(dict.fromkeys(chosen["variant"]))


def time_unit(run: Run) -> str:
    """Unit of the axis of time: that of the run's clock, or ``tick``."""
    units = run.units("measures") if "measures" in run.tables else {}
    return units.get("time", "") or "tick"


def bands(run: Run, measure: str, arms: Sequence[str] | None = None) -> dict[str, Bands]:
    """A measure over time by variant, at no more than 200 ticks that are spread over the run.

    Between two of its samples an episode has the value of the earlier one; before its first and after its last it has
    none.

    Raises:
        OpenError: No such measure or arm, or no episode has succeeded, or none has a sample.
    """
    if measure not in run.measures:
        raise OpenError(f"measure {measure!r} is not one over time; accepted: {', '.join(run.measures)}")
    columns = ["episode", "tick", *(["time"] if is_timed(run) else []), measure]
    found = banded(run, run.table("measures", columns).rename(columns={measure: "value"}), arms)
    if not found:
        raise OpenError(f"measure {measure!r} has no sample in any successful episode: there is nothing to draw")
    return found


def is_timed(run: Run) -> bool:
    """Whether a tick has a length."""
    return time_unit(run) != "tick"


def banded(run: Run, samples: pd.DataFrame, arms: Sequence[str] | None) -> dict[str, Bands]:
    """Bands by variant of numbers over time; empty if no successful episode has any.

    Args:
        run: The run.
        samples: One row for each episode and tick: ``episode``, ``tick``, ``value``, and ``time`` where there is one.
        arms: Arms or variants; all by default.
    """
    wanted = variants(run, arms)
    samples = samples[~np.isnan(samples["value"])].assign(episode=lambda rows: rows["episode"].astype(str))
    samples = samples.merge(episode_table(run)[["episode", "variant"]], on="episode")
    if not len(samples):
        return {}
    ticks = np.unique(samples["tick"].to_numpy())
    if len(ticks) > _MOST_POINTS:
        ticks = ticks[np.unique(np.linspace(0, len(ticks) - 1, _MOST_POINTS).round().astype(int))]
    x = ticks.astype(np.float64)
    if "time" in samples:
        clock = samples.drop_duplicates("tick").set_index("tick")["time"]
        x = clock.loc[ticks].to_numpy(dtype=np.float64)
    found = {}
    for variant in wanted:
        mine = samples[samples["variant"] == variant].sort_values("tick", kind="stable")
        rows = [_at(one["tick"].to_numpy(), one["value"].to_numpy(), ticks) for _, one in mine.groupby("episode")]
        found[variant] = _band(x, np.array(rows).reshape(len(rows), len(ticks)))
    return found


def whole_values(run: Run, measure: str, arms: Sequence[str] | None = None) -> dict[str, Values]:
    """One number for each episode by variant, with paired differences to the first arm at the same parameters.

    It is the mean of a flow's samples, and the last one of a stock's.

    Without several arms, the differences are to the first variant.

    Raises:
        OpenError: As in ``episode_values`` and ``variants``.
    """
    frame = episode_values(run, measure).dropna(subset=["value"])
    kept = variants(run, arms)
    frame = frame[frame["variant"].isin(kept)]
    by_seed = {
        str(v): {int(s): float(x) for s, x in zip(g["seed"], g["value"], strict=True)}
        for v, g in frame.groupby("variant", sort=False)
    }
    against = baselines(frame)
    found = {}
    for variant in kept:
        mine, base = by_seed.get(variant, {}), against.get(variant)
        estimate = mean_interval(list(mine.values()))
        if base is None or base not in by_seed or base == variant:
            found[variant] = Values(mine, estimate)
            continue
        shared = sorted(mine.keys() & by_seed[base].keys())
        differences = tuple(mine[s] - by_seed[base][s] for s in shared)
        found[variant] = Values(mine, estimate, differences, paired(mine, by_seed[base]), base)
    return found


def _at(ticks: npt.NDArray[np.int64], values: npt.NDArray[np.float64], grid: npt.NDArray[np.int64]) -> object:
    """Values of one episode on a grid of ticks."""
    place = np.searchsorted(ticks, grid, side="right") - 1
    found = values[place.clip(0)].astype(np.float64)
    found[(place < 0) | (grid > ticks[-1])] = np.nan
    return found


def _band(x: npt.NDArray[np.float64], rows: npt.NDArray[np.float64]) -> Bands:
    from scipy.special import stdtrit  # noqa: PLC0415

    rows = np.where(np.isfinite(rows), rows, np.nan)
    n = (~np.isnan(rows)).sum(axis=0)
    total = np.nansum(rows, axis=0)
    mean = np.divide(total, n, out=np.full(len(x), np.nan), where=n > 0)
    squares = np.nansum((rows - mean) ** 2, axis=0)
    enough = n > 1
    spread = np.sqrt(np.divide(squares, n - 1, out=np.full(len(x), np.nan), where=enough))
    half = stdtrit(np.maximum(n - 1, 1), 0.975) * spread / np.sqrt(np.maximum(n, 1))
    return Bands(x, mean, mean - half, mean + half, len(rows))
