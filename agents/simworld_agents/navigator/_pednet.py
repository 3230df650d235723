"""A learned model of one person on foot who sees a robot: PedNet (Hirose et al. 2023), and how it is fitted.

As in the authors' release it takes eight steps of the person's and the robot's past and eight of the robot's future,
and gives eight displacements, each bounded. Departures, ours: everything is seen from the person, along the person's
motion, and not from the robot, so that equal encounters look equal; whether there is a robot at all is an input, so
that it can be asked what the person would do without one; the displacements come on top of going on as now; there is no
batch normalisation.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from simworld.worlds.plaza import FloatArray, length, turned
from simworld_agents.navigator._predictors import Predictor, Scenery

STEPS = 8
"""Ticks of the past and of the future."""
_SCALE = 10.0
"""Metres that are 1 to the network; what is farther is taken to be that far."""
_FASTEST = 1.5
"""Metres in a second by which a person differs at most from going on as now, along each axis."""
_LAYERS = ("past0", "past1", "past2", "next0", "next1", "next2")
_WIDTHS = ((4 * STEPS + 1, 64), (64, 64), (64, 32), (32 + 2 * STEPS, 64), (64, 32), (32, 2 * STEPS))
_STILL = 0.05
"""Slower than this, in m/s, a person has no direction; it is then that of the x axis."""


@dataclass(frozen=True, slots=True)
class Encounters:
    """Moments of one person and perhaps a robot, in metres and along the axes of the world; n of them."""

    past: FloatArray
    """Where the person was, the latest first and now included, shape (n, 8, 2)."""
    robot_past: FloatArray
    """Where the robot was, the same; anything where there is none."""
    plan: FloatArray
    """Where the robot will be, shape (n, 8, 2)."""
    there: FloatArray
    """1 where there is a robot, else 0, shape (n,)."""
    dt: float
    """Length of a tick, s."""

    def __len__(self) -> int:
        return len(self.past)

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

    def inputs(self) -> tuple[FloatArray, FloatArray]:
        """What the network sees: of the past, shape (n, 33), and of the robot's future, (n, 16)."""
        at, ahead = self.frames()
        here = self.there[:, None, None]
        parts = [
            turned(self.past - at[:, None], ahead),
            np.where(here > 0.0, turned(self.robot_past - at[:, None], ahead), 0.0),
            np.where(here > 0.0, turned(self.plan - at[:, None], ahead), 0.0),
        ]
        own, robot, plan = (np.clip(part / _SCALE, -1.0, 1.0).reshape(len(self), -1) for part in parts)
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
        steps = encounters.going() + hidden.reshape(-1, STEPS, 2) * (encounters.dt * _FASTEST)
        back = turned(np.cumsum(steps, axis=1), ahead * np.array([1.0, -1.0]))
        found: FloatArray = at[:, None] + back
        return found

    def paths(self, scenery: Scenery, plans: FloatArray | None, ticks: int) -> FloatArray:
        """One person after the other knows nothing of the rest; after eight ticks all go on as in the last."""
        count, n = (1 if plans is None else len(plans)), len(scenery.position)
        past, robot_past = _filled(scenery.past), _filled(scenery.robot_past[None])[0]
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
        arrays: dict[str, FloatArray] = {}
        for name, (weight, bias) in zip(_LAYERS, self.weights, strict=True):
            arrays |= {f"{name}.weight": weight, f"{name}.bias": bias}
        with path.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    @staticmethod
    def load(path: Path) -> PedNet:
        """Read one. Raises ValueError: the file holds something else."""
        try:
            with np.load(path, allow_pickle=False) as found:
                weights = tuple((found[f"{name}.weight"], found[f"{name}.bias"]) for name in _LAYERS)
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} holds no model of people ({type(error).__name__})") from error
        shapes = tuple((weight.shape[1], weight.shape[0]) for weight, _ in weights)
        if shapes != _WIDTHS:
            raise ValueError(f"{path}: layers of {shapes}; accepted: {_WIDTHS}")
        return PedNet(weights)


def fit(encounters: Encounters, future: FloatArray, seed: int = 0, epochs: int = 60) -> PedNet:
    """Fit the network to where people went, by least squares (Adam).

    Args:
        encounters: What was known at each moment.
        future: Where the person was in the next eight ticks, m, shape (n, 8, 2).
        seed: Of the first weights and of the order of batches.
        epochs: How often all moments are gone through.

    Raises:
        ImportError: torch is not installed.
    """
    torch: Any = import_module("torch")  # only to fit: it takes a second and half a gigabyte
    torch.set_num_threads(1)
    chance = torch.Generator().manual_seed(seed)
    past, plan = (torch.tensor(part, dtype=torch.float32) for part in encounters.inputs())
    at, ahead = encounters.frames()
    wanted = torch.tensor(turned(future - at[:, None], ahead), dtype=torch.float32)
    layers: list[Any] = [torch.nn.Linear(a, b) for a, b in _WIDTHS]
    for layer in layers:
        torch.nn.init.kaiming_uniform_(layer.weight, a=5.0**0.5, generator=chance)
        torch.nn.init.zeros_(layer.bias)
    optimiser = torch.optim.Adam([p for layer in layers for p in layer.parameters()], lr=1e-3)
    batch, reach = 128, encounters.dt * _FASTEST
    going = torch.tensor(encounters.going(), dtype=torch.float32)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for rows in torch.randperm(len(encounters), generator=chance).split(batch):
            hidden = past[rows]
            for layer in layers[:3]:
                hidden = torch.relu(layer(hidden))
            hidden = torch.cat([hidden, plan[rows]], dim=1)
            hidden = torch.relu(layers[4](torch.relu(layers[3](hidden))))
            steps = going[rows] + torch.tanh(layers[5](hidden)).reshape(-1, STEPS, 2) * reach
            loss = ((torch.cumsum(steps, dim=1) - wanted[rows]) ** 2).sum(dim=2).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
    plain = [
        (layer.weight.detach().numpy().astype(np.float64), layer.bias.detach().numpy().astype(np.float64))
        for layer in layers
    ]
    return PedNet(tuple(plain))


def _filled(past: FloatArray) -> FloatArray:
    """Eight steps of the past, shape (n, 8, 2): what is not known is as the earliest that is."""
    found = np.concatenate([past, np.repeat(past[:, -1:], max(0, STEPS - past.shape[1]), axis=1)], axis=1)[:, :STEPS]
    for step in range(1, STEPS):
        lost = np.isnan(found[:, step, 0])
        found[lost, step] = found[lost, step - 1]
    return found
