"""Objectives of learning to defer: what is made least over a log of cases, and what the scores then say.

Every objective gives each case a score for each of K classes and, last, one for deferring. It is a pure function of
these scores, of the right classes ``key``, and of ``right``, whether the expert was right: it returns the loss of each
case and its slope in the scores. ``Objective.advantage`` turns scores into how much likelier the expert is to be right
than the classifier, as the objective has it: one defers where that is more than the fee.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import expit, log_softmax, logsumexp, softmax

from simworld_agents.caseworker import BoolArray, FloatArray, IntArray

ObjectiveName: TypeAlias = Literal["cross_entropy", "realizable", "one_vs_all", "compare_confidence", "selective"]
"""Mozannar and Sontag's L_CE, the realizable surrogate, one-vs-all, compare-confidence, selective prediction."""
_MOST = 50.0
"""Exponents are cut there: what is so likely is certain."""


@dataclass(frozen=True)
class Objective(ABC):
    """What is made least."""

    alpha: float = 1.0
    """How far a case on which the expert is right still teaches the classifier; not every objective has it."""

    @abstractmethod
    def losses(self, scores: FloatArray, key: IntArray, right: BoolArray) -> tuple[FloatArray, FloatArray]:
        """The loss of each of n cases, shape (n,), and its slope in the scores, shape (n, K + 1)."""

    @abstractmethod
    def advantage(self, scores: FloatArray) -> FloatArray:
        """How much likelier the expert is to be right than the likeliest class, shape (n,)."""

    def likely(self, scores: FloatArray) -> FloatArray:
        """How likely each class is, shape (n, K)."""
        shares: FloatArray = softmax(scores[:, :-1], axis=1)
        return shares


