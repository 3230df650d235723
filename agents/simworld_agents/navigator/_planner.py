"""A robot that tries its moves in thought: a sampling planner with a predictor of people and costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt

from simworld.kernel import Array, Cohort, Field, Members, Role, Seats
from simworld.worlds.plaza import FloatArray, driven, from_walls, length
from simworld_agents.navigator._predictors import ConstantVelocity, Predictor, Reacting, Scenery
from simworld_agents.navigator._seeing import check_moves

_SPEEDS, _HEADINGS = 5, 16
"""CrowdNav's actions: to stand, and so many speeds, exponentially spaced, in so many directions."""
_ARCS = 11
"""Rates of turning that a unicycle tries at each of the speeds."""
_PAST = 8
"""Ticks of the past that predictors see."""
_COLLISION = 1000.0
"""What a plan costs that comes too near: more than any way round, in metres."""


@dataclass(frozen=True)
class Costs:
    """What a plan costs, in metres of the way that is left."""

    personal_space: Annotated[float, Ge(0)] = 0.0
    """Weight of J_ps, the mean of max(0, distance kept - surface distance) squared, in m2."""
    kept: Annotated[float, Ge(0)] = 0.45
    """Distance kept, in m between surfaces: 0.45 is Hall's intimate distance, 1.2 his personal one."""
    perturbation: Annotated[float, Ge(0)] = 0.0
    """Weight of J_cp, the mean squared distance of people from where they would be otherwise, in m2 (SACSoN)."""
    reference: Literal["stopped", "absent"] = "stopped"
    """Otherwise: if the robot stood where it is (as in SACSoN), or if it were not there."""
    courteous: bool = False
    """Whether only those count who are farther from where they were heading for than they would be otherwise (Sun et
    al. 2018): helping somebody is then no disturbance."""


