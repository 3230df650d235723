"""A member that follows a trained policy, and may learn on from what experts tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

import numpy as np
from annotated_types import Ge, Gt

from simworld.files import located
from simworld.kernel import Array, Role, Seats
from simworld_agents.caseworker import FloatArray, IntArray, Solver, SolvingMember, candidates, drawn, rounds_of
from simworld_agents.hila._demonstrations import Demonstrations, Refit, refitted
from simworld_agents.hila._policy import DeferencePolicy, Learns


@dataclass(eq=False)
class Hila(SolvingMember):
    """Copies, answers anew or asks by a policy that was trained for it, and learns from what it is told (HILA).

    Before its first answer it learns from the training set of its place. With ``learns`` it then goes through cycles:
    after every so many cases its solver is fitted anew to what experts have told it. Each member learns by itself.
    """

    checkpoint: str = ""
    """The policy, a file that ``simworld train`` has made with ``algo: hila``; by default all moves are alike to it."""
    greedy: bool = True
    """Do what the policy finds best; else draw from what it gives, as in training and in the paper."""
    shift: float = 0.0
    """Added to the score of asking: goes through the curve of accuracy over coverage."""
    learns: Learns = "never"
    """From which of the expert's answers its solver learns on: never, all (with the training set), latest (alone)."""
    every: Annotated[int, Gt(0)] = 4
    """Cases between two fits of its solver."""
    weight: Annotated[float, Gt(0)] = 1.0
    """How much an expert's answer counts against a case of the training set."""
    caution: Annotated[float, Gt(0)] = 2.0
    """How much it shrinks its weights for topics that it knows from an expert alone; less makes it too sure of them."""
    gate: bool = False
    """Keep what it knew of a known topic where it would get worse on labelled cases that are kept apart."""
    alone_from: Annotated[int, Ge(0)] | None = None
    """From this case on it asks nobody; by default it may always."""

    sees: ClassVar[tuple[str, ...]] = (*SolvingMember.sees, "case", "reply")
    reads: ClassVar[tuple[str, ...]] = ("checkpoint",)

    def __post_init__(self) -> None:
        """Load the policy. Raises ValueError: there is no such file, or it holds something else."""
        super().__post_init__()
        policy = DeferencePolicy.load(located(self.checkpoint)) if self.checkpoint else DeferencePolicy()
        self._follows = policy.leaning(self.shift)
        self._told, self._asked = Demonstrations(), _Asked()
        self._heads: dict[int, FloatArray] = {}

    @classmethod
    def following(cls, policy: DeferencePolicy, greedy: bool = True) -> Self:
        """One that follows this policy, and learns on as in its training."""
        made = cls(greedy=greedy, learns=policy.learns)
        made._follows = policy
        return made

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:
        """Learn from what experts have said since, then answer or decide."""
        if self.learns == "never":
            return super().act(seen, seats)
        due = self._asked.due(seen, seats.members, self.every)
        self._told.add(*self._asked.answered(seen, seats.members))
        if due.any():
            self._study(seen, seats.members, due, seats.role)
        done = super().act(seen, seats)
        self._asked.note(seen, seats.members, np.asarray(done["move"]))
        return done

    def decide(self, seen: Mapping[str, Array], members: IntArray, role: Role, chance: Array) -> IntArray:  # noqa: ARG002
        """As the policy has it; from ``alone_from`` on without the expert."""
        found = candidates(seen, rounds_of(role))
        if self.alone_from is not None:
            allowed = found.allowed.copy()
            allowed[np.asarray(seen["case"]) >= self.alone_from, found.defer] = False
            found = replace(found, allowed=allowed)
        if self.greedy:
            return self._follows.choose(found, chance)
        return drawn(self._follows.scores(found), found, chance)

    def chances(self, seen: Mapping[str, Array], members: IntArray, role: Role) -> FloatArray:
        """As the training set has taught them, or as they know better by now."""
        found = super().chances(seen, members, role)
        wiser = np.flatnonzero([member in self._heads for member in members.tolist()])
        if len(wiser):
            heads = np.stack([self._heads[member] for member in members[wiser].tolist()])
            own = Solver(heads, heads.shape[1] - 1)
            found[wiser] = own.chances(np.arange(len(wiser)), seen["topic"][wiser], seen["features"][wiser])
        return found

    def _study(self, seen: Mapping[str, Array], members: IntArray, due: Array, role: Role) -> None:
        """Fit solvers anew."""
        solver = self.solver_for(seen, role)
        assert self._trained_for is not None
        how = Refit(self.learns, self.weight, self.gate, self.lessons, self.ridge, self.caution)
        for row in np.flatnonzero(due).tolist():
            member, place = int(members[row]), int(seen["place"][row])
            told = self._told.taken(member, self.learns == "latest")
            if told is not None:
                before = self._heads.get(member, _spread(solver, place))
                self._heads[member] = refitted(self._trained_for, place, before, told, how)


def _spread(solver: Solver, place: int) -> FloatArray:
    """The heads of a place, where topics that no training covers have what all have in common."""
    heads: FloatArray = solver.heads[place].copy()
    heads[solver.known :] = heads[-1]
    return heads


class _Asked:
    """What members have asked about and were not yet told: arrays by member, which grow with them."""

    def __init__(self) -> None:
        self._waits = np.zeros(0, dtype=np.bool_)
        self._case, self._topic, self._cycle = (np.zeros(0, dtype=np.int64) for _ in range(3))
        self._features: FloatArray = np.zeros((0, 0))

    def due(self, seen: Mapping[str, Array], members: IntArray, every: int) -> Array:
        """Who has come through another cycle of so many cases, shape (n,)."""
        self._grow(int(members.max()) + 1, seen["features"].shape[1])
        cycle = np.asarray(seen["case"]) // every
        found: Array = cycle > self._cycle[members]
        self._cycle[members] = cycle
        return found

    def answered(self, seen: Mapping[str, Array], members: IntArray) -> tuple[IntArray, IntArray, FloatArray, IntArray]:
        """Member, topic, features and answer of what members were told since they last decided."""
        told = self._waits[members]
        who = members[told]
        self._waits[who] = False
        return who, self._topic[who], self._features[who], np.asarray(seen["reply"])[told]

    def note(self, seen: Mapping[str, Array], members: IntArray, move: IntArray) -> None:
        """Members have decided: those who ask, for the first time on this case, will be told."""
        ask = seen["moves"].shape[1] - 1
        asks = (move == ask) & seen["moves"][:, ask] & (seen["case"] != self._case[members])
        who = members[asks]
        self._waits[who], self._case[who] = True, seen["case"][asks]
        self._topic[who], self._features[who] = seen["topic"][asks], seen["features"][asks]

    def _grow(self, count: int, width: int) -> None:
        more = count - len(self._waits)
        if more <= 0:
            return
        self._waits = np.append(self._waits, np.zeros(more, dtype=np.bool_))
        self._case = np.append(self._case, np.full(more, -1, dtype=np.int64))
        self._topic, self._cycle = (np.append(x, np.zeros(more, dtype=np.int64)) for x in (self._topic, self._cycle))
        self._features = np.concatenate([self._features.reshape(-1, width), np.zeros((more, width))])
