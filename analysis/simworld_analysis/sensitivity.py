"""Which parameters of a sweep matter: Sobol indices, after a Sobol sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis._scenario import resolved_scenario
from simworld_analysis._values import episode_values
from simworld_analysis.statistics import Estimate

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]

_RESAMPLES = 499
_LEVEL = 0.95
_FEW = 64
"""Below so many points indices are rough."""


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How much of a measure's variance over the ranges of a sweep stems from one parameter."""

    arm: str
    measure: str
    parameter: str
    first: Estimate
    """First-order index: from the parameter alone, 0 to 1 but for the error of the sample."""
    total: Estimate
    """Total index: with all its interactions."""

    def as_dict(self) -> dict[str, object]:
        """As plain data."""
        told: dict[str, object] = {"arm": self.arm, "measure": self.measure, "parameter": self.parameter}
        for name, e in (("first", self.first), ("total", self.total)):
            numbers = {"value": e.value, "low": e.low, "high": e.high}
            told[name] = {key: value if np.isfinite(value) else None for key, value in numbers.items()} | {"n": e.n}
        return told


def sobol_sensitivity(run: Run, measures: Sequence[str]) -> list[Sensitivity]:
    """First-order and total Sobol indices of each measure, by arm and parameter.

    A point's number is the mean over its seeds. Intervals are 95 % percentiles of 499 resamples of the points.

    Raises:
        OpenError: The run is no Sobol sweep, has a grid besides, is not complete, or has no such measure.

    Source: Saltelli et al., Computer Physics Communications 181 (2010) 259.
    """
    scenario, _ = resolved_scenario(run)
    sweep: Mapping[str, Any] = scenario.get("sweep") or {}
    design, points = sweep.get("design") or {}, sweep.get("points") or []
    if design.get("method") != "sobol":
        raise OpenError(f"{run.path} is no Sobol sweep; accepted: one made with --sample sobol")
    if sweep.get("grid"):
        raise OpenError(f"{run.path} sweeps a grid besides; accepted: a Sobol sweep alone")
    names = list(points[0])
    found = []
    for measure in measures:
        frame = episode_values(run, measure).dropna(subset=["value"])
        for arm, mine in frame.groupby("arm", sort=False):
            values: dict[tuple[object, ...], list[float]] = {}
            for *key, value in mine[[*(f"param.{name}" for name in names), "value"]].itertuples(index=False):
                values.setdefault(tuple(key), []).append(value)
            means = {key: float(np.mean(own)) for key, own in values.items()}
            missing = [one for one in points if tuple(one[name] for name in names) not in means]
            if missing:
                raise OpenError(f"{run.path}: {len(missing)} of {len(points)} points have no {measure} in arm {arm!r}")
            y = np.array([means[tuple(one[name] for name in names)] for one in points])
            found += _indices(str(arm), measure, names, y.reshape(len(names) + 2, -1))
    return found


def is_rough(found: Sequence[Sensitivity]) -> bool:
    """Whether there are too few points for more than a first impression."""
    return any(one.first.n < _FEW for one in found)


def _indices(arm: str, measure: str, names: Sequence[str], y: FloatArray) -> list[Sensitivity]:
    """Of values of shape (2 + parameters, n): A, B, and A with each column of B in turn."""
    first, total = _both(y)
    n = y.shape[1]
    chance = np.random.Generator(np.random.Philox(key=n))
    again = [_both(y[:, chance.integers(0, n, n)]) for _ in range(_RESAMPLES)]
    tail = (1 - _LEVEL) / 2
    bounds = [np.quantile(np.array([one[which] for one in again]), [tail, 1 - tail], axis=0) for which in (0, 1)]
    return [
        Sensitivity(
            arm,
            measure,
            name,
            *(
                Estimate(float(value[i]), float(bound[0][i]), float(bound[1][i]), n, _LEVEL, "bootstrap")
                for value, bound in ((first, bounds[0]), (total, bounds[1]))
            ),
        )
        for i, name in enumerate(names)
    ]


def _both(y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """First-order and total indices, each of shape (parameters,); nan where nothing varies."""
    a, b, mixed = y[0], y[1], y[2:]
    variance = np.var(y[:2])
    if not variance > 0.0:
        nothing = np.full(len(mixed), np.nan)
        return nothing, nothing
    # Centred: the product of large numbers would drown what is looked for.
    first = ((b - y[:2].mean()) * (mixed - a)).mean(axis=1) / variance
    return first, 0.5 * ((a - mixed) ** 2).mean(axis=1) / variance
