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
_SUMS = 5
"""Columns of the table of sums: time, path, time in personal space, in the wide one, time at rest; then motion."""
_SLOWING = 1.0
"""So many seconds before their goals people slow down by themselves."""

_MEAN = "mean over robots"
_MOTION = {
    "speed": ("m/s", "speed"),
    "acceleration": ("m/s2", "size of the change of velocity"),
    "jerk": ("m/s3", "size of the change of acceleration"),
}
"""What is measured of how robots move: each needs one more tick than the one before, and is nan until then."""
_MOTION_NAMES = tuple(f"{name}{end}" for end in ("", "_min", "_max") for name in _MOTION)
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
    *(Field(name, unit=unit, meaning=f"{what}, mean over ticks") for name, (unit, what) in _MOTION.items()),
    *(Field(f"{name}_min", unit=unit, meaning=f"least {what} so far") for name, (unit, what) in _MOTION.items()),
    *(Field(f"{name}_max", unit=unit, meaning=f"greatest {what} so far") for name, (unit, what) in _MOTION.items()),
    Field("time_to_collision", unit="s", meaning="least time to contact with a person if both went on, so far"),
    Field(
        "people_delay",
        unit="s",
        meaning="time lost against walking straight on as fast as they like, up to a second before their goals, mean "
        "over people; below 0 for who is pushed on",
    ),
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
    people: int = 0
    """How many people have come so far."""
    delay: float = 0.0
    """Time that they have lost, all together, in s."""

    def __post_init__(self) -> None:
        """Nothing has happened yet."""
        count = len(self.start)
        self.state = np.full(count, UNDER_WAY)
        self.seated = np.zeros(count, dtype=np.bool_)
        self.touched = np.zeros((count, 3), dtype=np.bool_)
        self._shortest = length(self.goal - self.start)
        self.value = np.zeros(count)
        self.least, self.soonest = (np.full(count, np.inf) for _ in range(2))
        # One table of all that adds up: each tick adds one row for each robot.
        self._sums = np.zeros((count, _SUMS + len(_MOTION)))
        # That a robot sets out from rest is no acceleration or jerk of its own making: before, there is no velocity.
        self._velocity, self._acceleration = (np.full((count, 2), np.nan) for _ in range(2))
        self._lows, self._highs = (np.full((count, len(_MOTION)), np.nan) for _ in range(2))

    @property
    def elapsed(self) -> FloatArray:
        """Time under way, s."""
        found: FloatArray = self._sums[:, 0]
        return found

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
        dt, motion = self.dt, np.empty((len(velocity), 3, 2))
        motion[:, 0] = velocity
        motion[:, 1] = (velocity - self._velocity[who]) / dt
        motion[:, 2] = (motion[:, 1] - self._acceleration[who]) / dt
        sizes = length(motion)
        speed, added = sizes[:, 0], np.empty((len(velocity), self._sums.shape[1]))
        added[:, 0], added[:, 1] = dt, speed * dt
        added[:, 2], added[:, 3], added[:, 4] = dt * (gap < INTIMATE), dt * (gap < PERSONAL), dt * (speed < _STALLED)
        added[:, _SUMS:] = np.where(np.isnan(sizes), 0.0, sizes)
        self._sums[who] += added
        self._lows[who], self._highs[who] = np.fmin(self._lows[who], sizes), np.fmax(self._highs[who], sizes)
        self._velocity[who], self._acceleration[who] = velocity, motion[:, 1]
        self.soonest[who] = np.minimum(self.soonest[who], soonest)

    def walked(self, velocity: FloatArray, way: FloatArray, to_go: FloatArray, speed: FloatArray, come: int) -> None:
        """A tick is over: how people on foot got on.

        Near their goals, where they slow down by themselves, it tells nothing: in an episode that lasts longer more of
        them come there.

        Args:
            velocity: Of each, in m/s, shape (n, 2).
            way: From where it was to where it heads, in m, shape (n, 2).
            to_go: How far it was from its goal, in m, shape (n,).
            speed: How fast it likes to walk, in m/s, shape (n,).
            come: How many have come so far.
        """
        self.people = come
        pace = (velocity[:, 0] * way[:, 0] + velocity[:, 1] * way[:, 1]) / (np.maximum(length(way), 1e-9) * speed)
        self.delay += float((1.0 - pace)[to_go >= _SLOWING * speed].sum()) * self.dt

    def rewarded(self, who: Members, amounts: FloatArray, discount: float) -> None:
        """What these robots earn in the tick that begins now."""
        self.value[who] += discount ** (self.elapsed[who] * self.speed[who]) * amounts

    def numbers(self) -> dict[str, float]:
        """All measures, as they stand."""
        own = self.seated
        state, touched = self.state[own], self.touched[own]
        arrived = state == ARRIVED
        # Plain sums and counts: for a few robots, each call of numpy's ``mean`` takes longer than all the rest.
        count, home = len(state), int(np.count_nonzero(arrived))
        person, wall, robot = (n / count for n in touched.sum(axis=0).tolist())
        elapsed, path, within, wide, stalled, *motion = self._sums[own].sum(axis=0).tolist()
        total = max(elapsed, 1e-12)
        return {
            "success": home / count,
            "collision": int(np.count_nonzero(touched.any(axis=1))) / count,
            "collision_person": person,
            "collision_wall": wall,
            "collision_robot": robot,
            "timeout": int(np.count_nonzero(state == TIMED_OUT)) / count,
            "time_to_goal": float(self.elapsed[own][arrived].sum()) / home if home else float("nan"),
            "path_length": path / count,
            "spl": self._spl(own)[arrived].sum().item() / count if home else 0.0,
            "minimum_distance": _finite(self.least[own]),
            "personal_space": within / total,
            "personal_space_wide": wide / total,
            "personal_space_time": within / count,
            "stalled_time": stalled / count,
            **self._motion(own, motion),
            "time_to_collision": _finite(self.soonest[own]),
            "people_delay": self.delay / self.people if self.people else float("nan"),
            "value": float(self.value[own].sum()) / count,
        }

    def _spl(self, own: BoolArray) -> FloatArray:
        """How straight these robots went, from 0 to 1."""
        shortest = self._shortest[own]
        found: FloatArray = shortest / np.maximum(np.maximum(self._sums[own, 1], shortest), 1e-12)
        return found

    def _motion(self, own: BoolArray, sums: list[float]) -> dict[str, float]:
        """Mean, least and greatest speed, acceleration and jerk."""
        ticks = np.rint(self.elapsed[own] / self.dt).tolist()
        # Of so many ticks each knows one less than the one before.
        times = [sum(max(n - fewer, 0.0) for n in ticks) for fewer in range(len(_MOTION))]
        least, most = np.fmin.reduce(self._lows[own]).tolist(), np.fmax.reduce(self._highs[own]).tolist()
        means = [total / n if n else float("nan") for total, n in zip(sums, times, strict=True)]
        return dict(zip(_MOTION_NAMES, (*means, *least, *most), strict=True))


def _finite(values: FloatArray) -> float:
    """The least of them; nan if nobody ever came."""
    least = float(values.min(initial=np.inf))
    return least if np.isfinite(least) else float("nan")
