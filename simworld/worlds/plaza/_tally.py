"""What is counted of robots: the measures of the field, under their usual names."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from simworld.kernel import Field, Members
from simworld.worlds.plaza._bodies import length
from simworld.worlds.plaza._scenes import BoolArray, FloatArray, IntArray

UNDER_WAY, ARRIVED, COLLIDED, TIMED_OUT = range(4)
"""How things stand with a robot, or how they ended."""
INTIMATE, PERSONAL = 0.45, 1.2
"""Hall's distances, in metres between surfaces."""
_STALLED = 0.05
"""Slower than this, in m/s, a robot stands."""

_MEAN = "mean over robots"
MEASURES = (
    Field("success", meaning="share of robots that have arrived"),
    Field("collision", meaning="share of robots that touched a person, a wall or another robot"),
    Field("collision_person", meaning="share of robots that touched a person"),
    Field("collision_wall", meaning="share of robots that touched a wall"),
    Field("collision_robot", meaning="share of robots that touched another robot"),
    Field("timeout", meaning="share of robots whose time was up"),
    Field("time_to_goal", unit="s", meaning="time to the goal, mean over robots that have arrived; nan if none has"),
    Field("path_length", unit="m", meaning=f"way that was gone, {_MEAN}"),
    Field("spl", meaning="success weighted by path length: mean of S L / max(P, L) (Anderson et al. 2018)"),
    Field("minimum_distance", unit="m", meaning="least distance to a person's surface so far, of all robots"),
    Field("personal_space", meaning="share of time with a person's surface within 0.45 m"),
    Field("personal_space_wide", meaning="share of time with a person's surface within 1.2 m"),
    Field("personal_space_time", unit="s", meaning=f"time with a person's surface within 0.45 m, {_MEAN}"),
    Field("stalled_time", unit="s", meaning=f"time at less than 0.05 m/s, {_MEAN}"),
    Field("jerk", unit="m/s3", meaning="mean size of the change of acceleration"),
    Field("time_to_collision", unit="s", meaning="least time to contact with a person if both went on, so far"),
    Field("value", meaning=f"rewards discounted by seconds times greatest speed, {_MEAN}"),
)
"""Each is as it stands now: the last sample is the episode's number."""


@dataclass
class Tally:
    """Of all robots of an episode, by number: arrays of shape (r,)."""

    start: FloatArray
    goal: FloatArray
    speed: FloatArray
    """Greatest speeds, in m/s."""
    dt: float
    state: IntArray = field(init=False)
    seated: BoolArray = field(init=False)
    """Who was ever there."""
    touched: BoolArray = field(init=False)
    """Whether it ever touched a person, a wall, a robot, shape (r, 3)."""
    elapsed: FloatArray = field(init=False)
    path: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        """Nothing has happened yet."""
        count = len(self.start)
        self.state = np.full(count, UNDER_WAY)
        self.seated = np.zeros(count, dtype=np.bool_)
        self.touched = np.zeros((count, 3), dtype=np.bool_)
        self.elapsed, self.path, self.value = (np.zeros(count) for _ in range(3))
        self.least, self.soonest = (np.full(count, np.inf) for _ in range(2))
        self._within, self._wide, self._stalled, self._jerk = (np.zeros(count) for _ in range(4))
        self._jerks = np.zeros(count, dtype=np.int64)
        self._velocity, self._acceleration = (np.zeros((count, 2)) for _ in range(2))

    def judged(self, who: Members, touched: BoolArray, arrived: BoolArray, late: bool, final: bool) -> None:
        """What became of these robots in this tick.

        Args:
            who: Their numbers.
            touched: Whether they touched a person, a wall, a robot, shape (n, 3).
            arrived: Who has arrived, shape (n,).
            late: Time is up.
            final: A contact takes a robot out.
        """
        self.touched[who] |= touched
        ended = np.where(arrived, ARRIVED, UNDER_WAY)
        ended = np.where(touched.any(axis=1) & final, COLLIDED, ended)
        self.state[who] = TIMED_OUT if late else ended

    def moved(self, who: Members, velocity: FloatArray, gap: FloatArray, soonest: FloatArray) -> None:
        """A tick is over: how these robots moved, how near a person is now, and how soon they would touch."""
        dt = self.dt
        # That a robot sets out from rest is no jerk of its own making.
        acceleration = (velocity - self._velocity[who]) / dt
        known = self.elapsed[who] > 1.5 * dt
        self._jerk[who] += np.where(known, length(acceleration - self._acceleration[who]) / dt, 0.0)
        self._jerks[who] += known
        self._velocity[who], self._acceleration[who] = velocity, acceleration
        speed = length(velocity)
        self.elapsed[who] += dt
        self.path[who] += speed * dt
        self._stalled[who] += np.where(speed < _STALLED, dt, 0.0)
        self._within[who] += np.where(gap < INTIMATE, dt, 0.0)
        self._wide[who] += np.where(gap < PERSONAL, dt, 0.0)
        self.soonest[who] = np.minimum(self.soonest[who], soonest)

    def rewarded(self, who: Members, amounts: FloatArray, discount: float) -> None:
        """What these robots earn in the tick that begins now."""
        self.value[who] += discount ** (self.elapsed[who] * self.speed[who]) * amounts

    def numbers(self) -> dict[str, float]:
        """All measures, as they stand."""
        own = self.seated
        state, elapsed, touched = self.state[own], self.elapsed[own], self.touched[own]
        arrived = state == ARRIVED
        shortest = length(self.goal - self.start)[own]
        spl = np.where(arrived, shortest / np.maximum(np.maximum(self.path[own], shortest), 1e-12), 0.0)
        total = max(float(elapsed.sum()), 1e-12)
        count, home = len(state), int(np.count_nonzero(arrived))
        # Plain sums and counts: for a few robots, each call of numpy's ``mean`` takes longer than all the rest.
        person, wall, robot = (int(np.count_nonzero(touched[:, kind])) / count for kind in range(3))
        return {
            "success": home / count,
            "collision": int(np.count_nonzero(touched.any(axis=1))) / count,
            "collision_person": person,
            "collision_wall": wall,
            "collision_robot": robot,
            "timeout": int(np.count_nonzero(state == TIMED_OUT)) / count,
            "time_to_goal": float(elapsed[arrived].sum()) / home if home else float("nan"),
            "path_length": float(self.path[own].sum()) / count,
            "spl": float(spl.sum()) / count,
            "minimum_distance": _finite(self.least[own]),
            "personal_space": float(self._within[own].sum()) / total,
            "personal_space_wide": float(self._wide[own].sum()) / total,
            "personal_space_time": float(self._within[own].sum()) / count,
            "stalled_time": float(self._stalled[own].sum()) / count,
            "jerk": float(self._jerk[own].sum()) / max(int(self._jerks[own].sum()), 1),
            "time_to_collision": _finite(self.soonest[own]),
            "value": float(self.value[own].sum()) / count,
        }


def _finite(values: FloatArray) -> float:
    """The least of them; nan if nobody ever came."""
    least = float(values.min(initial=np.inf))
    return least if np.isfinite(least) else float("nan")
