"""A small network as plain arrays: what a trained policy is, whoever trained it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from simworld.errors import ContractError
from simworld.kernel import Array, Cohort, Role, Seats
from simworld.spaces._trained import Trained, kept_in
from simworld.spaces._vector import ActionVector, FloatArray, ObservationVector

Activation = Literal["linear", "tanh", "relu"]
"""What a layer does after its sum."""
_FORMAT = 1
_LOWEST = -1e9
"""The logit of what is not allowed."""


@dataclass(frozen=True)
class Layer:
    """A dense layer: weight of shape (out, in), bias of shape (out,), and what comes after."""

    weight: FloatArray
    bias: FloatArray
    activation: Activation = "linear"

    def __call__(self, x: FloatArray) -> FloatArray:
        """Outputs of shape (n, out): each row has the same bits whatever the others are; a BLAS product has not."""
        y: FloatArray = np.einsum("ni,oi->no", x, self.weight) + self.bias
        return np.tanh(y) if self.activation == "tanh" else np.maximum(y, 0.0) if self.activation == "relu" else y


@dataclass(frozen=True)
class Network(Trained):
    """Layers between the vector of what is seen and the numbers that decide.

    The outputs are a logit (or a value) for every value of every choice, then a mean for every amount and the logarithm
    of its standard deviation.
    """

    seen: ObservationVector
    done: ActionVector
    layers: tuple[Layer, ...]
    about: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from: plain data."""
    squashed: bool = False
    """Amounts are the hyperbolic tangent of what it gives (and draws)."""

    @property
    def logits(self) -> int:
        """How many outputs are about choices."""
        return sum(self.done.choices)

    def outputs(self, vectors: FloatArray) -> FloatArray:
        """What the network gives for n vectors, shape (n, outputs)."""
        for layer in self.layers:
            vectors = layer(vectors)
        return vectors

    def decided(self, seen: Mapping[str, Array], n: int) -> dict[str, Array]:
        """The action fields that it finds best for n members, from their observation fields."""
        return self.best(self.outputs(self.seen.told(seen, n)), self.allowed(seen, n))

    def allowed(self, seen: Mapping[str, Array], n: int) -> Array | None:
        """The mask of its one choice for n members, shape (n, choices), or None."""
        mask = self.done.mask
        return np.broadcast_to(seen[mask], (n, seen[mask].shape[-1])) if mask else None

    def best(self, outputs: FloatArray, allowed: Array | None = None) -> dict[str, Array]:
        """The action fields that it finds best; ``allowed`` masks the values of its one choice."""
        means = self._means(outputs)
        return self.done.done(self._chosen(self._masked(outputs, allowed)), np.tanh(means) if self.squashed else means)

    def drawn(
        self, outputs: FloatArray, allowed: Array | None, uniform: Array, normal: Array | None
    ) -> dict[str, Array]:
        """Action fields drawn from what it gives.

        Args:
            outputs: Of the network, shape (n, outputs).
            allowed: Mask of its one choice, or None.
            uniform: Numbers in [0, 1) for the choices, shape (n, logits).
            normal: Standard normal numbers for the amounts, shape (n, amounts), or None if there are none.
        """
        # The highest logit plus Gumbel noise is a draw from the softmax.
        noise = -np.log(-np.log(np.clip(uniform, 1e-300, None)))
        logits = self._masked(outputs, allowed)
        chosen = self._chosen(logits.astype(np.float64) + noise)
        amounts = self._means(outputs).astype(np.float64)
        if normal is not None:
            spread = outputs[:, self.logits + self.done.amounts :]
            amounts = amounts + np.exp(spread.astype(np.float64)) * normal
        return self.done.done(chosen, np.tanh(amounts) if self.squashed else amounts)

    def misfit(self, role: Role) -> str:
        """What keeps it from deciding for a role; empty if nothing does."""
        try:
            seen, done = ObservationVector.of(role), ActionVector.of(role)
        except ContractError as error:
            return str(error)
        # It may see less than the role does.
        names = {part.name for part in self.seen.parts}
        offered = tuple(part for part in seen.parts if part.name in names)
        for what, own, its in (
            ("sees", self.seen.parts, offered if len(offered) == len(names) else seen.parts),
            ("does", self.done.parts, done.parts),
        ):
            if own != its:
                mine, theirs = (", ".join(str(p.name) for p in parts) for parts in (own, its))
                differ = f"its {what}" if mine == theirs else f"it {what} {mine}, the role {theirs}"
                return differ if mine != theirs else f"bounds or shapes of what it {what} ({mine}) differ"
        return ""

    def mind(self) -> NetworkMind:
        """Whoever does what it finds best."""
        return NetworkMind(self)

    def said(self, about: Mapping[str, Any]) -> Network:
        """The same, and where it comes from."""
        return replace(self, about=about)

    def save(self, path: Path) -> None:
        """Write it as one ``.npz`` file: arrays and plain data, nothing that is executed when it is loaded."""
        data = {
            "format": _FORMAT,
            "seen": self.seen.as_data(),
            "done": self.done.as_data(),
            "activations": [layer.activation for layer in self.layers],
            "squashed": self.squashed,
            "about": dict(self.about),
        }
        arrays = {f"weight{i}": layer.weight for i, layer in enumerate(self.layers)}
        arrays |= {f"bias{i}": layer.bias for i, layer in enumerate(self.layers)}
        with path.open("wb") as file:
            np.savez(file, network=np.array(json.dumps(data, sort_keys=True)), **arrays)  # type: ignore[arg-type]

    @staticmethod
    def load(path: Path) -> Network:
        """Read one.

        Raises:
            ValueError: The file holds something else.
        """
        with kept_in(path, "trained policy") as found:
            data = json.loads(str(found["network"]))
            layers = tuple(
                Layer(found[f"weight{i}"], found[f"bias{i}"], activation)
                for i, activation in enumerate(data["activations"])
            )
            weights = sum(name.startswith("weight") for name in found)
            seen, done = ObservationVector.from_data(data["seen"]), ActionVector.from_data(data["done"])
            version, about, squashed = data["format"], data["about"], data["squashed"]
        if version != _FORMAT:
            raise ValueError(f"{path}: format {version}; accepted: {_FORMAT}")
        odd = [one for one in data["activations"] if one not in get_args(Activation)]
        if odd or weights != len(layers):
            raise ValueError(f"{path}: {weights} layers, with activations {', '.join(map(str, data['activations']))}")
        return Network(seen, done, layers, about, squashed)

    def _masked(self, outputs: FloatArray, allowed: Array | None) -> FloatArray:
        logits = outputs[:, : self.logits]
        return logits if allowed is None else np.where(allowed, logits, np.float32(_LOWEST))

    def _chosen(self, logits: Array) -> Array:
        stops = np.cumsum([0, *self.done.choices])
        pairs = zip(stops[:-1].tolist(), stops[1:].tolist(), strict=True)
        columns = [logits[:, a:b].argmax(axis=1) for a, b in pairs]
        return np.stack(columns, axis=1) if columns else np.zeros((len(logits), 0), dtype=np.int64)

    def _means(self, outputs: FloatArray) -> FloatArray:
        return outputs[:, self.logits : self.logits + self.done.amounts]


