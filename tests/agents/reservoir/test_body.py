"""Bodies: how they are made, and how far their states are from each other."""

from __future__ import annotations

import numpy as np
import pytest

from simworld_agents.reservoir import (
    Habituation,
    Sentinel,
    driven,
    eigen_radius,
    fresh,
    gaussian_divergence,
    habituated,
    knn_divergence,
    trained,
)


def chance(key):
    return np.random.Generator(np.random.Philox(key=key))


# -- parts ---------------------------------------------------------------------------------------------------------


def test_the_readout_is_ridge_regression_in_logit_space():
    """Against the normal equations with a column of ones that is not penalised."""
    body = fresh(chance(2).normal(size=(2, 8, 11)), 0.9, 0.15)
    noise = [chance(3).normal(size=(250, 2, 8)), chance(4).normal(size=(250, 2, 8))]
    draws = iter(noise)
    found = trained(body, lambda _: next(draws), burn_in=50, kept=200, ridge=0.001)
    for n in range(2):
        rows, goals = [], []
        for level, drawn, goal in ((1.0, noise[0], 0.95), (0.0, noise[1], 0.05)):
            states = list(driven(body, level, np.zeros((2, 8)), 250, lambda _, d=drawn: d))[50:]
            rows += [np.append(s[n], 1.0) for s in states]
            goals += [np.log(goal / (1 - goal))] * 200
        design = np.array(rows)
        penalty = np.diag([0.4] * 8 + [0.0])
        exact = np.linalg.solve(design.T @ design + penalty, design.T @ np.array(goals))
        assert np.append(found.readout[n], found.offset[n]) == pytest.approx(exact, abs=1e-10)


def test_fresh_weights_have_the_radius_that_was_asked_for():
    body = fresh(chance(5).normal(size=(40, 30, 33)), 0.9, 0.15)
    assert eigen_radius(body.recurrent) == pytest.approx(np.full(40, 0.9))
    assert body.inputs.std() == pytest.approx(0.5, rel=0.05)
    assert body.bias.std() == pytest.approx(0.3, rel=0.05)


def test_one_epoch_of_habituation_by_hand():
    body = fresh(chance(6).normal(size=(1, 3, 6)), 0.5, 0.15)
    drawn = chance(7).normal(size=(20, 1, 3))
    states = np.array([x[0] for x in driven(body, 1.0, np.zeros((1, 3)), 20, lambda _: drawn)])
    together, own = states.T @ states / 20, (states**2).mean(axis=0)
    expected = body.recurrent[0] + 0.01 * (together - body.recurrent[0] * own[:, None])
    found = habituated(body, lambda _: drawn, Habituation(epochs=1, steps=20))
    assert found.recurrent[0] == pytest.approx(expected)
    clamped = habituated(body, lambda _: drawn, Habituation(epochs=1, steps=20, highest=0.1))
    assert eigen_radius(clamped.recurrent)[0] == pytest.approx(0.1)


def test_bodies_live_side_by_side_as_they_would_alone():
    normals, drawn = chance(8).normal(size=(3, 6, 9)), chance(9).normal(size=(40, 3, 6))
    together = habituated(fresh(normals, 0.9, 0.15), lambda n: drawn[:n], Habituation(epochs=2, steps=40))
    for b in range(3):
        alone = habituated(
            fresh(normals[b : b + 1], 0.9, 0.15), lambda n, b=b: drawn[:n, b : b + 1], Habituation(epochs=2, steps=40)
        )
        assert np.array_equal(alone.recurrent[0], together.recurrent[b])


@pytest.mark.parametrize(("felt", "alpha"), [(0.05, 0.85), (0.12, 0.65), (0.15, 0.35), (0.18, 0.05), (0.9, 0.05)])
def test_where_receptivity_settles(felt, alpha):
    sentinel, now = Sentinel(), np.array([0.85])
    for _ in range(2000):
        now = sentinel.next(now, np.array([felt]))
    assert sentinel.equilibrium(felt) == pytest.approx(alpha)
    assert now[0] == pytest.approx(alpha, abs=1e-6)


