"""Tests of a difference, and of many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Side: TypeAlias = Literal["two-sided", "greater", "less"]
"""The alternative: that it differs, that it is greater, or that it is less."""

_RESAMPLES = 9_999


def permutation(one: npt.ArrayLike, other: npt.ArrayLike | None = None, side: Side = "two-sided") -> float:
    """P-value of a permutation test of the mean: of paired differences (their signs), or of two samples.

    Exact where there are few enough permutations; else 9,999 are drawn, by a fixed seed. nan is left out; 1 if nothing
    is left of a sample.

    Source: scipy.stats.permutation_test.
    """
    from scipy import stats  # noqa: PLC0415  a second to import

    chance = np.random.Generator(np.random.Philox(key=0))
    x = _known(one)
    y = np.zeros_like(x) if other is None else _known(other)
    if not len(x) or not len(y) or (other is None and len(x) < 2):
        return 1.0
    if other is None:
        samples, kind = (x, y), "samples"
    else:
        samples, kind = (x, y), "independent"
    found = stats.permutation_test(
        samples,
        lambda a, b, axis: np.mean(a, axis=axis) - np.mean(b, axis=axis),
        permutation_type=kind,
        vectorized=True,
        n_resamples=_RESAMPLES,
        alternative=side,
        rng=chance,
    )
    return float(found.pvalue)


def wilcoxon(differences: npt.ArrayLike, side: Side = "two-sided") -> float:
    """P-value of Wilcoxon's signed-rank test of paired differences; 1 if none differs from zero.

    Source: scipy.stats.wilcoxon.
    """
    from scipy import stats  # noqa: PLC0415

    x = _known(differences)
    if not np.any(x):
        return 1.0
    return float(stats.wilcoxon(x, alternative=side).pvalue)


def _known(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    x = np.asarray(values, dtype=np.float64).ravel()
    return x[~np.isnan(x)]


def holm(pvalues: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, in the order given.

    Source: Holm (1979), as in statsmodels.
    """
    if not pvalues:
        return []
    from statsmodels.stats.multitest import multipletests  # noqa: PLC0415  two seconds to import

    return [float(p) for p in multipletests(list(pvalues), method="holm")[1]]


def holm_levels(pvalues: Sequence[float], alpha: float) -> list[float]:
    """The error rate at which each of several claims is judged, so that all together err at most at alpha.

    Step-down: the claim with the smallest p-value is judged at alpha / m, the next at alpha / (m - 1), and so on; from
    the first that is not established on, all the others are judged at that one's level.

    Source: Holm (1979).
    """
    m = len(pvalues)
    levels = [alpha] * m
    level, stopped = alpha, False
    for rank, place in enumerate(sorted(range(m), key=lambda i: pvalues[i])):
        if not stopped:
            level = alpha / (m - rank)
            stopped = not pvalues[place] <= level
        levels[place] = level
    return levels
