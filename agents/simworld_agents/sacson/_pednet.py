"""A learned model of one person on foot who sees a robot: PedNet (Hirose et al. 2023).

As in the authors' release it takes eight steps of the person's and the robot's past and eight of the robot's future,
and gives eight displacements, each bounded. Departures, ours: everything is seen from the person, along the person's
motion, and not from the robot, so that equal encounters look equal; whether there is a robot at all is an input, so
that it can be asked what the person would do without one; the displacements come on top of going on as now; there is no
batch normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from simworld.kernel import Array
from simworld.spaces import kept_in
from simworld.worlds.plaza import FloatArray, length, turned
from simworld_agents.navigator import Predictor, Scenery

STEPS = 8
"""Ticks of the past and of the future."""
SCALE = 10.0
"""Metres that are 1 to the network; what is farther is taken to be that far."""
_NOWHERE = np.array([SCALE, 0.0])
FASTEST = 1.5
"""Metres in a second by which a person differs at most from going on as now, along each axis."""
MIRROR = np.array([1.0, -1.0])
"""What changes left and right over."""
_LAYERS = ("past0", "past1", "past2", "next0", "next1", "next2")
WIDTHS = ((4 * STEPS + 1, 64), (64, 64), (64, 32), (32 + 2 * STEPS, 64), (64, 32), (32, 2 * STEPS))
_STILL = 0.05
"""Slower than this, in m/s, a person has no direction; it is then that of the x axis."""


@dataclass(frozen=True, slots=True)
class Encounters:
    """Moments of one person and perhaps a robot, in metres and along the axes of the world; n of them."""

    past: FloatArray
    """Where the person was, the latest first and now included, shape (n, 8, 2)."""
    robot_past: FloatArray
    """Where the robot was, the same; nan where there was none."""
    plan: FloatArray
    """Where the robot will be, shape (n, 8, 2)."""
    there: FloatArray
    """1 where there will be a robot, else 0, whatever the plan says then, shape (n,)."""
    dt: float
    """Length of a tick, s."""

    def __len__(self) -> int:
        return len(self.past)

    def chosen(self, rows: Array) -> Encounters:
        """Some of them, or some several times."""
        return Encounters(self.past[rows], self.robot_past[rows], self.plan[rows], self.there[rows], self.dt)

    def mirrored(self) -> Encounters:
        """The same with left and right changed over."""
        return Encounters(self.past * MIRROR, self.robot_past * MIRROR, self.plan * MIRROR, self.there, self.dt)

    def frames(self) -> tuple[FloatArray, FloatArray]:
        """Where each person is, shape (n, 2), and the unit vector along which it moves."""
        moved = (self.past[:, 0] - self.past[:, 1]) / self.dt
        pace = length(moved)[:, None]
        ahead = np.where(pace > _STILL, moved / np.maximum(pace, 1e-9), np.array([1.0, 0.0]))
        return self.past[:, 0], ahead

    def going(self) -> FloatArray:
        """How far each person goes in a tick if it goes on as now, in its own frame, m, shape (n, 1, 2)."""
        pace = length(self.past[:, 0] - self.past[:, 1])
        pace = np.where(pace > _STILL * self.dt, pace, 0.0)
        return np.stack([pace, np.zeros_like(pace)], axis=1)[:, None]

    def straight_on(self) -> FloatArray:
        """Where each person will be in the next eight ticks at constant velocity, m, shape (n, 8, 2)."""
        now = self.past[:, :1]
        found: FloatArray = now + np.arange(1, STEPS + 1)[:, None] * (now - self.past[:, 1:2])
        return found

    def inputs(self) -> tuple[FloatArray, FloatArray]:
        """What the network sees: of the past, shape (n, 33), and of the robot's future, (n, 16)."""
        at, ahead = self.frames()
        was, will = (turned(part - at[:, None], ahead) for part in (self.robot_past, self.plan))
        # Who is not there is far away: at 0 it would stand where the person stands.
        here = self.there[:, None, None] > 0.0
        parts = [
            turned(self.past - at[:, None], ahead),
            np.where(~np.isnan(was), was, _NOWHERE),
            np.where(here, will, _NOWHERE),
        ]
        own, robot, plan = (np.clip(part / SCALE, -1.0, 1.0).reshape(len(self), 2 * STEPS) for part in parts)
        return np.concatenate([own, robot, self.there[:, None]], axis=1), plan


