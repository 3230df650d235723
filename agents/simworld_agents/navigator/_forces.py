"""Social forces: what the others, the walls and the goal add to a pedestrian's motion. Arrays over all of them at once.

Forces are accelerations, m/s^2. Everything is a function of one pair or one body alone, summed in the order of the
pairs, so that no bit of it depends on who else is in the batch. Lengths are in metres, times in seconds.

Sources: Helbing and Molnár, "Social force model for pedestrian dynamics", Phys. Rev. E 51, 4282 (1995); Moussaïd and
others, "Experimental study of the behavioural mechanisms underlying self-organization in human crowds", Proc. R. Soc. B
276, 2755 (2009); parameters from the programs PySocialForce 1.1.2, socialforce and CrowdNav++.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from simworld.worlds.plaza import FloatArray, IntArray, length

Columns: TypeAlias = tuple[FloatArray, FloatArray]
"""The two components of vectors, each of shape (m,)."""

_BLOCK = 8192
"""Pairs that are worked on at once, so that the columns in between stay in the cache: half the time for 100,000."""
_TINY = 1e-100
"""Stands in for a length of zero that something is divided by: that something is zero, too."""


# -- pairs ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pairs:
    """Who feels whom: directed pairs, sorted by the one who feels and then by the other."""

    of: IntArray
    """Place of the one who feels, among n; shape (m,)."""
    by: IntArray
    """Place of the other, among N bodies, of whom the first n need not be those who feel; shape (m,)."""

    def __len__(self) -> int:
        return len(self.of)

    @classmethod
    def everyone(cls, n: int) -> Pairs:
        """All pairs of n bodies that feel each other: n (n - 1)."""
        of, by = np.nonzero(~np.eye(n, dtype=bool))
        return cls(of, by)

    @classmethod
    def once(cls, close: IntArray, n: int) -> Pairs:
        """Each pair of n bodies once, the lower place as the one who feels: for ``summed_both``.

        Args:
            close: The two places, in any order, shape (k, 2); as from ``cKDTree.query_pairs``.
            n: How many bodies there are.
        """
        first, second = close[:, 0], close[:, 1]
        return cls._sorted(np.minimum(first, second) * n + np.maximum(first, second), n)

    @classmethod
    def directed(cls, close: IntArray, n: int) -> Pairs:
        """Each pair of n bodies in both directions; arguments as in ``once``."""
        first, second = close[:, 0], close[:, 1]
        return cls._sorted(np.concatenate([first * n + second, second * n + first]), n)

    @classmethod
    def _sorted(cls, keys: IntArray, n: int) -> Pairs:
        # Trees give pairs in an order that depends on everybody; one sort of plain numbers is faster than a lexsort.
        keys.sort()
        of = keys // max(n, 1)
        return cls(of, keys - of * n)


def gathered(rows: FloatArray, places: IntArray) -> FloatArray:
    """Rows (N, 2) at the places (m,): shape (m, 2), with each column in one piece, as the forces read it."""
    found = np.empty((2, len(places)))
    found[0] = np.ascontiguousarray(rows[:, 0])[places]
    found[1] = np.ascontiguousarray(rows[:, 1])[places]
    return found.T


def summed(pairs: Pairs, forces: FloatArray, n: int) -> FloatArray:
    """What each of n bodies feels in all, (n, 2): the forces (m, 2) of its pairs, added in the order of the pairs."""
    return _gained(pairs.of, forces, n)


def summed_both(pairs: Pairs, forces: FloatArray, n: int) -> FloatArray:
    """What each of n bodies feels, (n, 2), if each pair stands once and the other feels the opposite force.

    So it is for ``moussaid`` and ``circular`` among bodies with the same parameters: half the pairs, half the time.
    """
    return _gained(pairs.of, forces, n) - _gained(pairs.by, forces, n)


def _gained(places: IntArray, forces: FloatArray, n: int) -> FloatArray:
    found = np.empty((2, n))
    found[0] = np.bincount(places, forces[:, 0], minlength=n)
    found[1] = np.bincount(places, forces[:, 1], minlength=n)
    return found.T


def _in_blocks(force: Callable[..., Columns], *rows: FloatArray) -> FloatArray:
    """A force of pairs, (m, 2), worked out for few enough of them at once that what lies between stays in the cache."""
    found = np.empty((2, len(rows[0])))
    for start in range(0, len(rows[0]), _BLOCK):
        part = slice(start, start + _BLOCK)
        found[0, part], found[1, part] = force(*(row[part] for row in rows))
    return found.T


# -- one's own way -------------------------------------------------------------------------------------------------


def drive(
    velocity: FloatArray, goal_way: FloatArray, speed: FloatArray, relaxation: float, near: float = 0.2
) -> FloatArray:
    """The will to walk at one's own speed towards the goal: (v0 e - v) / tau, shape (n, 2).

    Args:
        velocity: v, m/s, shape (n, 2).
        goal_way: Goal minus position, shape (n, 2).
        speed: v0, m/s, shape (n,). PySocialForce takes 1.3 times the speed that one starts with, which is its cap, too.
        relaxation: tau, s; 0.5 in Helbing and Molnár.
        near: Who is so near the goal, or nearer, wants to stand: -v / tau. PySocialForce's ``goal_threshold``; its
            step, besides, stops whoever was nearer than 0.5 m before it, which is not a force. Zero for Helbing and
            Molnár, who have no such rule.

    Source: Helbing and Molnár, the acceleration towards the desired velocity.
    """
    distance = length(goal_way)
    wanted = np.where(distance > near, speed / np.maximum(distance, _TINY), 0.0)
    return (wanted[:, None] * goal_way - velocity) / relaxation


def capped(velocity: FloatArray, most: FloatArray) -> FloatArray:
    """Velocities (n, 2), shortened to the most (n,) that each can do; usually 1.3 v0 (Helbing and Molnár)."""
    return velocity * np.minimum(1.0, most / np.maximum(length(velocity), _TINY))[:, None]


# -- others --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Moussaid:
    """Parameters of Moussaïd's force; the values are PySocialForce's."""

    strength: float = 5.1
    """A, m/s^2; Moussaïd fitted 4.5, lightsfm takes 2.1."""
    importance: float = 2.0
    """lambda, s/m: how much relative velocity weighs against the direction to the other."""
    stretch: float = 0.35
    """gamma, m: the range is B = gamma |D|."""
    turning: float = 2.0
    """n, 1/(m rad): how fast turning aside fades with the angle."""
    slowing: float = 3.0
    """n', 1/(m rad): how fast slowing down fades with the angle."""
    wrapped: bool = True
    """Whether the angle from D to the other is between -pi and pi, as in the paper. PySocialForce subtracts two
    bearings and leaves the difference as it is: beyond pi, the force fades and changes sides, in some compass
    directions only. False is that."""

    def reach(self, closing: float, least: float = 1e-3) -> float:
        """The distance beyond which no pair with that relative speed, or a lower one, feels so much as the least force.

        From |f| <= sqrt(2) A exp(-d / B) and |D| <= 1 + lambda closing; far, as whoever comes straight on is felt far.
        """
        widest = self.stretch * (1.0 + self.importance * closing)
        return float(widest * np.log(np.sqrt(2.0) * self.strength / least))


