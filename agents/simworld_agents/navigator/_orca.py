"""Optimal reciprocal collision avoidance for many people at once: a velocity each that runs into nobody.

Source: van den Berg, Guy, Lin & Manocha, "Reciprocal n-Body Collision Avoidance", ISRR 2011, with the choices that
their library RVO2 makes where the paper leaves them open.

A half-plane of permitted velocities is a line with a unit direction d, permitted to its left. It is kept as three
numbers, d and c = d x p for any point p on it, so that c - d x v is how far the velocity v is on the wrong side. Arrays
of lines have the shape (3, k, n): people come last, so that every operation runs over many of them. A line of three
zeros permits everything.

No result depends on who else is computed at the same time, to the last bit: there are no sums over people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simworld.worlds.plaza import BoolArray, FloatArray, IntArray

PARALLEL = 1e-5
"""Lines whose directions differ by a sine no larger than this count as parallel."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Whom each of n people avoids: arrays of shape (n, k), nearest first; absent entries are not ``there``.

    Absent entries may hold anything.
    """

    way: FloatArray
    """Position of the other minus the own, m, shape (n, k, 2)."""
    velocity: FloatArray
    """The other's velocity, m/s, shape (n, k, 2)."""
    reach: FloatArray
    """Sum of the two radii, m."""
    there: BoolArray
    """Whether there is anyone."""
    share: FloatArray
    """Part of the avoidance one takes on oneself: 0.5 if the other does the same, 1 if the other does not yield."""
    hard: int = 0
    """The first so many of the k are never run into for the others' sake, however crowded it is: walls."""
    flat: BoolArray | None = None
    """Which are straight walls, shape (n, k), with ``way`` to the nearest point: not come nearer to than ``reach``.

    To the nearest point alone, as if it was a pillar, one would walk past at a slant, into the wall beside it.
    ``share`` is of no account.
    """


def orca_velocity(
    velocity: FloatArray,
    preferred: FloatArray,
    top: FloatArray,
    neighbours: Neighbours,
    horizon: float | FloatArray,
    dt: float,
) -> FloatArray:
    """The velocity nearest to the preferred one that runs into nobody, m/s, shape (n, 2).

    Where there is none, it is the velocity that comes least far into any of the half-planes that are forbidden.

    Args:
        velocity: Current velocities, m/s, shape (n, 2).
        preferred: Velocities that would be chosen if nobody was around, m/s, shape (n, 2).
        top: Maximum speeds, m/s, shape (n,).
        neighbours: Whom to avoid.
        horizon: For how long nobody is to be run into, s; one number, or one for each neighbour, shape (n, k).
        dt: Within which time those who already overlap are to part, s.
    """
    n, k = neighbours.there.shape
    aim = np.empty((3, n))
    aim[:2], aim[2] = preferred.T, top
    # What is divided by zero or not a number, here and below, is left out afterwards.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        start = _slowed(aim)
        if not np.count_nonzero(neighbours.there):
            return start.T.copy()
        lines = _half_planes(velocity, neighbours, horizon, dt)
        found, failed = _nearest(lines, aim, start)
        stuck = np.flatnonzero(failed < k)
        if stuck.size:
            found[:, stuck] = _least_bad(
                lines.take(stuck, axis=2),
                found.take(stuck, axis=1),
                top.take(stuck),
                failed.take(stuck),
                neighbours.hard,
            )
    return found.T.copy()


def _slowed(aim: FloatArray) -> FloatArray:
    """The aims, (vx, vy, top) by n, as velocities of no more than the top speed, (2, n)."""
    x, y, top = aim
    squared = x * x + y * y
    factor = np.where(squared > top * top, top / np.sqrt(squared), 1.0)
    return aim[:2] * factor


