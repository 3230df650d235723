"""Effect sizes: how large a difference is, in units that can be compared between studies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def cohens_dz(differences: npt.ArrayLike) -> float:
    """Mean of paired differences over their standard deviation. nan below two pairs, infinite if all are equal.

    Source: Cohen (1988), for matched samples.
    """
    x = np.asarray(differences, dtype=np.float64)
    if x.size < 2:
        return float("nan")
    spread = float(x.std(ddof=1))
    if spread == 0.0:
        return 0.0 if float(x.mean()) == 0.0 else float(np.copysign(np.inf, x.mean()))
    return float(x.mean()) / spread


def hedges_g(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Difference of two means over their pooled standard deviation, corrected for small samples.

    nan below two episodes in either; infinite if nothing varies and the means differ.

    Source: Hedges (1981), with the approximation 1 - 3 / (4 df - 1).
    """
    x, y = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if x.size < 2 or y.size < 2:
        return float("nan")
    df = x.size + y.size - 2
    pooled = float(np.sqrt(((x.size - 1) * x.var(ddof=1) + (y.size - 1) * y.var(ddof=1)) / df))
    gap = float(x.mean() - y.mean())
    if pooled == 0.0:
        return 0.0 if gap == 0.0 else float(np.copysign(np.inf, gap))
    return gap / pooled * (1.0 - 3.0 / (4.0 * df - 1.0))


def cliffs_delta(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """How much more often an episode of one exceeds an episode of the other than the reverse, from -1 to 1.

    Source: Cliff (1993).
    """
    x, y = np.asarray(one, dtype=np.float64), np.sort(np.asarray(other, dtype=np.float64))
    if not x.size or not y.size:
        return float("nan")
    below = np.searchsorted(y, x, side="left").sum()
    above = (y.size - np.searchsorted(y, x, side="right")).sum()
    return float(below - above) / (x.size * y.size)
