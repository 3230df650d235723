"""Intervals for a mean, a paired difference and a rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
"""An array of float64."""

BOOTSTRAP_FROM = 50
"""Episodes from which on the bootstrap corrects for skewness better than t does."""
_RESAMPLES = 4_999


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval."""

    value: float
    low: float
    """nan if there are too few episodes for an interval."""
    high: float
    n: int
    """Episodes, or pairs of episodes."""
    level: float = 0.95
    """How often such an interval covers the truth."""
    method: str = ""
    """``t``, ``BCa bootstrap``, ``Jeffreys``, or why there is none."""

    @property
    def half_width(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2.0


def mean_interval(values: npt.ArrayLike, level: float = 0.95) -> Estimate:
    """The mean of independent episodes: Student's t below 50 of them, bias-corrected bootstrap (BCa) from 50 on.

    Args:
        values: One number for each episode, shape (n,); nan is left out.
        level: Coverage, between 0 and 1.

    Source: Efron (1987) for BCa, as in scipy; its resampling is seeded, so that a table is the same every time.
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    x = x[~np.isnan(x)]
    n = len(x)
    if np.isinf(x).any():
        return Estimate(float("nan"), float("nan"), float("nan"), n, level, "infinite values")
    mean = float(x.mean()) if n else float("nan")
    if n < 2:
        return Estimate(mean, float("nan"), float("nan"), n, level, "needs two episodes")
    if float(np.ptp(x)) == 0.0:
        return Estimate(mean, mean, mean, n, level, "all episodes are equal")
    if n < BOOTSTRAP_FROM:
        from scipy.special import stdtrit  # noqa: PLC0415  the t quantile without the whole of scipy.stats

        half = float(stdtrit(n - 1, 0.5 + level / 2.0) * x.std(ddof=1) / np.sqrt(n))
        return Estimate(mean, mean - half, mean + half, n, level, "t")
    from scipy import stats  # noqa: PLC0415  a second to import

    chance = np.random.Generator(np.random.Philox(key=n))
    found = stats.bootstrap(
        (x,), np.mean, confidence_level=level, n_resamples=_RESAMPLES, method="BCa", vectorized=True, rng=chance
    )
    low, high = (float(v) for v in found.confidence_interval)
    return Estimate(mean, low, high, n, level, "BCa bootstrap")


def interquartile_mean(values: npt.ArrayLike, level: float = 0.95) -> Estimate:
    """The mean of the middle half of some trainings, with the percentile interval of their bootstrap.

    Args:
        values: One number for each training, shape (n,); nan is left out.
        level: Coverage, between 0 and 1.

    Source: Agarwal et al. (2021), "Deep reinforcement learning at the edge of the statistical precipice", section 4.3;
    with the few trainings that one has, the interval is rough.
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    x = np.sort(x[~np.isnan(x)])
    n = len(x)
    if not n:
        return Estimate(float("nan"), float("nan"), float("nan"), 0, level, "needs a training")
    cut = n // 4
    value = float(x[cut : n - cut].mean())
    if n < 2:
        return Estimate(value, float("nan"), float("nan"), n, level, "needs two trainings")
    chance = np.random.Generator(np.random.Philox(key=n))
    drawn = np.sort(x[chance.integers(0, n, size=(_RESAMPLES, n))], axis=1)
    low, high = np.quantile(drawn[:, cut : n - cut].mean(axis=1), [0.5 - level / 2.0, 0.5 + level / 2.0])
    return Estimate(value, float(low), float(high), n, level, "interquartile mean, bootstrap")


def paired(one: Mapping[int, float], other: Mapping[int, float], level: float = 0.95) -> Estimate:
    """The mean difference one - other over the keys (seeds) that both have."""
    shared = sorted(one.keys() & other.keys())
    return mean_interval([one[key] - other[key] for key in shared], level)


def rate_interval(successes: int, n: int, level: float = 0.95) -> Estimate:
    """A rate of successes among n episodes, with Jeffreys' interval.

    Raises:
        ValueError: More successes than episodes, or a negative number.

    Source: Brown, Cai and DasGupta (2001), as in statsmodels.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes among {n} episodes: accepted are 0 to {n}")
    if n == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0, level, "needs an episode")
    from statsmodels.stats.proportion import proportion_confint  # noqa: PLC0415  two seconds to import

    low, high = proportion_confint(successes, n, alpha=1.0 - level, method="jeffreys")
    # With none, or with all, the interval ends where a rate does (Brown et al., section 4.1.3).
    low, high = (0.0 if successes == 0 else float(low)), (1.0 if successes == n else float(high))
    return Estimate(successes / n, low, high, n, level, "Jeffreys")
