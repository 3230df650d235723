"""Measures of learning to defer, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from simworld_analysis.deferral import accuracy_coverage, calibration_error, outcome, regret

OWN, THEIRS = np.array([1, 1, 0, 0]), np.array([0, 1, 1, 0])
"""Whether the classifier and the expert are right about four cases."""


def test_what_came_of_it():
    found = outcome([False, False, True, True], OWN, THEIRS)
    assert found.system_accuracy == 0.75
    assert found.coverage == 0.5
    assert found.kept_accuracy == 1.0
    assert found.deferred_accuracy == 0.5
    assert (found.classifier_accuracy, found.expert_accuracy) == (0.5, 0.5)
    assert found.utility(0.2) == pytest.approx(0.65)
    nobody = outcome([False] * 4, OWN, THEIRS)
    assert nobody.system_accuracy == nobody.classifier_accuracy
    assert np.isnan(nobody.deferred_accuracy)
    assert nobody.utility(0.2) == 0.5
    with pytest.raises(ValueError, match="there are no cases"):
        outcome([], [], [])


def test_a_curve_defers_the_greatest_scores_first():
    curve = accuracy_coverage([-2.0, -1.0, 3.0, 0.0], OWN, THEIRS, points=4)
    assert curve.coverage.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert curve.system_accuracy.tolist() == [0.5, 0.75, 0.75, 0.75, 0.5]
    assert curve.kept_accuracy[1:] == pytest.approx([1.0, 1.0, 2 / 3, 0.5])
    assert curve.deferred_accuracy[:-1] == pytest.approx([0.5, 2 / 3, 0.5, 1.0])
    assert np.isnan(curve.kept_accuracy[0])
    assert curve.area == pytest.approx(0.25 * (0.625 + 0.75 + 0.75 + 0.625))
    # The same by more points, and its ends are the expert alone and the classifier alone.
    assert accuracy_coverage([-2.0, -1.0, 3.0, 0.0], OWN, THEIRS).area == pytest.approx(curve.area, abs=1e-9)


def test_who_does_not_tell_cases_apart_defers_any():
    right, wrong = np.array([1, 1, 0, 0]), np.array([0, 0, 0, 1])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        curve = accuracy_coverage(np.zeros(4), right[order], wrong[order], points=4)
        assert curve.system_accuracy == pytest.approx([0.25, 0.3125, 0.375, 0.4375, 0.5])
    with pytest.raises(ValueError, match="scores that are numbers"):
        accuracy_coverage([np.nan], [1], [1])
    with pytest.raises(ValueError, match="at least one case"):
        accuracy_coverage([], [], [])


def test_the_better_the_order_the_greater_the_area():
    draw = np.random.Generator(np.random.Philox(1))
    own, theirs, noise = draw.random(4000) < 0.7, draw.random(4000) < 0.8, draw.normal(size=4000)
    gain = theirs.astype(float) - own
    areas = [accuracy_coverage(gain + spread * noise, own, theirs).area for spread in (0.0, 0.5, 2.0, 50.0)]
    assert areas == sorted(areas, reverse=True)
    assert areas[-1] == pytest.approx(0.75, abs=0.02)


def test_regret_is_what_the_bayes_rule_would_have_more():
    likely, skill = np.array([[0.6, 0.4], [0.9, 0.1], [0.5, 0.5]]), np.array([0.95, 0.95, 0.5])
    best = {"answer": [0, 0, 0], "deferred": [True, False, False]}
    assert regret(likely, skill, **best, cost=0.2) == 0.0
    assert regret(likely, skill, [0, 0, 0], [False] * 3, 0.2) == pytest.approx((0.75 - 0.6) / 3)
    assert regret(likely, skill, [1, 1, 1], [True, False, True], 0.2) == pytest.approx((0.8 + 0.2) / 3)


def test_calibration_by_hand():
    assert calibration_error([0.75, 0.75, 0.75, 0.75], [1, 1, 1, 0]) == 0.0
    assert calibration_error([0.75, 0.75, 0.25, 1.0], [1, 1, 1, 0]) == pytest.approx((0.5 + 0.75 + 1.0) / 4)
