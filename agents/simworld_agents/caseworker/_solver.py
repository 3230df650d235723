"""A solver of the stage's cases: a linear softmax for each topic that it was trained on, and one for all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from simworld.worlds.casework import Cases, Stage, training_set
from simworld_agents.caseworker._cues import FloatArray, IntArray

_LEAST = 1e-12
_MOST_STEPS = 50
_FLAT = 1e-9
"""So small a slope, per case, is none."""


def fit(
    features: FloatArray, labels: IntArray, classes: int, ridge: float, counts: FloatArray | None = None
) -> FloatArray:
    """Weights of a linear softmax, shape (classes, features): least cross-entropy, plus ``ridge`` / 2 x their squares.

    The sum over cases is what is made least, so that more cases count for more. By Newton's method, with steps that are
    halved until they help.

    Args:
        features: Of cases, shape (n, features).
        labels: The class of each, shape (n,).
        classes: How many there are.
        ridge: How much weights are shrunk.
        counts: How often each case counts, shape (n,); by default once.
    """
    n, width = features.shape
    often = np.ones((n, 1)) if counts is None else counts[:, None]
    hot = np.eye(classes)[labels] * often
    products = (features[:, :, None] * features[:, None, :]).reshape(n, -1)
    weights = np.zeros((classes, width))
    value, shares = _loss(weights, features, hot, ridge)
    for _ in range(_MOST_STEPS):
        slope = (shares * often - hot).T @ features + ridge * weights
        if np.abs(slope).max() < _FLAT * n:
            break
        spread = (often * shares)[:, :, None] * (np.eye(classes) - shares[:, None, :])
        bend = (spread.reshape(n, -1).T @ products).reshape(classes, classes, width, width).transpose(0, 2, 1, 3)
        bend = bend.reshape(classes * width, -1) + ridge * np.eye(classes * width)
        way = np.linalg.solve(bend, slope.reshape(-1)).reshape(classes, width)
        for halving in range(_MOST_STEPS):
            tried = weights - way / 2.0**halving
            now, then = _loss(tried, features, hot, ridge)
            if now <= value:
                break
        weights, value, shares = tried, now, then
    return weights


def _loss(weights: FloatArray, features: FloatArray, hot: FloatArray, ridge: float) -> tuple[float, FloatArray]:
    """What is made least, and how likely each class is taken to be."""
    scores = features @ weights.T
    scores -= scores.max(axis=1, keepdims=True)
    powers = np.exp(scores)
    total = powers.sum(axis=1, keepdims=True)
    loss = (np.log(total) * hot.sum(axis=1, keepdims=True)).sum() - (scores * hot).sum()
    return float(loss + ridge / 2.0 * (weights**2).sum()), powers / total


@dataclass
class Solver:
    """Scores of classes, by a head for each place in a team and each topic.

    The last head of a place is for topics that it was not trained on: it knows what its topics have in common.
    """

    heads: FloatArray
    """Weights, shape (places, topics + 1, classes, features); those of unknown topics are not used."""
    known: int
    """So many topics, the first ones, have heads of their own."""

    def chances(self, place: IntArray, topic: IntArray, features: FloatArray) -> FloatArray:
        """How likely members at these places take each class to be, shape (n, classes)."""
        head = np.where(topic < self.known, topic, self.heads.shape[1] - 1)
        shares: FloatArray = softmax(np.einsum("nf,nkf->nk", features, self.heads[place, head]), axis=1)
        return shares


def train(stage: Stage, number: int, places: int, lessons: int, ridge: float) -> Solver:
    """A solver that has learned what the training set of each place teaches: ``lessons`` cases of each known topic."""
    sets = [training_set(stage, number, block, lessons) for block in range(places)]
    return Solver(heads_of(stage, sets, ridge), stage.known)


def heads_of(stage: Stage, sets: Sequence[Cases], ridge: float) -> FloatArray:
    """The heads of all places, from what each place has to learn from."""
    heads = np.zeros((len(sets), stage.topics + 1, stage.classes, stage.features))
    for place, lessons in enumerate(sets):
        for topic in range(stage.known):
            own = lessons.topic == topic
            if own.any():
                heads[place, topic] = fit(lessons.features[own], lessons.key[own], stage.classes, ridge)
        if len(lessons.key):
            heads[place, -1] = fit(lessons.features, lessons.key, stage.classes, ridge)
    return heads


def answered(chances: FloatArray, temperature: FloatArray, draw: FloatArray) -> tuple[IntArray, FloatArray]:
    """Classes drawn from what a solver takes to be likely, and how likely it takes each to be.

    Args:
        chances: Shape (n, classes).
        temperature: Of each draw: 1 is as likely as it says, towards 0 always the likeliest, shape (n,).
        draw: A number from 0 to 1 for each, shape (n,).
    """
    scores = np.log(np.maximum(chances, _LEAST)) / temperature[:, None]
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    so_far = powers.cumsum(axis=1)
    classes = (so_far > draw[:, None] * so_far[:, -1:]).argmax(axis=1)
    return classes, chances[np.arange(len(classes)), classes]
