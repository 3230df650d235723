"""Members of teams who need no model: a trained solver, and a policy that decides what to make of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from simworld.kernel import Array, Cohort, Role, Seats
from simworld.worlds.casework import NO_CLASS, Stage
from simworld_agents.caseworker._cues import NEEDS, IntArray, candidates
from simworld_agents.caseworker._policies import Policy, PolicyName, named
from simworld_agents.caseworker._solver import Solver, answered, train

Share = Annotated[float, Ge(0), Le(1)]
"""From 0 to 1."""


@dataclass(eq=False)
class TeamMember(Cohort):
    """Solves the stage's cases by a linear softmax that was trained on known topics, and follows a fixed policy.

    It learns before its first answer, from the training set of its place in the team. Alone it answers quickly, at a
    high temperature; anew it answers at a low one. How sure it is, is how likely it takes its answer to be.
    """

    policy: PolicyName = "threshold"
    """What it makes of its answers: always_eval, always_create, always_defer, random, or threshold."""
    threshold: Share = 0.5
    """With the policy of that name: it asks the expert if it is less sure."""
    temperature: Annotated[float, Gt(0)] = 3.0
    """Of its first answers: 1 draws them as likely as it takes them to be, more is rougher."""
    create_temperature: Annotated[float, Gt(0)] = 0.25
    """Of answers anew."""
    lessons: Annotated[int, Gt(0)] = 200
    """How many cases of each known topic it has learned from."""
    ridge: Annotated[float, Gt(0)] = 0.3
    """How much it shrinks its weights in learning."""

    sees = ("features", "topic", "stage", "known", "noise", *NEEDS)
    does = ("move", "answer", "confidence")

    def __post_init__(self) -> None:
        """Begin untrained."""
        self._policy: Policy = named(self.policy, self.threshold)
        self._solver: Solver | None = None
        self._trained_for: tuple[Stage, int] | None = None

    def check(self, role: Role) -> None:
        """Answers are classes."""
        if stage_of(role).classes < 2:
            raise ValueError("it answers by class; this world wants something else")

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:
        """Answer alone, or as the policy has it."""
        moves, n = seen["moves"], len(seats.members)
        size = moves.shape[1] - 2
        solver = self.solver_for(seen, seats.role)
        move = np.full(n, size)
        decides = np.flatnonzero(seen["round"] > 0)
        if len(decides):
            chance = seats.draw("policy", "uniform", (size + 2,), decides)
            known = {name: seen[name][decides] for name in ("features", "topic", *NEEDS)}
            move[decides] = self.decide(known, seats.role, chance)
        anew = np.flatnonzero(move == size)
        answer, sure = np.full(n, NO_CLASS), np.full(n, np.nan)
        if len(anew):
            warm = np.where(seen["round"][anew] > 0, self.create_temperature, self.temperature)
            likely = solver.chances(seen["place"][anew], seen["topic"][anew], seen["features"][anew])
            answer[anew], sure[anew] = answered(likely, warm, seats.draw("answer", places=anew))
        return {"move": move, "answer": answer, "confidence": sure}

    def decide(self, seen: Mapping[str, Array], role: Role, chance: Array) -> IntArray:
        """The moves of n members who decide, from ``features``, ``topic`` and what cues are made of (``NEEDS``)."""
        return self._policy.choose(candidates(seen, rounds_of(role)), chance)

    def solver_for(self, seen: Mapping[str, Array], role: Role) -> Solver:
        """Who answers: a solver that was trained for the stage that it is on."""
        plain = stage_of(role)
        stage = Stage(plain.topics, int(seen["known"]), plain.classes, plain.features, float(seen["noise"]))
        wanted = (stage, int(seen["stage"]))
        if self._solver is None or self._trained_for != wanted:
            places = seen["moves"].shape[1] - 2
            self._solver, self._trained_for = train(*wanted, places, self.lessons, self.ridge), wanted
        return self._solver


def stage_of(role: Role) -> Stage:
    """The stage whose cases a role sees, as far as its fields tell: how many topics, classes and numbers."""
    fields = {field.name: field for field in role.obs}
    answer = next(field for field in role.act if field.name == "answer")
    if "features" not in fields or answer.high is None:
        return Stage(topics=1, known=0, classes=0, features=0)
    topics, features = int(fields["topic"].high or 0) + 1, int(fields["features"].shape[0])
    return Stage(topics, 0, int(answer.high) + 1, features)


def rounds_of(role: Role) -> int:
    """Rounds of decisions on a case."""
    return int(next(field for field in role.obs if field.name == "round").high or 0)
