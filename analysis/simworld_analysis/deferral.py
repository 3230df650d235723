"""Measures of learning to defer: of a classifier that may hand cases to an expert.

All take arrays over n cases: whether the classifier and the expert are right about each, and the rejection score by
which cases are deferred, the greatest first. The names in brackets are those of the field's own code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Curve", "Outcome", "accuracy_coverage", "calibration_error", "outcome", "regret"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
"""An array of float64."""


@dataclass(frozen=True)
class Outcome:
    """What came of some cases being deferred and the others kept; nan where there are none."""

    system_accuracy: float
    """Share of cases that are right, kept or deferred (system_acc)."""
    coverage: float
    """Share of cases that are kept (coverage, 1 - deferral rate)."""
    kept_accuracy: float
    """Share of kept cases about which the classifier is right (classifier_nondeferred_acc)."""
    deferred_accuracy: float
    """Share of deferred cases about which the expert is right (human_deferred_acc)."""
    classifier_accuracy: float
    """Share of all cases about which the classifier would be right (classifier_all_acc)."""
    expert_accuracy: float
    """Share of all cases about which the expert would be right (human_all_acc)."""

    def utility(self, cost: float) -> float:
        """System accuracy, less the fee for each case that is deferred."""
        return self.system_accuracy - cost * (1.0 - self.coverage)


@dataclass(frozen=True)
class Curve:
    """System accuracy by coverage, from all that is deferred to nothing; arrays of shape (points + 1,)."""

    coverage: FloatArray
    """Share of cases that are kept, ascending from 0 to 1."""
    system_accuracy: FloatArray
    """Share of cases that are right, kept or deferred."""
    kept_accuracy: FloatArray
    """Of kept cases; nan where there are none."""
    deferred_accuracy: FloatArray
    """Of deferred cases; nan where there are none."""

    @property
    def area(self) -> float:
        """Area under system accuracy over coverage, by the trapezoidal rule: its mean over all budgets."""
        return float(np.trapezoid(self.system_accuracy, self.coverage))


def outcome(deferred: npt.ArrayLike, classifier: npt.ArrayLike, expert: npt.ArrayLike) -> Outcome:
    """What came of deferring these cases.

    Args:
        deferred: Which are.
        classifier: Whether the classifier is right about each.
        expert: Whether the expert is.

    Raises:
        ValueError: without cases.
    """
    asks, own, theirs = np.asarray(deferred, bool), np.asarray(classifier, float), np.asarray(expert, float)
    if not asks.size:
        raise ValueError("outcome: there are no cases")
    return Outcome(
        float(np.where(asks, theirs, own).mean()),
        float(1.0 - asks.mean()),
        _mean(own[~asks]),
        _mean(theirs[asks]),
        float(own.mean()),
        float(theirs.mean()),
    )


def accuracy_coverage(
    score: npt.ArrayLike, classifier: npt.ArrayLike, expert: npt.ArrayLike, points: int = 100
) -> Curve:
    """The accuracy-coverage curve, by quantiles of the rejection score.

    Cases of the same score are deferred in equal parts, so that their order does not count.

    Args:
        score: The greater, the sooner a case is deferred.
        classifier: Whether the classifier is right about each case.
        expert: Whether the expert is.
        points: Quantiles.

    Raises:
        ValueError: without cases, or with scores that are not numbers.

    Source: the curve of Mozannar et al. 2023, arXiv 2301.06197.
    """
    scores = np.asarray(score, float)
    if not scores.size or np.isnan(scores).any():
        raise ValueError("accuracy_coverage: it takes at least one case, and scores that are numbers")
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    order, n = np.argsort(scores, kind="stable"), scores.size
    at = n * np.arange(points + 1) / points
    so_far = []
    for right in (classifier, expert):
        alike = (np.bincount(place, np.asarray(right, float)) / count)[place]
        so_far.append(np.interp(at, np.arange(n + 1), np.append(0.0, np.cumsum(alike[order]))))
    own, theirs = so_far[0], so_far[1][-1] - so_far[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return Curve(at / n, (own + theirs) / n, own / at, theirs / (n - at))


def regret(
    likely: npt.ArrayLike, skill: npt.ArrayLike, answer: npt.ArrayLike, deferred: npt.ArrayLike, cost: float
) -> float:
    """By how much less than the Bayes rule decisions are worth on average: expected, given what is seen of each case.

    The Bayes rule defers where the expert is likelier to be right than the likeliest class, by more than the fee.

    Args:
        likely: How likely each class is, shape (n, classes).
        skill: How likely the expert is to be right about each case.
        answer: What the classifier answers, by class.
        deferred: Which cases are deferred.
        cost: The fee.
    """
    chances, gain = np.asarray(likely, float), np.asarray(skill, float) - cost
    kept = chances[np.arange(len(chances)), np.asarray(answer, int)]
    taken = np.where(np.asarray(deferred, bool), gain, kept)
    return float((np.maximum(chances.max(axis=1), gain) - taken).mean())


def calibration_error(confidence: npt.ArrayLike, right: npt.ArrayLike, bins: int = 10) -> float:
    """Expected calibration error: mean distance of confidence from accuracy, over bins of equal width, by cases.

    Args:
        confidence: How likely each answer was said to be right, from 0 to 1.
        right: Whether it was.
        bins: How many.

    Source: Naeini et al. 2015; Guo et al. 2017, arXiv 1706.04599.
    """
    sure, hit = np.asarray(confidence, float), np.asarray(right, float)
    place = np.minimum((sure * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(place, sure - hit, bins)).sum() / sure.size)


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if values.size else float("nan")
