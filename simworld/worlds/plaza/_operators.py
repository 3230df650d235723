"""Operators: seats from which robots are driven that ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from simworld.kernel import Acts, Array, Field, Members, Role, Turn
from simworld.worlds.plaza._scenes import IntArray

ASK = "ask"
"""The action of a robot that wants to be driven."""

OPERATED = (
    Field("calls", meaning="how often an operator has taken over, all robots together"),
    Field("calls_missed", meaning="how often a robot has asked while no operator was free, all together"),
    Field("driven", meaning="share of robots' ticks in which an operator drove"),
)
"""What is counted where there are operators; each is as it stands now."""


def with_operators(robot: Role) -> tuple[Role, Role]:
    """The role of robots that may ask, and the role of those who then drive them: they see what the robot sees."""
    driven = Field("driven", "int64", unit="tick", low=0, meaning="ticks, now included, for which an operator drives")
    ask = Field(ASK, "bool", default=False, meaning="be driven from the next tick on, if an operator is free")
    which = Field("robot", "int64", low=0, meaning="the robot that it drives, or that it drove last")
    seen = (*robot.obs, driven)
    return replace(robot, obs=seen, act=(*robot.act, ask)), Role("operator", obs=(*seen, which), act=robot.act)


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

    @staticmethod
    def seated(turn: Turn, robots: int, ticks: int) -> Operators:
        """All who are wanted take their seats; with ``ticks`` 0 there are none."""
        found = Operators(turn.seats("operator") if ticks else 0, robots, ticks)
        if ticks:
            turn.join("operator", len(found.robot))
        return found

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
