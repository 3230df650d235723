"""Members of teams who need no model: a trained solver, and a policy that decides what to make of its answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le

from simworld.kernel import Array, Cohort, Role, Seats
from simworld.worlds.casework import NO_CLASS, Stage
from simworld_agents.caseworker._cues import NEEDS, FloatArray, IntArray, candidates
from simworld_agents.caseworker._policies import Policy, PolicyName, named
from simworld_agents.caseworker._solver import Solver, answered, train

Share = Annotated[float, Ge(0), Le(1)]
"""From 0 to 1."""


@dataclass(eq=False)
class SolvingMember(Cohort, ABC):
    """Solves the stage's cases by a linear softmax that was trained on known topics; what it does with answers is open.

    It learns before its first answer, from the training set of its place in the team. Alone it answers quickly, at a
    high temperature; anew it answers at a low one. How sure it is, is how likely it takes its answer to be.
    """

    temperature: Annotated[float, Gt(0)] = 3.0
    """Of its first answers: 1 draws them as likely as it takes them to be, more is rougher."""
    create_temperature: Annotated[float, Gt(0)] = 0.25
    """Of answers anew."""
    lessons: Annotated[int, Gt(0)] = 200
    """How many cases of each known topic it has learned from."""
    ridge: Annotated[float, Gt(0)] = 0.3
    """How much it shrinks its weights in learning."""

    sees: ClassVar[tuple[str, ...]] = ("features", "topic", "stage", "known", "noise", *NEEDS)
    does = ("move", "answer", "confidence")

    def __post_init__(self) -> None:
        """Begin untrained."""
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
        move = np.full(n, size)
        decides = np.flatnonzero(seen["round"] > 0)
        if len(decides):
            chance = seats.draw("policy", "uniform", (size + 2,), decides)
            shared = {field.name for field in seats.role.obs if field.shared}
            theirs = {name: seen[name] if name in shared else seen[name][decides] for name in seen}
            move[decides] = self.decide(theirs, seats.members[decides], seats.role, chance)
        anew = np.flatnonzero(move == size)
        answer, sure = np.full(n, NO_CLASS), np.full(n, np.nan)
        if len(anew):
            warm = np.where(seen["round"][anew] > 0, self.create_temperature, self.temperature)
            likely = self.chances(seen, seats.members, seats.role)[anew]
            answer[anew], sure[anew] = answered(likely, warm, seats.draw("answer", places=anew))
        return {"move": move, "answer": answer, "confidence": sure}

    @abstractmethod
    def decide(self, seen: Mapping[str, Array], members: IntArray, role: Role, chance: Array) -> IntArray:
        """The moves of n members who decide.

        Args:
            seen: Their observation fields.
            members: Their numbers.
            role: Theirs.
            chance: A number from 0 to 1 for each candidate, shape (n, size + 2).
        """

    def chances(self, seen: Mapping[str, Array], members: IntArray, role: Role) -> FloatArray:  # noqa: ARG002
        """How likely n members take each class to be, shape (n, classes)."""
        return self.solver_for(seen, role).chances(seen["place"], seen["topic"], seen["features"])

    def solver_for(self, seen: Mapping[str, Array], role: Role) -> Solver:
        """Who answers: a solver that was trained for the stage that it is on."""
        plain = stage_of(role)
        stage = Stage(plain.topics, int(seen["known"]), plain.classes, plain.features, float(seen["noise"]))
        wanted = (stage, int(seen["stage"]))
        if self._solver is None or self._trained_for != wanted:
            places = seen["moves"].shape[1] - 2
            self._solver, self._trained_for = train(*wanted, places, self.lessons, self.ridge), wanted
        return self._solver


@dataclass(eq=False)
class TeamMember(SolvingMember):
    """Solves the stage's cases by a linear softmax that was trained on known topics, and follows a fixed policy."""

    policy: PolicyName = "threshold"
    """What it makes of its answers: always_eval, always_create, always_defer, random, threshold or lot."""
    threshold: Share = 0.5
    """With the policy of that name: it asks the expert if it is less sure."""
    share: Share = 0.25
    """With the policy lot: how often it asks."""

    def __post_init__(self) -> None:
        """Begin untrained."""
        super().__post_init__()
        self._policy: Policy = named(self.policy, self.threshold, self.share)

    def decide(self, seen: Mapping[str, Array], members: IntArray, role: Role, chance: Array) -> IntArray:  # noqa: ARG002
        """As the policy has it."""
        return self._policy.choose(candidates(seen, rounds_of(role)), chance)


def stage_of(role: Role) -> Stage:
    """The stage whose cases a role sees, as far as its fields tell: how many topics, classes and numbers."""
    fields = {field.name: field for field in role.obs}
    answer = next(field for field in role.act if field.name == "answer")
    if "features" not in fields or answer.high is None:
        return Stage(topics=1, known=0, classes=0, features=0)
    topics, features = int(fields["topic"].high or 0) + 1, int(fields["features"].shape[0])
    return Stage(topics, 0, int(answer.high) + 1, features)


def answers_in_words(role: Role) -> bool:
    """Whether a role's cases are questions in words, not those of a stage."""
    return any(field.name == "answer" and field.dtype == "str" for field in role.act)


def unseen(role: Role, names: Iterable[str]) -> str:
    """The first of these observations that a role does not have; empty if it has all."""
    known = {field.name for field in role.obs}
    return next((name for name in names if name not in known), "")


def rounds_of(role: Role) -> int:
    """Rounds of decisions on a case."""
    return int(next(field for field in role.obs if field.name == "round").high or 0)
