"""The numbers that a claim stands on: one for each seed, whatever the arms and sweeps of a run."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from simworld_analysis.grammar import ClaimError
from simworld_analysis.statistics import Estimate, correlation_interval, fisher_z, mean_interval, rate_interval

if TYPE_CHECKING:
    import pandas as pd

FloatArray: TypeAlias = npt.NDArray[np.float64]
"""An array of float64."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The numbers that one comparison stands on."""

    values: tuple[float, ...]
    """One for each seed: episodes that share one are not independent."""
    label: str = ""
    rate: bool = False
    """Whether each is an event that happened (1) or did not (0)."""

    whole: bool = False
    """Whether these are all that there are: their mean is no estimate."""

    def scaled(self, number: float) -> float:
        """A bound, or an estimate, in the units of the values."""
        return number

    def interval(self, level: float) -> Estimate:
        """The mean, or the rate, with its interval; of all that there are it is that number alone."""
        x = np.array(self.values)
        if self.whole and len(x):
            mean = float(x.mean())
            return Estimate(mean, mean, mean, len(x), level, "all cases")
        if self.rate:
            return rate_interval(int(x.sum()), len(x), level)
        return mean_interval(x, level)


@dataclass(frozen=True, slots=True)
class Correlation(Sample):
    """Two numbers of each episode, and how closely they go together; the values are Fisher's z, seed by seed."""

    one: FloatArray = field(default_factory=lambda: np.empty(0), compare=False)
    other: FloatArray = field(default_factory=lambda: np.empty(0), compare=False)
    seeds: FloatArray = field(default_factory=lambda: np.empty(0), compare=False)

    def scaled(self, number: float) -> float:
        """Fisher's z of a correlation; infinite from 1 on."""
        return float(np.arctanh(number)) if abs(number) < 1.0 else float(np.copysign(np.inf, number))

    def interval(self, level: float) -> Estimate:
        """The correlation with its interval; of all that there are it is that number alone."""
        found = correlation_interval(self.one, self.other, self.seeds, level)
        return replace(found, low=found.value, high=found.value, method="all cases") if self.whole else found


class Cells:
    """A run's numbers as seeds by variants.

    Arms share seeds, and so do the values of a sweep: where a claim is about several variants, each seed gives the mean
    over them, and two arms are compared at the same values of the sweep.
    """

    def __init__(self, frame: pd.DataFrame, unreached: Container[str] = ()) -> None:
        """Take one row for each episode, as ``episode_values`` gives them; of some arms none may be over yet."""
        self._unreached = unreached
        params = [name for name in frame.columns if name.startswith("param.")]
        rows = frame.drop_duplicates("variant")
        self._arms: dict[str, str] = dict(zip(rows["variant"], rows["arm"], strict=True))
        self._places = {row["variant"]: tuple(row[p] for p in params) for _, row in rows.iterrows()}
        self._wide = frame.pivot(index="seed", columns="variant", values="value").sort_index()
        known = frame["value"].dropna()
        # Zeros and ones, both of them: events. A number that never varies is no rate.
        self._events = bool(known.isin((0.0, 1.0)).all() and known.nunique() == 2)

    def mean(self, label: str | None) -> Sample:
        """The mean of an arm or a variant; of the whole run, if none is named."""
        chosen = list(self._arms) if label is None else self._of(label)
        found = self._sample(self._wide[chosen], label or "")
        return replace(found, rate=self._events and len(chosen) == 1 and len(found.values) > 0)

    def difference(self, one: str, other: str) -> Sample:
        """The first minus the second."""
        pairs = self._pairs(one, other)
        first, second = (self._wide[[p[side] for p in pairs]].set_axis(range(len(pairs)), axis=1) for side in (0, 1))
        return self._sample(first - second, f"{one} − {other}")

    def correlation(self, others: Cells, label: str | None) -> Correlation:
        """How closely these numbers go together with others of the same episodes: of an arm, or of the whole run."""
        chosen = list(self._arms) if label is None else self._of(label)
        one, other = self._wide[chosen].to_numpy().ravel(), others._wide[chosen].to_numpy().ravel()
        seeds = np.repeat(self._wide.index.to_numpy(), len(chosen))
        known = ~(np.isnan(one) | np.isnan(other))
        for which, numbers in (("the measure", one[known]), ("the measure that it is correlated with", other[known])):
            if len(numbers) > 1 and np.ptp(numbers) == 0.0:
                raise ClaimError(f"{which} is {numbers[0]:g} in every episode: nothing can go together with it")
        values: Sequence[float] = fisher_z(one, other, seeds).tolist()
        return Correlation(tuple(values), label or "", one=one, other=other, seeds=seeds)

    def divide_by(self, label: str) -> None:
        """Turn all numbers into shares of an arm's, seed by seed and at the same values of the sweep."""
        base = self._of(label)
        at = {self._places[variant]: variant for variant in base}
        whole, self._events = self._wide.copy(), False
        for variant in self._arms:
            below = base[0] if len(base) == 1 else at.get(self._places[variant])
            self._wide[variant] = whole[variant] / whole[below] if below is not None else np.nan

    def _pairs(self, one: str, other: str) -> list[tuple[str, str]]:
        first, second = self._of(one), self._of(other)
        if len(first) == 1 or len(second) == 1:
            return [(a, b) for a in first for b in second]
        pairs = [(a, b) for a in first for b in second if self._places[a] == self._places[b]]
        if not pairs:
            raise ClaimError(f"{one!r} and {other!r} have no values of the sweep in common")
        return pairs

    def _of(self, label: str) -> list[str]:
        """The variants that a label names: one of that name, or all of that arm."""
        if label in self._arms:
            return [label]
        found = [variant for variant, arm in self._arms.items() if arm == label]
        if not found and label in self._unreached:
            raise ClaimError(f"no episode of {label} is over yet")
        if not found:
            known = ", ".join(self._arms) or "none (no episode has succeeded)"
            raise ClaimError(f"there is no arm {label!r}; the run has {known}")
        return found

    @staticmethod
    def _sample(wide: pd.DataFrame, label: str) -> Sample:
        # A seed counts if all of its variants have a number: a mean over others would be of something else.
        values: Sequence[float] = wide.mean(axis=1, skipna=False).dropna().tolist()
        return Sample(tuple(values), label)
