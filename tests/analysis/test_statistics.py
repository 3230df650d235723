"""Every interval covers what it says, every test errs as often as it says, and by hand the numbers are the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simworld_analysis.statistics import (
    SequentialDesign,
    cliffs_delta,
    cohens_dz,
    correlation_interval,
    episodes_for,
    fisher_z,
    hedges_g,
    holm,
    holm_levels,
    mean_interval,
    paired,
    permutation,
    rate_interval,
    wilcoxon,
)

STUDIES = 2_000


def chance(key):
    return np.random.Generator(np.random.Philox(key=key))


def test_a_t_interval_by_hand():
    # 2, 4, 9: mean 5, standard deviation sqrt(13), t(2, .975) = 4.302653
    found = mean_interval([2, 4, 9])
    half = 4.302653 * 13**0.5 / 3**0.5
    assert (found.value, found.n, found.method) == (5.0, 3, "t")
    assert (found.low, found.high) == pytest.approx((5 - half, 5 + half), rel=1e-6)
    assert found.half_width == pytest.approx(half, rel=1e-6)


def test_intervals_where_there_is_little_to_go_on():
    assert np.isnan(mean_interval([]).value)
    one = mean_interval([3.0])
    assert (one.value, one.n) == (3.0, 1)
    assert np.isnan(one.low)
    same = mean_interval([3.0, 3.0, np.nan])
    assert (same.low, same.high, same.n, same.method) == (3.0, 3.0, 2, "all episodes are equal")


def test_from_fifty_episodes_on_it_is_the_bootstrap_and_the_same_every_time():
    x = chance(1).exponential(size=60)
    one, two = mean_interval(x), mean_interval(x)
    assert one == two
    assert one.method == "BCa bootstrap"
    # skewed to the right: the upper arm is the longer one
    assert one.high - one.value > one.value - one.low
    t = stats.t.interval(0.95, 59, x.mean(), stats.sem(x))
    assert one.half_width == pytest.approx((t[1] - t[0]) / 2, rel=0.15)


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_a_t_interval_covers_a_normal_mean(level):
    draws = chance(12).normal(3.0, 2.0, (STUDIES, 20))
    covered = np.mean([found.low <= 3.0 <= found.high for found in (mean_interval(x, level) for x in draws)])
    assert abs(covered - level) < 0.02


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_jeffreys_interval_covers_a_rate(rate):
    found = [rate_interval(int(k), 50) for k in chance(3).binomial(50, rate, STUDIES)]
    assert 0.93 <= np.mean([f.low <= rate <= f.high for f in found]) <= 0.97


def test_the_bootstrap_covers_a_normal_mean():
    draws = chance(4).normal(0.0, 1.0, (300, 50))
    covered = np.mean([f.low <= 0.0 <= f.high for f in (mean_interval(x) for x in draws)])
    assert 0.91 <= covered <= 0.98  # 2,000 studies of it are in `make study`


def test_jeffreys_by_hand_and_at_its_ends():
    low, high = stats.beta.ppf([0.025, 0.975], 3 + 0.5, 7 + 0.5)
    found = rate_interval(3, 10)
    assert (found.value, found.low, found.high) == pytest.approx((0.3, low, high))
    assert rate_interval(0, 10).low == 0.0
    assert rate_interval(10, 10).high == 1.0
    assert rate_interval(0, 0).n == 0
    with pytest.raises(ValueError, match="4 successes among 3 episodes"):
        rate_interval(4, 3)


def test_pairing_is_by_what_both_have():
    found = paired({1: 5.0, 2: 7.0, 3: 9.0, 4: 100.0}, {1: 4.0, 2: 5.0, 3: 6.0, 9: -100.0})
    assert (found.value, found.n) == (2.0, 3)


def test_a_correlation_by_hand():
    # Deviations -2 -1 0 1 2 and -1 -2 1 0 2: products sum to 8, squares to 10 each.
    one, other = np.arange(1.0, 6.0), np.array([2.0, 1.0, 4.0, 3.0, 5.0])
    found = correlation_interval(one, other)
    assert (found.value, found.n, found.method) == (pytest.approx(0.8), 5, "t of Fisher's z")
    z, without = np.arctanh(0.8), [np.arctanh(np.corrcoef(np.delete([one, other], i, axis=1))[0, 1]) for i in range(5)]
    error = np.sqrt(4.0 / 5.0 * ((without - np.mean(without)) ** 2).sum())  # the jackknife's
    half = 2.7764451 * error
    assert (found.low, found.high) == pytest.approx((np.tanh(z - half), np.tanh(z + half)))
    values = fisher_z(one, other)
    assert (values.mean(), values.std(ddof=1) / np.sqrt(5)) == pytest.approx((z, error))


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=5, max_size=30),
    st.floats(0.01, 1e6),
    st.floats(-1e3, 1e3),
)
def test_a_correlation_knows_no_units_and_no_order(pairs, scale, shift):
    one, other = np.array(pairs, dtype=float).T
    if np.ptp(one) == 0.0 or np.ptp(other) == 0.0:
        assert np.isnan(correlation_interval(one, other).value)
        return
    found = correlation_interval(one, other)
    assert -1.0 <= found.value <= 1.0
    assert found.value == pytest.approx(np.corrcoef(one, other)[0, 1], abs=1e-9)
    for again, sign in (
        (correlation_interval(other, one), 1.0),
        (correlation_interval(scale * one + shift, other), 1.0),
        (correlation_interval(one[::-1], other[::-1]), 1.0),
        (correlation_interval(-one, other), -1.0),
    ):
        assert again.value == pytest.approx(sign * found.value, abs=1e-9)
        if not np.isnan(found.low) and abs(found.value) < 1.0 - 1e-6:
            ends = sorted((sign * found.low, sign * found.high))
            assert [again.low, again.high] == pytest.approx(ends, abs=1e-6)


def test_correlations_where_there_is_little_to_go_on():
    assert np.isnan(correlation_interval([], []).value)
    assert correlation_interval([1.0], [2.0]).method == "needs two episodes"
    assert correlation_interval([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]).method == "one of the two never varies"
    few = correlation_interval([1.0, 2.0, 3.0, np.nan], [1.0, 3.0, 2.0, 4.0])
    assert (few.value, few.n, few.method) == (pytest.approx(0.5), 3, "needs 4 seeds")
    assert np.isnan(few.low)
    # All that they have in common is one episode: there is no telling how sure that is.
    lone = correlation_interval([0.0, 0.0, 0.0, 0.0, 1.0], [0.0, 0.1, 0.2, 0.3, 9.0])
    assert (np.isnan(lone.low), lone.method) == (True, "without one seed nothing varies")
    assert correlation_interval([1.0, 2.0, np.inf, 4.0], [1.0, 2.0, 3.0, 4.0]).method == "infinite values"
    line = correlation_interval([1.0, 2.0, 3.0, 4.0], [-2.0, -4.0, -6.0, -8.0])
    assert (line.value, line.low, line.high) == pytest.approx((-1.0, -1.0, -1.0))


@pytest.mark.parametrize("truth", [0.0, 0.9])
def test_an_interval_covers_a_correlation_also_where_episodes_share_seeds(truth):
    """Five arms of 20 seeds: half of what varies is the seed's. Fisher's own error would cover it in 83 of 100."""
    draw, seeds, covered = chance(14), np.repeat(np.arange(20), 5), []
    for _ in range(STUDIES):
        first, second = (draw.normal(size=20)[seeds] + draw.normal(size=100) for _ in range(2))
        found = correlation_interval(first, truth * first + np.sqrt(1.0 - truth**2) * second, seeds)
        covered.append(found.low <= truth <= found.high)
    assert abs(np.mean(covered) - 0.95) < 0.02


def test_effect_sizes_by_hand():
    assert cohens_dz([1, 2, 3]) == pytest.approx(2.0)
    # means 2 and 4, pooled standard deviation 1, df 4: -2 (1 - 3/15)
    assert hedges_g([1, 2, 3], [3, 4, 5]) == pytest.approx(-2 * 0.8)
    # of 9 pairs, 1 has the first above, 6 below, 2 are equal
    assert cliffs_delta([1, 2, 3], [2, 3, 4]) == pytest.approx((1 - 6) / 9)
    assert cohens_dz([2, 2]) == np.inf
    assert cohens_dz([0, 0]) == 0.0
    assert hedges_g([1, 1], [0, 0]) == np.inf
    assert np.isnan([cohens_dz([1]), hedges_g([1], [1, 2]), cliffs_delta([], [1])]).all()


def test_permutation_is_exact_where_it_can_be():
    # the signs of three differences have 8 patterns; all positive is the most extreme
    assert permutation([1, 2, 3], side="greater") == pytest.approx(1 / 8)
    assert permutation([1, 2, 3]) == pytest.approx(2 / 8)
    # two and two: 6 ways to split, one is this one
    assert permutation([3, 4], [1, 2], side="greater") == pytest.approx(1 / 6)


def test_tests_err_as_often_as_they_say():
    draws = chance(5).normal(size=(400, 12))
    for test in (wilcoxon, permutation):
        rate = np.mean([test(x) <= 0.05 for x in draws])
        assert 0.02 <= rate <= 0.085
    assert wilcoxon([0.0, 0.0]) == 1.0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    # the smallest is established at .05 / 3, the next is not at .05 / 2: the rest are judged at that
    assert holm_levels([0.01, 0.04, 0.03], 0.05) == pytest.approx([0.05 / 3, 0.05 / 2, 0.05 / 2])
    assert holm_levels([0.001, 0.002, 0.003], 0.05) == pytest.approx([0.05 / 3, 0.05 / 2, 0.05])
    assert holm_levels([0.9, 0.9], 0.05) == pytest.approx([0.025, 0.025])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_judging_at_holms_levels_is_holms_procedure(pvalues):
    levels = holm_levels(pvalues, 0.05)
    assert [p <= level for p, level in zip(pvalues, levels, strict=True)] == [p <= 0.05 for p in holm(pvalues)]


def test_a_sequential_design_by_hand():
    design = SequentialDesign((10, 20, 40), 0.5, alpha=0.05)
    spends = design.spends()
    assert sum(spends) == pytest.approx(0.05)
    # O'Brien and Fleming: 2 (1 - Phi(1.959964 / sqrt(share)))
    assert spends[0] == pytest.approx(2 * (1 - stats.norm.cdf(1.959964 / 0.25**0.5)), rel=1e-4)
    even = SequentialDesign((10, 20), 0.5, spending="pocock").spends()
    assert even == pytest.approx([0.05 * np.log(1 + (np.e - 1) / 2), 0.05 - 0.05 * np.log(1 + (np.e - 1) / 2)])
    x = chance(6).normal(size=40)
    assert design.look(x[:11]) is None
    first = design.look(x[:10])
    assert (first.number, first.stop) == (1, first.estimate.half_width <= 0.5)
    assert design.run(x).estimate.half_width <= 0.5 or design.run(x).estimate.n == 40


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
def test_a_design_that_stops_early_still_covers(spending):
    design = SequentialDesign((10, 15, 20, 30, 40), 0.45, spending=spending)
    looks = [design.run(x) for x in chance(7).normal(1.0, 1.0, (STUDIES, 40))]
    assert {look.number for look in looks} >= {2, 3, 4}  # it does stop at various looks
    covered = np.mean([look.estimate.low <= 1.0 <= look.estimate.high for look in looks])
    assert 0.95 - 0.01 <= covered <= 0.995  # a union bound errs on the safe side


def test_a_rule_that_looks_without_paying_for_it_does_not_cover():
    # the control: stopping at the first significant difference, each look at 95 %, errs far more often
    def naive(x):
        return any(not mean_interval(x[:n]).low <= 0.0 <= mean_interval(x[:n]).high for n in range(10, 41, 5))

    wrong = np.mean([naive(x) for x in chance(8).normal(size=(600, 40))])
    assert wrong > 0.1


@pytest.mark.parametrize(("looks", "width"), [((), 1.0), ((1, 5), 1.0), ((5, 5), 1.0), ((5, 10), 0.0)])
def test_a_design_that_makes_no_sense_is_refused(looks, width):
    with pytest.raises(ValueError, match="accepted"):
        SequentialDesign(looks, width)


@given(st.floats(0.01, 50), st.floats(0.05, 5), st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]))
def test_the_number_of_episodes_for_a_width_is_enough_and_one_less_is_not(spread, width, level):
    n = episodes_for(spread, width, level)

    def half(episodes):
        return stats.t.ppf(0.5 + level / 2, episodes - 1) * spread / episodes**0.5

    assert half(n) <= width * (1 + 1e-9)
    if n > 2:
        assert half(n - 1) > width * (1 - 1e-9)


@pytest.mark.parametrize(("spread", "width"), [(math.nan, 1.0), (1.0, 0.0), (1.0, math.nan), (1.0, 1e-300)])
def test_a_width_that_no_number_of_episodes_gives_is_refused(spread, width):
    with pytest.raises(ValueError, match="half width"):
        episodes_for(spread, width)


def test_a_design_does_not_stop_because_a_rare_event_has_not_happened_yet():
    design = SequentialDesign((10, 20, 40), 0.05)
    looks = [design.run((x < 0.05).astype(float)) for x in chance(10).uniform(size=(300, 40))]
    # 60 of 100 studies have no event in their first ten episodes
    assert all(look.number > 1 or look.estimate.value > 0 for look in looks)


def test_a_design_says_what_it_lacks():
    with pytest.raises(ValueError, match="found 15 episodes; accepted: 20, for the next look"):
        SequentialDesign((10, 20), 1e-6).run([float(x) for x in range(15)])
    with pytest.raises(ValueError, match="spending 'pokock'; accepted: obrien_fleming, pocock"):
        SequentialDesign((10, 20), 1.0, spending="pokock")


def test_numbers_that_are_not_there_are_left_out_of_tests():
    assert permutation([1, 2, math.nan, 3]) == permutation([1, 2, 3])
    assert permutation([1, math.nan, 2], [3, 4, math.nan]) == permutation([1, 2], [3, 4])
    assert permutation([]) == permutation([1.0]) == permutation([], [1.0]) == 1.0
    assert wilcoxon([1, 2, math.nan, 3]) == wilcoxon([1, 2, 3])