class Planner(Cohort):
    """Tries every move, held for some seconds, and takes the one that costs least; plans anew in every tick.

    What all plans have in common: the way that is left to the goal at their end, and a bar on coming nearer to anybody
    than the clearance, who is taken to go on at constant velocity. Costs for people come on top.
    """

    sees: ClassVar[tuple[str, ...]] = (
        *("position", "velocity", "heading", "aim", "speed", "radius"),
        *("people", "robots", "walls", "dt"),
    )
    mind: ClassVar[tuple[Field, ...]] = (
        Field("perturbation", unit="m2", meaning="J_cp that it expects of what it does"),
        Field("personal_space", unit="m2", meaning="J_ps that it expects of what it does"),
    )

    def __init__(
        self,
        costs: Costs = Costs(),
        predictor: Literal["constant", "reacting"] = "reacting",
        gain: Annotated[float, Ge(0)] = 1.0,
        horizon: Annotated[float, Gt(0)] = 2.75,
        clearance: Annotated[float, Ge(0)] = 0.1,
    ) -> None:
        """A planner.

        Args:
            costs: What plans cost beside the way that is left: weights of personal space and of perturbation.
            predictor: How people are expected to move: at constant velocity, or reacting to the robot.
            gain: How strongly they are taken to react to the robot, as a multiple; 1 is as to another person.
            horizon: For how long a move is held in thought, in s.
            clearance: No plan may come nearer to anybody, in m between surfaces, unless all do.
        """
        self.costs, self.horizon, self.clearance = costs, horizon, clearance
        self._predictor: Predictor = ConstantVelocity() if predictor == "constant" else Reacting(gain)
        self._people: list[FloatArray] = []
        self._robots: list[FloatArray] = []
        """What was seen in the last ticks, the latest first."""
        self._tick = -1
        """When that was seen last."""

    def check(self, role: Role) -> None:
        """Raise ValueError unless the role moves by velocity, or as a unicycle."""
        check_moves(role)

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:
        """The best move of each."""
        self._notice(seen, seats.tick)
        robots = seen.get("robot", seats.members)  # an operator drives one; a robot drives itself
        done, shown = self._planned(seen, robots, seats.role)
        seats.show(**shown)
        return done

    def _planned(
        self, seen: Mapping[str, Array], robots: Members, role: Role
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """The best move of each of these robots, and what is expected of it."""
        fields = {f.name: f for f in role.act if f.default is None}
        done = {name: np.empty((len(robots), *field.sizes)) for name, field in fields.items()}
        shown = {field.name: np.empty(len(robots)) for field in Planner.mind}
        for place in range(len(robots)):
            moves, plans = self._moves(seen, place, fields)
            best, expected = self._best(seen, place, plans, robots)
            for name, values in moves.items():
                done[name][place] = values[best]
            for name, value in expected.items():
                shown[name][place] = value
        return done, shown

    def _notice(self, seen: Mapping[str, Array], tick: int) -> None:
        """Take note of where everybody is; what was seen before a gap is not what was seen in the last ticks."""
        if tick != self._tick + 1:
            self._people, self._robots = [], []
        self._people = [seen["people"][:, :2], *self._people][:_PAST]
        self._robots = [seen["robots"][:, :2], *self._robots][:_PAST]
        self._tick = tick

    def _moves(
        self, seen: Mapping[str, Array], place: int, fields: Mapping[str, Field]
    ) -> tuple[dict[str, FloatArray], FloatArray]:
        """What it may do, and where it would be in each of the next ticks, shape (a, ticks, 2)."""
        dt, position, top = float(seen["dt"]), seen["position"][place], float(seen["speed"][place])
        ticks = max(1, round(self.horizon / dt))
        pace = np.array([(math.exp((i + 1) / _SPEEDS) - 1.0) / (math.e - 1.0) for i in range(_SPEEDS)]) * top
        if "velocity" in fields:
            angles = 2.0 * np.pi * np.arange(_HEADINGS) / _HEADINGS
            # CrowdNav's directions, and the one to the goal: without it the last metre takes long.
            way = seen["aim"][place] - position
            angles = np.append(angles, np.arctan2(way[1], way[0]))
            pace = np.append(pace, min(top, float(length(way)) / dt))
            fan = np.stack([np.cos(angles), np.sin(angles)], axis=1)
            velocity = np.concatenate([np.zeros((1, 2)), (pace[:, None, None] * fan).reshape(-1, 2)])
            velocity = np.clip(velocity, fields["velocity"].low, fields["velocity"].high)
            plans = position + velocity[:, None] * (dt * np.arange(1, ticks + 1))[:, None]
            return {"velocity": velocity}, plans
        most = float(fields["turn"].high or 0.0)
        forward, turn = (g.ravel() for g in np.meshgrid(np.append(0.0, pace), np.linspace(-most, most, _ARCS)))
        plans = np.empty((len(forward), ticks, 2))
        at, heading = np.broadcast_to(position, (len(forward), 2)), np.full(len(forward), seen["heading"][place])
        for tick in range(ticks):
            step, heading = driven(heading, forward, turn, dt)
            at = at + step
            plans[:, tick] = at
        return {"forward": forward, "turn": turn}, plans

    def _best(
        self, seen: Mapping[str, Array], place: int, plans: FloatArray, members: Members
    ) -> tuple[int, dict[str, float]]:
        """The plan that costs least, and what is expected of it."""
        scenery = self._scenery(seen, place, int(members[place]))
        ticks, radius = plans.shape[1], float(seen["radius"][place])
        goal = seen["aim"][place]
        # A plan that passes the goal has arrived there.
        total = length(plans - goal).min(axis=1)
        people = seen["people"][~np.isnan(seen["people"][:, 0])]
        reach = radius + people[:, 4]
        straight = ConstantVelocity().paths(scenery, None, ticks)
        total = total + _COLLISION * self._too_near(plans, straight, reach, seen, radius)
        expected = dict.fromkeys((f.name for f in Planner.mind), 0.0)
        if not len(people):
            return int(np.argmin(total)), expected
        weights = {"personal_space": self.costs.personal_space, "perturbation": self.costs.perturbation}
        if any(weights.values()):
            found = self._for_people(scenery, plans, reach)
            for name, weight in weights.items():
                total = total + weight * found[name]
            best = int(np.argmin(total))
            return best, {name: float(found[name][best]) for name in expected}
        return int(np.argmin(total)), expected

    def _too_near(
        self, plans: FloatArray, paths: FloatArray, reach: FloatArray, seen: Mapping[str, Array], radius: float
    ) -> FloatArray:
        """By how much each plan comes nearer to somebody or something than it should; 1 and more if it does."""
        short = np.zeros(len(plans))
        if paths.shape[2]:
            gap = (length(plans[:, :, None] - paths) - reach).min(axis=(1, 2))
            short = np.where(gap < self.clearance, 1.0 + self.clearance - gap, 0.0)
        if len(seen["walls"]):
            flat = plans.reshape(-1, 2)
            ends, _ = from_walls(flat, seen["walls"])
            gap = length(ends).min(axis=1).reshape(plans.shape[:2]).min(axis=1) - radius
            short = np.maximum(short, np.where(gap < 0.0, 1.0 - gap, 0.0))
        return short

    def _for_people(self, scenery: Scenery, plans: FloatArray, reach: FloatArray) -> dict[str, FloatArray]:
        """J_ps and J_cp of each plan, in m2, shape (a,)."""
        ticks, costs = plans.shape[1], self.costs
        would = self._predictor.paths(scenery, plans, ticks)
        gap = length(plans[:, :, None] - would) - reach
        personal = (np.maximum(costs.kept - gap, 0.0) ** 2).mean(axis=(1, 2))
        stays = np.broadcast_to(scenery.robot, (1, ticks, 2)) if costs.reference == "stopped" else None
        otherwise = self._predictor.paths(scenery, stays, ticks)
        apart = ((would - otherwise) ** 2).sum(axis=3)
        if costs.courteous:
            # Who gets on as far as otherwise, along the own way, is not held up.
            pace = length(scenery.velocity)
            ahead = scenery.velocity / np.maximum(pace, 1e-9)[:, None]
            behind = ((otherwise - would) * ahead).sum(axis=3)
            apart = np.where(behind > 0.0, apart, 0.0)
        disturbed = np.broadcast_to(apart.mean(axis=(1, 2)), (len(plans),))
        return {"personal_space": personal, "perturbation": disturbed}

    def _scenery(self, seen: Mapping[str, Array], place: int, member: int) -> Scenery:
        people = seen["people"]
        there = ~np.isnan(people[:, 0])
        past = np.stack([step[there] for step in self._people], axis=1)
        own = np.stack([step[member] for step in self._robots])
        return Scenery(people[there, :2], people[there, 2:4], past, seen["position"][place], own, float(seen["dt"]))
