"""Comparing runs: by how much they differ, seed by seed where they share seeds, and in what their scenarios do."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis._scenario import resolved_scenario
from simworld_analysis._values import episode_values
from simworld_analysis.statistics import Estimate, cohens_dz, hedges_g, mean_interval

if TYPE_CHECKING:
    import pandas as pd

_LEVEL = 0.95
_ABOUT = {"name", "description", "claims", "measures", "watch", "budget", "asking", "faults"}
"""Of a scenario: what does not determine what happens."""
_ABSENT = "(absent)"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A measure of one variant in two runs."""

    measure: str
    unit: str
    variant: str
    runs: tuple[str, str]
    """Names of the run that is compared with and of the other one."""
    means: tuple[Estimate, Estimate]
    """Over the episodes that are compared: those with shared seeds, if paired."""
    difference: Estimate
    """The second minus the first."""
    paired: bool
    """Whether by seed; otherwise as two independent samples."""
    effect: float
    """Cohen's d_z of paired differences, Hedges' g of independent samples; nan where nothing varies."""
    missing: int = 0
    """Shared seeds that have no number in one of the two."""

    def as_dict(self) -> dict[str, object]:
        """As plain data."""
        d = self.difference
        numbers = {"difference": d.value, "low": d.low, "high": d.high, "effect": self.effect}
        numbers |= {"mean": self.means[0].value, "mean_other": self.means[1].value}
        told: dict[str, object] = {"measure": self.measure, "variant": self.variant, "runs": list(self.runs)}
        told |= {key: value if np.isfinite(value) else None for key, value in numbers.items()}
        return told | {"n": d.n, "missing": self.missing, "paired": self.paired, "level": d.level, "method": d.method}


def compare_runs(runs: Sequence[Run], measures: Sequence[str]) -> list[Comparison]:
    """Every run against the first, for every variant that both have; two single variants whatever their names.

    Raises:
        OpenError: They have no variant in common, or no such measure.
    """
    found, labels = [], run_labels(runs)
    for measure in dict.fromkeys(measures):
        base = episode_values(runs[0], measure)
        for place, other in enumerate(runs[1:], 1):
            frame = episode_values(other, measure)
            for variant, one, two in _shared(base, frame, runs[0], other):
                unit = runs[0].units("measures").get(measure, "") if runs[0].has("measures") else ""
                what = (measure, unit, variant, (labels[0], labels[place]))
                found.append(_compared(what, one, two))
    return found


def run_labels(runs: Sequence[Run]) -> list[str]:
    """A name for each run: that of its directory, or the whole path where two are called the same."""
    names = [run.path.name for run in runs]
    return [name if names.count(name) == 1 else str(run.path) for name, run in zip(names, runs, strict=True)]


def scenario_differences(runs: Sequence[Run]) -> list[tuple[str, tuple[str, ...]]]:
    """What differs between the resolved scenarios of runs: (dotted key, its value in each run as text).

    Raises:
        OpenError: A run has no readable resolved scenario.
    """
    scenarios = [{k: v for k, v in resolved_scenario(run)[0].items() if k not in _ABOUT} for run in runs]
    flat = [dict(_flattened(scenario)) for scenario in scenarios]
    keys = dict.fromkeys(key for each in flat for key in each)
    rows = [(key, tuple(each.get(key, _ABSENT) for each in flat)) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _shared(
    base: pd.DataFrame, frame: pd.DataFrame, first: Run, second: Run
) -> Iterator[tuple[str, Mapping[int, float], Mapping[int, float]]]:
    here, there = list(dict.fromkeys(base["variant"])), list(dict.fromkeys(frame["variant"]))
    if len(here) == 1 and len(there) == 1:
        label = here[0] if here == there else f"{here[0] or 'all'} / {there[0] or 'all'}"
        yield label, _by_seed(base), _by_seed(frame)
        return
    shared = [variant for variant in here if variant in there]
    if not shared:
        raise OpenError(
            f"{first.path.name} and {second.path.name} have no arm in common:"
            f" {', '.join(here) or 'none'}; {', '.join(there) or 'none'}"
        )
    for variant in shared:
        yield variant, _by_seed(base[base["variant"] == variant]), _by_seed(frame[frame["variant"] == variant])


def _by_seed(frame: pd.DataFrame) -> dict[int, float]:
    return dict(zip(frame["seed"].tolist(), frame["value"].tolist(), strict=True))


def _compared(
    what: tuple[str, str, str, tuple[str, str]], one: Mapping[int, float], two: Mapping[int, float]
) -> Comparison:
    shared = sorted(one.keys() & two.keys())
    if len(shared) > 1 or (shared and len(one) == len(two) == 1):
        gaps = {seed: two[seed] - one[seed] for seed in shared if np.isfinite(two[seed]) and np.isfinite(one[seed])}
        means = mean_interval([one[seed] for seed in gaps]), mean_interval([two[seed] for seed in gaps])
        gap = list(gaps.values())
        effect = cohens_dz(gap) if any(gap) else float("nan")
        return Comparison(*what, means, mean_interval(gap), True, effect, len(shared) - len(gaps))
    x, y = (np.array([v for v in each.values() if np.isfinite(v)]) for each in (two, one))
    means = mean_interval(y), mean_interval(x)
    return Comparison(*what, means, welch(x, y), False, hedges_g(x, y), len(one) + len(two) - len(x) - len(y))


def welch(x: np.ndarray[Any, np.dtype[np.float64]], y: np.ndarray[Any, np.dtype[np.float64]]) -> Estimate:
    """Difference of two independent means, by Welch's t."""
    n, nan = len(x) + len(y), float("nan")
    gap = float(x.mean() - y.mean()) if len(x) and len(y) else nan
    if min(len(x), len(y)) < 2:
        return Estimate(gap, nan, nan, n, _LEVEL, "needs two episodes of each")
    if float(np.ptp(x)) == 0.0 and float(np.ptp(y)) == 0.0:
        return Estimate(gap, gap, gap, n, _LEVEL, "all episodes are equal")
    from scipy import stats  # noqa: PLC0415  a second to import

    with warnings.catch_warnings():
        # Nearly equal numbers: the interval is as wide as rounding makes it, and nobody needs to be told.
        warnings.filterwarnings("ignore", message="Precision loss", category=RuntimeWarning)
        low, high = stats.ttest_ind(x, y, equal_var=False).confidence_interval(_LEVEL)
    return Estimate(gap, float(low), float(high), n, _LEVEL, "Welch t")


def _flattened(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flattened(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and any(isinstance(inner, Mapping) for inner in value):
        for place, inner in enumerate(value):
            # One group of a role is what most have: its place says nothing.
            yield from _flattened(inner, key if len(value) == 1 else f"{key}.{place}")
    else:
        yield key, "none" if value is None else str(value)


def check_measures(run: Run, measures: Sequence[str]) -> None:
    """Raise OpenError unless a run has these measures: before anything is run for them."""
    for measure in measures:
        episode_values(run, measure)