@dataclass(frozen=True)
class CrossEntropy(Objective):
    """L_CE^alpha = -(alpha 1[m = y] + 1[m != y]) log p_y - 1[m = y] log p_d, p a softmax over classes and deferring d.

    Where it is least with alpha = 1, p_d / (1 - p_d) is how likely the expert is to be right, and p_k / (1 - p_d) how
    likely class k is: their difference, held against the fee, is the Bayes rule. With a smaller alpha the same is
    compared; it then makes too much of the expert. Source: Mozannar and Sontag 2020, arXiv 2006.01862.
    """

    def losses(self, scores: FloatArray, key: IntArray, right: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Cross-entropy with two weighted labels."""
        told = np.where(right, self.alpha, 1.0)
        labels = _hot(key, scores.shape[1]) * told[:, None]
        labels[:, -1] = right
        values = -(labels * log_softmax(scores, axis=1)).sum(axis=1)
        return values, labels.sum(axis=1, keepdims=True) * softmax(scores, axis=1) - labels

    def advantage(self, scores: FloatArray) -> FloatArray:
        """(p_d - max p_k) / (1 - p_d)."""
        odds = np.exp(np.minimum(scores[:, -1] - logsumexp(scores[:, :-1], axis=1), _MOST))
        found: FloatArray = odds - self.likely(scores).max(axis=1)
        return found


@dataclass(frozen=True)
class Realizable(Objective):
    """alpha x -log2(p_y + 1[m = y] p_d) + (1 - alpha) x -log2 of the softmax over classes alone, at y.

    It makes least the mistakes of the system where a linear pair makes none. Its shares are not probabilities, so to
    hold p_d - max p_k against the fee is our choice. Not convex. Source: Mozannar et al. 2023, arXiv 2301.06197.
    """

    def losses(self, scores: FloatArray, key: IntArray, right: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Either of two is good enough where the expert is right."""
        good = _hot(key, scores.shape[1])
        good[:, -1] = right
        with np.errstate(divide="ignore"):
            among = np.where(good > 0.0, scores, -np.inf)
        either = logsumexp(scores, axis=1) - logsumexp(among, axis=1)
        slope = self.alpha * (softmax(scores, axis=1) - softmax(among, axis=1))
        alone, own = _plain(scores, key)
        values = self.alpha * either + (1.0 - self.alpha) * alone
        return values / np.log(2.0), (slope + (1.0 - self.alpha) * own) / np.log(2.0)

    def advantage(self, scores: FloatArray) -> FloatArray:
        """p_d - max p_k."""
        shares = softmax(scores, axis=1)
        found: FloatArray = shares[:, -1] - shares[:, :-1].max(axis=1)
        return found


@dataclass(frozen=True)
class OneVsAll(Objective):
    """K + 1 logistic losses: is it class k, for each; and is the expert right?

    At its least each says how likely that is. Source: Verma and Nalisnick 2022, arXiv 2202.03673.
    """

    def losses(self, scores: FloatArray, key: IntArray, right: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Each question for itself."""
        labels = _hot(key, scores.shape[1])
        labels[:, -1] = right
        return (np.logaddexp(0.0, scores) - labels * scores).sum(axis=1), expit(scores) - labels

    def advantage(self, scores: FloatArray) -> FloatArray:
        """The last one's share less the greatest of the others'."""
        shares = expit(scores)
        found: FloatArray = shares[:, -1] - shares[:, :-1].max(axis=1)
        return found

    def likely(self, scores: FloatArray) -> FloatArray:
        """The shares of classes, made to add up to 1."""
        shares = expit(scores[:, :-1])
        found: FloatArray = shares / shares.sum(axis=1, keepdims=True)
        return found


@dataclass(frozen=True)
class CompareConfidence(Objective):
    """A softmax classifier, and apart from it a logistic model of whether the expert is right.

    Source: the baseline of Raghu et al. 2019, arXiv 1903.12220.
    """

    def losses(self, scores: FloatArray, key: IntArray, right: BoolArray) -> tuple[FloatArray, FloatArray]:
        """The sum of both: neither has a say in the other."""
        values, slope = _plain(scores, key)
        last = scores[:, -1]
        slope[:, -1] = expit(last) - right
        return values + np.logaddexp(0.0, last) - right * last, slope

    def advantage(self, scores: FloatArray) -> FloatArray:
        """How likely the expert is to be right, less how likely the likeliest class is."""
        found: FloatArray = expit(scores[:, -1]) - self.likely(scores).max(axis=1)
        return found


@dataclass(frozen=True)
class Selective(Objective):
    """A softmax classifier that defers where it is less sure than a threshold, whoever the expert is.

    The threshold is not fitted here: it is the bar of ``fitted``. The last score stays 0. Source: Chow 1970; Geifman
    and El-Yaniv 2017, arXiv 1705.08500.
    """

    def losses(self, scores: FloatArray, key: IntArray, right: BoolArray) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """The classifier's alone."""
        return _plain(scores, key)

    def advantage(self, scores: FloatArray) -> FloatArray:
        """Of somebody who is never right: the threshold comes on top."""
        found: FloatArray = -self.likely(scores).max(axis=1)
        return found


KINDS: dict[str, type[Objective]] = {
    "cross_entropy": CrossEntropy,
    "realizable": Realizable,
    "one_vs_all": OneVsAll,
    "compare_confidence": CompareConfidence,
    "selective": Selective,
}
"""By name."""
ALPHAS: dict[str, tuple[float, ...]] = {
    "cross_entropy": (0.0, 0.5, 1.0),
    "realizable": (0.0, 0.1, 0.3, 0.5, 0.9, 1.0),
}
"""The grids of the papers, for objectives that have an alpha."""


def _hot(key: IntArray, width: int) -> FloatArray:
    """Ones where the right classes are, shape (n, width)."""
    labels = np.zeros((len(key), width))
    labels[np.arange(len(key)), key] = 1.0
    return labels


def _plain(scores: FloatArray, key: IntArray) -> tuple[FloatArray, FloatArray]:
    """Cross-entropy over classes alone, and its slope; deferring has none."""
    shares = log_softmax(scores[:, :-1], axis=1)
    row = np.arange(len(key))
    slope = np.zeros_like(scores)
    slope[:, :-1] = np.exp(shares)
    slope[row, key] -= 1.0
    return -shares[row, key], slope
