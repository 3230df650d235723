"""What a member was told by experts, and a solver that is fitted anew to it: HILA's outer loop."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from simworld.worlds.casework import NO_CLASS, Cases, Stage, training_set
from simworld_agents.caseworker import FloatArray, IntArray, Solver, fit
from simworld_agents.hila._policy import Learns

_CHECKS = 100
"""Labelled cases of each known topic on which a solver is tried, where it must not get worse."""
_APART = 1_000_000
"""Number of the training set that holds them: no place in a team learns from it."""


@dataclass
class Demonstrations:
    """Cases about which members asked, and what each was told."""

    rows: dict[int, list[tuple[int, FloatArray, int]]] = field(default_factory=dict)
    """Topic, features and the expert's answer, by member."""
    studied: dict[int, int] = field(default_factory=dict)
    """How many of them each has learned from."""

    def add(self, members: IntArray, topic: IntArray, features: FloatArray, answer: IntArray) -> None:
        """Keep what was answered; whoever got no answer has learned nothing."""
        for place in np.flatnonzero(answer != NO_CLASS).tolist():
            rows = self.rows.setdefault(int(members[place]), [])
            rows.append((int(topic[place]), features[place].copy(), int(answer[place])))

    def taken(self, member: int, latest: bool) -> Cases | None:
        """What a member has to learn from, with the expert's answers as right; None: nothing has come since."""
        rows, since = self.rows.get(member, []), self.studied.get(member, 0)
        if len(rows) == since:
            return None
        self.studied[member] = len(rows)
        topic, features, answer = zip(*rows[since if latest else 0 :], strict=True)
        return Cases(np.array(topic), np.array(features), np.array(answer))


@dataclass(frozen=True)
class Refit:
    """How a solver is fitted anew."""

    learns: Learns = "all"
    """From what."""
    weight: float = 1.0
    """How much a demonstration counts against a case of the training set (the paper's lambda_sft)."""
    gate: bool = False
    """Keep the old head of a known topic where the new one does worse on labelled cases that are kept apart."""
    lessons: int = 200
    """Cases of each known topic in the training set."""
    ridge: float = 0.3
    """How much weights are shrunk."""
    caution: float = 2.0
    """How much they are for topics of which there are demonstrations alone: with few of them one is too sure else."""


def refitted(stage: tuple[Stage, int], place: int, before: FloatArray, told: Cases, how: Refit) -> FloatArray:
    """The heads of a member that has learned from demonstrations.

    Args:
        stage: The settings, and which stage it is.
        place: Where it sits in its team: whose training set is its own.
        before: Its heads so far, shape (topics + 1, classes, features).
        told: The demonstrations.
        how: The settings.

    Returns:
        Heads for all topics. Those of which it was told nothing stay as they are, where the training set goes on to
        count, and those that no training covers are what it knows of all; with the latest alone, all others are, too.
    """
    settings, number = stage
    known = training_set(settings, number, place, how.lessons if how.learns == "all" else 0)
    topic = np.concatenate([known.topic, told.topic])
    features = np.concatenate([known.features, told.features])
    right = np.concatenate([known.key, told.key])
    counts = np.concatenate([np.ones(len(known.key)), np.full(len(told.key), how.weight)])
    heads, own = before.copy(), np.unique(told.topic)
    taught = settings.known if how.learns == "all" else 0
    others = np.setdiff1d(np.arange(taught, settings.topics), own)
    if len(others):
        heads[others] = heads[-1] = fit(features, right, settings.classes, how.ridge, counts)
    for one in own.tolist():
        at = topic == one
        ridge = how.ridge if one < taught else how.caution
        heads[one] = fit(features[at], right[at], settings.classes, ridge, counts[at])
    return _gated(stage, before, heads) if how.gate else heads


def _gated(stage: tuple[Stage, int], before: FloatArray, new: FloatArray) -> FloatArray:
    """New heads, but old ones where the new are right less often on labelled cases that neither has learned from."""
    settings, number = stage
    checks = training_set(settings, number, _APART, _CHECKS)
    both, nobody = Solver(np.stack([before, new]), settings.topics), np.zeros(len(checks.key), dtype=np.int64)
    likely = (both.chances(nobody + one, checks.topic, checks.features) for one in (0, 1))
    old, now = (chances.argmax(axis=1) == checks.key for chances in likely)
    for one in range(settings.known):
        at = checks.topic == one
        if now[at].mean() < old[at].mean():
            new[one] = before[one]
    return new
