"""Where people will be if a robot moves so or so: what a planner asks before it decides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from simworld.worlds.plaza import FloatArray, length
from simworld_agents.navigator._forces import Moussaid, capped, moussaid


@dataclass(frozen=True, slots=True)
class Scenery:
    """What a predictor knows of n people around one robot, as of now."""

    position: FloatArray
    """m, shape (n, 2)."""
    velocity: FloatArray
    """m/s, shape (n, 2)."""
    past: FloatArray
    """Where they were in the last ticks, the latest first and now included, shape (n, h, 2); nan before they came."""
    robot: FloatArray
    """Where the robot is, m, shape (2,)."""
    robot_past: FloatArray
    """Where it was, the latest first and now included, shape (h, 2)."""
    dt: float
    """Length of a tick, s."""


class Predictor(ABC):
    """Says where people will be, given where a robot will be."""

    @abstractmethod
    def paths(self, scenery: Scenery, plans: FloatArray | None, ticks: int) -> FloatArray:
        """Where people will be in the next ticks.

        Args:
            scenery: How things stand.
            plans: Where the robot will be, shape (a, ticks, 2); None: there is no robot.
            ticks: For how many.

        Returns:
            Shape (a, ticks, n, 2), or (1, ticks, n, 2) where plans make no difference.
        """


class ConstantVelocity(Predictor):
    """Everybody goes on as now, whatever the robot does: the usual forecast, and blind to the robot."""

    def paths(self, scenery: Scenery, plans: FloatArray | None, ticks: int) -> FloatArray:  # noqa: ARG002
        """Straight on."""
        times = scenery.dt * np.arange(1, ticks + 1)
        return (scenery.position + times[:, None, None] * scenery.velocity)[None]


class Reacting(Predictor):
    """People who keep their velocity are pushed off each other and off the robot by Moussaïd's social force.

    Their goals are not known: each is taken to want the velocity that it has now.
    """

    def __init__(self, gain: float = 1.0, relaxation: float = 0.5, strength: float = 5.1) -> None:
        """A model of people.

        Args:
            gain: How strongly they react to the robot, against other people.
            relaxation: Time in which the wanted velocity is taken up, in s.
            strength: Of Moussaïd's force, in m/s2.
        """
        self.gain, self.relaxation, self.form = gain, relaxation, Moussaid(strength=strength)

    def paths(self, scenery: Scenery, plans: FloatArray | None, ticks: int) -> FloatArray:
        """Step by step, for all plans at once."""
        count, n = (1 if plans is None else len(plans)), len(scenery.position)
        position = np.broadcast_to(scenery.position, (count, n, 2)).copy()
        velocity = np.broadcast_to(scenery.velocity, (count, n, 2)).copy()
        pace = length(scenery.velocity)
        paths = np.empty((count, ticks, n, 2))
        robot = np.broadcast_to(scenery.robot, (count, 2))
        for tick in range(ticks):
            force = self._among(position, velocity)
            if plans is not None:
                moved = (plans[:, tick] - robot) / scenery.dt
                force += self.gain * self._off(position, velocity, robot, moved)
                robot = plans[:, tick]
            pull = (scenery.velocity - velocity) / self.relaxation
            most = np.broadcast_to(1.3 * np.maximum(pace, 0.5), (count, n)).ravel()
            flat = (velocity + (pull + force) * scenery.dt).reshape(-1, 2)
            velocity = capped(flat, most).reshape(count, n, 2)
            position = position + velocity * scenery.dt
            paths[:, tick] = position
        return paths

    def _among(self, position: FloatArray, velocity: FloatArray) -> FloatArray:
        """What people do to each other, shape (a, n, 2)."""
        count, n = position.shape[:2]
        if n < 2:
            return np.zeros((count, n, 2))
        of, by = np.nonzero(~np.eye(n, dtype=np.bool_))
        way = (position[:, by] - position[:, of]).reshape(-1, 2)
        force = moussaid(way, velocity[:, of].reshape(-1, 2), velocity[:, by].reshape(-1, 2), self.form)
        found: FloatArray = force.reshape(count, n, n - 1, 2).sum(axis=2)
        return found

    def _off(self, position: FloatArray, velocity: FloatArray, robot: FloatArray, moved: FloatArray) -> FloatArray:
        """What the robot does to them, shape (a, n, 2)."""
        count, n = position.shape[:2]
        way = (robot[:, None] - position).reshape(-1, 2)
        by = np.broadcast_to(moved[:, None], (count, n, 2)).reshape(-1, 2)
        return moussaid(way, velocity.reshape(-1, 2), by, self.form).reshape(count, n, 2)
