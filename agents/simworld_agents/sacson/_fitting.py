"""How the model of people is fitted: this needs torch."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from simworld.worlds.plaza import FloatArray, turned
from simworld_agents.sacson._pednet import FASTEST, MIRROR, STEPS, WIDTHS, Encounters, PedNet

_BATCH = 512


def with_torch() -> Any:
    """The library, which takes a second to load. Raises ImportError: it is not installed."""
    torch: Any = import_module("torch")
    torch.set_num_threads(1)
    return torch


class Net:
    """The same network as ``PedNet``, in torch: what has gone into it can be found out by gradients."""

    def __init__(self, torch: Any, chance: Any, start: PedNet | None = None) -> None:
        self._torch = torch
        self.layers: list[Any] = [torch.nn.Linear(a, b) for a, b in WIDTHS]
        for place, layer in enumerate(self.layers):
            if start is None:
                torch.nn.init.kaiming_uniform_(layer.weight, a=5.0**0.5, generator=chance)
                torch.nn.init.zeros_(layer.bias)
            else:
                weight, bias = (torch.tensor(part, dtype=torch.float32) for part in start.weights[place])
                layer.weight.data, layer.bias.data = weight, bias

    @property
    def parameters(self) -> list[Any]:
        """All weights and biases."""
        return [p for layer in self.layers for p in layer.parameters()]

    def ahead(self, past: Any, plan: Any, going: Any, dt: float) -> Any:
        """Where people will be in their own frames, m, shape (n, 8, 2), from ``Encounters.inputs`` and ``going``."""
        torch, hidden = self._torch, past
        for layer in self.layers[:3]:
            hidden = torch.relu(layer(hidden))
        hidden = torch.cat([hidden, plan], dim=1)
        hidden = torch.relu(self.layers[4](torch.relu(self.layers[3](hidden))))
        steps = going + torch.tanh(self.layers[5](hidden)).reshape(-1, STEPS, 2) * (dt * FASTEST)
        return torch.cumsum(steps, dim=1)

    def plain(self) -> PedNet:
        """As plain arrays."""
        parts = [[p.detach().numpy().astype(np.float64) for p in (one.weight, one.bias)] for one in self.layers]
        return PedNet(tuple((weight, bias) for weight, bias in parts))


def fit(encounters: Encounters, future: FloatArray, seed: int = 0, epochs: int = 30) -> PedNet:
    """Fit the network to where people went, by least squares (Adam).

    People are taken to have no side that they like better: every moment is learned from as it was and mirrored.

    Args:
        encounters: What was known at each moment.
        future: Where the person was in the next eight ticks, m, shape (n, 8, 2).
        seed: Of the first weights and of the order of batches.
        epochs: How often all moments are gone through.

    Raises:
        ImportError: torch is not installed.
    """
    torch = with_torch()
    chance = torch.Generator().manual_seed(seed)
    net = Net(torch, chance)
    sides = (encounters, future), (encounters.mirrored(), future * MIRROR)
    told: list[list[Any]] = []
    for side, where in sides:
        at, ahead = side.frames()
        arrays = (*side.inputs(), side.going(), turned(where - at[:, None], ahead))
        told.append([torch.tensor(array, dtype=torch.float32) for array in arrays])
    past, plan, going, wanted = (torch.cat(pair) for pair in zip(*told, strict=True))
    optimiser = torch.optim.Adam(net.parameters, lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for rows in torch.randperm(len(past), generator=chance).split(_BATCH):
            found = net.ahead(past[rows], plan[rows], going[rows], encounters.dt)
            loss = ((found - wanted[rows]) ** 2).sum(dim=2).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
    return net.plain()
