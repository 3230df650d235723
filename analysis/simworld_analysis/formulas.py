"""Formulas that the engine and the analysis share: inequality, and every measure of social welfare side by side.

All take float64 arrays of shape (N,), one entry per worker, money in USD/year; none modifies its arguments. A sum over
workers grows with N and must not be compared between populations of different size; a mean does not.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "equality",
    "equality_times_productivity",
    "fixed_weight_mean",
    "gini",
    "inverse_income_mean",
    "inverse_income_sum",
    "lorenz",
    "mean_log_utility",
    "minimum_utility",
    "utilitarian_mean",
]

FloatArray: TypeAlias = npt.NDArray[np.float64]
"""An array of float64."""


def gini(values: npt.ArrayLike, *, assume_sorted: bool = False) -> float:
    """Gini coefficient, in [0, 1 - 1/N]: 2 * sum(i x_i) / (N * sum(x)) - (N + 1) / N over ascending x, i from 1.

    One sort, none with ``assume_sorted`` (ascending). Zero if nobody has anything. Replicating a population leaves it
    unchanged.

    Raises:
        ValueError: without values, or with a negative one (or NaN), for which the coefficient has no meaning.

    Source: the mean absolute difference form of Gini (1912), divided by twice the mean.
    """
    x = _ascending(values, assume_sorted)
    total = float(x.sum())
    if total == 0.0:
        return 0.0
    n = x.size
    ranks = np.arange(1.0, n + 1.0)
    # Rounding may leave an equal population a hair below zero.
    return max(0.0, 2.0 * float(ranks @ x) / (n * total) - (n + 1.0) / n)


def lorenz(values: npt.ArrayLike, *, assume_sorted: bool = False) -> tuple[FloatArray, FloatArray]:
    """Lorenz curve: shares of the population, poorest first, and the share of all income each has; two (N + 1,) arrays.

    Both start at 0 and end at 1; the diagonal if nobody has anything.

    Raises:
        ValueError: as ``gini``.

    Source: Lorenz (1905).
    """
    x = _ascending(values, assume_sorted)
    people = np.linspace(0.0, 1.0, x.size + 1)
    held = np.zeros(x.size + 1)
    np.cumsum(x, out=held[1:])
    if held[-1] == 0.0:
        return people, people.copy()
    held /= held[-1]
    return people, held


def inverse_income_sum(utility: FloatArray, income: FloatArray, floor: float = 1.0) -> float:
    """Sum of u / max(z, floor), with z the pre-tax income and the floor in USD: grows with N.

    A warning goes with it: the weight of a worker rises as he works less, so the measure rewards schedules that idle
    the poor, without bound as incomes reach the floor; and its variance over populations is infinite for the shipped
    skills. It is here to compare with published numbers.

    Source: the welfare of Karten et al. 2025, "LLM Economist"; their release has the floor at $1.
    """
    return float(np.sum(utility / np.maximum(income, floor)))


def inverse_income_mean(utility: FloatArray, income: FloatArray, floor: float = 1.0) -> float:
    """Mean of u weighted by 1 / max(z, floor), weights normalised to sum to one; USD/year, does not grow with N.

    Source: the inverse-income-weighted utility of Zheng et al., "The AI Economist", on pre-tax incomes z.
    """
    weights = 1.0 / np.maximum(income, floor)
    return float(weights @ utility) / float(weights.sum())


def utilitarian_mean(utility: FloatArray) -> float:
    """Mean of u, USD/year. With utility quasi-linear in money it is greatest without any tax.

    Source: Bentham's sum, per head.
    """
    return float(np.mean(utility))


def mean_log_utility(utility: FloatArray, floor: float = 1.0) -> float:
    """Mean of log max(u, floor), with u and the floor in USD/year.

    Utilities below the floor, non-positive ones among them, count as the floor: the measure stays finite, and blind
    to differences below it.

    Source: Nash welfare (1950), as a mean of logarithms.
    """
    return float(np.mean(np.log(np.maximum(utility, floor))))


def minimum_utility(utility: FloatArray) -> float:
    """Utility of the worst off, USD/year.

    Source: the difference principle of Rawls (1971).
    """
    return float(np.min(utility))


def equality(values: npt.ArrayLike) -> float:
    """1 - gini * N / (N - 1), in [0, 1]: 0 if one has everything, 1 if all have the same, or for one worker.

    The correction for small N means that replicating a population changes it a little.

    Raises:
        ValueError: as ``gini``.

    Source: Zheng et al., "The AI Economist".
    """
    n = np.size(values)
    return 1.0 if n == 1 else 1.0 - gini(values) * n / (n - 1.0)


def equality_times_productivity(net: FloatArray) -> float:
    """Equality of net incomes times their mean, USD/year; the mean equals that of incomes as all tax is paid back.

    Raises:
        ValueError: as ``gini``.

    Source: the default objective of Zheng et al., "The AI Economist", there over endowments of coin, here per head.
    """
    return equality(net) * float(np.mean(net))


def fixed_weight_mean(utility: FloatArray, weights: FloatArray) -> float:
    """Sum of g u over sum of g, USD/year, with weights g taken once from a reference and not from the outcome.

    Raises:
        ValueError: if the weights do not add up to a positive number.

    Source: generalised social welfare weights, Saez and Stantcheva (2016), held fixed.
    """
    total = float(np.sum(weights))
    if not total > 0.0:
        raise ValueError(f"fixed_weight_mean: weights add up to {total!r}, a positive sum is accepted")
    return float(weights @ utility) / total


def _ascending(values: npt.ArrayLike, assume_sorted: bool) -> FloatArray:
    """The values as an ascending array, checked to be non-negative and not empty."""
    x = np.asarray(values, dtype=np.float64).ravel()
    if not assume_sorted:
        x = np.sort(x)
    # NaN sorts last, and fails a comparison.
    if x.size == 0 or not (x[0] >= 0.0 and x[-1] >= 0.0):
        raise ValueError("inequality is defined for at least one value, none of them negative")
    return x
