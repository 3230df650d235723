"""Objectives of learning to defer: their slopes, cases by hand, and what they say where they are least."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from simworld.worlds.casework import Stage
from simworld_agents.deferring import (
    Aim,
    CompareConfidence,
    CrossEntropy,
    Deferral,
    Log,
    OneVsAll,
    Realizable,
    Selective,
    bayes_defers,
    fit,
    fitted,
    utility,
)

ALL = [
    *(CrossEntropy(alpha) for alpha in (0.0, 0.5, 1.0)),
    *(Realizable(alpha) for alpha in (0.0, 0.1, 0.3, 0.5, 0.9, 1.0)),
    *(OneVsAll(), CompareConfidence(), Selective()),
]


def draws(*shape, seed=0):
    return np.random.Generator(np.random.Philox(seed)).normal(size=shape)


@pytest.mark.parametrize("objective", ALL, ids=repr)
def test_slopes_are_those_of_finite_differences(objective):
    scores, key, right = 2.0 * draws(40, 5), np.arange(40) % 4, np.arange(40) % 3 == 0
    values, slope = objective.losses(scores, key, right)
    assert values.shape == (40,)
    step = 1e-6
    for column in range(5):
        moved = np.zeros(5)
        moved[column] = step
        ahead, back = (objective.losses(scores + way * moved, key, right)[0] for way in (1, -1))
        assert slope[:, column] == pytest.approx((ahead - back) / (2.0 * step), abs=1e-6)


def test_losses_by_hand():
    """Two classes and all scores 0: shares of a third, or of a half where there are but classes."""
    zero, key = np.zeros((2, 3)), np.array([0, 1])
    right = np.array([True, False])
    third, half = np.log(3.0), np.log(2.0)
    assert CrossEntropy(0.5).losses(zero, key, right)[0] == pytest.approx([1.5 * third, third])
    assert CrossEntropy(0.0).losses(zero, key, right)[0] == pytest.approx([third, third])
    # In bits. One of two in three is good, if the expert is right.
    either = np.array([np.log2(1.5), np.log2(3.0)])
    assert Realizable(1.0).losses(zero, key, right)[0] == pytest.approx(either)
    assert Realizable(0.25).losses(zero, key, right)[0] == pytest.approx(0.25 * either + 0.75)
    assert OneVsAll().losses(zero, key, right)[0] == pytest.approx([3 * half, 3 * half])
    assert CompareConfidence().losses(zero, key, right)[0] == pytest.approx([2 * half, 2 * half])
    assert Selective().losses(zero, key, right)[0] == pytest.approx([half, half])
    # A class that is certain, and an expert of whom it is certain that it is right.
    sure = np.array([[30.0, -30.0, 30.0]])
    for objective in (OneVsAll(), CompareConfidence()):
        assert objective.losses(sure, np.array([0]), np.array([True]))[0] == pytest.approx([0.0], abs=1e-9)
        assert objective.losses(sure, np.array([0]), np.array([False]))[0] == pytest.approx([30.0])
        assert objective.losses(sure, np.array([1]), np.array([True]))[0][0] > 29.0


def test_scores_that_are_huge_stay_finite():
    scores = np.array([[900.0, -900.0, 900.0], [-900.0, 0.0, 900.0]])
    for objective in ALL:
        values, slope = objective.losses(scores, np.array([1, 0]), np.array([False, True]))
        assert np.isfinite(values).all()
        assert np.isfinite(slope).all()
        assert np.isfinite(objective.advantage(scores)).all()


def always_alike(n=8000):
    """Cases that all look alike: class 0 in seven of ten, 1 in two, 2 in one; the expert is right in six of ten."""
    turn = np.arange(n)
    key = np.select([turn % 10 < 7, turn % 10 < 9], [0, 1], 2)
    right = (turn // 10) % 10 < 6
    return Log(np.zeros(n, np.int64), np.zeros((n, 2)), key, right)


@pytest.mark.parametrize("objective", [CrossEntropy(1.0), OneVsAll(), CompareConfidence()], ids=repr)
def test_where_they_are_least_the_advantage_is_the_one_that_there_is(objective):
    log = always_alike()
    weights = fit(objective, log, (1, 3), 1e-6)
    scores = weights[:, :, 0]
    assert objective.advantage(scores) == pytest.approx([0.6 - 0.7], abs=1e-3)
    assert objective.likely(scores)[0] == pytest.approx([0.7, 0.2, 0.1], abs=1e-3)


def test_those_with_another_alpha_ask_more_or_less_of_the_same_expert():
    scores = {alpha: fit(CrossEntropy(alpha), always_alike(), (1, 3), 1e-6)[:, :, 0] for alpha in (0.0, 0.5, 1.0)}
    found = [float(CrossEntropy(alpha).advantage(row)[0]) for alpha, row in scores.items()]
    # With alpha = 0 odds take the place of shares: .6 / .4 - .7; with 1 / 2, .6 / (1 - .3) - .7.
    assert found == pytest.approx([1.5 - 0.7, 0.6 / 0.7 - 0.7, -0.1], abs=1e-3)
    # The realizable surrogate puts all on the best of what can be had: the class, here.
    row = fit(Realizable(1.0), always_alike(), (1, 3), 1e-6)[:, :, 0]
    assert Realizable(1.0).advantage(row)[0] < 0.0


def split(n=4000):
    """Class by the sign of the first number; the expert knows where the second is positive, and errs elsewhere."""
    features = draws(n, 3, seed=3)
    noisy = np.where(features[:, 1] > 0.0, draws(n, seed=4), features[:, 0])
    return Log(np.zeros(n, np.int64), features, (noisy > 0.0).astype(np.int64), features[:, 1] > 0.0)


@pytest.mark.parametrize("objective", ["cross_entropy", "realizable", "one_vs_all", "compare_confidence"])
def test_rejectors_find_where_the_expert_knows_what_nobody_else_can(objective):
    policy, held = fitted(Aim(objective, 0.1), split(), (1, 2), 0)
    asks = policy.defers(held.topic, held.features)
    assert (asks == held.right).mean() > 0.9
    assert utility(policy, held) > 0.88
    assert len(held) == 1000


def by_topic(n=6000):
    """The same unsure task in two topics; in the first one the expert is always right, in the other one never."""
    features, topic = draws(n, 3, seed=5), 2 * np.arange(n) // n
    key = (features[:, 0] + 0.7 * draws(n, seed=6) > 0.0).astype(np.int64)
    return Log(topic, features, key, topic == 0)


def test_a_threshold_on_confidence_does_not_see_whom_it_asks():
    log, shares = by_topic(), {}
    for objective in ("selective", "cross_entropy", "one_vs_all", "compare_confidence"):
        policy, held = fitted(Aim(objective, 0.1), log, (2, 2), 0)
        asks = policy.defers(log.topic, log.features, shift=0.3)
        shares[objective] = asks[log.topic == 0].mean(), asks[log.topic == 1].mean(), utility(policy, held)
    first, second, worth = shares.pop("selective")
    assert first == pytest.approx(second, abs=0.03)
    assert first > 0.15
    for asks_one, asks_other, more in shares.values():
        assert asks_one > 0.5
        assert asks_other < 0.01
        assert more > worth


@pytest.mark.parametrize("objective", ["selective", "cross_entropy"])
def test_a_bar_is_the_best_of_all(objective):
    policy, held = fitted(Aim(objective, 0.2, (1.0,)), split(), (1, 2), 0)
    best = max(utility(policy.with_bar(bar), held) for bar in np.linspace(-2.0, 2.0, 801))
    assert utility(policy, held) >= best
    assert policy.defers(held.topic, held.features, shift=99.0).all()
    assert not policy.defers(held.topic, held.features, shift=-99.0).any()


def test_the_fee_is_held_against_the_advantage():
    policy = Deferral("one_vs_all", 1.0, fit(OneVsAll(), split(), (1, 2), 0.3), 0, 0.0)
    log = split()
    gain = policy.advantage(log.topic, log.features)
    shares = [
        Deferral("one_vs_all", 1.0, policy.weights, 0, cost).defers(log.topic, log.features) for cost in (0.0, 0.2)
    ]
    assert np.array_equal(shares[0], gain > 0.0)
    assert np.array_equal(shares[1], gain > 0.2)
    assert np.array_equal(policy.defers(log.topic, log.features, shift=-0.2), shares[1])


def test_without_a_bar_the_fee_is_taken_as_it_is():
    log = split()
    plain, tuned = (fitted(Aim("one_vs_all", 0.2, bar=bar), log, (1, 2), 0) for bar in ("none", "held_out"))
    assert plain[0].bar == 0.0
    assert np.array_equal(plain[0].weights, tuned[0].weights)
    assert utility(*tuned) >= utility(*plain)
    # Selective prediction is nothing but a bar.
    assert fitted(Aim("selective", 0.2, bar="none"), log, (1, 2), 0)[0].bar != 0.0


def test_a_topic_without_cases_stays_as_it_is():
    weights = fit(OneVsAll(), always_alike(100), (2, 3), 0.3)
    assert weights.shape == (2, 4, 3)
    assert not weights[1].any()
    assert weights[0].any()


# -- the Bayes rule --------------------------------------------------------------------------------------------------


def test_four_sectors_are_quadrants():
    stage = Stage(number=7)
    cases = stage.deal(7, 1, 0, np.arange(300))
    rules = stage.rules(7)[cases.topic]
    first, second = (rules[:, 0] - rules[:, 1]) / np.sqrt(2.0), (rules[:, 0] + rules[:, 1]) / np.sqrt(2.0)
    shrunk = 1.0 / 1.04
    a, b = ((cases.features * way).sum(axis=1) * shrunk / np.sqrt(shrunk * 0.04) for way in (first, second))
    p, q = norm.cdf(a), norm.cdf(b)
    by_hand = np.stack([p * q, (1 - p) * q, (1 - p) * (1 - q), p * (1 - q)], axis=1)
    assert stage.posterior(7, cases.topic, cases.features) == pytest.approx(by_hand, abs=1e-9)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_what_is_taken_to_be_likely_comes_about_as_often(classes):
    stage = Stage(classes=classes, noise=0.8)
    cases = stage.deal(3, 3, 0, np.arange(20_000))
    likely = stage.posterior(3, cases.topic, cases.features)
    assert likely.sum(axis=1) == pytest.approx(np.ones(20_000))
    right = likely.argmax(axis=1) == cases.key
    assert right.mean() == pytest.approx(likely.max(axis=1).mean(), abs=0.01)
    for low in (0.4, 0.6, 0.8):
        some = (likely > low) & (likely <= low + 0.1)
        hit = (np.arange(classes) == cases.key[:, None])[some]
        assert hit.mean() == pytest.approx(likely[some].mean(), abs=0.03)


def test_without_blur_all_is_certain_and_nobody_need_be_asked():
    stage = Stage(noise=0.0)
    cases = stage.deal(3, 3, 0, np.arange(50))
    likely = stage.posterior(3, cases.topic, cases.features)
    assert (likely.argmax(axis=1) == cases.key).all()
    assert not bayes_defers(likely, np.ones(50), 0.0).any()
    unsure = np.array([[0.5, 0.5], [0.7, 0.3], [0.9, 0.1]])
    assert bayes_defers(unsure, np.array([0.95, 0.95, 1.0]), 0.2).tolist() == [True, True, False]
