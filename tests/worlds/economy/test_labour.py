"""What workers choose under a schedule, and whether the accounts balance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simworld.errors import ContractError
from simworld.worlds.economy import (
    MEDIAN_SKILL,
    FloatArray,
    Schedule,
    Workforce,
    check_balance,
    federal,
    labour_cost,
    settle,
    skills_from_uniform,
    uniform_schedule,
)

GOLDEN_COST = 0.026
FREE = uniform_schedule([0], 0.0)
HOURS = np.linspace(0.0, 100.0, 100_001)


def release_workers(cost: float = GOLDEN_COST, size: int = 100) -> Workforce:
    """The population of the release's default seed."""
    return Workforce(skills_from_uniform(np.random.RandomState(42).uniform(size=size)), cost)


def generator(key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key))


def utilities(workers: Workforce, schedule: Schedule, hours: FloatArray) -> FloatArray:
    """Utility of each worker's hours before the rebate, by the plain formula."""
    income = workers.skills * hours
    return income - schedule.tax(income) - workers.cost * hours ** (1.0 + 1.0 / workers.elasticity)


def grid_search(workers: Workforce, schedule: Schedule) -> tuple[FloatArray, FloatArray]:
    """Best hours on a grid of 0.001, and their utility, worker by worker, without any theory."""
    best = []
    for skill in workers.skills:
        income = skill * HOURS
        utility = income - schedule.tax(income) - workers.cost * HOURS ** (1.0 + 1.0 / workers.elasticity)
        best.append(np.max(utility))
        best.append(HOURS[np.argmax(utility)])
    return np.array(best[1::2]), np.array(best[::2])


def test_a4_closed_form_under_a_linear_tax() -> None:
    workers = release_workers()
    hours = workers.best_response(uniform_schedule([0], 0.3))
    assert hours == pytest.approx((workers.skills * 0.7 / (0.026 * 3.5)) ** 0.4, rel=1e-12)


@pytest.mark.parametrize("key", range(24))
def test_a4_hours_equal_a_dense_grid(key: int) -> None:
    rng = generator(key)
    edges = np.concatenate([[0.0], np.sort(rng.uniform(1e3, 3e5, rng.integers(0, 6)))])
    rates = rng.uniform(0.0, 1.0, edges.size)
    if key % 3 == 0:
        rates.sort()
    if key % 4 == 0:
        rates[rng.integers(edges.size)] = 1.0
    cost, elasticity = [(0.026, 0.4), (0.0005, 0.4), (0.05, 1.0), (1e-6, 0.25)][key % 4]
    workers = Workforce(skills_from_uniform(rng.uniform(size=8)), cost, elasticity)
    schedule = Schedule(edges, rates)
    assert workers.best_response(schedule) == pytest.approx(grid_search(workers, schedule)[0], abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.floats(500.0, 1e5), st.floats(0.0, 1.0)), min_size=1, max_size=6),
    st.floats(5e-4, 0.2),
    st.floats(1.0, 20_000.0),
)
def test_a4_no_hours_are_better_than_the_best_response(
    brackets: list[tuple[float, float]], cost: float, skill: float
) -> None:
    widths, rates = zip(*brackets, strict=True)
    schedule = Schedule(np.concatenate([[0.0], np.cumsum(widths[:-1])]), rates)
    workers = Workforce([skill], cost)
    hours = workers.best_response(schedule)
    assert 0.0 <= hours[0] <= 100.0
    assert utilities(workers, schedule, hours) >= grid_search(workers, schedule)[1] - 1e-9 * skill * 100.0


def test_a4_workers_bunch_at_convex_kinks_and_shun_concave_ones() -> None:
    workers = Workforce(np.linspace(500.0, 2_000.0, 3_001), GOLDEN_COST)
    kink = 47_150.0
    bunched = settle(FREE, workers.skills, workers.best_response(federal(2024))).income
    near = np.abs(bunched - kink) < 1.0
    assert near.sum() > 50
    assert bunched[near] == pytest.approx(kink, rel=1e-12)
    shunned = settle(FREE, workers.skills, workers.best_response(Schedule([0, kink], [0.5, 0.1]))).income
    assert np.abs(shunned - kink).min() > 3_000.0
    assert (shunned < kink).any()
    assert (shunned > kink).any()


def test_a4_the_published_cost_pins_workers_at_the_cap() -> None:
    hours = release_workers(labour_cost("published", 0.4)).best_response(federal(2024))
    assert np.mean(hours == 100.0) == 0.85
    assert hours.mean() == pytest.approx(96.2, abs=0.05)
    half = release_workers(labour_cost("published", 0.4)).best_response(uniform_schedule([0], 0.5))
    assert half.mean() == pytest.approx(92.8, abs=0.05)


def test_a4_the_rescaled_cost_pins_nobody() -> None:
    hours = release_workers().best_response(federal(2024))
    assert hours.mean() == pytest.approx(36.9, abs=0.05)
    assert hours.max() == pytest.approx(79.0, abs=0.1)


@pytest.mark.parametrize("elasticity", [0.4, 0.25, 1.3])
def test_a5_elasticity_is_constant_inside_and_zero_at_the_cap(elasticity: float) -> None:
    workers = Workforce(np.array([300.0, 900.0, 1_500.0, 2e6]), labour_cost("median40", elasticity), elasticity)
    rates = np.array([0.05, 0.3, 0.5, 0.7])
    income = np.array([workers.skills * workers.best_response(uniform_schedule([0], rate)) for rate in rates])
    slopes = np.diff(np.log(income), axis=0) / np.diff(np.log(1.0 - rates))[:, None]
    assert slopes[:, :3] == pytest.approx(elasticity, rel=1e-9)
    assert slopes[:, 3] == pytest.approx(0.0, abs=1e-12)


