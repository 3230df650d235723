"""Fixed policies: which move to make, from cues alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from simworld_agents.caseworker._cues import Candidates, FloatArray, IntArray

PolicyName: TypeAlias = Literal["always_eval", "always_create", "always_defer", "random", "threshold", "lot"]
"""Which fixed policy: always one kind of move, any allowed move, asking if one is not sure enough, or asking by lot."""


class Policy(ABC):
    """Chooses among candidates: arrays over members in, their moves out.

    It decides from candidates and chance alone, and for each member whatever the others of the batch are: a matrix
    product over all of them would not have the same bits for one as for many, ``np.einsum`` has.
    """

    @abstractmethod
    def scores(self, candidates: Candidates) -> FloatArray:
        """How good each candidate is, shape (n, size + 2); what is not allowed may score anything."""

    def choose(self, candidates: Candidates, chance: FloatArray) -> IntArray:
        """The moves of n members: by default each makes the best one that is allowed, of several one by lot.

        Args:
            candidates: Theirs.
            chance: A number from 0 to 1 for each candidate, shape (n, size + 2).
        """
        scores = np.where(candidates.allowed, self.scores(candidates), -np.inf)
        best = scores == scores.max(axis=1, keepdims=True)
        move: IntArray = np.where(best, chance, -1.0).argmax(axis=1)
        return move


def drawn(scores: FloatArray, candidates: Candidates, chance: FloatArray) -> IntArray:
    """Moves drawn from the softmax of scores over what is allowed: for policies that explore."""
    noise = -np.log(-np.log(np.clip(chance, 1e-300, None)))
    move: IntArray = np.where(candidates.allowed, scores + noise, -np.inf).argmax(axis=1)
    return move


def by_support(candidates: Candidates) -> FloatArray:
    """Scores of the answers that others hold, from 1 on: by how many hold them, then by how sure who holds them is.

    To answer anew scores 0, to ask the expert -1: nobody's answer is left to take over where they are best.
    """
    scores = 1.0 + candidates.cue("support_of") + candidates.cue("confidence_in") / (1e3 * candidates.size)
    scores[:, candidates.create], scores[:, candidates.defer] = 0.0, -1.0
    return scores


@dataclass(frozen=True)
class Always(Policy):
    """Always makes one kind of move, of any peer's answer by lot; if not allowed, it takes over that of most."""

    kind: Literal["eval", "create", "defer"]

    def scores(self, candidates: Candidates) -> FloatArray:
        """Its kind first."""
        scores = by_support(candidates)
        if self.kind == "eval":
            peers = np.arange(candidates.size) != candidates.place[:, None]
            scores[:, : candidates.size][peers] = np.inf
        else:
            scores[:, candidates.create if self.kind == "create" else candidates.defer] = np.inf
        return scores


@dataclass(frozen=True)
class Anything(Policy):
    """Makes any allowed move, each as likely as the other."""

    def scores(self, candidates: Candidates) -> FloatArray:
        """All alike."""
        return np.zeros(candidates.allowed.shape)


@dataclass(frozen=True)
class Threshold(Policy):
    """Asks the expert if it is less sure of its own answer than a threshold, else takes over the answer that most hold.

    Its own answer is among those where the world lets one stay.
    """

    below: float

    def scores(self, candidates: Candidates) -> FloatArray:
        """The expert first for whoever is not sure."""
        scores = by_support(candidates)
        scores[candidates.confidence < self.below, candidates.defer] = np.inf
        return scores


@dataclass(frozen=True)
class Lot(Policy):
    """Asks the expert by lot, as often as it is told, else takes over the answer that most hold: a control."""

    share: float

    def scores(self, candidates: Candidates) -> FloatArray:
        """The answer of most first."""
        return by_support(candidates)

    def choose(self, candidates: Candidates, chance: FloatArray) -> IntArray:
        """Of a member's chances the one for asking decides whether it does."""
        asks = candidates.allowed[:, candidates.defer] & (chance[:, candidates.defer] < self.share)
        move: IntArray = np.where(asks, candidates.defer, super().choose(candidates, chance))
        return move


def named(name: PolicyName, threshold: float, share: float = 0.0) -> Policy:
    """A fixed policy by its name."""
    policies: dict[str, Policy] = {
        "always_eval": Always("eval"),
        "always_create": Always("create"),
        "always_defer": Always("defer"),
        "random": Anything(),
        "threshold": Threshold(threshold),
        "lot": Lot(share),
    }
    return policies[name]
