"""What each choice is truly worth: the society is run on in branches, for each choice and without the robot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

import numpy as np
from annotated_types import Ge, Gt

from simworld.errors import AskError
from simworld.kernel import Acts, Array, Intervention, Kernel, Members, Silent
from simworld.worlds.plaza import FloatArray, length
from simworld_agents.hila_robot._cues import CHOICES, SEEN
from simworld_agents.hila_robot._mind import HilaRobot

Moment: TypeAlias = tuple[int, int]
"""Tick and robot."""


@dataclass(frozen=True)
class Follow:
    """How branches are followed, and what they tell."""

    ticks: Annotated[int, Gt(0)] = 11
    """For how long."""
    weight: Annotated[float, Ge(0)] = 10.0
    """What a metre costs by which people are elsewhere than without the robot, on average over people and ticks."""


class Noted(Silent):
    """Takes note of what robots see where they choose."""

    def __init__(self) -> None:
        """Nothing so far."""
        self.seen: dict[Moment, FloatArray] = {}
        """The numbers of ``SEEN``, shape (4,)."""

    def decided(self, role: str, tick: int, acts: Acts) -> None:
        """Keep what they show."""
        if role == "robot" and SEEN[0] in acts.mind:
            rows = np.stack([acts.mind[name] for name in SEEN], axis=1)
            chooses = ~np.isnan(rows[:, 0])
            self.seen |= {(tick, int(acts.members[i])): rows[i].copy() for i in np.flatnonzero(chooses)}


class _Paid(Silent):
    """Adds up what one robot is paid."""

    def __init__(self, member: int) -> None:
        self._member, self.total = member, 0.0

    def rewarded(self, role: str, members: Members, amounts: Array, decisions: Members | None) -> None:  # noqa: ARG002
        """Add what is its own."""
        if role == "robot":
            self.total += float(amounts[members == self._member].sum())


@dataclass
class Branches:
    """Follows every choice of every robot for some seconds, whenever they choose."""

    mind: HilaRobot
    """Who decides in the episode itself."""
    how: Follow
    worth: dict[Moment, FloatArray] = field(default_factory=dict)
    """What each choice was worth, shape (3,)."""
    moved: dict[Moment, FloatArray] = field(default_factory=dict)
    """By how much each pushed people aside, in m, shape (3,)."""

    def look(self, kernel: Kernel, tick: int) -> None:
        """Follow all choices of this tick; the society itself stays as it is.

        Raises:
            ValueError: Somebody asks a model or a person, which nobody can in a branch.
        """
        if not self.mind.chooses(tick, kernel.world.tick_length):
            return
        roster = kernel.roster("robot")
        for member in roster.present().tolist():
            place = int(roster.group[member])
            alone, _ = self._followed(kernel, member, Intervention(tick, without={"robot": np.array([member])}))
            paid, moved = np.zeros(len(CHOICES)), np.zeros(len(CHOICES))
            for choice in range(len(CHOICES)):
                mind = self.mind.told(tick, member, choice)
                change = Intervention(tick, minds={("robot", place): mind})
                walked, paid[choice] = self._followed(kernel, member, change)
                moved[choice] = self._apart(walked, alone)
            self.moved[tick, member] = moved
            self.worth[tick, member] = paid - self.how.weight * moved

    def _apart(self, walked: FloatArray, alone: FloatArray) -> float:
        """How far people are from where they would be, in m, on average over those who are there, and over ticks.

        An episode that ends before that, with the robot or without it, tells nothing of what would come: that counts
        as nothing.
        """
        both = min(len(walked), len(alone))
        apart = length(walked[:both] - alone[:both])
        there = np.count_nonzero(~np.isnan(apart))
        return float(np.nansum(apart) / (self.how.ticks * (there / both))) if there else 0.0

    def _followed(self, kernel: Kernel, member: int, change: Intervention) -> tuple[FloatArray, float]:
        """Where people are in each of the next ticks, nan who is not there, shape (t, n, 2); and what it is paid."""
        twin, paid = kernel.branch(), _Paid(member)
        twin.attach(paid)
        twin.intervene(change)
        found = []
        for tick in range(change.at + 1, change.at + 1 + self.how.ticks):
            try:
                twin.run(until=tick)
            except AskError as error:
                raise ValueError(f"choices are followed in branches, where nobody can ask: {error}") from error
            if twin.ended:
                break
            found.append(_people(twin))
        seats = kernel.roster("pedestrian").wanted
        return (np.stack(found) if found else np.zeros((0, seats, 2))), paid.total


def _people(kernel: Kernel) -> FloatArray:
    """Where people are, in m, shape (n, 2); nan who is not there."""
    roster = kernel.roster("pedestrian")
    found, here = np.full((roster.wanted, 2), np.nan), roster.present()
    seen: Mapping[str, Array] = kernel.world.observe("pedestrian", here)
    found[here] = seen["position"]
    return found
