"""Group-relative policy optimisation (GRPO) of a policy that chooses among candidates, linear in their cues.

A group is all that was tried in one state: every candidate once, or several draws from the policy. What counts is how
much better one was than its group. Shao et al. (2024) for the method; HILA (arXiv 2603.07972), equations 4 to 6, for
this form of it, and its code for the switches that the paper does not have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt
from scipy.special import log_softmax

from simworld.errors import ContractError

Numbers: TypeAlias = npt.NDArray[np.float64]
"""An array of float64."""
Flags: TypeAlias = npt.NDArray[np.bool_]
"""An array of bool."""

_FLOOR = 1e-6
"""Added to a standard deviation, as in HILA's code."""
_FAST, _SLOW, _TINY = 0.9, 0.999, 1e-8
"""Of Adam."""


@dataclass(frozen=True, slots=True)
class Grpo:
    """How a policy is improved from groups."""

    advantage: Literal["mean", "std"] = "mean"
    """What is better than the group: less its mean (the paper), and divided by its standard deviation (the code)."""
    clip: Literal["none", "old", "initial"] = "none"
    """Against which policy the ratio of probabilities is kept near 1: none, that of the last update, or the first."""
    reach: Annotated[float, Gt(0)] = 0.2
    """How far the ratio may go from 1 before a candidate has no more say."""
    kl: Annotated[float, Ge(0)] = 0.02
    """Weight of the divergence from the initial policy."""
    entropy: Annotated[float, Ge(0)] = 0.001
    """Weight of the policy's own entropy."""


@dataclass(frozen=True, slots=True)
class Groups:
    """What was tried in g states, of which each has k candidates with d cues."""

    cues: Numbers
    """Shape (g, k, d)."""
    allowed: Flags
    """Which candidates there are, shape (g, k)."""
    rewards: Numbers
    """Mean reward of each candidate that was tried, shape (g, k); whatever where it was not."""
    weight: Numbers
    """How much each counts in its group: its probability, or its share of the draws; shape (g, k), 0 if untried."""


def _logs(weights: Numbers, cues: Numbers, allowed: Flags) -> Numbers:
    """Logarithms of probabilities over the candidates that there are, shape (g, k); minus infinity elsewhere."""
    found: Numbers = log_softmax(np.where(allowed, cues @ weights, -np.inf), axis=1)
    return found


def probabilities(weights: Numbers, cues: Numbers, allowed: Flags) -> Numbers:
    """What a policy would choose, shape (g, k).

    Args:
        weights: Shape (d,).
        cues: Shape (g, k, d).
        allowed: Which candidates there are, shape (g, k); at least one in each state.
    """
    if not allowed.any(axis=1).all():
        raise ContractError("a state has no candidate; accepted: at least one")
    return np.exp(_logs(weights, cues, allowed))


def group_advantages(rewards: Numbers, tried: Flags, scale: Literal["mean", "std"] = "mean") -> Numbers:
    """How much better each candidate was than its group (equation 4), shape (g, k); 0 where it was not tried.

    The advantages of a group add up to 0, and a group in which all earned the same has none.

    Args:
        rewards: Shape (g, k).
        tried: Which candidates were tried, shape (g, k).
        scale: Less the mean of those tried, or also divided by their standard deviation.
    """
    count = np.maximum(tried.sum(axis=1, keepdims=True), 1)
    mean = np.where(tried, rewards, 0.0).sum(axis=1, keepdims=True) / count
    apart: Numbers = np.where(tried, rewards - mean, 0.0)
    if scale == "std":
        apart = apart / (np.sqrt((apart**2).sum(axis=1, keepdims=True) / count) + _FLOOR)
    return apart


def gradient(
    weights: Numbers, groups: Groups, how: Grpo, initial: Numbers, old: Numbers | None = None
) -> tuple[Numbers, float]:
    """Which way the loss (equation 6) rises, shape (d,), and the loss: a mean over groups.

    Without a clip a candidate has the say that its weight gives it, times its advantage (equation 5). With one it is
    the ratio of its probability to that of the older policy, as long as that is near 1 or its advantage pulls it back.

    Args:
        weights: Of the policy, shape (d,).
        groups: What was tried.
        how: Settings.
        initial: Weights of the policy at first.
        old: Weights of the policy that was in force when the groups were tried; by default the present ones.
    """
    cues, allowed = groups.cues, groups.allowed
    logs = _logs(weights, cues, allowed)
    chances = np.exp(logs)
    tried = groups.weight > 0.0
    gains = groups.weight * group_advantages(groups.rewards, tried, how.advantage)
    plain = np.where(allowed, logs, 0.0)
    if how.clip == "none":
        pull, loss = gains, -(gains * plain).sum(axis=1)
    else:
        older = weights if old is None and how.clip == "old" else initial if how.clip == "initial" else old
        assert older is not None
        ratio = np.exp(plain - np.where(allowed, _logs(older, cues, allowed), 0.0))
        kept = np.clip(ratio, 1.0 - how.reach, 1.0 + how.reach)
        # Of the two the worse counts: what is beyond the reach in the good direction has no gradient.
        inside = ratio * gains <= kept * gains
        pull, loss = np.where(inside, ratio * gains, 0.0), -np.minimum(ratio * gains, kept * gains).sum(axis=1)
    first = np.where(allowed, _logs(initial, cues, allowed), 0.0)
    apart = (chances * (plain - first)).sum(axis=1)
    disorder = -(chances * plain).sum(axis=1)
    # Of a score: the pull on it, less its share of all pulls; likewise for the divergence and the entropy.
    on_scores = -(pull - chances * pull.sum(axis=1, keepdims=True))
    on_scores += how.kl * chances * (plain - first - apart[:, None])
    on_scores += how.entropy * chances * (plain + disorder[:, None])
    total = loss + how.kl * apart - how.entropy * disorder
    found: Numbers = np.einsum("gk,gkd->d", on_scores, cues) / len(cues)
    return found, float(total.mean())


class Adam:
    """Steps down a slope whose size in each direction is learned from the slopes so far (Kingma and Ba 2015)."""

    def __init__(self, size: int) -> None:
        self.moments = np.zeros((2, size))
        """Running means of slopes and of their squares, shape (2, d)."""
        self.steps = 0
        """How many there were."""

    def step(self, weights: Numbers, slope: Numbers, rate: float) -> Numbers:
        """The weights after one more step, shape (d,)."""
        self.steps += 1
        self.moments[0] = _FAST * self.moments[0] + (1.0 - _FAST) * slope
        self.moments[1] = _SLOW * self.moments[1] + (1.0 - _SLOW) * slope**2
        first = self.moments[0] / (1.0 - _FAST**self.steps)
        second = self.moments[1] / (1.0 - _SLOW**self.steps)
        found: Numbers = weights - rate * first / (np.sqrt(second) + _TINY)
        return found
