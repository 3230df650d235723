"""The distribution of skills: a generalised beta of the second kind (GB2) over annual incomes at 40 hours a week.

Parameters as published with the release of Karten et al. 2025, "LLM Economist" (arXiv 2507.15815), which calls the
fit "ACS 2023 US income". The data of that fit (file, income concept, weights) are not public, so the table of
quantiles it implies is this model's own distribution, not a statistic of the United States. Its mean is $59,249, its
Gini coefficient 0.530, its upper tail index 2.364 and its lower tail index 1.008.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simworld.worlds.economy._schedule import FloatArray

# GAMLSS parameterisation: scale, shape, and the two parameters of the underlying beta variable.
_MU = 72402.78177917618
_SIGMA = 2.0721070746154746
_NU = 0.48651871959386955
_TAU = 1.1410398548220329

FULL_TIME_HOURS = 40.0
"""Weekly hours at which a worker of skill v earns an annual income of 40 v."""

MEDIAN_SKILL = 952.5382960100862
"""Median skill, USD/year per weekly hour: ``income_quantile(0.5) / 40``, written out so that importing is cheap."""


def income_quantile(p: npt.ArrayLike) -> FloatArray:
    """Annual income at 40 hours a week (USD) below which a share p of the population lies; the shape of p.

    The quantile of mu * (y / (1 - y))^(1 / sigma) with y beta-distributed (nu, tau), taken from whichever tail keeps
    its digits. 0 gives 0 and 1 gives infinity.

    Raises:
        ValueError: for a p outside [0, 1].
    """
    from scipy import special  # noqa: PLC0415  scipy is half of this package's import time

    share = np.asarray(p, dtype=np.float64)
    if not np.all((share >= 0.0) & (share <= 1.0)):
        raise ValueError("income_quantile: a share outside [0, 1] was given")
    low_half = share <= 0.5
    beta = special.betaincinv(_NU, _TAU, np.where(low_half, share, 0.5))
    rest = special.betaincinv(_TAU, _NU, np.where(low_half, 0.5, 1.0 - share))
    with np.errstate(divide="ignore"):
        odds = np.where(low_half, beta / (1.0 - beta), (1.0 - rest) / rest)
    income: FloatArray = _MU * odds ** (1.0 / _SIGMA)
    return income


def income_cdf(income: npt.ArrayLike) -> FloatArray:
    """Share of the population with at most this annual income at 40 hours a week (USD); the shape of the incomes."""
    from scipy import special  # noqa: PLC0415  see income_quantile

    x = np.maximum(np.asarray(income, dtype=np.float64), 0.0)
    odds = (x / _MU) ** _SIGMA
    # The beta variable is odds / (1 + odds); the other tail is exact where that rounds to one.
    low = np.minimum(odds, 1.0)
    share: FloatArray = np.where(
        odds <= 1.0,
        special.betainc(_NU, _TAU, low / (1.0 + low)),
        special.betaincc(_TAU, _NU, 1.0 / (1.0 + odds)),
    )
    return share


def skills_from_uniform(u: npt.ArrayLike) -> FloatArray:
    """Skills, USD/year per weekly hour, from uniforms in [0, 1); the shape of the uniforms.

    Source: inverse-transform sampling as in the release of Karten et al. 2025.
    """
    return income_quantile(u) / FULL_TIME_HOURS
