"""Measures of inequality and welfare, and a warning about one of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.worlds.economy import Schedule, Settlement, Workforce, federal, named_edges, skills_from_uniform
from simworld_agents.economist._optimal_tax import brute_force, outcome
from simworld_analysis import formulas
from simworld_analysis.formulas import FloatArray, gini, inverse_income_mean, inverse_income_sum

AMOUNTS = st.lists(st.floats(0.01, 1e7), min_size=1, max_size=30)


def release_workers(cost: float) -> Workforce:
    return Workforce(skills_from_uniform(np.random.RandomState(42).uniform(size=100)), cost)


@given(AMOUNTS)
def test_gini_is_half_the_relative_mean_difference(amounts: list[float]) -> None:
    x = np.array(amounts)
    differences = np.abs(np.subtract.outer(x, x)).mean()
    assert gini(x) == pytest.approx(differences / (2.0 * x.mean()), abs=1e-9)
    assert gini(np.sort(x), assume_sorted=True) == gini(x)
    assert x.tolist() == amounts


@given(AMOUNTS)
def test_gini_is_what_the_lorenz_curve_leaves_under_the_diagonal(amounts: list[float]) -> None:
    people, held = formulas.lorenz(amounts)
    assert people[0] == held[0] == 0.0
    assert people[-1] == held[-1] == 1.0
    assert np.all(held <= people + 1e-9)
    assert gini(amounts) == pytest.approx(1.0 - 2.0 * np.trapezoid(held, people), abs=1e-9)


def test_inequality_at_its_ends() -> None:
    assert gini([7.0] * 9) == 0.0
    assert gini([0.0, 0.0]) == 0.0
    assert gini([0.0, 0.0, 0.0, 1.0]) == 0.75
    assert formulas.equality([0.0, 0.0, 0.0, 1.0]) == 0.0
    assert formulas.equality([3.0, 3.0]) == formulas.equality([3.0]) == 1.0
    assert formulas.lorenz([0.0, 0.0])[1].tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("values", [[], [-1.0, 2.0], [1.0, math.nan]])
def test_inequality_without_meaning_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="none of them negative"):
        gini(values)
    with pytest.raises(ValueError, match="none of them negative"):
        formulas.lorenz(values)


def test_every_welfare_measure_on_a_society_of_three() -> None:
    utility, income = np.array([10.0, 20.0, -3.0]), np.array([5.0, 40.0, 0.0])
    assert inverse_income_sum(utility, income) == 10 / 5 + 20 / 40 - 3 / 1
    assert inverse_income_sum(utility, income, floor=10.0) == pytest.approx(10 / 10 + 20 / 40 - 3 / 10)
    assert inverse_income_mean(utility, income) == pytest.approx((10 / 5 + 20 / 40 - 3 / 1) / (1 / 5 + 1 / 40 + 1))
    assert formulas.utilitarian_mean(utility) == 9.0
    assert formulas.mean_log_utility(utility) == pytest.approx((math.log(10) + math.log(20)) / 3)
    assert formulas.mean_log_utility(utility, floor=15.0) == pytest.approx((2 * math.log(15) + math.log(20)) / 3)
    assert formulas.minimum_utility(utility) == -3.0
    assert formulas.equality_times_productivity(np.array([0.0, 3.0, 3.0])) == pytest.approx((1 - 3 / 2 * 1 / 3) * 2)
    assert formulas.fixed_weight_mean(utility, np.array([2.0, 1.0, 1.0])) == 37 / 4
    with pytest.raises(ValueError, match="positive sum"):
        formulas.fixed_weight_mean(utility, np.zeros(3))


@pytest.mark.parametrize("cost", [0.0005, 0.026])
def test_a9_the_published_welfare_is_greatest_when_most_workers_idle(cost: float) -> None:
    """A warning: weights 1 / income that are not normalised reward a planner for stopping the poor from working."""
    workers, edges = release_workers(cost), named_edges("three")
    chosen = []
    for floor in (1.0, 1_000.0):
        under_us = inverse_income_sum(*incomes_of(outcome(workers, federal(2024))), floor)
        rates, greatest = brute_force(workers, edges, lambda u, a, floor=floor: inverse_income_sum(u, a.income, floor))
        assert rates[0] == 1.0
        assert greatest > 7.0 * under_us
        idle = np.mean(outcome(workers, Schedule(edges, rates))[1].income == 0.0)
        assert idle > 0.6
        chosen.append(rates.tolist())
    assert chosen[0] == chosen[1]  # a floor of $1,000 is no cure
    rates, _ = brute_force(workers, edges, lambda u, a: inverse_income_mean(u, a.income))
    assert rates[0] < 1.0
    assert np.all(outcome(workers, Schedule(edges, rates))[1].income > 0.0)


def test_a9_the_release_s_numbers() -> None:
    workers, edges = release_workers(0.0005), named_edges("three")
    assert inverse_income_sum(*incomes_of(outcome(workers, federal(2024)))) == pytest.approx(275, abs=0.5)
    rates, greatest = brute_force(workers, edges, lambda u, a: inverse_income_sum(u, a.income))
    assert rates.tolist() == [1.0, 0.9, 0.9]
    assert greatest == pytest.approx(5.7e6, rel=0.01)
    assert np.sum(outcome(workers, Schedule(edges, rates))[1].income == 0.0) == 68


def test_a14_only_sums_grow_with_the_population() -> None:
    workers = release_workers(0.026)
    twice = Workforce(np.tile(workers.skills, 2), workers.cost)
    (utility, accounts), (utility2, accounts2) = outcome(workers, federal(2024)), outcome(twice, federal(2024))
    assert inverse_income_sum(utility2, accounts2.income) == pytest.approx(
        2.0 * inverse_income_sum(utility, accounts.income)
    )
    weights = 1.0 / accounts.income
    for per_head in (
        (inverse_income_mean(utility, accounts.income), inverse_income_mean(utility2, accounts2.income)),
        (formulas.utilitarian_mean(utility), formulas.utilitarian_mean(utility2)),
        (formulas.mean_log_utility(utility), formulas.mean_log_utility(utility2)),
        (formulas.minimum_utility(utility), formulas.minimum_utility(utility2)),
        (formulas.fixed_weight_mean(utility, weights), formulas.fixed_weight_mean(utility2, np.tile(weights, 2))),
        (gini(accounts.net), gini(accounts2.net)),
        (accounts.rebate, accounts2.rebate),
    ):
        assert per_head[1] == pytest.approx(per_head[0], rel=1e-12)


def test_a15_the_published_welfare_hardly_says_anything_about_few_populations() -> None:
    per_head = np.array([published_welfare_per_head(key, size=100) for key in range(300)])
    # Infinite variance: means are ruled by a few populations, and three of them say nothing.
    assert 2.4 < np.median(per_head) < 3.6
    assert per_head.mean() > 2.0 * np.median(per_head)
    assert per_head.std() > 1.5 * per_head.mean()
    of_three = per_head.reshape(100, 3).mean(axis=1)
    assert np.quantile(of_three, 0.95) > 8.0 * np.quantile(of_three, 0.05)


def test_a15_pairing_by_common_populations_brings_the_comparison_back() -> None:
    pairs = np.array([[published_welfare_per_head(key, 100, year) for year in (2018, 2026)] for key in range(30)])
    unpaired = np.log(pairs).std(axis=0).max()
    paired = np.log(pairs[:, 1] / pairs[:, 0]).std()
    assert paired < unpaired / 5.0


def published_welfare_per_head(key: int, size: int, year: int = 2024) -> float:
    uniforms = np.random.Generator(np.random.Philox(key=key)).uniform(size=size)
    workers = Workforce(skills_from_uniform(uniforms), 0.0005)
    return inverse_income_sum(*incomes_of(outcome(workers, federal(year)))) / size


def incomes_of(result: tuple[FloatArray, Settlement]) -> tuple[FloatArray, FloatArray]:
    return result[0], result[1].income
