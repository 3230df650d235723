"""What a decision is worth, how far a team agrees, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simworld.kernel import Array
from simworld.worlds.casework._answers import BoolArray, FloatArray, IntArray, is_given

EVAL, CREATE, DEFER, STAY = range(4)
"""Kinds of decisions: take over a peer's answer, answer anew, ask the expert, leave the answer as it is."""
KINDS = ("eval", "create", "defer", "stay")
"""Their names, in the order of their numbers."""


def worth(kind: IntArray, right: BoolArray, cost_create: float, cost_defer: float) -> FloatArray:
    """What decisions earn: 1 if the answer that each led to is right, less what the decision cost.

    Args:
        kind: Of decisions, by number.
        right: Whether the answers that they led to are right.
        cost_create: Of answering anew.
        cost_defer: Of asking the expert.

    Source: equation 3 of Yang et al. 2026, arXiv 2603.07972.
    """
    costs = np.array([0.0, cost_create, cost_defer, 0.0])
    earned: FloatArray = right - costs[kind]
    return earned


def kinds_of(move: IntArray, place: IntArray, size: int, allowed: BoolArray) -> IntArray:
    """The kind of each move of members at these places; what is not allowed leaves the answer as it is.

    Args:
        move: A place in the team, then to answer anew, then to ask the expert.
        place: Where each sits.
        size: Members of a team.
        allowed: Which moves each may make, shape (n, size + 2).
    """
    kind = np.where(move < size, EVAL, np.where(move == size, CREATE, DEFER))
    free = np.take_along_axis(allowed, move[:, None], axis=1)[:, 0]
    return np.where(free & (move != place), kind, STAY)


@dataclass(frozen=True)
class Agreement:
    """How far each team agrees, teams in rows."""

    support: IntArray
    """How many of the team hold the answer that a member holds, itself included; 0 without one. Shape (t, size)."""
    distinct: IntArray
    """How many different answers there are, shape (t,)."""
    margin: IntArray
    """By how many the answer of most leads the next one, shape (t,)."""
    isolated: BoolArray
    """Who is alone with its answer while others have one, shape (t, size)."""


def agreement(answers: Array) -> Agreement:
    """How far teams agree, from their members' answers as they are compared, shape (t, size)."""
    given = is_given(answers)
    same = (answers[:, :, None] == answers[:, None, :]) & given[:, :, None] & given[:, None, :]
    support = same.sum(axis=2)
    shares = np.divide(1.0, support, out=np.zeros(support.shape), where=support > 0)
    leading = support.argmax(axis=1)
    teams = np.arange(len(answers))
    others = np.where(same[teams, leading], 0, support).max(axis=1, initial=0)
    isolated = (support == 1) & (given.sum(axis=1, keepdims=True) > 1)
    return Agreement(support, np.rint(shares.sum(axis=1)).astype(np.int64), support[teams, leading] - others, isolated)


def voted(answers: Array, chance: FloatArray) -> IntArray:
    """The place of a member whose answer is that of most in its team; of several such answers one by lot.

    Args:
        answers: As they are compared, shape (t, size); whoever has none has no vote.
        chance: A number of each member's for the lot, from 0 to 1, shape (t, size).

    Returns:
        Shape (t,); where nobody has an answer, somebody without one.
    """
    support = agreement(answers).support
    # Whoever draws the greatest number among those with most support; answers with as many votes are as likely.
    place: IntArray = (support + chance / 2.0).argmax(axis=1)
    return place