@dataclass(frozen=True)
class PedNet(Predictor):
    """The network as plain arrays: where people will be, given where a robot will be."""

    weights: tuple[tuple[FloatArray, FloatArray], ...]
    """Weight (out, in) and bias (out,) of each layer, the past's first."""

    def ahead(self, encounters: Encounters) -> FloatArray:
        """Where each person will be in the next eight ticks, m, shape (n, 8, 2)."""
        past, plan = encounters.inputs()
        hidden = past
        for weight, bias in self.weights[:3]:
            hidden = np.maximum(np.einsum("ni,oi->no", hidden, weight) + bias, 0.0)
        hidden = np.concatenate([hidden, plan], axis=1)
        for place, (weight, bias) in enumerate(self.weights[3:]):
            hidden = np.einsum("ni,oi->no", hidden, weight) + bias
            hidden = np.maximum(hidden, 0.0) if place < 2 else np.tanh(hidden)
        at, ahead = encounters.frames()
        steps = encounters.going() + hidden.reshape(-1, STEPS, 2) * (encounters.dt * FASTEST)
        back = turned(np.cumsum(steps, axis=1), ahead * MIRROR)
        found: FloatArray = at[:, None] + back
        return found

    def paths(self, scenery: Scenery, plans: FloatArray | None, ticks: int) -> FloatArray:
        """One person after the other knows nothing of the rest; after eight ticks all go on as in the last."""
        count, n = (1 if plans is None else len(plans)), len(scenery.position)
        past, robot_past = filled(scenery.past), filled(scenery.robot_past[None])[0]
        plan = np.broadcast_to(scenery.robot, (count, STEPS, 2)).copy()
        if plans is not None:
            known = min(ticks, STEPS)
            plan[:, :known] = plans[:, :known]
            plan[:, known:] = plans[:, known - 1 : known]
        there = np.full(count * n, 0.0 if plans is None else 1.0)
        every = Encounters(
            np.tile(past, (count, 1, 1)),
            np.broadcast_to(robot_past, (count * n, STEPS, 2)),
            np.repeat(plan, n, axis=0),
            there,
            scenery.dt,
        )
        found = self.ahead(every).reshape(count, n, STEPS, 2).transpose(0, 2, 1, 3)
        if ticks <= STEPS:
            return found[:, :ticks]
        on = np.arange(1, ticks - STEPS + 1)[:, None, None]
        more = found[:, -1:] + on * (found[:, -1:] - found[:, -2:-1])
        return np.concatenate([found, more], axis=1)

    def save(self, path: Path) -> None:
        """Write it as one ``.npz`` file."""
        with path.open("wb") as file:
            self.write(file)

    def write(self, file: BinaryIO) -> None:
        """Write it, in single precision as it was fitted, in the form of an ``.npz`` file."""
        arrays: dict[str, Any] = {}
        for name, (weight, bias) in zip(_LAYERS, self.weights, strict=True):
            arrays |= {f"{name}.weight": weight.astype(np.float32), f"{name}.bias": bias.astype(np.float32)}
        np.savez(file, **arrays)

    @staticmethod
    def load(path: Path) -> PedNet:
        """Read one. Raises ValueError: the file holds something else."""
        with kept_in(path, "model of people") as kept:
            weights = tuple(
                (kept[f"{name}.weight"].astype(np.float64), kept[f"{name}.bias"].astype(np.float64)) for name in _LAYERS
            )
        for name, (weight, bias), (inner, outer) in zip(_LAYERS, weights, WIDTHS, strict=True):
            if weight.shape != (outer, inner) or bias.shape != (outer,):
                found = f"{weight.shape} and {bias.shape}"
                raise ValueError(f"{path}: layer {name} has shapes {found}; accepted: {(outer, inner)} and {(outer,)}")
            if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
                raise ValueError(f"{path}: layer {name} holds numbers that are not finite")
        return PedNet(weights)


def apart(one: FloatArray, other: FloatArray) -> FloatArray:
    """Mean distance between walks of eight ticks, shape (n, 8, 2) each, in m, shape (n,)."""
    found: FloatArray = length(one - other).mean(axis=1)
    return found


def filled(past: FloatArray) -> FloatArray:
    """Eight steps of the past, shape (n, 8, 2): what is not known is as the earliest that is."""
    found = np.concatenate([past, np.repeat(past[:, -1:], max(0, STEPS - past.shape[1]), axis=1)], axis=1)[:, :STEPS]
    for step in range(1, STEPS):
        lost = np.isnan(found[:, step, 0])
        found[lost, step] = found[lost, step - 1]
    return found
