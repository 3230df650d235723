"""From what RLlib has trained to a network of plain arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from simworld.errors import RunError
from simworld.spaces import ActionVector, Activation, Network, ObservationVector, dense

_ENCODERS = ("encoder.actor_encoder.", "encoder.encoder.", "pi_encoder.", "encoder.")
"""Where the layers before the head are, by algorithm."""
_HEADS = ("pi.", "af.")
"""The head that decides: of a policy, or of the values of actions."""
_LAYER = re.compile(r"net\.mlp\.(\d+)\.(weight|bias)$")
_TOLERANCE = 1e-4


def network_of(
    module: Any, seen: ObservationVector, done: ActionVector, activation: Activation, about: Mapping[str, Any]
) -> Network:
    """The network of an RLlib module; it gives the same numbers.

    Raises:
        RunError: The module is no plain network, or what was read from it gives other numbers.
    """
    state = {name: np.asarray(value) for name, value in module.get_state().items()}
    encoder = next((layers for prefix in _ENCODERS if (layers := _layers(state, prefix))), [])
    head = next((layers for prefix in _HEADS if (layers := _layers(state, prefix))), [])
    if not head:
        raise RunError(f"{type(module).__name__} is no plain network; accepted: dense layers (hidden, activation)")
    weights, biases = zip(*encoder, *head, strict=True)
    # Soft actor-critic draws from a squashed normal distribution.
    squashed = any(name.startswith("pi_encoder.") for name in state)
    network = Network(seen, done, dense(weights, biases, activation), about, squashed)
    _check(module, network)
    return network


def _layers(state: Mapping[str, Any], prefix: str) -> list[tuple[Any, Any]]:
    """Weights and biases below a prefix, in their order."""
    found: dict[int, dict[str, Any]] = {}
    for name, value in state.items():
        layer = _LAYER.search(name)
        if layer is not None and name == f"{prefix}{layer[0]}":
            found.setdefault(int(layer[1]), {})[layer[2]] = value
    return [(one["weight"], one["bias"]) for _, one in sorted(found.items())]


def _check(module: Any, network: Network) -> None:
    """Compare with the module itself on some vectors."""
    import torch  # noqa: PLC0415  only where something was trained

    vectors = np.random.Generator(np.random.Philox(key=1)).normal(size=(16, network.seen.width)).astype(np.float32)
    batch: Any = torch.from_numpy(vectors)
    if network.done.mask:
        batch = {"observations": batch, "action_mask": torch.ones(16, network.done.choices[0])}
    with torch.no_grad():
        told = module.forward_inference({"obs": batch})
    if "action_dist_inputs" in told:
        theirs, ours = told["action_dist_inputs"].numpy(), network.outputs(vectors)
        # Of a mask what is allowed has its logit and a number next to nothing.
        alike = theirs.shape[1] <= ours.shape[1] and np.allclose(theirs, ours[:, : theirs.shape[1]], atol=_TOLERANCE)
    else:
        alike = np.array_equal(told["actions"].numpy(), network.outputs(vectors).argmax(axis=1))
    if not alike:
        raise RunError(f"the policy that was read from {type(module).__name__} gives other numbers than itself")
