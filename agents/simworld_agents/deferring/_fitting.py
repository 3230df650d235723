"""Fitting a classifier and a rejector to a log: cases, the right answers, and whether the expert was right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.optimize import minimize

from simworld.kernel import Array
from simworld_agents.caseworker import BoolArray, FloatArray, IntArray
from simworld_agents.deferring._objectives import ALPHAS, KINDS, Objective, ObjectiveName
from simworld_agents.deferring._policy import Deferral

Bar: TypeAlias = Literal["held_out", "none"]
"""Whether the bar that the advantage must clear is the best one on held-out cases, or the fee alone."""
_MOST_STEPS = 500
_LEAST = 1e-9
_APART = 4
"""One case of so many is held out, to choose by."""


@dataclass(frozen=True)
class Log:
    """Cases that were put to the expert; n of them."""

    topic: IntArray
    """Shape (n,)."""
    features: FloatArray
    """Shape (n, features)."""
    key: IntArray
    """The right class of each, shape (n,)."""
    right: BoolArray
    """Whether the expert's answer was right; a refusal is not, shape (n,)."""

    def __len__(self) -> int:
        return len(self.key)

    def chosen(self, rows: Array) -> Log:
        """Some of them."""
        return Log(self.topic[rows], self.features[rows], self.key[rows], self.right[rows])

    @staticmethod
    def joined(logs: Sequence[Log]) -> Log:
        """All of them, one log after the other."""
        parts = [[getattr(log, name) for log in logs] for name in ("topic", "features", "key", "right")]
        return Log(*(np.concatenate(part) for part in parts))


@dataclass(frozen=True)
class Aim:
    """What is to be fitted."""

    objective: ObjectiveName
    """Which objective."""
    cost: float
    """What a request costs, in right answers: the query fee."""
    alphas: tuple[float, ...] = ()
    """Of objectives that have one; by default the grid of the paper."""
    bar: Bar = "held_out"
    """How the fee enters: by the best bar on held-out cases, or as it is. The latter is the Bayes rule if shares are
    probabilities; they are not where the scores that would make them so are not linear."""
    ridge: float = 0.3
    """Half of it times the squared weights is added to the sum of losses."""

    @property
    def grid(self) -> tuple[float, ...]:
        """The alphas to choose from."""
        return (self.alphas or ALPHAS[self.objective]) if self.objective in ALPHAS else (1.0,)


def fit(objective: Objective, log: Log, shape: tuple[int, int], ridge: float) -> FloatArray:
    """Weights that make an objective least over a log, shape (topics, classes + 1, features + 1).

    Scores are linear in the topic and in features crossed with it, so each topic is a problem of its own. It is solved
    by L-BFGS from weights of 0, which stay as they are for a topic without cases.

    Args:
        objective: Which.
        log: The cases.
        shape: Topics and classes.
        ridge: How much weights are shrunk.
    """
    topics, classes = shape
    width = log.features.shape[1] + 1
    weights = np.zeros((topics, classes + 1, width))
    for topic in np.unique(log.topic).tolist():
        own = log.chosen(log.topic == topic)
        inputs = with_one(own.features)

        def value(flat: FloatArray, own: Log = own, inputs: FloatArray = inputs) -> tuple[float, FloatArray]:
            table = flat.reshape(classes + 1, width)
            losses, slope = objective.losses(inputs @ table.T, own.key, own.right)
            return float(losses.sum() + ridge / 2.0 * (flat @ flat)), (slope.T @ inputs).reshape(-1) + ridge * flat

        found = minimize(
            value, np.zeros((classes + 1) * width), jac=True, method="L-BFGS-B", options={"maxiter": _MOST_STEPS}
        )
        weights[topic] = found.x.reshape(classes + 1, width)
    return weights


def fitted(aim: Aim, log: Log, shape: tuple[int, int], number: int) -> tuple[Deferral, Log]:
    """The policy that an objective makes of a log, and the quarter of the log that was held out to choose it by.

    The bar that the advantage of the expert must clear is then the best one on what is held out, and of several alphas
    that one is taken whose policy has the greatest utility there: system accuracy, less the fee for each case that is
    deferred. A threshold on confidence is a bar, too.

    Args:
        aim: What is to be fitted.
        log: The cases.
        shape: Topics and classes.
        number: Of the stage from which they are.
    """
    apart = np.arange(len(log)) % _APART == _APART - 1
    learned, held = log.chosen(~apart), log.chosen(apart)
    found: list[Deferral] = []
    for alpha in aim.grid:
        objective = KINDS[aim.objective](alpha)
        weights = fit(objective, learned, shape, aim.ridge)
        policy = Deferral(aim.objective, alpha, weights, number, aim.cost)
        tuned = aim.bar == "held_out" or aim.objective == "selective"
        found.append(with_best_bar(policy, held) if tuned else policy)
    return max(found, key=lambda policy: utility(policy, held)), held


def with_best_bar(policy: Deferral, log: Log) -> Deferral:
    """The same with the best bar for a log: cases with the greatest advantage are deferred, as many as pay."""
    advantage = policy.advantage(log.topic, log.features) - policy.bar
    order = np.argsort(-advantage, kind="stable")
    kept = policy.answers(log.topic, log.features) == log.key
    gains = np.cumsum((log.right - policy.cost - kept)[order])
    many = int(np.argmax(np.append(0.0, gains)))
    ranked = advantage[order]
    edges = np.concatenate([[ranked[0] + _LEAST], (ranked[1:] + ranked[:-1]) / 2.0, [ranked[-1] - _LEAST]])
    return policy.with_bar(policy.cost - float(edges[many]))


def utility(policy: Deferral, log: Log) -> float:
    """System accuracy on a log, less the fee for each case that is deferred."""
    asks = policy.defers(log.topic, log.features)
    kept = policy.answers(log.topic, log.features) == log.key
    return float(np.where(asks, log.right - policy.cost, kept).mean())


def with_one(features: FloatArray) -> FloatArray:
    """Features, and a 1 before them: the topic's own weight."""
    found: FloatArray = np.concatenate([np.ones((len(features), 1)), features], axis=1)
    return found
