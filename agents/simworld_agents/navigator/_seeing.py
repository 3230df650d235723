"""What somebody who walks or drives sees: the own body, and those around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from simworld.kernel import Array, Role, Seats
from simworld.worlds.plaza import MANNERS, BoolArray, FloatArray, IntArray, length, wrapped

_CROWD = 64
"""Among so many people a tree finds neighbours sooner than a table of all distances."""
_TIED = 3
"""So many more candidates than are wanted: of those that are equally far, the same are left out in table and tree."""
_IMPASSIVE = MANNERS.index("impassive")


@dataclass(frozen=True, slots=True)
class View:
    """Where n members of a role are, and who else is there: people first, then robots."""

    position: FloatArray
    """Their own, m, shape (n, 2)."""
    velocity: FloatArray
    """m/s, shape (n, 2)."""
    offset: FloatArray
    """From where they are to where they head for, m, shape (n, 2)."""
    last: BoolArray
    """Whether that is the goal itself, shape (n,)."""
    speed: FloatArray
    """How fast they like to go, or can at most, m/s, shape (n,)."""
    radius: FloatArray
    """m, shape (n,)."""
    own: IntArray
    """Their own row among all bodies, shape (n,)."""
    bodies: FloatArray
    """x, y, vx, vy, radius of all, nan for those who are not there, shape (N, 5)."""
    people: int
    """So many of them, the first, are people."""
    sees: BoolArray
    """Who of the n sees robots, shape (n,)."""
    manner: IntArray
    """How they take robots: places in ``MANNERS``; robots themselves are regular."""
    walls: FloatArray
    """x, y of one end and the other, m, shape (w, 4)."""
    dt: float
    """Length of a tick, s."""

    @staticmethod
    def of(seen: Mapping[str, Array], seats: Seats) -> View:
        """From an observation of a pedestrian, of a robot, or of an operator, who is where its robot is."""
        people, robots = seen["people"], seen["robots"]
        on_foot = seats.role.name == "pedestrian"
        n = len(seats.members)
        return View(
            seen["position"],
            seen["velocity"],
            seen["aim"] - seen["position"],
            (seen["aim"] == seen["goal"]).all(axis=1),
            seen["speed"],
            seen["radius"],
            seats.members if on_foot else seen.get("robot", seats.members) + len(people),
            np.concatenate([people, robots]),
            len(people),
            seen["reacts"] if on_foot else np.ones(n, dtype=np.bool_),
            seen["manner"] if on_foot else np.zeros(n, dtype=np.int64),
            seen["walls"],
            float(seen["dt"]),
        )

    def towards(self) -> FloatArray:
        """The velocities that lead straight on: at full speed, and slower within a second of the goal."""
        far = length(self.offset)
        slow = (far < self.speed) & self.last
        return np.where(slow, 1.0, self.speed / np.where(slow, 1.0, np.maximum(far, 1e-9)))[:, None] * self.offset

    def nearest(self, within: float, most: int) -> tuple[IntArray, BoolArray]:
        """The nearest others of each, the nearest first: their rows and whether there is one, shape (n, k)."""
        near = self._candidates(within, most)
        way = self.bodies[near, :2] - self.position[:, None]
        away = way[..., 0] * way[..., 0] + way[..., 1] * way[..., 1]
        unseen = (near >= self.people) & ~self.sees[:, None]
        away[unseen | (near == self.own[:, None]) | np.isnan(away)] = np.inf
        order = np.argsort(away, axis=1, kind="stable")[:, :most]
        rows = np.arange(len(near))[:, None]
        return near[rows, order], away[rows, order] < within * within

    @property
    def impassive(self) -> bool:
        """Whether anybody takes robots for things that stand."""
        return self.people < len(self.bodies) and bool((self.manner == _IMPASSIVE).any())

    def stands_still(self, others: IntArray, who: IntArray) -> BoolArray:
        """Whether each of these others is taken for a thing that stands by the one at that place: robots, by some."""
        still: BoolArray = (others >= self.people) & (self.manner[who] == _IMPASSIVE)
        return still

    def pairs(self, within: float) -> tuple[IntArray, IntArray]:
        """Who sees whom within so many metres: places of the one among the n and rows of the other, sorted."""
        place = np.full(len(self.bodies), -1)
        place[self.own] = np.arange(len(self.own))
        if len(self.bodies) <= _CROWD:
            way = self.bodies[:, :2] - self.position[:, None]
            near = way[..., 0] ** 2 + way[..., 1] ** 2 < within * within
            near[np.arange(len(self.own)), self.own] = False
            near[:, self.people :] &= self.sees[:, None]
            of, by = near.nonzero()
            return of.astype(np.int64), by.astype(np.int64)
        from scipy.spatial import cKDTree  # noqa: PLC0415  only for crowds

        there = np.flatnonzero(~np.isnan(self.bodies[:, 0]))
        found = there[cKDTree(self.bodies[there, :2]).query_pairs(within, output_type="ndarray")]
        apart = self.bodies[found[:, 0], :2] - self.bodies[found[:, 1], :2]
        # The tree counts in those at that very distance, the table does not.
        close = found[apart[:, 0] ** 2 + apart[:, 1] ** 2 < within * within]
        n = len(self.bodies)
        keys = np.concatenate([place[close[:, 0]] * n + close[:, 1], place[close[:, 1]] * n + close[:, 0]])
        keys.sort()
        of = keys // n
        by = keys - of * n
        mine = of >= 0
        if self.people < n:
            mine &= (by < self.people) | self.sees[of]
        return (of, by) if mine.all() else (of[mine], by[mine])

    def _candidates(self, within: float, most: int) -> IntArray:
        """Rows of people who may be near, and of all robots, shape (n, k); who is not there may be among them."""
        crowd = None if self.people <= _CROWD else self._near_people(within, most)
        near = self.people if crowd is None else crowd.shape[1]
        found = np.empty((len(self.position), near + len(self.bodies) - self.people), dtype=np.int64)
        found[:, :near] = np.arange(self.people) if crowd is None else crowd
        found[:, near:] = np.arange(self.people, len(self.bodies))
        return found

    def _near_people(self, within: float, most: int) -> IntArray:
        """Candidates among the people of a crowd, shape (n, k); who is not there may be among them."""
        from scipy.spatial import cKDTree  # noqa: PLC0415  only for crowds

        there = np.flatnonzero(~np.isnan(self.bodies[: self.people, 0]))
        if not len(there):
            return np.zeros((len(self.position), 0), dtype=np.int64)
        count = min(most + 1 + _TIED, len(there))
        _, places = cKDTree(self.bodies[there, :2]).query(self.position, k=count, distance_upper_bound=within)
        places = np.asarray(places).reshape(len(self.position), count)
        # Where there are fewer, the tree gives a place beyond the last: the own row stands in, which is nobody.
        beyond = places == len(there)
        found = there[np.where(beyond, 0, places)]
        # In the order of their rows: of two that are equally far the same one comes first, as in the table.
        return np.sort(np.where(beyond, self.own[:, None], found), axis=1)


def check_moves(role: Role) -> None:
    """Raise ValueError unless the role moves by velocity, or as a unicycle."""
    does = {f.name for f in role.act if f.default is None}
    if does not in ({"velocity"}, {"forward", "turn"}):
        raise ValueError(f"the role {role.name!r} does {sorted(does)}; accepted: velocity, or forward and turn")


def moved(velocity: FloatArray, heading: FloatArray, dt: float, role: Role) -> dict[str, Array]:
    """The action that brings about velocities of shape (n, 2), as far as the bodies of a role can.

    A unicycle turns towards it as fast as it can, and drives by as much as it faces there.
    """
    fields = {f.name: f for f in role.act}
    if "velocity" in fields:
        field = fields["velocity"]
        return {"velocity": np.clip(velocity, field.low, field.high)}
    error = wrapped(np.arctan2(velocity[:, 1], velocity[:, 0]) - heading)
    speed = length(velocity)
    most = float(fields["turn"].high or 0.0)
    forward = np.clip(speed * np.cos(error), 0.0, fields["forward"].high)
    return {"forward": forward, "turn": np.where(speed > 0.0, np.clip(error / dt, -most, most), 0.0)}