def moussaid(way: FloatArray, velocity_of: FloatArray, velocity_by: FloatArray, form: Moussaid) -> FloatArray:
    """Slowing down and turning aside for each other, shape (m, 2).

    With e = way / d, D = lambda (v_of - v_by) + e, t = D / |D|, n to its left, B = gamma |D|, theta from t to e::

        f = -A [exp(-d/B - (n' B theta)^2) t + sign(theta) exp(-d/B - (n B theta)^2) n]

    The other feels the opposite, to the bit. Bodies on one spot have no e: they brake their relative velocity. Whoever
    heads straight for the other (theta = 0) does not turn.

    Args:
        way: Position of the other minus own, shape (m, 2).
        velocity_of: Own, m/s, shape (m, 2).
        velocity_by: The other's, m/s, shape (m, 2).
        form: Parameters.

    Source: Moussaïd and others, the interaction law with its fitted form. PySocialForce has the same, written with own
    minus other's differences, so that its D and e are the opposite of these.
    """
    return _in_blocks(partial(_moussaid, form=form), way, velocity_of, velocity_by)


def _moussaid(way: FloatArray, velocity_of: FloatArray, velocity_by: FloatArray, form: Moussaid) -> Columns:
    """Components of ``moussaid``."""
    way_x, way_y = way[:, 0], way[:, 1]
    distance = length(way)
    near = 1.0 / np.maximum(distance, _TINY)
    toward_x = form.importance * (velocity_of[:, 0] - velocity_by[:, 0]) + way_x * near
    toward_y = form.importance * (velocity_of[:, 1] - velocity_by[:, 1]) + way_y * near
    norm = np.sqrt(toward_x * toward_x + toward_y * toward_y)
    np.maximum(norm, _TINY, out=norm)
    if form.wrapped:
        theta = np.arctan2(toward_x * way_y - toward_y * way_x, toward_x * way_x + toward_y * way_y)
    else:
        theta = np.arctan2(-way_y, -way_x) - np.arctan2(-toward_y, -toward_x)
    reach = form.stretch * norm
    # Far apart with no D at all, the exponent is huge: its exponential is zero, and must not become 0/0 before.
    fade = distance / np.maximum(reach, 1e-30)
    bent = reach * theta
    bent *= bent
    scale = form.strength / norm
    slow = scale * np.exp(-fade - form.slowing**2 * bent)
    turn = scale * np.exp(-fade - form.turning**2 * bent)
    turn *= np.sign(theta)
    return turn * toward_y - slow * toward_x, -turn * toward_x - slow * toward_y


