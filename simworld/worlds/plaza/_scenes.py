"""Scenes: walls, and where people and robots start from and go to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
"""An array of float64."""
IntArray: TypeAlias = npt.NDArray[np.int64]
"""An array of int64."""
BoolArray: TypeAlias = npt.NDArray[np.bool_]
"""An array of truth values."""
SceneName: TypeAlias = Literal["circle", "square", "corridor", "doorway", "intersection", "perpendicular", "open"]
"""What a scene is called."""

TRIES = 64
"""So many places are drawn for everybody; the first that is free is taken."""
_PATIENCE = 10_000
"""So many places are drawn for somebody in CrowdNav's test cases before the circle is taken to be full."""
_FREEDOM = 0.5
"""Half the side of the square, in metres at 1 m/s, in which a start on the circle is displaced (CrowdNav)."""
_LANED: tuple[SceneName, ...] = ("corridor", "doorway", "intersection")
"""Scenes in which robots start at two ends, side by side."""
_LANE = 0.8
"""From one of them to the next, in metres."""


@dataclass(frozen=True, slots=True)
class Ways:
    """Starts and goals, shape (n, 2) each, in metres."""

    start: FloatArray
    goal: FloatArray


@dataclass(frozen=True, slots=True)
class Scene:
    """A place with walls. Its middle is (0, 0)."""

    kind: SceneName
    size: float
    """Radius of the circle, or half the side of the square or the length of the corridor, in metres."""
    width: float
    """Width of a corridor, a door or an arm of a crossing, in metres."""

    @property
    def walls(self) -> FloatArray:
        """Segments, shape (w, 4): x and y of one end, x and y of the other."""
        s, h = self.size, self.width / 2.0
        lines: list[tuple[float, float, float, float]] = []
        if self.kind == "corridor":
            lines = [(-s, -h, s, -h), (-s, h, s, h)]
        elif self.kind == "doorway":
            lines = [(0.0, -s, 0.0, -h), (0.0, h, 0.0, s)]
        elif self.kind == "intersection":
            for x, y in ((-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)):
                lines += [(x * h, y * h, x * s, y * h), (x * h, y * h, x * h, y * s)]
        return np.array(lines, dtype=np.float64).reshape(-1, 4)

    def aims(self, position: FloatArray, goal: FloatArray, radius: float) -> FloatArray:
        """Where to head for from each position, shape (n, 2): the goal, or the door on the way to it.

        Nobody finds a way round walls by looking at the next steps alone; whose straight way leads through the wall
        heads for the nearest place of the door that is wide enough.
        """
        if self.kind != "doorway" or not len(position):
            return goal.copy()
        way = goal - position
        through = position[:, 0] * goal[:, 0] < 0.0
        share = np.where(through, -position[:, 0] / np.where(through, way[:, 0], 1.0), 0.0)
        at = position[:, 1] + share * way[:, 1]
        room = max(self.width / 2.0 - 1.2 * radius, 0.0)
        aside = through & (np.abs(at) > room)
        door = np.stack([np.zeros(len(at)), np.clip(at, -room, room)], axis=1)
        return np.where(aside[:, None], door, goal)

    def people(self, drawn: FloatArray, speed: FloatArray) -> Ways:
        """Where people might start and go.

        Args:
            drawn: Uniform numbers, shape (..., 4).
            speed: Desired speeds in m/s, of the same leading shape: the displacement on the circle is in proportion.

        Returns:
            Starts and goals, shape (..., 2).
        """
        return _PEOPLE[self.kind](self, drawn, speed)

    def most_robots(self, radius: float) -> int:
        """How many robots of this radius, in m, have room side by side where they start."""
        if self.kind not in _LANED:
            return max(1, math.floor(math.pi / math.asin(radius / self.size) + 1e-9)) if radius < self.size else 1
        room = (self.size if self.kind == "doorway" else self.width / 2.0) - radius
        if room < 0.0:
            return 0
        aside = math.floor(room / _LANE + 1e-9) if 2.0 * radius <= _LANE else 0
        return 2 * (1 + 2 * aside)

    def robots(self, count: int) -> Ways:
        """Where so many robots start and go: the first from (0, -size) to (0, size), or along the corridor."""
        place = np.arange(count)
        if self.kind in _LANED:
            side, pair = np.where(place % 2 == 0, 1.0, -1.0), place // 2
            lane = (pair + 1) // 2 * np.where(pair % 2 == 0, -1.0, 1.0)
            start = np.stack([-side * self.size, lane * _LANE], axis=1)
            return Ways(start, start * np.array([-1.0, 1.0]))
        angle = -math.pi / 2.0 + 2.0 * math.pi * place / max(1, count)
        if count == 1:  # exactly below the middle: no cosine that is nearly nought
            start = np.array([[0.0, -self.size]])
        else:
            start = self.size * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return Ways(start, -start)