class NetworkMind(Cohort):
    """Decides by a network, for all of its members in one pass."""

    def __init__(self, network: Network, greedy: bool = True) -> None:
        self._network, self._greedy = network, greedy

    def check(self, role: Role) -> None:
        """The role must be the one that it was trained for, in all that counts."""
        wrong = self._network.misfit(role)
        if wrong:
            raise ValueError(f"the policy was trained for something else: {wrong}")

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:
        """What the network finds best, or a draw from what it gives."""
        network, n = self._network, len(seats.members)
        if self._greedy:
            return network.decided(seen, n)
        outputs = network.outputs(network.seen.told(seen, n))
        chance = seats.draw("policy.choice", "uniform", (network.logits,)) if network.logits else np.zeros((n, 0))
        normal = seats.draw("policy.amount", "normal", (network.done.amounts,)) if network.done.amounts else None
        return network.drawn(outputs, network.allowed(seen, n), chance, normal)


def dense(weights: Sequence[Array], biases: Sequence[Array], activation: Activation) -> tuple[Layer, ...]:
    """Layers of a plain network: the activation after each but the last."""
    last = len(weights) - 1
    return tuple(
        Layer(np.asarray(w, np.float32), np.asarray(b, np.float32), activation if i < last else "linear")
        for i, (w, b) in enumerate(zip(weights, biases, strict=True))
    )