def test_the_way_down_takes_five_rounds_and_the_way_back_thirty_three():
    sentinel, alpha, down = Sentinel(), np.array([0.85]), []
    for _ in range(5):
        alpha = sentinel.next(alpha, np.array([0.46]))
        down.append(round(float(alpha[0]), 2))
    assert down == [0.67, 0.5, 0.34, 0.18, 0.05]
    back = 0
    while alpha[0] <= 0.7:
        alpha, back = sentinel.next(alpha, np.array([0.05])), back + 1
    assert back == 33


# -- complexity cost -----------------------------------------------------------------------------------------------


def test_divergence_of_normal_distributions_against_the_closed_form():
    one, other = chance(10).normal(0.0, 1.0, (4000, 1)), chance(11).normal(1.0, 2.0, (4000, 1))
    exact = np.log(2.0) + (1.0 + 1.0) / (2 * 4.0) - 0.5
    assert knn_divergence(one, other).raw == pytest.approx(exact, abs=0.06)
    assert gaussian_divergence(one, other).raw == pytest.approx(exact, abs=0.03)
    wide = chance(12).normal(0.0, 1.0, (3000, 3)) * [1.0, 1.3, 0.8]
    base = chance(13).normal(0.0, 1.0, (3000, 3))
    exact = 0.5 * sum(s**2 - 1 - np.log(s**2) for s in (1.0, 1.3, 0.8))
    assert knn_divergence(wide, base).raw == pytest.approx(exact, abs=0.12)
    assert gaussian_divergence(wide, base).raw == pytest.approx(exact, abs=0.1)


def test_samples_of_one_law_are_hardly_apart_and_estimates_may_be_negative():
    raw = [knn_divergence(*chance(20 + i).normal(size=(2, 2000, 30))).raw for i in range(6)]
    assert max(map(abs, raw)) < 0.15
    assert min(raw) < 0 <= min(knn_divergence(*chance(20 + i).normal(size=(2, 2000, 30))).clipped for i in range(6))


def test_the_gaussian_estimate_has_a_floor_that_is_no_divergence():
    raw = [gaussian_divergence(*chance(40 + i).normal(size=(2, 1000, 30))).raw for i in range(5)]
    assert np.mean(raw) == pytest.approx(0.5, abs=0.1)


def test_neighbours_are_those_of_a_search_one_by_one():
    one, other = chance(30).normal(size=(2, 60, 4))
    total = 0.0
    for i, x in enumerate(one):
        own = sorted(np.linalg.norm(x - y) for j, y in enumerate(one) if j != i)[4]
        total += np.log(sorted(np.linalg.norm(x - y) for y in other)[4] / own)
    assert knn_divergence(one, other).raw == pytest.approx(4 / 60 * total + np.log(60 / 59))


def test_close_states_are_told_apart_wherever_they_are():
    one, other = chance(31).normal(size=(200, 3)), chance(32).normal(size=(150, 3))
    known = knn_divergence(one, other).raw
    assert knn_divergence(0.9 + 1e-8 * one, 0.9 + 1e-8 * other).raw == pytest.approx(known, abs=1e-3)


def test_normal_distributions_without_full_rank_have_no_divergence():
    few = chance(33).normal(size=(2, 20, 30))
    flat = chance(34).normal(size=(2, 90, 4)) * [1.0, 1.0, 1.0, 0.0]
    assert np.isnan(gaussian_divergence(*few).raw)
    assert np.isnan(gaussian_divergence(*flat).raw)


def test_duplicates_and_too_few_states():
    same = np.zeros((10, 2))
    assert np.isfinite(knn_divergence(same, same).raw)
    with pytest.raises(ValueError, match="found 5 and 10 states; accepted: more than 5, and 5 or more"):
        knn_divergence(same[:5], same)
