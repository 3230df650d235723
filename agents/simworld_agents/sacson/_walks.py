"""What is learned from: walks of people past robots of many kinds, and past some that are gone all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from simworld.kernel import Acts, Array, Chance, Cohort, Intervention, Role, Seats, Silent
from simworld.spaces import ObservationVector
from simworld.worlds.plaza import FloatArray, length
from simworld_agents.navigator import Costs, Orca, Planner, Still, Straight, View, Walker
from simworld_agents.sacson._pednet import STEPS, Encounters

Collect = Literal["varied", "goal", "seeking"]
"""Who drives while walks are gathered: robots of many kinds, one that goes straight on, or one that seeks people."""
_HELD = 8
"""Ticks for which who wanders keeps a velocity."""
Ending = Literal["", "gone", "stops"]
"""What becomes of a robot in the middle of a walk: nothing, it is taken out, or it stands from then on. A model is
asked what people do then, and can know it only if it has seen it."""
_MIDDLE = (2, 22)
"""Between these ticks that happens, where it does."""
_RARE = 10
"""Moments in which a robot is just gone, or has just stopped, are few: each is learned from so many times."""
_HARDLY = 0.01
"""Who moves less than this, in m, stands."""
_CLOSE, _MET = 1.2, 5
"""So are those in which it will come this close, in m, to where a person goes: there alone it disturbs anybody."""


class Seeker(Walker):
    """Goes to where the nearest person will be in a second: SACSoN's way to gather data that are worth having."""

    def steer(self, view: View) -> FloatArray:
        """Towards the nearest person, and to the goal where there is none."""
        people = view.bodies[: view.people]
        way = people[None, :, :2] + people[None, :, 2:4] - view.position[:, None]
        away = np.where(np.isnan(way[..., 0]), np.inf, length(way))
        if not away.shape[1]:
            return view.towards()
        nearest = away.argmin(axis=1)
        rows = np.arange(len(nearest))
        found = np.isfinite(away[rows, nearest])[:, None]
        to = np.where(found, way[rows, nearest], 0.0)
        sought: FloatArray = to * (view.speed / np.maximum(length(to), 1e-9))[:, None]
        return np.where(found, sought, view.towards())


class Wanderer(Cohort):
    """Drives at random, each move held for two seconds."""

    def __init__(self) -> None:
        self._moves: dict[str, Array] = {}
        self._ticks = 0

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:  # noqa: ARG002
        """Any move that there is."""
        if self._ticks % _HELD == 0:
            for field in seats.role.act:
                low, high = field.limits or (0.0, 0.0)
                drawn = seats.draw(field.name, "uniform", field.sizes)
                self._moves[field.name] = low + drawn * (high - low)
        self._ticks += 1
        return self._moves


@dataclass(frozen=True)
class Walk:
    """One episode: T ticks, n people, and a robot while it was there."""

    people: FloatArray
    """x, y, vx, vy, radius of each, nan while it was not there, shape (T, n, 5)."""
    robot: FloatArray
    """The same of the robot, shape (T, 5)."""
    aim: FloatArray
    """Where the robot headed for, m, nan while it was not there, shape (T, 2)."""
    heading: FloatArray
    """Where it faced, rad, shape (T,)."""
    vector: FloatArray
    """What a learner in its place saw, as numbers, shape (T, width)."""
    dt: float
    """Length of a tick, s."""


class Notes(Silent):
    """Takes note of one walk."""

    def __init__(self, role: Role) -> None:
        self._seen = ObservationVector.of(role)
        self._rows: dict[int, tuple[FloatArray, FloatArray]] = {}
        self._robot: dict[int, tuple[FloatArray, float, FloatArray]] = {}
        self._dt = 0.0

    def decided(self, role: str, tick: int, acts: Acts) -> None:
        """Where all are, and what the robot sees."""
        seen = acts.seen
        self._dt = float(seen["dt"])
        if len(seen["robots"]) > 1:
            raise ValueError(f"found {len(seen['robots'])} robots; accepted by sacson: one")
        # What a robot sees is all there is; people may not see it.
        if role == "robot" or tick not in self._rows:
            self._rows[tick] = seen["people"].copy(), seen["robots"].copy()
        if role == "robot":
            own = self._seen.told(seen, len(acts.members))[0]
            self._robot[tick] = (seen["aim"][0].copy(), float(seen["heading"][0]), own)

    def walk(self) -> Walk:
        """All of it."""
        ticks = sorted(self._rows)
        nothing = (np.full(2, np.nan), np.nan, np.full(self._seen.width, np.nan))
        own = [self._robot.get(tick, nothing) for tick in ticks]
        robots = np.array([self._rows[tick][1] for tick in ticks])
        return Walk(
            np.array([self._rows[tick][0] for tick in ticks]),
            robots[:, 0] if robots.shape[1] else np.full((len(ticks), 5), np.nan),
            np.array([aim for aim, _, _ in own]),
            np.array([heading for _, heading, _ in own]),
            np.array([vector for _, _, vector in own]),
            self._dt,
        )

    @property
    def decisions(self) -> int:
        """How many of them were the robot's."""
        return len(self._robot)


