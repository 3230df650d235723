"""How closely two numbers of the same episodes go together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simworld_analysis.statistics._intervals import Estimate, FloatArray

CORRELATION_FROM = 4
"""Seeds from which on there is an interval: one that is left out must leave more than a line."""
_LINE = 1.0 - 1e-12
"""As near to 1 as a correlation counts: what is nearer is rounding, and Fisher's z of 1 is infinite."""
_FLAT = 1e-12
"""What varies less than this, in proportion, does not vary: it is rounding."""


def correlation_interval(
    one: npt.ArrayLike, other: npt.ArrayLike, seeds: npt.ArrayLike | None = None, level: float = 0.95
) -> Estimate:
    """Pearson's correlation over episodes, with Student's t interval of Fisher's z by a jackknife over seeds.

    Fisher's own error, 1 / sqrt(n - 3), is for normal data; the jackknife's holds for skewed data and for episodes that
    share a seed, too.

    Args:
        one: A number of each episode, shape (n,); episodes that lack either are left out.
        other: Another one.
        seeds: The seed of each, shape (n,): episodes that share one are not independent. By default none do.
        level: Coverage, between 0 and 1.

    Returns:
        The correlation, nan where one of the two never varies; ``n`` is the number of seeds.

    Source: Fisher (1921) for z; Hinkley (1977), "Jackknife confidence limits using Student t approximations".
    """
    from scipy.special import stdtrit  # noqa: PLC0415

    z, values = _by_seed(one, other, seeds)
    value, n = float(np.tanh(z)), len(values)
    if np.isnan(value):
        infinite = np.isinf(np.asarray(one)).any() or np.isinf(np.asarray(other)).any()
        why = "infinite values" if infinite else "one of the two never varies" if n > 1 else "needs two episodes"
        return Estimate(value, value, value, n, level, why)
    if n < CORRELATION_FROM:
        return Estimate(value, float("nan"), float("nan"), n, level, f"needs {CORRELATION_FROM} seeds")
    if np.isnan(values).any():
        return Estimate(value, float("nan"), float("nan"), n, level, "without one seed nothing varies")
    half = float(stdtrit(n - 1, 0.5 + level / 2.0) * values.std(ddof=1) / np.sqrt(n))
    return Estimate(value, float(np.tanh(z - half)), float(np.tanh(z + half)), n, level, "t of Fisher's z")


def fisher_z(one: npt.ArrayLike, other: npt.ArrayLike, seeds: npt.ArrayLike | None = None) -> FloatArray:
    """Fisher's z of the correlation of two numbers, as a sample: one value for each seed.

    Their mean is z, and the standard error of their mean is that of the jackknife. nan if nothing varies, all in all or
    without that seed. Arguments as in ``correlation_interval``.
    """
    return _by_seed(one, other, seeds)[1]


def _by_seed(one: npt.ArrayLike, other: npt.ArrayLike, seeds: npt.ArrayLike | None) -> tuple[float, FloatArray]:
    """Fisher's z, and its value for each seed."""
    x, y = np.asarray(one, dtype=np.float64).ravel(), np.asarray(other, dtype=np.float64).ravel()
    number = np.arange(len(x)) if seeds is None else np.asarray(seeds).ravel()
    known = ~(np.isnan(x) | np.isnan(y))
    x, y = x[known], y[known]
    names, place = np.unique(number[known], return_inverse=True)
    n = len(names)
    if n < 1 or not np.isfinite(x).all() or not np.isfinite(y).all() or _flat(x) or _flat(y):
        return float("nan"), np.full(n, np.nan)
    # In units of their own spread, numbers as large as welfare and as small as metres lose no digits.
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    sums = np.stack([np.bincount(place, v, minlength=n) for v in (np.ones_like(x), x, y, x * x, y * y, x * y)])
    total = sums.sum(axis=1, keepdims=True)
    z, without = float(_z(total)[0]), _z(total - sums)
    return z, z + (n - 1.0) * (without.mean() - without)


def _flat(values: FloatArray) -> bool:
    return float(np.ptp(values)) <= _FLAT * float(np.abs(values).max())


def _z(sums: FloatArray) -> FloatArray:
    """Fisher's z from sums of 1, x, y, x2, y2, xy, shape (6, k) to (k,); nan where one of the two does not vary."""
    n, x, y, xx, yy, xy = sums
    n = np.maximum(n, 1.0)
    spread_x, spread_y, both = xx - x * x / n, yy - y * y / n, xy - x * y / n
    varies = (spread_x > _FLAT * n) & (spread_y > _FLAT * n)
    size = np.sqrt(np.where(varies, spread_x * spread_y, 1.0))
    found: FloatArray = np.where(varies, np.arctanh(np.clip(both / size, -_LINE, _LINE)), np.nan)
    return found