def test_a5_there_is_no_income_effect() -> None:
    # A transfer to everybody moves every utility by as much, whatever the hours: choices cannot depend on it.
    workers = release_workers(size=5)
    schedule = federal(2024)
    hours = workers.best_response(schedule)
    for rebate in (0.0, 1e4, 1e6):
        income = np.multiply.outer(workers.skills, HOURS)
        utility = workers.utility(HOURS, income - schedule.tax(income) + rebate)
        assert HOURS[np.argmax(utility, axis=1)] == pytest.approx(hours, abs=1e-3)


def test_confiscation_stops_work_where_it_begins() -> None:
    workers = release_workers()
    assert np.all(workers.best_response(uniform_schedule([0], 1.0)) == 0.0)
    assert np.all(workers.best_response(uniform_schedule([0, 10_000], 1.0)) == 0.0)
    income = workers.skills * workers.best_response(Schedule([0, 20_000, 30_000], [0.2, 1.0, 1.0]))
    assert income.max() == pytest.approx(20_000.0)
    assert (income < 19_999.0).any()
    over_the_wall = workers.skills * workers.best_response(Schedule([0, 20_000, 30_000], [0.2, 1.0, 0.0]))
    assert over_the_wall.max() > 30_000.0
    assert not ((over_the_wall > 20_001.0) & (over_the_wall < 30_000.0)).any()


@pytest.mark.parametrize(("edge", "hours"), [(24.0, 5.0), (25.0, 0.0), (26.0, 0.0)])
def test_between_equals_the_fewest_hours(edge: float, hours: float) -> None:
    # Utility 10 l - l^2 - min(10 l, edge): 5 hours earn 50 at an effort of 25, so an edge of 25 leaves exactly nothing.
    worker = Workforce([10.0], cost=1.0, elasticity=1.0)
    assert worker.best_response(Schedule([0.0, edge], [1.0, 0.0])).tolist() == [hours]


def test_without_skill_there_is_no_work() -> None:
    workers = Workforce([0.0, 1e-200, 1_000.0], GOLDEN_COST)
    for schedule in (federal(2024), Schedule([0, 1_000], [0.9, 0.1])):
        hours = workers.best_response(schedule)
        assert hours[0] == 0.0
        assert hours[1] < 1e-50
        assert hours[2] > 10.0


def test_responses_follow_the_workers_not_their_order() -> None:
    workers = release_workers()
    shuffled = generator(1).permutation(100)
    again = Workforce(workers.skills[shuffled], workers.cost)
    for schedule in (federal(2024), Schedule([0, 30_000, 90_000], [0.8, 0.2, 0.5])):
        assert again.best_response(schedule).tolist() == workers.best_response(schedule)[shuffled].tolist()


@pytest.mark.parametrize("elasticity", [0.1, 0.25, 0.4, 1.0, 3.0])
def test_median40_means_that_the_median_worker_chooses_40_hours(elasticity: float) -> None:
    worker = Workforce([MEDIAN_SKILL], labour_cost("median40", elasticity), elasticity)
    assert worker.best_response(federal(2024)) == pytest.approx(40.0, rel=1e-12)


def test_a_cost_may_be_named_or_given() -> None:
    assert labour_cost("published", 0.7) == 0.0005
    assert labour_cost(0.026, 0.4) == 0.026
    with pytest.raises(ValueError, match="median40, published or a positive number"):
        labour_cost("median", 0.4)
    for wrong in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="labour cost"):
            labour_cost(wrong, 0.4)
        with pytest.raises(ValueError, match="elasticity"):
            labour_cost("median40", wrong)
        with pytest.raises(ValueError, match="cap"):
            Workforce([1.0], 0.026, cap=wrong)
    for skills in ([-1.0], [np.nan], [np.inf], [[1.0]]):
        with pytest.raises(ValueError, match="skills"):
            Workforce(skills, 0.026)


@pytest.mark.parametrize("elasticity", [0.4, 1.0, 2.0 / 3.0, 0.3, 0.05])
def test_utility_is_net_income_minus_the_cost_of_labour(elasticity: float) -> None:
    workers = Workforce([1.0], 0.01, elasticity)
    hours = np.array([0.0, 1.0, 40.0, 100.0])
    expected = 7.0 - 0.01 * hours ** (1.0 + 1.0 / elasticity)
    assert workers.utility(hours, 7.0) == pytest.approx(expected, rel=1e-12)
    assert hours.tolist() == [0.0, 1.0, 40.0, 100.0]  # not written to


@given(
    st.lists(st.tuples(st.floats(0.0, 2e4), st.floats(0.0, 100.0)), max_size=40),
    st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3),
)
def test_a2_the_budget_balances(workers: list[tuple[float, float]], rates: list[float]) -> None:
    skills = np.array([skill for skill, _ in workers])
    accounts = settle(Schedule([0, 90_000, 159_100], rates), skills, [hours for _, hours in workers])
    check_balance(accounts)
    total = accounts.income.sum()
    tolerance = 1e-6 * total + 1e-9  # a society may earn less than a float's smallest step
    assert abs(accounts.tax.sum() - len(workers) * accounts.rebate) <= tolerance
    assert abs(accounts.net.sum() - total) <= tolerance
    assert accounts.income.tolist() == [skill * hours for skill, hours in workers]


def test_a2_a_settlement_that_creates_or_loses_money_is_caught() -> None:
    accounts = settle(federal(2024), np.array([1_000.0, 2_000.0]), [40.0, 40.0])
    for net in (accounts.net + 0.1, accounts.net - 0.1, accounts.net * np.nan):
        with pytest.raises(ContractError, match="does not balance"):
            check_balance(replace(accounts, net=net))