def _circle(scene: Scene, drawn: FloatArray, speed: FloatArray) -> Ways:
    """From somewhere on the circle to the other side (CrowdNav's circle crossing)."""
    angle = drawn[..., 0] * 2.0 * math.pi
    noise = (drawn[..., 1:3] - 0.5) * (2.0 * _FREEDOM) * speed[..., None]
    start = scene.size * np.stack([np.cos(angle), np.sin(angle)], axis=-1) + noise
    return Ways(start, -start)


def _square(scene: Scene, drawn: FloatArray, speed: FloatArray) -> Ways:  # noqa: ARG001
    """From one half of a square to the other (CrowdNav's square crossing)."""
    side = np.where(drawn[..., 0] < 0.5, -1.0, 1.0)
    # What is left of the draw when its side is taken away is uniform again.
    far = (drawn[..., 0] * 2.0) % 1.0
    y = (drawn[..., 1:3] - 0.5) * 2.0 * scene.size
    start = np.stack([far * scene.size * -side, y[..., 0]], axis=-1)
    goal = np.stack([drawn[..., 3] * scene.size * side, y[..., 1]], axis=-1)
    return Ways(start, goal)


def _across(scene: Scene, drawn: FloatArray, speed: FloatArray) -> Ways:  # noqa: ARG001
    """From one end of a corridor to the other, in its width."""
    side = np.where(drawn[..., 0] < 0.5, -1.0, 1.0)
    room = max(scene.width - 1.0, 0.0)
    x = scene.size * (0.5 + 0.5 * drawn[..., 1])
    y = (drawn[..., 2:4] - 0.5) * room
    start = np.stack([-side * x, y[..., 0]], axis=-1)
    goal = np.stack([side * x, y[..., 1]], axis=-1)
    return Ways(start, goal)


def _through(scene: Scene, drawn: FloatArray, speed: FloatArray) -> Ways:  # noqa: ARG001
    """From one room through the door into the other."""
    side = np.where(drawn[..., 0] < 0.5, -1.0, 1.0)
    x = scene.size * (0.3 + 0.7 * drawn[..., 1])
    y = (drawn[..., 2:4] - 0.5) * 1.6 * scene.size
    return Ways(np.stack([-side * x, y[..., 0]], axis=-1), np.stack([side * x, y[..., 1]], axis=-1))


def _arms(scene: Scene, drawn: FloatArray, speed: FloatArray) -> Ways:
    """Along one of two corridors that cross."""
    along = _across(scene, np.concatenate([(drawn[..., :1] * 2.0) % 1.0, drawn[..., 1:]], axis=-1), speed)
    turned = (drawn[..., 0] < 0.5)[..., None]
    return Ways(
        np.where(turned, along.start[..., ::-1], along.start), np.where(turned, along.goal[..., ::-1], along.goal)
    )


def _stream(scene: Scene, drawn: FloatArray, speed: FloatArray) -> Ways:  # noqa: ARG001
    """A stream from the left to the right, which the robot crosses at a right angle."""
    x = -scene.size * (0.25 + 1.75 * drawn[..., 0])
    y = (drawn[..., 1:3] - 0.5) * scene.width
    far = x + 2.0 * scene.size + 0.5 * scene.size * drawn[..., 3]
    return Ways(np.stack([x, y[..., 0]], axis=-1), np.stack([far, y[..., 1]], axis=-1))


def _open(scene: Scene, drawn: FloatArray, speed: FloatArray) -> Ways:  # noqa: ARG001
    """From anywhere on the edge of a square to anywhere on another side."""
    sides = np.floor(drawn[..., 0] * 4.0).astype(np.int64)
    others = (sides + 1 + np.floor((drawn[..., 0] * 4.0) % 1.0 * 3.0).astype(np.int64)) % 4
    return Ways(_edge(scene, sides, drawn[..., 1]), _edge(scene, others, drawn[..., 2]))


