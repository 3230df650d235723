"""Optimal-tax formulas against brute force, votes, games, and searches."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from simworld.worlds.economy import (
    FloatArray,
    Schedule,
    Settlement,
    Workforce,
    federal,
    named_edges,
    settle,
    skills_from_uniform,
    uniform_schedule,
)
from simworld_agents.economist._optimal_tax import (
    SearchRule,
    begin_search,
    bracket_condition,
    bracket_fixed_point,
    brute_force,
    coordinate_climb,
    delta_climb,
    inverse_income_weights,
    linear_rate,
    median_voter_rate,
    outcome,
    pareto_tail_index,
    pareto_top_rate,
    random_search,
    saez_point,
)
from simworld_analysis.formulas import fixed_weight_mean, inverse_income_mean, utilitarian_mean

COST = 0.026
THREE = named_edges("three")
HALF = uniform_schedule([0], 0.5)


def generator(key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key))


def population(key: int, size: int = 100) -> Workforce:
    return Workforce(skills_from_uniform(generator(key).uniform(size=size)), COST)


def release_skills(size: int = 100) -> FloatArray:
    return skills_from_uniform(np.random.RandomState(42).uniform(size=size))


def inverse_income(utility: FloatArray, accounts: Settlement) -> float:
    return inverse_income_mean(utility, accounts.income)


@pytest.mark.parametrize(
    ("brackets", "elasticity", "size", "percent"),
    [
        ("us_2024", 0.4, 100, [98.11, 92.60, 79.28, 63.54, 52.82, 53.64, 20.00]),
        ("us_2024", 3.0, 100, [87.38, 62.51, 33.79, 18.86, 12.99, 13.36, 3.23]),
        ("three", 0.4, 100, [88.25, 66.95, 20.00]),
        ("three", 3.0, 100, [50.03, 21.26, 3.23]),
        ("three", [0.18, 0.11, 0.57], 100, [94.35, 88.05, 14.93]),
        ("us_2024", 0.4, 5, [0.00, 93.22, 83.63, 67.76, 52.88, 56.02, 20.00]),
        ("us_2024", 0.4, 1000, [98.24, 92.53, 79.15, 62.95, 57.45, 48.37, 67.91]),
    ],
)
def test_the_release_s_saez_rates(
    brackets: str, elasticity: float | list[float], size: int, percent: list[float]
) -> None:
    rates = saez_point(release_skills(size), named_edges(brackets), elasticity)
    assert 100.0 * rates == pytest.approx(percent, abs=0.00501)


def test_elasticities_that_fit_no_bracket_are_refused() -> None:
    with pytest.raises(ValueError, match="one for each of 3 brackets"):
        saez_point(release_skills(), THREE, [0.4, 0.4])


def test_a6_a_utilitarian_sum_of_quasi_linear_utilities_wants_no_tax() -> None:
    rates, _ = brute_force(Workforce(release_skills(), COST), THREE, lambda utility, _: utilitarian_mean(utility))
    assert rates.tolist() == [0.0, 0.0, 0.0]
    assert linear_rate(np.ones(100), release_skills(), 0.4) == 0.0


@pytest.mark.parametrize("exponent", [1.0, 0.5, 0.0, 4.0])
def test_a7_linear_rate_is_the_numeric_optimum(exponent: float) -> None:
    workers = Workforce(release_skills(), COST)
    income = outcome(workers, HALF)[1].income
    weights = income**-exponent
    grid = np.linspace(0.0, 0.999, 1000)
    welfare = [fixed_weight_mean(outcome(workers, uniform_schedule([0], rate))[0], weights) for rate in grid]
    assert linear_rate(weights, income, 0.4) == pytest.approx(grid[np.argmax(welfare)], abs=0.005)


@pytest.mark.parametrize(
    ("mean_weight", "rate"), [(0.1004, 0.6922), (0.2376, 0.6559), (1.0, 0.0), (0.015, 0.7112), (1.5, 0.0)]
)
def test_a7_linear_rate_in_numbers(mean_weight: float, rate: float) -> None:
    # Two workers, the richer with all the income and this weight, out of a mean of one.
    weights = np.array([2.0 - mean_weight, mean_weight])
    assert linear_rate(weights, np.array([0.0, 9.0]), 0.4) == pytest.approx(rate, abs=1e-4)


@pytest.mark.parametrize(
    ("skill_index", "elasticity", "rate"), [(2.8, 0.4, 0.5556), (3.0, 0.25, 0.625), (2.0, 0.2, 0.750)]
)
def test_a7_top_rate_over_a_pareto_tail_maximises_revenue(skill_index: float, elasticity: float, rate: float) -> None:
    index = skill_index / (1.0 + elasticity)
    assert pareto_top_rate(0.0, index, elasticity) == pytest.approx(rate, abs=5e-5)
    beyond = (np.arange(100_000) + 0.5) / 100_000
    workers = Workforce(500.0 * beyond ** (-1.0 / skill_index), COST, elasticity, cap=1e9)
    threshold = float(np.quantile(outcome(workers, uniform_schedule([0], 0.0))[1].income, 0.8))
    grid = np.linspace(0.5, 0.8, 301)
    revenue = [outcome(workers, Schedule([0, threshold], [0.0, t]))[1].rebate for t in grid]
    assert grid[np.argmax(revenue)] == pytest.approx(rate, abs=0.005)


@pytest.mark.parametrize("index", [1.7, 2.0, 3.0])
def test_a7_tail_index_of_a_pareto_tail(index: float) -> None:
    incomes = 1_000.0 * ((np.arange(1_000_000) + 0.5) / 1_000_000) ** (-1.0 / index)
    assert pareto_tail_index(incomes, 1_000.0) == pytest.approx(index, rel=0.01)
    assert pareto_tail_index(incomes, 5_000.0) == pytest.approx(index, rel=0.02)
    with pytest.raises(ValueError, match="no income above"):
        pareto_tail_index(np.array([1.0, 2.0]), 2.0)


def test_a7_laffer_peak() -> None:
    grid = np.linspace(0.0, 1.0, 1001)
    for cap, tolerance in ((1e9, 0.001), (100.0, 0.005)):
        workers = Workforce(release_skills(), COST, cap=cap)
        revenue = [outcome(workers, uniform_schedule([0], rate))[1].rebate for rate in grid]
        assert grid[np.argmax(revenue)] == pytest.approx(1.0 / 1.4, abs=tolerance)


def test_a8_bracket_condition_holds_at_the_numeric_optimum_away_from_kinks() -> None:
    smooth = 0
    for key in range(1000, 1012):
        workers = population(key)
        weights = inverse_income_weights(outcome(workers, HALF)[1].income)
        rates = polish(workers, weights)
        if not is_smooth(workers, rates):
            continue  # somebody is about to jump to another bracket: no derivative, no condition
        smooth += 1
        schedule = Schedule(THREE, rates)
        asked = bracket_condition(outcome(workers, schedule)[1].income, schedule, weights, workers.elasticity)
        assert asked == pytest.approx(rates, abs=1e-3)
    assert smooth >= 3


def test_a8_fixed_point_reaches_brute_force() -> None:
    """Normalised inverse-income welfare on the 10-point grid, three brackets, 30 populations of 100."""
    shares = []
    for key in range(1000, 1030):
        workers = population(key)
        found = bracket_fixed_point(workers, THREE)
        assert found.welfare == inverse_income(*outcome(workers, Schedule(THREE, found.rates)))
        shares.append(found.welfare / brute_force(workers, THREE, inverse_income)[1])
    assert min(shares) >= 0.98
    assert np.median(shares) >= 0.99


def test_a_fixed_point_that_converged_satisfies_the_condition() -> None:
    workers = population(1001)
    weights = inverse_income_weights(outcome(workers, HALF)[1].income)
    found = bracket_fixed_point(workers, THREE, weights=weights, starts=(0.5,))
    assert found.converged
    schedule = Schedule(THREE, found.last)
    income = outcome(workers, schedule)[1].income
    assert bracket_condition(income, schedule, weights, 0.4) == pytest.approx(found.last, abs=1e-5)


def test_one_bracket_is_the_linear_tax() -> None:
    workers = population(1)
    income = outcome(workers, HALF)[1].income
    weights = inverse_income_weights(income)
    found = bracket_fixed_point(workers, np.array([0.0]), weights=weights)
    assert found.last == pytest.approx([linear_rate(weights, income, 0.4)], abs=1e-5)


def test_a_bracket_that_nobody_reaches_keeps_its_rate() -> None:
    schedule = Schedule([0, 1e9], [0.3, 0.7])
    income = np.array([10.0, 20.0, 30.0])
    assert bracket_condition(income, schedule, 1.0 / income, 0.4)[1] == 0.7


def test_a10_the_order_of_the_reference_welfare_table() -> None:
    workers = Workforce(release_skills(), COST)
    income = outcome(workers, HALF)[1].income
    linear = linear_rate(inverse_income_weights(income), income, workers.elasticity)
    schedules = [
        uniform_schedule([0], 0.0),
        federal(2024),
        Schedule(THREE, saez_point(workers.skills, THREE, 3.0)),
        Schedule(THREE, saez_point(workers.skills, THREE, 0.4)),
        uniform_schedule([0], linear),
        Schedule(THREE, bracket_fixed_point(workers, THREE).rates),
    ]
    welfare = [inverse_income(*outcome(workers, schedule)) for schedule in schedules]
    assert welfare == sorted(welfare)
    best, greatest = brute_force(workers, THREE, inverse_income)
    assert best.tolist() == [0.8, 0.7, 0.5]
    assert inverse_income(*outcome(workers, HALF)) / greatest == pytest.approx(0.86, abs=0.005)


@pytest.mark.parametrize(
    ("rule", "moves", "share"), [(coordinate_climb, 40, 0.995), (delta_climb, 40, 0.985), (random_search, 15, 0.93)]
)
def test_a11_searches_without_economics_come_close(rule: SearchRule, moves: int, share: float) -> None:
    workers = Workforce(release_skills(), COST)
    scores: dict[tuple[int, ...], float] = {}

    def score(percent: tuple[int, ...]) -> float:
        if percent not in scores:
            scores[percent] = inverse_income(*outcome(workers, Schedule(THREE, np.array(percent) / 100)))
        return scores[percent]

    reached = []
    for key in range(50):
        search = begin_search((50, 50, 50))
        for uniforms in generator(key).uniform(size=(moves + 1, 3)):
            search = rule(search, score(search.trial), uniforms)
        reached.append(search.best_score / score((80, 70, 50)))
    assert share < np.mean(reached) <= 1.0


@pytest.mark.parametrize("key", [0, 1, 2])
def test_a12_two_workers_by_backward_induction_equal_the_grid_planner(key: int) -> None:
    """The planner leads, the workers follow, each taking the rebate as given as in a large society."""
    workers = population(key, size=2)
    hours = np.linspace(0.0, 100.0, 5_001)
    income = np.multiply.outer(workers.skills, hours)
    cost = COST * hours**3.5
    values = {}
    grid = [k / 10 for k in range(11)]
    for rates in np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), axis=-1).reshape(-1, 3):
        schedule = Schedule(THREE, rates)
        reply = hours[np.argmax(income - schedule.tax(income) - cost, axis=1)]
        accounts = settle(schedule, workers.skills, reply)
        values[tuple(rates.tolist())] = inverse_income(workers.utility(reply, accounts.net), accounts)
    led = max(values, key=lambda rates: values[rates])
    best, greatest = brute_force(workers, THREE, inverse_income)
    assert values[led] == pytest.approx(greatest, rel=1e-3)
    assert inverse_income(*outcome(workers, Schedule(THREE, led))) == pytest.approx(greatest, rel=1e-3)
    assert values[tuple(best.tolist())] == pytest.approx(greatest, rel=1e-3)


def test_a13_the_median_voter_s_rate_beats_every_other_in_a_vote() -> None:
    grid = np.linspace(0.0, 0.999, 1000)
    for key in range(5):
        # Without a cap: a star who is at his hours cap does not respond, and income shares then depend on the rate.
        workers = replace(population(key, size=101), cap=1e9)
        utility = np.array([outcome(workers, uniform_schedule([0], rate))[0] for rate in grid])
        median = np.argsort(workers.skills)[50]
        voted = median_voter_rate(outcome(workers, HALF)[1].income, workers.elasticity)
        assert grid[np.argmax(utility[:, median])] == pytest.approx(voted, abs=0.005)
        against_each = outcome(workers, uniform_schedule([0], voted))[0] - utility
        assert np.all((against_each >= 0.0).sum(axis=1)[np.abs(grid - voted) > 0.001] > 50)


@pytest.mark.parametrize(("size", "fewest"), [(3, 15), (101, 30)])
def test_a13_the_majority_s_tax_is_paid_by_the_most_skilled(size: int, fewest: int) -> None:
    """A sign test over 30 populations; where the median exceeds the mean nobody is taxed, which is neither sign."""
    changes = []
    for key in range(30):
        workers = population(key, size)
        voted = median_voter_rate(outcome(workers, HALF)[1].income, workers.elasticity)
        free, taxed = (outcome(workers, uniform_schedule([0], rate))[0] for rate in (0.0, voted))
        changes.append((taxed - free)[np.argmax(workers.skills)])
    losses, gains = sum(change < 0.0 for change in changes), sum(change > 0.0 for change in changes)
    assert gains == 0
    assert losses >= fewest  # with as many losses as gains expected: p < 2^-15


def test_brute_force_refuses_what_it_cannot_finish() -> None:
    with pytest.raises(ValueError, match="19487171 schedules"):
        brute_force(population(0), named_edges("us_2024"), inverse_income)


@pytest.mark.parametrize("rule", [coordinate_climb, delta_climb, random_search])
def test_searches_find_the_best_grid_point_and_stay_within_bounds(rule: SearchRule) -> None:
    rng = generator(3)

    def score(rates: Sequence[int]) -> float:
        return -sum((rate - peak) ** 2 for rate, peak in zip(rates, (0, 100), strict=True))

    search = begin_search((50, 50))
    for _ in range(1_500):
        assert all(0 <= rate <= 100 and rate % 10 == 0 for rate in search.trial)
        search = rule(pickle.loads(pickle.dumps(search)), score(search.trial), rng.uniform(size=2))
    assert search.best == (0, 100)
    assert search.best_score == 0.0
    assert search.evaluations == 1_500


def test_a_search_keeps_the_best_it_has_seen() -> None:
    uniforms = np.array([0.99, 0.0, 0.5])
    search = coordinate_climb(begin_search((50, 50, 50)), 1.0, uniforms)
    assert search.trial == (50, 50, 60)
    assert coordinate_climb(search, 2.0, uniforms).trial == (50, 50, 70)
    assert coordinate_climb(search, 1.0, uniforms).trial == (50, 50, 60)  # equal is not better
    assert delta_climb(search, 0.0, uniforms).trial == (70, 30, 50)
    assert random_search(search, 0.0, uniforms).trial == (100, 0, 50)
    assert random_search(search, 0.0, uniforms).best == (50, 50, 50)


def polish(workers: Workforce, weights: FloatArray) -> FloatArray:
    """Numeric optimum of welfare with fixed weights: from brute force on, coordinate steps down to 1e-7."""

    def welfare(rates: FloatArray) -> float:
        return fixed_weight_mean(outcome(workers, Schedule(THREE, rates))[0], weights)

    best, greatest = brute_force(workers, THREE, lambda utility, _: fixed_weight_mean(utility, weights))
    step = 0.05
    while step > 1e-7:
        moves = [(j, change) for j in range(3) for change in (-step, step)]
        trials = [np.clip(best + change * np.eye(3)[j], 0.0, 1.0) for j, change in moves]
        values = [welfare(trial) for trial in trials]
        if max(values) > greatest:
            best, greatest = trials[int(np.argmax(values))], max(values)
        else:
            step /= 2
    return best


def is_smooth(workers: Workforce, rates: FloatArray) -> bool:
    """Whether no worker enters or leaves the inside of a bracket when a rate moves by 1e-5."""
    moved = [rates, *(np.clip(rates + d * np.eye(3)[j], 0.0, 1.0) for j in range(3) for d in (-1e-5, 1e-5))]
    places = []
    for trial in moved:
        income = outcome(workers, Schedule(THREE, trial))[1].income
        at_kink = np.min(np.abs(np.subtract.outer(income, THREE)), axis=1) < 1e-6 * income
        places.append(np.where(at_kink, -1, np.searchsorted(THREE, income)))
    return all(np.array_equal(places[0], other) for other in places[1:])