def _half_planes(velocity: FloatArray, neighbours: Neighbours, horizon: float | FloatArray, dt: float) -> FloatArray:
    """What each neighbour permits, lines (3, k, n): section 4 of the paper."""
    own = velocity.T
    x, y = way = np.ascontiguousarray(neighbours.way.transpose(2, 1, 0))
    other = np.ascontiguousarray(neighbours.velocity.transpose(2, 1, 0))
    reach, horizon = np.ascontiguousarray(neighbours.reach.T), np.transpose(horizon)
    relative = own[:, None] - other
    distance2, reach2 = x * x + y * y, reach * reach
    overlap = distance2 <= reach2
    per = np.where(overlap, 1.0 / dt, 1.0 / horizon)
    # From the centre of the circle that cuts off the cone of velocities that lead to a collision within the horizon.
    wx, wy = relative - per * way
    w2, behind = wx * wx + wy * wy, wx * x + wy * y
    circle = overlap | ((behind < 0.0) & (behind * behind > reach2 * w2))
    # The direction along the nearer leg of the cone, or else along the tangent of the circle.
    leg = np.copysign(np.sqrt(np.abs(distance2 - reach2)), np.where(x * wy - y * wx > 0.0, 1.0, -1.0))
    w = np.sqrt(w2)
    dx = np.where(circle, wy / w, (leg * x - reach * y) / distance2)
    dy = np.where(circle, -wx / w, (reach * x + leg * y) / distance2)
    # How far the relative velocity is from the edge: positive inside, and to be made up for in shares.
    inside = np.where(circle, reach * per - w, relative[0] * dy - relative[1] * dx)
    lines = np.array((dx, dy, dx * own[1] - dy * own[0] + neighbours.share.T * inside))
    # People at one place with one velocity have no way to part; RVO2's numbers then fail in every comparison, too.
    nothing = circle & (w2 == 0.0)
    if neighbours.flat is not None:
        flat, distance = neighbours.flat.T, np.sqrt(distance2)
        nx, ny = x / distance, y / distance
        fastest = np.maximum(distance - reach, 0.0) / horizon + nx * other[0] + ny * other[1]
        lines = np.where(flat, np.array((-ny, nx, -fastest)), lines)
        nothing = np.where(flat, distance2 == 0.0, nothing)
    return np.where(nothing | ~neighbours.there.T, 0.0, lines)


def _beyond(lines: FloatArray, v: FloatArray) -> FloatArray:
    """How far velocities (2, n) are on the wrong side of lines (3, k, n) or (3, n): m/s, (k, n) or (n,)."""
    dx, dy, c = lines
    beyond: FloatArray = c - (dx * v[1] - dy * v[0])
    return beyond


def _nearest(lines: FloatArray, aim: FloatArray, start: FloatArray) -> tuple[FloatArray, IntArray]:
    """The permitted velocities nearest to the aims, (2, n), and the lines at which there were none left, (n,).

    Lines are added one by one, as in RVO2; but everybody goes on straight to the next line that changes anything, so
    that there are as many rounds as the most that anybody needs, and each only for those who still need it.

    Args:
        lines: What is permitted, (3, k, n).
        aim: (vx, vy, top speed) by n.
        start: What is chosen without any line, (2, n).

    Returns:
        Where no velocity is permitted: what was chosen before the line that could not be met. Where one is: k.
    """
    k, n = lines.shape[1:]
    found, failed = start.copy(), np.full(n, k)
    places, order = np.arange(n), np.arange(k)[:, None]
    crossed = _beyond(lines, start) > 0.0
    while True:
        left = np.flatnonzero(crossed.any(axis=0))
        if not left.size:
            return found, failed
        line = crossed.argmax(axis=0)
        if left.size < line.size:
            places, line = places.take(left), line.take(left)
            lines, aim = lines.take(left, axis=2), aim.take(left, axis=1)
        own, before = lines[:, line, np.arange(line.size)], order < line
        v, met = _on_line(own, lines * before, aim, outermost=False)
        if np.count_nonzero(met) == met.size:
            found[:, places] = v
        else:
            failed[places[~met]] = line[~met]
            found[:, places[met]] = v[:, met]
        crossed = (_beyond(lines, v) > 0.0) & (order > line) & met


def _outermost(lines: FloatArray, aim: FloatArray) -> tuple[FloatArray, BoolArray]:
    """The permitted velocities that are furthest in the direction of the aims, (2, n), and whether there are any, (n,).

    Except for ties, the answer does not depend on the order in which lines are added. So the one that is crossed the
    furthest is added next: that is far fewer rounds, and only lines that were added are looked at again.

    Args:
        lines: What is permitted, (3, k, n); used up.
        aim: (unit vector, top speed) by n.
    """
    n = aim.shape[1]
    found, possible = aim[:2] * aim[2], np.ones(n, dtype=np.bool_)
    places = everyone = np.arange(n)
    beyond, added = _beyond(lines, found), lines[:, :0]
    while True:
        line = beyond.argmax(axis=0)
        left = np.flatnonzero(beyond[line, everyone] > 0.0)
        if not left.size:
            return found, possible
        if left.size < line.size:
            places, line, everyone = places.take(left), line.take(left), everyone[: left.size]
            lines, aim, added = lines.take(left, axis=2), aim.take(left, axis=1), added.take(left, axis=2)
        own = lines[:, line, everyone]
        v, met = _on_line(own, added, aim, outermost=True)
        found[:, places], possible[places] = v, met
        added = np.concatenate((added, own[:, None]), axis=1)
        # A line is added once: on its own edge, rounding must not make it count as crossed.
        lines[:, line, everyone] = 0.0
        beyond = np.where(met, _beyond(lines, v), 0.0)