@dataclass(frozen=True, slots=True)
class Helbing:
    """Parameters of Helbing's and Molnár's elliptical repulsion; the values are those of the program socialforce."""

    potential: float = 2.1
    """V0, m^2/s^2. PySocialForce's ``PedRepulsiveForce`` has 1.5 times that."""
    distance: float = 0.3
    """sigma, m."""
    step: float = 0.4
    """Delta t, s: of the stride of the other that space is left for; 2 s in the paper."""
    view: float = 200.0
    """2 phi, degrees: the whole field of view."""
    outside: float = 0.5
    """c: how much what comes from outside the field of view weighs."""


def helbing(
    way: FloatArray, velocity_by: FloatArray, toward_by: FloatArray, toward_of: FloatArray, form: Helbing
) -> FloatArray:
    """Leaving space for the stride of the other: -grad V0 exp(-b / sigma), weighted by sight, shape (m, 2).

    With d = -way, y = |v_by| Delta t toward_by: b = sqrt((|d| + |d - y|)^2 - |y|^2) / 2, and
    grad b = (|d| + |d - y|) / (2 sqrt(|d| |d - y|)) times the unit vector that halves the angle of d and d - y.
    That grows without bound at both ends of the stride and jumps across it; exactly on the stride, the force is zero.

    Args:
        way: Position of the other minus own, shape (m, 2).
        velocity_by: The other's, m/s, shape (m, 2).
        toward_by: Unit vector along which the other is to step, shape (m, 2); in the paper, to its goal.
        toward_of: Unit vector along which one wants to walk oneself, and looks, shape (m, 2).
        form: Parameters.

    Source: Helbing and Molnár, the repulsive potential and w(e, -f): sight is by the direction of the force, as there.
    """
    return _in_blocks(partial(_helbing, form=form), way, velocity_by, toward_by, toward_of)


def _helbing(
    way: FloatArray, velocity_by: FloatArray, toward_by: FloatArray, toward_of: FloatArray, form: Helbing
) -> Columns:
    """Components of ``helbing``."""
    stride = form.step * length(velocity_by)
    from_x, from_y = -way[:, 0], -way[:, 1]
    end_x, end_y = from_x - stride * toward_by[:, 0], from_y - stride * toward_by[:, 1]
    start, end = length(way), np.sqrt(end_x * end_x + end_y * end_y)
    product, dot, cross = start * end, from_x * end_x + from_y * end_y, from_x * end_y - from_y * end_x
    # b^2 = (|d||c| + d.c) / 2 cancels between the ends of the stride, where (d x c)^2 / (|d||c| - d.c) does not.
    safe = np.maximum(product + np.abs(dot), _TINY)
    b = np.sqrt(0.5 * np.where(dot >= 0.0, safe, cross * cross / safe))
    start_part, end_part = 1.0 / np.maximum(start, _TINY), 1.0 / np.maximum(end, _TINY)
    out_x = from_x * start_part + end_x * end_part
    out_y = from_y * start_part + end_y * end_part
    norm = np.sqrt(out_x * out_x + out_y * out_y)
    known = (product > 0.0) & (norm > 0.0)
    slope = (start + end) / (2.0 * np.sqrt(np.where(known, product, 1.0)) * np.where(known, norm, 1.0))
    size = np.where(known, form.potential / form.distance * np.exp(-b / form.distance) * slope, 0.0)
    seen = -(toward_of[:, 0] * out_x + toward_of[:, 1] * out_y) >= np.cos(np.radians(form.view / 2.0)) * norm
    size *= np.where(seen, 1.0, form.outside)
    return size * out_x, size * out_y


