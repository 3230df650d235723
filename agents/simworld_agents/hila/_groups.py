"""What every candidate of a decision was worth: groups to learn from, and the regret of a policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from simworld.spaces import Groups, probabilities
from simworld_agents.caseworker import Candidates, FloatArray, IntArray

Group = Literal["expected", "uniform", "sampled"]
"""What makes a group: every candidate, as likely as the policy has it; every candidate, each as likely (the code); or
draws from the policy (the paper)."""


@dataclass(frozen=True)
class Met:
    """Decisions that were met, n of them, and what is known of their cases."""

    candidates: Candidates
    """The moves there were."""
    answers: IntArray
    """What each of the team held, -1 for none, shape (n, size)."""
    anew: FloatArray
    """How likely an answer anew is each class, shape (n, classes)."""
    asked: FloatArray
    """How often the expert is right about such a case, shape (n,); it is told by its answers so far."""
    refused: float
    """How often it does not answer: then the own answer stands."""


@dataclass(frozen=True)
class Values:
    """What candidates are worth, less what they cost, shape (n, size + 2) each."""

    right: FloatArray
    """How likely each leads to a right answer."""
    costs: FloatArray
    """What each costs."""

    @property
    def worth(self) -> FloatArray:
        """Equation 3, in expectation."""
        found: FloatArray = self.right - self.costs
        return found


def values_of(met: Met, likely: FloatArray, costs: tuple[float, float]) -> Values:
    """What candidates are worth (equation 3).

    Args:
        met: The decisions.
        likely: How likely each class is right, shape (n, classes): 1 for the right one where that is known.
        costs: Of answering anew, and of asking.
    """
    n, size = met.answers.shape
    row = np.arange(n)
    held = np.where(met.answers >= 0, np.take_along_axis(likely, np.maximum(met.answers, 0), axis=1), 0.0)
    own = held[row, met.candidates.place]
    anew = np.einsum("nk,nk->n", met.anew, likely)
    told = (1.0 - met.refused) * met.asked + met.refused * own
    paid = np.zeros((n, size + 2))
    paid[:, size], paid[:, size + 1] = costs
    return Values(np.concatenate([held, anew[:, None], told[:, None]], axis=1), paid)


def groups_of(met: Met, values: Values, weights: FloatArray, group: Group, luck: FloatArray) -> Groups:
    """Groups to learn from.

    Args:
        met: The decisions.
        values: What their candidates are worth.
        weights: Of the policy that is in force.
        group: What makes a group.
        luck: For each draw of a sampled group two numbers from 0 to 1, which say what is drawn and whether it is
            right, shape (2, n, draws).
    """
    cues, allowed = met.candidates.cues, met.candidates.allowed
    if group == "uniform":
        share = allowed / allowed.sum(axis=1, keepdims=True)
        return Groups(cues, allowed, values.worth, share)
    likely = probabilities(weights, cues, allowed)
    if group == "expected":
        return Groups(cues, allowed, values.worth, likely)
    picked = (luck[0][:, :, None] > likely.cumsum(axis=1)[:, None, :-1]).sum(axis=2)
    right = luck[1] < np.take_along_axis(values.right, picked, axis=1)
    hot = picked[:, :, None] == np.arange(allowed.shape[1])
    count = hot.sum(axis=1)
    mean = np.einsum("nd,ndm->nm", right.astype(np.float64), hot.astype(np.float64)) / np.maximum(count, 1)
    return Groups(cues, allowed, mean - values.costs, count / luck.shape[2])


def regret(met: Met, values: Values, weights: FloatArray) -> float:
    """By how much the policy's decisions are worth less than the best there were, on average."""
    allowed = met.candidates.allowed
    got = (probabilities(weights, met.candidates.cues, allowed) * np.where(allowed, values.worth, 0.0)).sum(axis=1)
    return float((np.where(allowed, values.worth, -np.inf).max(axis=1) - got).mean())