def drivers(collect: Collect, own: Cohort | None) -> list[tuple[Cohort, Ending]]:
    """Who drives in turn, and what becomes of it; the own policy every other time, if there is one.

    Args:
        collect: How walks are gathered.
        own: The policy so far.
    """
    if collect == "varied":
        polite = Planner(Costs(personal_space=10.0, kept=1.2))
        kinds: list[tuple[Cohort, Ending]] = [
            *((Straight(), ""), (Orca(), "gone"), (Wanderer(), ""), (Straight(noise=0.3), "stops")),
            *((Still(), ""), (Straight(), "gone"), (Orca(margin=0.3), "stops"), (Wanderer(), "gone")),
            *((Orca(), ""), (Straight(), "stops"), (polite, ""), (Straight(noise=0.3), "gone")),
            *((Still(), "gone"), (Wanderer(), "stops"), (Orca(margin=0.3), "gone"), (Orca(), "stops")),
        ]
    else:
        kinds = [(Straight() if collect == "goal" else Seeker(), "")]
    if own is None:
        return kinds
    return [pair for kind in kinds for pair in (kind, (own, ""))]


def changes_of(ending: Ending, number: int, seed: int) -> list[Intervention]:
    """The robot leaves, or stands, from a tick on that is drawn by address."""
    if not ending:
        return []
    low, high = _MIDDLE
    drawn = Chance(seed).draw("uniform", "gone", number, np.zeros(1, dtype=np.int64))[0]
    at = low + int(drawn * (high - low))
    if ending == "gone":
        return [Intervention(at, without={"robot": None})]
    return [Intervention(at, minds={("robot", 0): Still()})]


def encounters(walks: Sequence[Walk], to_fit: bool = False) -> tuple[Encounters, FloatArray]:
    """All moments of walks that have eight ticks ahead of them, and where each person went, shape (m, 8, 2).

    Args:
        walks: Which.
        to_fit: Whether a model is fitted to them: those that are rare, and matter, are there several times then.
    """
    parts = [_moments(walk) for walk in walks]
    past, robot_past, plan, there, future = (np.concatenate([part[i] for part in parts]) for i in range(5))
    found = Encounters(past, robot_past, plan, there, walks[0].dt)
    if not to_fit:
        return found, future
    known = ~np.isnan(robot_past[:, 0, 0])
    just_gone = (there == 0.0) & known
    stands = (there > 0.0) & (length(plan - robot_past[:, :1]).max(axis=1, initial=0.0) < _HARDLY)
    just_stopped = stands & (length(robot_past[:, 0] - robot_past[:, 1]) > _HARDLY)
    apart = length(plan - found.straight_on())
    meets = np.where(there[:, None] > 0.0, apart, np.inf).min(axis=1, initial=np.inf) < _CLOSE
    several = ((just_gone | just_stopped, _RARE), (meets, _MET))
    more = (np.repeat(np.flatnonzero(which), times - 1) for which, times in several)
    rows = np.concatenate([np.arange(len(there)), *more])
    return found.chosen(rows), future[rows]


def _moments(walk: Walk) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Of one walk: past, the robot's past, its plan, whether it is there, and the future."""
    people, robot = walk.people[:, :, :2], walk.robot[:, :2]
    starts = np.arange(1, max(1, len(people) - STEPS))
    back = np.maximum(starts[:, None] - np.arange(STEPS), 0)
    ahead = starts[:, None] + np.arange(1, STEPS + 1)
    past = people[back].transpose(0, 2, 1, 3)
    future = people[ahead].transpose(0, 2, 1, 3)
    was, n = _with_last(walk), people.shape[1]
    here, gone = ~np.isnan(robot[starts, 0]), np.isnan(robot[ahead][..., 0])
    # Either it is there now and for all of what comes, or for none of it.
    whole = np.where(here, ~gone.any(axis=1), gone.all(axis=1))
    known = ~np.isnan(past).any(axis=(2, 3)) & ~np.isnan(future).any(axis=(2, 3)) & whole[:, None]
    there = np.broadcast_to(here.astype(np.float64)[:, None], past.shape[:2])
    # Where it was is known as long as it is seen: so it is where a planner asks what would be without the robot.
    told = np.where(np.isnan(was[starts, 0])[:, None, None], np.nan, was[back])
    shown, plan = (np.broadcast_to(part[:, None], (len(starts), n, STEPS, 2)) for part in (told, robot[ahead]))
    return past[known], shown[known], plan[known], there[known], future[known]


def _with_last(walk: Walk) -> FloatArray:
    """Where the robot was, and where it would have been seen next in the tick in which it was taken out."""
    found = walk.robot[:, :2].copy()
    gone = np.flatnonzero(np.isnan(found[1:, 0]) & ~np.isnan(found[:-1, 0])) + 1
    found[gone] = found[gone - 1] + walk.robot[gone - 1, 2:4] * walk.dt
    return found
