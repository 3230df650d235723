"""Tax schedules: statutory values, shape, and clear refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.worlds.economy import Schedule, federal, named_edges, named_schedule, uniform_schedule

BRACKETS = st.lists(st.tuples(st.floats(1.0, 1e5), st.floats(0.0, 1.0)), min_size=1, max_size=7)  # widths and rates


def schedule_of(brackets: list[tuple[float, float]]) -> Schedule:
    widths, rates = zip(*brackets, strict=True)
    return Schedule(np.concatenate([[0.0], np.cumsum(widths[:-1])]), np.array(rates))


@pytest.mark.parametrize(
    ("income", "tax"),
    [
        (0, 0),
        (11_600, 1_160),
        (20_000, 2_168),
        (47_150, 5_426),
        (72_403, 10_981.66),
        (100_525, 17_168.50),
        (200_000, 41_686.50),
        (609_350, 183_647.25),
        (1_000_000, 328_187.75),
    ],
)
def test_a1_federal_tax_of_2024(income: float, tax: float) -> None:
    assert federal(2024).tax(income) == pytest.approx(tax, abs=1e-6)


def test_a1_the_top_bracket_is_open() -> None:
    assert federal(2024).tax(1e9) == pytest.approx(183_647.25 + 0.37 * (1e9 - 609_350), rel=1e-12)


@given(BRACKETS, st.lists(st.floats(0.0, 1e6), min_size=2, max_size=30))
def test_a1_tax_is_continuous_and_never_falls_with_income(
    brackets: list[tuple[float, float]], incomes: list[float]
) -> None:
    schedule = schedule_of(brackets)
    z = np.sort(incomes)
    tax = schedule.tax(z)
    assert np.all(np.diff(tax) >= 0.0)
    assert np.all(np.diff(tax) <= np.diff(z) + 1e-6)  # slopes of at most one: no jumps either
    assert np.all((tax >= 0.0) & (tax <= z * (1.0 + 1e-12)))
    assert schedule.tax(schedule.edges) == pytest.approx(schedule.tax_at_edges, rel=1e-12, abs=1e-9)


@given(BRACKETS, st.lists(st.floats(0.0, 1e6), min_size=3, max_size=30))
def test_a1_tax_is_convex_exactly_if_rates_never_fall(
    brackets: list[tuple[float, float]], incomes: list[float]
) -> None:
    rising = schedule_of(
        [(width, rate) for (width, _), rate in zip(brackets, sorted(r for _, r in brackets), strict=True)]
    )
    assert rising.is_convex
    z = np.array(incomes)
    middle = (z[:-1] + z[1:]) / 2.0
    assert np.all(rising.tax(middle) <= (rising.tax(z[:-1]) + rising.tax(z[1:])) / 2.0 + 1e-6)
    rates = [rate for _, rate in brackets]
    assert schedule_of(brackets).is_convex == (rates == sorted(rates))


def test_falling_rates_make_tax_concave_at_the_kink() -> None:
    schedule = Schedule([0, 100], [0.5, 0.1])
    assert not schedule.is_convex
    assert schedule.tax(100) > (schedule.tax(50) + schedule.tax(150)) / 2


def test_marginal_is_the_rate_on_the_next_dollar() -> None:
    us = federal(2024)
    assert us.marginal([0, 11_599.99, 11_600, 609_350, 1e9]).tolist() == [0.10, 0.10, 0.12, 0.37, 0.37]
    z = np.array([5_000.0, 50_000.0, 700_000.0])
    assert us.tax(z + 1.0) - us.tax(z) == pytest.approx(us.marginal(z))


def test_every_federal_year_is_a_rising_seven_bracket_schedule() -> None:
    edges = np.array([federal(year).edges for year in range(2018, 2027)])
    assert edges.shape == (9, 7)
    assert np.all(np.diff(edges[:, 1:], axis=0) > 0)  # indexed to prices, which rose every year
    for year in range(2018, 2027):
        assert federal(year).rates.tolist() == [0.10, 0.12, 0.22, 0.24, 0.32, 0.35, 0.37]
    assert federal(2018).edges[1:].tolist() == [9_525, 38_700, 82_500, 157_500, 200_000, 500_000]
    assert federal(2026).edges[1:].tolist() == [12_400, 50_400, 105_700, 201_775, 256_225, 640_600]


def test_schedules_and_brackets_have_names() -> None:
    assert named_schedule("us_2025") == federal(2025)
    assert named_schedule("free_market").tax(1e6) == 0.0
    assert named_edges("us_2024").tolist() == federal(2024).edges.tolist()
    assert named_edges("three").tolist() == [0, 90_000, 159_100]
    assert uniform_schedule(named_edges("flat"), 0.5).tax(10.0) == 5.0


@pytest.mark.parametrize("name", ["us_2017", "us_x", "us_", "us_²", "2024", "four", ""])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match="us_2018 to us_2026"):
        named_schedule(name)
    with pytest.raises(ValueError, match=r"flat, three, us_2018 to us_2026"):
        named_edges(name)


def test_an_unknown_year_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="2027; years are 2018 to 2026"):
        federal(2027)


@pytest.mark.parametrize(
    ("edges", "rates", "message"),
    [
        ([0, 10], [10, 12], r"tax rate 10\.0 in bracket 0: rates are fractions"),
        ([0, 10], [0.1, -0.1], r"tax rate -0\.1 in bracket 1"),
        ([0, 10], [0.1, np.nan], "tax rate nan in bracket 1"),
        ([0, 10], [0.1], "2 bracket edges but rates of shape"),
        ([5, 10], [0.1, 0.2], "starts with 0"),
        ([], [], "starts with 0"),
        ([0, np.inf], [0.1, 0.2], "finite"),
        ([0, 10, 10], [0.1, 0.2, 0.3], "greater than the one before"),
    ],
)
def test_what_is_no_schedule_is_refused_in_one_line(edges: list[float], rates: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        Schedule(edges, rates)
    assert "\n" not in str(refusal.value)


def test_a_schedule_is_a_value() -> None:
    rates = np.array([0.1, 0.2])
    schedule = Schedule([0, 10], rates)
    rates[0] = 0.9  # somebody else's array
    assert schedule.rates.tolist() == [0.1, 0.2]
    assert schedule == Schedule([0, 10], [0.1, 0.2])
    assert len({schedule, Schedule([0, 10], [0.1, 0.2]), Schedule([0, 10], [0.1, 0.3])}) == 2
    with pytest.raises(ValueError, match="read-only"):
        schedule.rates[0] = 0.5
