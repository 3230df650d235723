"""The distribution of skills."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.worlds.economy import FULL_TIME_HOURS, MEDIAN_SKILL, income_cdf, income_quantile, skills_from_uniform
from simworld_analysis.formulas import gini

QUANTILES = {
    0.01: 695,
    0.05: 3_434,
    0.10: 6_851,
    0.25: 17_393,
    0.50: 38_102,
    0.75: 72_159,
    0.80: 83_798,
    0.90: 124_509,
    0.95: 175_432,
    0.99: 361_313,
    0.999: 967_607,
}


def test_a3_quantiles_of_the_published_fit() -> None:
    assert np.round(income_quantile(list(QUANTILES))).tolist() == list(QUANTILES.values())


def test_a3_the_release_s_first_five_workers() -> None:
    # The release draws with the legacy generator, seed 42.
    skills = skills_from_uniform(np.random.RandomState(42).uniform(size=5))
    assert skills == pytest.approx([673.9405, 4415.7244, 1715.8422, 1219.3905, 267.855], abs=1e-4)


@given(st.floats(1e-30, 1.0))
def test_a3_cdf_undoes_the_quantile(p: float) -> None:
    assert income_cdf(income_quantile(p)) == pytest.approx(p, rel=1e-9, abs=1e-300)


def test_mean_and_inequality_of_the_published_fit() -> None:
    income = income_quantile((np.arange(200_000) + 0.5) / 200_000)
    assert income.mean() == pytest.approx(59_249, rel=1e-3)
    assert gini(income, assume_sorted=True) == pytest.approx(0.530, abs=1e-3)


def test_the_tails_have_the_published_indices() -> None:
    upper = np.log(2.0) / np.log(income_quantile(1 - 1e-9) / income_quantile(1 - 2e-9))
    lower = np.log(2.0) / np.log(income_quantile(2e-9) / income_quantile(1e-9))
    assert upper == pytest.approx(2.364, abs=1e-3)
    assert lower == pytest.approx(1.008, abs=1e-3)


def test_the_median_skill_is_the_median() -> None:
    assert pytest.approx(income_quantile(0.5) / FULL_TIME_HOURS, rel=1e-12) == MEDIAN_SKILL
    assert skills_from_uniform(0.5) == pytest.approx(MEDIAN_SKILL, rel=1e-12)


def test_the_ends_of_the_distribution() -> None:
    assert income_quantile([0.0, 1.0]).tolist() == [0.0, np.inf]
    assert income_cdf([-5.0, 0.0, np.inf]).tolist() == [0.0, 0.0, 1.0]
    assert np.all(np.isfinite(skills_from_uniform([0.0, np.nextafter(1.0, 0.0)])))


@pytest.mark.parametrize("p", [-0.1, 1.1, np.nan])
def test_a_share_outside_of_zero_to_one_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
        income_quantile([0.5, p])


def test_importing_the_economy_does_not_import_scipy() -> None:
    code = "import sys, simworld.worlds.economy; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
