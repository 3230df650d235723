"""The stage: cases made by rule, where a target hides on a plane and a topic says how to look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt
from scipy.special import ndtr

from simworld.kernel import Chance
from simworld.worlds.casework._answers import FloatArray, IntArray

_NODES = 200
"""Of the quadrature over each sector: enough as long as the blur is at least a fiftieth of what is blurred."""


@dataclass(frozen=True)
class Cases:
    """One case for each of some teams, with the right answers: these stay in the world."""

    topic: IntArray
    """Shape (n,)."""
    features: FloatArray
    """What is seen of each, shape (n, features)."""
    key: IntArray
    """The right class of each, shape (n,)."""


@dataclass(frozen=True)
class Stage:
    """A plane with a target on it, seen through numbers: which of its regions hides the target?

    Every topic projects the numbers of a case onto the plane in a way of its own. The regions are equal sectors around
    the middle, so no class is likelier than another, and a linear rule is as good as any. What is seen is blurred by
    noise. How topics look comes from the stage's number, cases from the episode's seed, all by address: a team's case
    is the same whoever else there is.
    """

    topics: Annotated[int, Gt(0)] = 8
    """How many ways to look there are."""
    known: Annotated[int, Ge(0)] = 5
    """How many of them, the first ones, a training set covers."""
    classes: Annotated[int, Ge(2)] = 4
    """Regions of the plane."""
    features: Annotated[int, Ge(2)] = 12
    """Numbers that are seen of a case."""
    noise: Annotated[float, Ge(0)] = 0.2
    """Standard deviation of the blur; the numbers themselves have 1."""
    unseen_from: Annotated[int, Ge(0)] = 0
    """From this case on topics come that no training set covers; before, only those that one does."""
    number: int | None = None
    """Which stage it is, in all episodes alike; by default each has its own, by its seed."""

    def wrong(self) -> str:
        """What is wrong with the settings; empty if nothing is."""
        if self.known > self.topics:
            return f"stage.known: found {self.known}; accepted: up to the number of topics, which is {self.topics}"
        if self.unseen_from and not self.known:
            return f"stage.unseen_from: found {self.unseen_from}; accepted: 0, as no topic is known"
        return ""

    def rules(self, number: int) -> FloatArray:
        """The weights by which each topic scores the classes, shape (topics, classes, features)."""
        drawn = Chance(number).draw("normal", "stage/rules", 0, np.arange(self.topics), (2, self.features))
        first = drawn[:, 0] / np.sqrt((drawn[:, 0] ** 2).sum(axis=1, keepdims=True))
        second = drawn[:, 1] - (drawn[:, 1] * first).sum(axis=1, keepdims=True) * first
        second /= np.sqrt((second**2).sum(axis=1, keepdims=True))
        angles = 2.0 * np.pi * (np.arange(self.classes) + 0.5) / self.classes
        weights: FloatArray = (
            np.cos(angles)[None, :, None] * first[:, None] + np.sin(angles)[None, :, None] * second[:, None]
        )
        return weights

    def posterior(self, number: int, topic: IntArray, features: FloatArray) -> FloatArray:
        """How likely each class is, given what is seen of cases and the rules of their topics, shape (n, classes).

        What is clear of a case has a standard normal distribution, and is seen with a blur. So the target, given what
        is seen, is normal around a point of the plane, alike in all directions, and a class is as likely as its sector
        has mass: over the distance in closed form, over the angle by Gauss-Legendre quadrature. No solver can beat it.

        Args:
            number: Which stage it is.
            topic: Of each case, shape (n,).
            features: What is seen of each, shape (n, features).
        """
        rules = self.rules(number)
        if not self.noise:
            best = np.einsum("nf,nkf->nk", features, rules[topic]).argmax(axis=1)
            certain: FloatArray = np.eye(self.classes)[best]
            return certain
        middle = 2.0 * np.pi * (np.arange(self.classes) + 0.5) / self.classes
        plane = np.einsum("ak,tkf->taf", np.linalg.pinv(np.stack([np.cos(middle), np.sin(middle)], axis=1)), rules)
        shrunk = 1.0 / (1.0 + self.noise**2)
        at = np.einsum("nf,naf->na", features, plane[topic]) * shrunk / np.sqrt(shrunk * self.noise**2)
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        half = np.pi / self.classes
        masses = np.empty((len(topic), self.classes))
        for place, angle in enumerate(middle.tolist()):
            angles = angle + half * nodes
            ahead = np.einsum("na,am->nm", at, np.stack([np.cos(angles), np.sin(angles)]))
            aside = (at**2).sum(axis=1, keepdims=True) - ahead**2  # squared distance from the ray
            ray = np.exp(-(aside + ahead**2) / 2.0) + np.sqrt(2.0 * np.pi) * ahead * np.exp(-aside / 2.0) * ndtr(ahead)
            masses[:, place] = np.einsum("nm,m->n", ray, weights)
        found: FloatArray = masses / masses.sum(axis=1, keepdims=True)
        return found

    def deal(self, number: int, seed: int, case: int, teams: IntArray) -> Cases:
        """This case of each of these teams, on the stage of this number in the episode of this seed."""
        chance = Chance(seed)
        count = self.known if case < self.unseen_from else self.topics
        topic = (chance.draw("uniform", "stage/topic", case, teams) * count).astype(np.int64)
        drawn = chance.draw("normal", "stage/case", case, teams, (2, self.features))
        return self._cases(number, topic, drawn)

    def right(self, number: int, seed: int, case: int, teams: IntArray, topic: IntArray) -> IntArray:
        """The right classes of a case of these teams, whose topics are known, shape (n,): for learners and studies."""
        drawn = Chance(seed).draw("normal", "stage/case", case, teams, (2, self.features))
        return self._cases(number, topic, drawn).key

    def lessons(self, number: int, block: int, topic: int, count: int) -> Cases:
        """Labelled cases to learn one topic from; each block of them is another, and none is ever dealt.

        Raises:
            ValueError: A topic that no training covers.
        """
        if not 0 <= topic < self.known:
            raise ValueError(f"topic {topic}: accepted: those that a training set covers, 0 to {self.known - 1}")
        index = block * self.topics + topic
        drawn = Chance(number).draw("normal", "stage/lesson", index, np.arange(count), (2, self.features))
        return self._cases(number, np.full(count, topic), drawn)

    def _cases(self, number: int, topic: IntArray, drawn: FloatArray) -> Cases:
        clear = drawn[:, 0]
        scores = np.einsum("nf,nkf->nk", clear, self.rules(number)[topic])
        return Cases(topic, clear + self.noise * drawn[:, 1], scores.argmax(axis=1))


def training_set(stage: Stage, number: int, block: int, count: int) -> Cases:
    """What a solver may learn from: ``count`` labelled cases of each topic that is known, one topic after the other.

    Args:
        stage: The settings.
        number: Which stage it is, as its members are told.
        block: Whose training it is, such as a place in a team.
        count: How many of each topic.
    """
    parts = [stage.lessons(number, block, topic, count) for topic in range(stage.known)]
    if not parts:
        return Cases(np.zeros(0, np.int64), np.zeros((0, stage.features)), np.zeros(0, np.int64))
    return Cases(
        np.concatenate([p.topic for p in parts]),
        np.concatenate([p.features for p in parts]),
        np.concatenate([p.key for p in parts]),
    )
