"""A robot that decides every second whether to go on, to yield, or to ask an operator."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
from annotated_types import Gt

from simworld.files import located
from simworld.kernel import Array, Field, Role, Seats
from simworld.worlds.plaza import FloatArray, driven, length
from simworld_agents.hila_robot._cues import ASK, GO, SEEN, TICKS, YIELD, Situation
from simworld_agents.hila_robot._policy import CallPolicy, Rule, Way
from simworld_agents.navigator import Planner, Predictor, Reacting, Straight
from simworld_agents.sacson import PedNet

_USUAL = Rule()


class HilaRobot(Planner):
    """A robot with three choices: to go its way, to stand, or to ask an operator to drive it (HILA on a plaza).

    Every second it foretells, by a model of people, how far it will push them aside, and chooses by a policy that is
    linear in that and in how near people come; a choice is kept to until the next. While it is driven, and where no
    operator is free, it goes its way as far as that is up to it.
    """

    does: ClassVar[tuple[str, ...]] = ("ask",)
    reads: ClassVar[tuple[str, ...]] = ("checkpoint", "model")
    mind: ClassVar[tuple[Field, ...]] = (
        Field("perturbation", unit="m", missing=True, meaning="by how much it expects to push people aside if it goes"),
        Field("standing", unit="m", missing=True, meaning="the same if it stands"),
        Field("distance", unit="m", missing=True, meaning="how near it expects a person's surface if it goes, up to 2"),
        Field("far", unit="m", missing=True, meaning="how far its goal is"),
        Field("yields", missing=True, meaning="1 where it chooses to yield, 0 where it does not"),
        Field("asks", missing=True, meaning="1 where it chooses to ask, 0 where it does not"),
    )

    def __init__(
        self,
        checkpoint: str = "",
        rule: Rule = _USUAL,
        way: Way = "planner",
        model: str = "",
        seconds: Annotated[float, Gt(0)] = 1.0,
    ) -> None:
        """A robot that may ask.

        Args:
            checkpoint: Its policy, a file that ``simworld train`` has made with ``algo: hila_robot``; by default all
                choices are alike to it.
            rule: How it comes to its choice.
            way: How it goes its way.
            model: A model of people as ``algo: sacson`` leaves it; by default people are expected to react by
                Moussaïd's social force.
            seconds: How long a choice is kept to, in s.

        Raises:
            ValueError: There is no such file, it holds something else, or the policy was trained for another way or
                with another model.
        """
        super().__init__()
        self._follows = CallPolicy.load(located(checkpoint)) if checkpoint else CallPolicy(way=way, model=model)
        if self._follows.way != way:
            raise ValueError(f"{checkpoint}: trained with way: {self._follows.way}; found way: {way}")
        if Path(self._follows.model).name != Path(model).name:
            # Its weights are of what that model foretells.
            trained = self._follows.model or "none"
            raise ValueError(f"{checkpoint}: trained with model: {trained}; found model: {model or 'none'}")
        self._rule, self._seconds = rule, seconds
        self._straight = Straight() if way == "straight" else None
        self._foretells: Predictor = PedNet.load(located(model)) if model else Reacting()
        self._choice: dict[int, int] = {}
        self._told: tuple[int, int, int] | None = None

    @classmethod
    def following(cls, policy: CallPolicy, rule: Rule = _USUAL, seconds: float = 1.0) -> Self:
        """One that follows this policy, with the way and the model of its training."""
        made = cls(rule=rule, way=policy.way, model=policy.model, seconds=seconds)
        made._follows = policy
        return made

    def told(self, tick: int, member: int, choice: int) -> HilaRobot:
        """A copy that makes this choice for one robot at this tick, and then goes on as it would: for branches."""
        twin = copy.deepcopy(self)
        twin._told = tick, member, choice
        return twin

    def check(self, role: Role) -> None:
        """Raise ValueError unless the role may ask, and moves by velocity or as a unicycle."""
        super().check(role)
        lacking = self._follows.misfit(role)
        if lacking:
            raise ValueError(f"{lacking}; accepted: the robots of operated_plaza")

    def chooses(self, tick: int, dt: float) -> bool:
        """Whether choices are made at this tick, where ticks are so many seconds long."""
        return tick % max(1, round(self._seconds / dt)) == 0

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:
        """Choose, if a second is over; and go, or stand."""
        self._notice(seen, seats.tick)
        go: Mapping[str, Array] = (
            self._planned(seen, seats.members, seats.role)[0]
            if self._straight is None
            else self._straight.act(seen, seats)
        )
        members = seats.members.tolist()
        due = self.chooses(seats.tick, float(seen["dt"]))
        if due:
            self._choose(seen, go, seats)
        else:
            seats.show(**{field.name: np.full(len(members), np.nan) for field in self.mind})
        choice = np.array([self._choice.get(member, GO) for member in members])
        stands = choice == YIELD
        moves = {
            name: np.where(stands.reshape(-1, *[1] * (move.ndim - 1)), 0.0, move)
            for name, move in go.items()
            if name != "ask"
        }
        return {**moves, "ask": (choice == ASK) & due}

    def _choose(self, seen: Mapping[str, Array], go: Mapping[str, Array], seats: Seats) -> None:
        """Look ahead and choose, for each of them."""
        known = np.stack([self._looked(seen, go, place, seats) for place in range(len(seats.members))])
        choice = self._rule.decided(known, self._follows.likely(known), seats.draw("choice"))
        if self._told is not None and self._told[0] == seats.tick:
            choice[seats.members == self._told[1]] = self._told[2]
        self._choice = dict(zip(seats.members.tolist(), choice.tolist(), strict=True))
        shown = dict(zip(SEEN, known.T, strict=True))
        seats.show(**shown, yields=(choice == YIELD).astype(np.float64), asks=(choice == ASK).astype(np.float64))

    def _looked(self, seen: Mapping[str, Array], go: Mapping[str, Array], place: int, seats: Seats) -> FloatArray:
        """What one of them sees, shape (4,)."""
        scenery = self._scenery(seen, place, int(seats.members[place]))
        people = seen["people"][~np.isnan(seen["people"][:, 0])]
        reach = float(seen["radius"][place]) + people[:, 4]
        far = float(length(seen["goal"][place] - seen["position"][place]))
        return Situation(scenery, _plan(seen, go, place), reach, far).seen(self._foretells)


def _plan(seen: Mapping[str, Array], go: Mapping[str, Array], place: int) -> FloatArray:
    """Where a robot will be in the next ticks if it keeps to its move, but not beyond its aim, m, shape (TICKS, 2)."""
    position, dt, times = seen["position"][place], float(seen["dt"]), np.arange(1, TICKS + 1)
    if "velocity" in go:
        velocity = go["velocity"][place]
        far, pace = float(length(seen["aim"][place] - position)), float(length(velocity))
        found: FloatArray = position + velocity * np.minimum(times * dt, far / max(pace, 1e-9))[:, None]
        return found
    at, heading, found = position[None], seen["heading"][place : place + 1], np.empty((TICKS, 2))
    for tick in range(TICKS):
        step, heading = driven(heading, go["forward"][place : place + 1], go["turn"][place : place + 1], dt)
        at = at + step
        found[tick] = at[0]
    return found