def _edge(scene: Scene, side: npt.NDArray[np.int64], along: FloatArray) -> FloatArray:
    """A place on a side of the square: 0 left, 1 below, 2 right, 3 above."""
    at = (along - 0.5) * 2.0 * scene.size
    fixed = np.where(side < 2, -scene.size, scene.size)
    upright = side % 2 == 0
    return np.stack([np.where(upright, fixed, at), np.where(upright, at, fixed)], axis=-1)


_PEOPLE: dict[str, Callable[[Scene, FloatArray, FloatArray], Ways]] = {
    "circle": _circle,
    "square": _square,
    "corridor": _across,
    "doorway": _through,
    "intersection": _arms,
    "perpendicular": _stream,
    "open": _open,
}


class _Taken:
    """Places that are taken, by cells of a grid as wide as the least distance."""

    def __init__(self, gap: float) -> None:
        self._gap, self._cell = gap, max(gap, 1e-9)
        self._cells: dict[tuple[int, int], list[tuple[float, float]]] = {}

    def add(self, x: float, y: float) -> None:
        """Take a place."""
        self._cells.setdefault((math.floor(x / self._cell), math.floor(y / self._cell)), []).append((x, y))

    def free(self, x: float, y: float) -> bool:
        """Whether nobody is nearer than the least distance."""
        i, j = math.floor(x / self._cell), math.floor(y / self._cell)
        return all(
            math.hypot(x - u, y - v) >= self._gap
            for a in (i - 1, i, i + 1)
            for b in (j - 1, j, j + 1)
            for u, v in self._cells.get((a, b), ())
        )


def settled(tries: Ways, before: Ways, gap: float) -> Ways:
    """The first try of each that keeps its distance from all before it, start from start and goal from goal.

    Args:
        tries: Shape (n, tries, 2).
        before: Starts and goals that are taken already.
        gap: Least distance between two starts, or two goals, in metres.

    Returns:
        Shape (n, 2). Where no try is free, the last one is taken: the place is full.
    """
    starts, goals = _Taken(gap), _Taken(gap)
    for start, goal in zip(before.start.tolist(), before.goal.tolist(), strict=True):
        starts.add(*start)
        goals.add(*goal)
    chosen = np.full(len(tries.start), tries.start.shape[1] - 1)
    for i, (mine, theirs) in enumerate(zip(tries.start.tolist(), tries.goal.tolist(), strict=True)):
        for k, (start, goal) in enumerate(zip(mine, theirs, strict=True)):
            if starts.free(*start) and goals.free(*goal):
                chosen[i] = k
                break
        starts.add(*mine[chosen[i]])
        goals.add(*theirs[chosen[i]])
    rows = np.arange(len(chosen))
    return Ways(tries.start[rows, chosen], tries.goal[rows, chosen])


def crowdnav(seed: int, people: int, size: float, before: Ways, gap: float) -> Ways:
    """The circle crossing of CrowdNav's test cases, number for number: case i is seed 1000 + i.

    Its generator of random numbers is numpy's of old, its draws are an angle and a displacement in x and y, again and
    again until the place is free of starts and of goals (Chen et al. 2019, ``generate_circle_crossing_human``).

    Raises:
        ValueError: The circle is full; CrowdNav would draw for ever.
    """
    chance = np.random.RandomState(seed % 2**32)
    starts, goals = [*before.start], [*before.goal]
    for _ in range(people):
        for _ in range(_PATIENCE):
            angle = chance.random_sample() * math.pi * 2.0
            noise = [(chance.random_sample() - 0.5) * 2.0 * _FREEDOM for _ in range(2)]
            start = np.array([size * math.cos(angle) + noise[0], size * math.sin(angle) + noise[1]])
            if all(math.hypot(*(start - other)) >= gap for other in (*starts, *goals)):
                break
        else:
            raise ValueError(
                f"places: crowdnav: the circle is full; accepted: fewer people than {people}, or more size"
            )
        starts.append(start)
        goals.append(-start)
    known = len(before.start)
    return Ways(np.array(starts[known:]).reshape(-1, 2), np.array(goals[known:]).reshape(-1, 2))
