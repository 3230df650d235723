"""A plaza with operators: seats from which robots are driven that ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from annotated_types import Gt

from simworld.kernel import Acts, Array, Field, Members, Moment, Role, Turn
from simworld.worlds.plaza._scenes import IntArray
from simworld.worlds.plaza._tally import MEASURES, UNDER_WAY
from simworld.worlds.plaza._world import Plaza

ASK = "ask"
"""The action of a robot that wants to be driven."""

OPERATED = (
    Field("calls", meaning="how often an operator has taken over, all robots together"),
    Field("calls_missed", meaning="how often a robot has asked while no operator was free, all together"),
    Field("driven", meaning="share of robots' ticks in which an operator drove"),
)
"""What is counted of operators; each is as it stands now."""


class Operators:
    """Which robot each operator drives, and for how long still."""

    def __init__(self, seats: int, robots: int, ticks: int) -> None:
        self.ticks = ticks
        """For how many ticks an operator drives who was asked once."""
        self.robot = np.zeros(seats, dtype=np.int64)
        """Whom each drives, or drove last."""
        self._left = np.zeros(seats, dtype=np.int64)
        """Ticks for which each still drives; 0: it is free."""
        self._robots = robots
        self._calls = self._missed = self._driven = self._ticks = 0

    def driving(self) -> Members:
        """Operators who drive now."""
        return np.flatnonzero(self._left)

    def driven(self) -> IntArray:
        """Ticks for which each robot is still driven, shape (r,)."""
        found = np.zeros(self._robots, dtype=np.int64)
        busy = self.driving()
        found[self.robot[busy]] = self._left[busy]
        return found

    def moves(self, robots: Members, own: Acts | None, others: Acts | None) -> tuple[Members, Mapping[str, Array]]:
        """Who moves, and how: an operator's move stands for that of its robot; who has none of either stands.

        Args:
            robots: All that are there.
            own: What robots decided.
            others: What operators decided.
        """
        busy = self.driving()
        taken = self.robot[busy]
        self._driven, self._ticks = self._driven + len(taken), self._ticks + len(robots)
        parts = []
        if own is not None:
            kept = ~np.isin(own.members, taken)
            names = [name for name in own.done if name != ASK]
            parts.append((own.members[kept], {name: own[name][kept] for name in names}))
        if others is not None:
            mine = np.isin(others.members, busy)
            moves = {name: values[mine] for name, values in others.done.items()}
            parts.append((self.robot[others.members[mine]], moves))
        if not parts:
            return np.zeros(0, dtype=np.int64), {}
        who = np.concatenate([members for members, _ in parts])
        order = np.argsort(who)
        return who[order], {name: np.concatenate([done[name] for _, done in parts])[order] for name in parts[0][1]}

    def pass_on(self, under_way: Members, own: Acts | None, turn: Turn) -> Members:
        """A tick is over: who was driven long enough drives itself again, who asks gets somebody.

        Where more ask than operators are free, a lot is drawn; who goes without stays on its own, and may ask again.

        Returns:
            The robots that operators take over now.
        """
        here = np.isin(self.robot, under_way)
        self._left = np.where(here, np.maximum(self._left - 1, 0), 0)
        asking = np.zeros(0, dtype=np.int64) if own is None else own.members[own[ASK]]
        asking = asking[np.isin(asking, under_way) & ~np.isin(asking, self.robot[self.driving()])]
        present = turn.members("operator")
        free = present[self._left[present] == 0]
        called = asking
        if len(asking) > len(free):
            lots = turn.draw("call", asking)
            called = np.sort(asking[np.argsort(lots, kind="stable")[: len(free)]])
        self.robot[free[: len(called)]], self._left[free[: len(called)]] = called, self.ticks
        self._calls, self._missed = self._calls + len(called), self._missed + len(asking) - len(called)
        return called

    def taken_out(self, role: str, members: Members) -> None:
        """Operators or robots are not there any more: nobody drives them."""
        gone = members if role == "operator" else np.flatnonzero(np.isin(self.robot, members))
        self._left[gone] = 0

    def numbers(self) -> dict[str, float]:
        """All measures, as they stand."""
        share = self._driven / max(self._ticks, 1)
        return {"calls": float(self._calls), "calls_missed": float(self._missed), "driven": share}


@dataclass
class OperatedPlaza(Plaza):
    """A plaza whose robots may ask for an operator: whoever fills that seat drives them for a while.

    Who asks is driven from the next tick on, for ``operator_ticks``: the operator sees what the robot sees, and its
    move stands for the robot's. It has one robot at a time; who asks meanwhile stays on its own, and may ask again. As
    long as nobody asks all is as on a plaza.
    """

    operator_ticks: Annotated[int, Gt(0)] = 4
    """For how many ticks an operator drives who was asked once."""
    call: float = 0.0
    """What a robot earns each time that an operator takes over: below 0 it is a fee."""

    def __post_init__(self) -> None:
        """Add the seats of operators. Raises ValueError: as a plaza does."""
        super().__post_init__()
        pedestrian, robot = self.roles
        driven = Field("driven", "int64", unit="tick", low=0, meaning="ticks, now included, that it is driven for")
        ask = Field(ASK, "bool", default=False, meaning="be driven from the next tick on, if an operator is free")
        which = Field("robot", "int64", low=0, meaning="the robot that it drives, or that it drove last")
        seen = (*robot.obs, driven)
        operator = Role("operator", obs=(*seen, which), act=robot.act)
        self.roles = (pedestrian, replace(robot, obs=seen, act=(*robot.act, ask)), operator)
        self.measures = (*MEASURES, *OPERATED)

    def check(self, seats: Mapping[str, int]) -> None:
        """Raise ValueError if there are operators and nobody whom they could drive."""
        super().check(seats)
        if seats.get("operator") and not seats.get("robot"):
            raise ValueError("operators without a robot; accepted: at least one robot, or no operators")

    def reset(self, turn: Turn) -> None:
        """As on a plaza; operators wait."""
        self._operators = Operators(turn.seats("operator"), turn.seats("robot"), self.operator_ticks)
        super().reset(turn)
        turn.join("operator", turn.seats("operator"))

    def observe(self, role: str, members: Members) -> Mapping[str, Array]:
        """An operator sees what its robot sees."""
        if role == "pedestrian":
            return super().observe(role, members)
        robots = self._operators.robot[members] if role == "operator" else members
        seen = {**super().observe("robot", robots), "driven": self._operators.driven()[robots]}
        return seen | {"robot": robots} if role == "operator" else seen

    def _moves(self, moment: Moment, robots: Members) -> tuple[Members, Mapping[str, Array]]:
        """As they decided, or as their operators did."""
        super()._moves(moment, robots)
        return self._operators.moves(robots, moment.acts.get("robot"), moment.acts.get("operator"))

    def _drive(self, moment: Moment, robots: Members, people: Members, turn: Turn) -> None:
        """Then operators are given to those who ask, who pay for it."""
        super()._drive(moment, robots, people, turn)
        under_way = robots[self._tally.state[robots] == UNDER_WAY]
        called = self._operators.pass_on(under_way, moment.acts.get("robot"), turn)
        fees = np.full(len(called), self.call)
        self._tally.rewarded(called, fees, self.discount)
        turn.reward("robot", called, fees)
        turn.wake("operator", self._operators.driving(), turn.tick + 1)

    def _numbers(self) -> dict[str, float]:
        """With those of operators."""
        return super()._numbers() | self._operators.numbers()

    def taken_out(self, role: str, members: Members, turn: Turn) -> None:
        """Nobody drives, or is driven, who is not there any more."""
        if role != "pedestrian":
            self._now = {}
            self._operators.taken_out(role, members)
        if role != "operator":
            super().taken_out(role, members, turn)
