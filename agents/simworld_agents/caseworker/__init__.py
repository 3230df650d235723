"""Minds of those who solve cases in teams, and of the experts whom they ask.

Two things make a member, and each can be had without the other. A *solver* answers a case: here a linear softmax that
is trained on known topics (``Solver``), or a model that is asked (``LlmSolver``). A *policy* decides what to make of
the answers: take over a peer's, answer anew, ask the expert. A policy of one's own, such as a trained one, needs this:

- It sees ``Candidates``: for n members at once the array ``cues``, of shape (n, size + 2, len(CUES)), a row for each
  move of the world (take over the answer of the member at place 0 to size - 1, where its own place is to stay; answer
  anew; ask the expert) and a column for each name in ``CUES``; and ``allowed``, of shape (n, size + 2). All cues lie
  between 0 and 1, are made by rule, have no parameters, and are the same for any solver and any source of cases.
- It returns ``scores``, of shape (n, size + 2): the best one allowed is done (``Policy.choose``), or one is drawn from
  their softmax (``drawn``). So a policy that is linear in cues is ``np.einsum("nmc,c->nm", candidates.cues, weights)``.
- What it earns, in each round but the first, is the reward of its decision in the tables and for learners: 1 if the
  answer that it led to is right, less its cost. What another candidate would have earned a learner works out from the
  right answers, which ``Stage.deal`` tells whoever knows the episode's seed: learners and tests, and never minds.
- A member with it is a subclass of ``SolvingMember`` that says what to ``decide``. One whose solver learns on, from
  what experts answered, finds that in ``reply`` (``heads_of`` and ``fit`` fit solvers to labelled cases).
"""

from __future__ import annotations

from simworld_agents.caseworker._asked import AskingMember, LlmExpert, LlmSolver, PersonExpert, case_in_words
from simworld_agents.caseworker._cues import CUES, NEEDS, BoolArray, Candidates, FloatArray, IntArray, candidates
from simworld_agents.caseworker._experts import SimulatedExpert
from simworld_agents.caseworker._members import SolvingMember, TeamMember, answers_in_words, rounds_of, stage_of, unseen
from simworld_agents.caseworker._policies import (
    Always,
    Anything,
    Lot,
    Policy,
    PolicyName,
    Threshold,
    by_support,
    drawn,
    named,
)
from simworld_agents.caseworker._solver import Solver, answered, fit, heads_of, train

__all__ = [
    "CUES",
    "NEEDS",
    "Always",
    "Anything",
    "AskingMember",
    "BoolArray",
    "Candidates",
    "FloatArray",
    "IntArray",
    "LlmExpert",
    "LlmSolver",
    "Lot",
    "PersonExpert",
    "Policy",
    "PolicyName",
    "SimulatedExpert",
    "Solver",
    "SolvingMember",
    "TeamMember",
    "Threshold",
    "answered",
    "answers_in_words",
    "by_support",
    "candidates",
    "case_in_words",
    "drawn",
    "fit",
    "heads_of",
    "named",
    "rounds_of",
    "stage_of",
    "train",
    "unseen",
]