def _on_line(own: FloatArray, others: FloatArray, aim: FloatArray, *, outermost: bool) -> tuple[FloatArray, BoolArray]:
    """The velocities on one line each that are nearest to the aims, (2, n), and whether there are any, (n,).

    Args:
        own: The line, (3, n).
        others: What is to be respected on it, (3, k, n); k may be 0.
        aim: (vx, vy, top speed) by n.
        outermost: Whether the aim is a direction, to get as far in as possible, and not a velocity.
    """
    dx, dy, c = own
    lx, ly, lc = others
    ax, ay, top = aim
    # Places on the line are counted from its foot, the point c (-dy, dx), along d; others cut it at ``at``.
    sine, cosine = dx * ly - dy * lx, dx * lx + dy * ly
    gap = c * cosine - lc
    at = gap / sine
    room = top * top - c * c
    half = np.sqrt(np.maximum(room, 0.0))
    upper = np.minimum(np.where(sine > PARALLEL, at, np.inf).min(axis=0, initial=np.inf), half)
    lower = np.maximum(np.where(sine < -PARALLEL, at, -np.inf).max(axis=0, initial=-np.inf), -half)
    # Only lines in opposite directions leave nothing between them. RVO2 looks at the sign of the gap alone, so that
    # rounding can make two lines in the same direction look as if they excluded each other.
    blocked = ((np.abs(sine) <= PARALLEL) & (cosine < 0.0) & (gap < 0.0)).any(axis=0)
    along = ax * dx + ay * dy
    place = np.where(along > 0.0, upper, lower) if outermost else np.minimum(np.maximum(along, lower), upper)
    return np.array((place * dx - c * dy, place * dy + c * dx)), (room >= 0.0) & (lower <= upper) & ~blocked


def _least_bad(lines: FloatArray, v: FloatArray, top: FloatArray, at: IntArray, hard: int) -> FloatArray:
    """The velocities that come least far into what is forbidden, (2, n), where not everything can be met.

    Args:
        lines: What is permitted, (3, k, n).
        v: What was chosen before the first line that could not be met, (2, n).
        top: Maximum speeds, (n,).
        at: Which line that was, (n,).
        hard: How many lines, the first, are to be met all the same.
    """
    k, n = lines.shape[1:]
    found, order = v.copy(), np.arange(k)[:, None]
    places, depth = np.arange(n), np.zeros(n)
    while True:
        crossed = (_beyond(lines, v) > depth) & (order >= at)
        left = np.flatnonzero(crossed.any(axis=0))
        if not left.size:
            return found
        line = crossed.argmax(axis=0)
        if left.size < line.size:
            places, line, top = places.take(left), line.take(left), top.take(left)
            lines, v = lines.take(left, axis=2), v.take(left, axis=1)
        own = lines[:, line, np.arange(line.size)]
        aim = np.array((-own[1], own[0], top))
        better, possible = _outermost(_no_worse(lines, own, order < line, hard), aim)
        # By what the lines mean there is always a solution; if rounding errors hide it, the last one is kept.
        v = np.where(possible, better, v)
        found[:, places] = v
        depth, at = _beyond(own, v), line + 1


def _no_worse(lines: FloatArray, own: FloatArray, before: BoolArray, hard: int) -> FloatArray:
    """Lines (3, k, n) beyond which a velocity is further on the wrong side of each line before than of the own one.

    The hard ones stay what they are. Every other line halves the angle between two; between lines in the same direction
    there is none.
    """
    dx, dy, _ = own
    planes = lines - own[:, None, :]
    length = np.sqrt(planes[0] * planes[0] + planes[1] * planes[1])
    same = (np.abs(dx * lines[1] - dy * lines[0]) <= PARALLEL) & (dx * lines[0] + dy * lines[1] >= 0.0)
    planes /= length
    planes[:, same | ~before] = 0.0
    if hard:
        planes[:, :hard] = np.where(before[:hard], lines[:, :hard], 0.0)
    return planes