@dataclass(frozen=True, slots=True)
class Circular:
    """Parameters of a repulsion by distance alone; the values are those of CrowdNav++'s robot."""

    strength: float = 2.0
    """A, m/s^2: the force when the two touch."""
    distance: float = 1.0
    """B, m."""


def circular(way: FloatArray, touching: FloatArray, form: Circular) -> FloatArray:
    """Straight away from the other: A exp((r_of + r_by - d) / B), shape (m, 2); the other feels the opposite.

    Args:
        way: Position of the other minus own, shape (m, 2).
        touching: Sum of the two radii, shape (m,).
        form: Parameters.

    Source: Helbing, Farkas and Vicsek, Nature 407, 487 (2000), the psychological term; the program CrowdNav++.
    """
    distance = length(way)
    size = form.strength * np.exp((touching - distance) / form.distance) / np.maximum(distance, _TINY)
    force = np.empty((2, len(way)))
    force[0], force[1] = -size * way[:, 0], -size * way[:, 1]
    return force.T


# -- walls ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WallPotential:
    """The nearest point of each wall repels: (U0 / R) exp(-r / R), Helbing and Molnár; values of socialforce."""

    potential: float = 10.0
    """U0, m^2/s^2."""
    distance: float = 0.2
    """R, m."""


@dataclass(frozen=True, slots=True)
class WallPoints:
    """Points along each wall repel, all of them: sum of A exp(-r / sigma), as PySocialForce has it.

    The force is proportional to how dense the points are; more walls in one place repel more.
    """

    strength: float = 10.0
    """A, m/s^2, of one point that is touched."""
    distance: float = 0.2
    """sigma, m."""
    within: float = 3.0
    """m: points farther than that plus the radius from the surface of the body do not count."""
    density: float = 10.0
    """Points in a metre, rounded down for a whole wall; both ends are points. A wall too short for one has none."""


def walls(position: FloatArray, segments: FloatArray, radius: float, form: WallPotential | WallPoints) -> FloatArray:
    """What the walls add, shape (n, 2).

    Args:
        position: Shape (n, 2).
        segments: x1, y1, x2, y2 of each, shape (w, 4). PySocialForce's order is x1, x2, y1, y2.
        radius: Of the bodies: r is measured from their surface. Zero for Helbing and Molnár, 0.35 m for PySocialForce.
        form: Parameters, and which of the two it is.
    """
    force = np.zeros((len(position), 2))
    for start_x, start_y, end_x, end_y in segments.tolist():
        away = _away(position, (start_x, start_y), (end_x - start_x, end_y - start_y))
        distance = length(away)
        if isinstance(form, WallPotential):
            size = form.potential / form.distance * np.exp((radius - distance) / form.distance)
            force += (size / np.maximum(distance, _TINY))[:, None] * away
            continue
        (rows,) = np.nonzero(distance < form.within + 2.0 * radius)
        count = int(form.density * np.sqrt((end_x - start_x) ** 2 + (end_y - start_y) ** 2))
        points = np.linspace((start_x, start_y), (end_x, end_y), count)
        force[rows] += _by_points(position[rows], points, radius, form)
    return force


def _away(position: FloatArray, start: tuple[float, float], along: tuple[float, float]) -> FloatArray:
    """From the nearest point of a segment to each position, shape (n, 2)."""
    from_x, from_y = position[:, 0] - start[0], position[:, 1] - start[1]
    square = along[0] * along[0] + along[1] * along[1]
    part = np.clip((from_x * along[0] + from_y * along[1]) / max(square, _TINY), 0.0, 1.0)
    away = np.empty((2, len(position)))
    away[0], away[1] = from_x - part * along[0], from_y - part * along[1]
    return away.T


def _by_points(position: FloatArray, points: FloatArray, radius: float, form: WallPoints) -> FloatArray:
    """The forces (n, 2) of points (p, 2) in all."""
    # Rows in one piece, which are summed one by one: the bits do not depend on how many there are.
    away_x = np.subtract(position[:, :1], points[:, 0], order="C")
    away_y = np.subtract(position[:, 1:], points[:, 1], order="C")
    distance = np.sqrt(away_x * away_x + away_y * away_y)
    surface = distance - radius
    size = form.strength * np.exp(-surface / form.distance) / np.maximum(distance, _TINY)
    size[surface >= form.within + radius] = 0.0
    force = np.empty((2, len(position)))
    force[0], force[1] = (size * away_x).sum(axis=1), (size * away_y).sum(axis=1)
    return force.T
