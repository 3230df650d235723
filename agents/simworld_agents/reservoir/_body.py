"""Bodies: reservoirs that are developed, habituated, and then left as they are. Arrays over many of them at once.

Source: Nakamura, "Body-Reservoir Governance in Repeated Games", arXiv 2602.20846, with its released programs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from simworld.kernel import Array

Noise: TypeAlias = Callable[[int], Array]
"""Standard normal numbers of so many steps for all bodies, shape (steps, bodies, d)."""
Radius: TypeAlias = Callable[[Array], Array]
"""Spectral radii of matrices: (bodies, d, d) to (bodies,)."""

TARGETS = (0.95, 0.05)
"""What a readout is trained to say under steady cooperation and under steady defection."""


@dataclass(frozen=True, slots=True)
class Body:
    """Reservoirs, x' = tanh(W x + W_in [own, other] + b) + noise (eq. 2), with readouts, logistic(w_out x + b_out).

    All arrays are float64, or all float32.
    """

    recurrent: Array
    """W, shape (bodies, d, d)."""
    inputs: Array
    """W_in, shape (bodies, d, 2): of the own action, and of the other's."""
    bias: Array
    """b, shape (bodies, d)."""
    readout: Array
    """w_out, shape (bodies, d)."""
    offset: Array
    """b_out, shape (bodies,)."""
    noise: float = 0.15
    """Standard deviation of what is added to every state after the tanh."""
    whole: Array = field(init=False, repr=False, compare=False)
    """[W, W_in, b] transposed, shape (bodies, d + 3, d): one product instead of four passes."""

    def __post_init__(self) -> None:
        """Put together what a step multiplies."""
        whole = np.concatenate([self.recurrent, self.inputs, self.bias[:, :, None]], axis=2)
        object.__setattr__(self, "whole", np.ascontiguousarray(whole.transpose(0, 2, 1)))

    def __len__(self) -> int:
        return len(self.bias)

    @property
    def size(self) -> int:
        """d, the units of each."""
        return int(self.bias.shape[1])

    def cast(self, dtype: npt.DTypeLike) -> Body:
        """The same in another precision."""
        return self._with(*(array.astype(dtype) for array in self._arrays()))

    def joined(self, other: Body) -> Body:
        """These bodies and then the others."""
        return self._with(*(np.concatenate(two) for two in zip(self._arrays(), other._arrays(), strict=True)))

    def _arrays(self) -> tuple[Array, Array, Array, Array, Array]:
        return self.recurrent, self.inputs, self.bias, self.readout, self.offset

    def _with(self, *arrays: Array) -> Body:
        recurrent, inputs, bias, readout, offset = arrays
        return Body(recurrent, inputs, bias, readout, offset, self.noise)

    def says(self, state: Array) -> Array:
        """The action that the body leans to, from 0 to 1: states (bodies, d) to (bodies,)."""
        found: Array = expit(np.einsum("nd,nd->n", state, self.readout) + self.offset)
        return found

    def moved(self, state: Array, own: Array, other: Array, noise: Array) -> Array:
        """The next states, (bodies, d), after a round: actions (bodies,), standard normal noise (bodies, d)."""
        n, d = state.shape
        given = np.empty((n, 1, d + 3), dtype=state.dtype)
        given[:, 0, :d], given[:, 0, d], given[:, 0, d + 1], given[:, 0, d + 2] = state, own, other, 1.0
        pushed: Array = np.matmul(given, self.whole)[:, 0]
        np.tanh(pushed, out=pushed)
        pushed += self.noise * noise
        return pushed


def eigen_radius(matrices: Array) -> Array:
    """True spectral radii."""
    found: Array = np.abs(np.linalg.eigvals(matrices)).max(axis=-1)
    return found


def fresh(normals: Array, radius: float, noise: float, of: Radius = eigen_radius) -> Body:
    """Bodies before any experience.

    Args:
        normals: Standard normal numbers, shape (bodies, d, d + 3): W row by row with variance 1/d, then W_in with
            standard deviation 0.5 and b with 0.3.
        radius: Spectral radius that W is rescaled to.
        noise: See ``Body``.
        of: How a spectral radius is measured.
    """
    d = normals.shape[1]
    drawn = normals[:, :, :d] / np.sqrt(d)
    scaled = drawn * (radius / of(drawn))[:, None, None]
    silent = np.zeros(normals.shape[:2]), np.zeros(len(normals))
    return Body(scaled, 0.5 * normals[:, :, d : d + 2], 0.3 * normals[:, :, d + 2], *silent, noise)


def driven(body: Body, level: float, start: Array, steps: int, noise: Noise) -> Iterator[Array]:
    """States (bodies, d), one after the other, while both actions are held at a level."""
    state, held = start, np.full(len(body), level)
    for drawn in noise(steps):
        state = body.moved(state, held, held, drawn)
        yield state


def engaged(body: Body, receptivity: float, start: Array, steps: int, noise: Noise) -> Iterator[Array]:
    """States (bodies, d), one after the other, while the other cooperates and the body is listened to that far."""
    state, full = start, np.ones(len(body))
    for drawn in noise(steps):
        state = body.moved(state, receptivity * body.says(state) + (1.0 - receptivity), full, drawn)
        yield state


def trained(body: Body, noise: Noise, burn_in: int = 500, kept: int = 2000, ridge: float = 0.001) -> Body:
    """Bodies whose readout tells steady cooperation from steady defection: ridge regression in logit space.

    Args:
        body: Fresh ones.
        noise: Drawn for cooperation first, then for defection.
        burn_in: Steps that are left out of each.
        kept: Steps of each that count.
        ridge: Penalty on the weights for each of the ``2 kept`` states; the offset is not penalised.

    Source: section 5.1.
    """
    n, d = len(body), body.size
    total, cross, moment = np.zeros((n, d)), np.zeros((n, d)), np.zeros((n, d, d))
    for target in TARGETS:
        level, goal = float(target > 0.5), float(logit(target))
        states = np.empty((n, kept, d))
        for step, state in enumerate(driven(body, level, np.zeros((n, d)), burn_in + kept, noise)):
            if step >= burn_in:
                states[:, step - burn_in] = state
        total += states.sum(axis=1)
        cross += goal * states.sum(axis=1)
        moment += np.matmul(states.transpose(0, 2, 1), states)
    # The two goals cancel out: their mean is zero, so that the cross moment needs no centring.
    count = 2 * kept
    mean = total / count
    centred = moment - count * mean[:, :, None] * mean[:, None, :]
    centred += ridge * count * np.eye(d)
    weights = np.linalg.solve(centred, cross[:, :, None])[:, :, 0]
    return replace(body, readout=weights, offset=-(weights * mean).sum(axis=1))


@dataclass(frozen=True, slots=True)
class Habituation:
    """How long a body lives under steady cooperation before it plays (Oja's rule, eq. 18, in batches)."""

    epochs: int = 200
    steps: int = 500
    """Of an epoch; W changes once at its end."""
    rate: float = 0.01
    highest: float = 0.99
    """Spectral radius that W is scaled back to where it is larger."""
    lowest: float = 0.05
    receptivity: float | None = None
    """How far the body is listened to while it lives; None is that its own action is full cooperation, too."""

    def lived(self, body: Body, start: Array, noise: Noise) -> Iterator[Array]:
        """The states of an epoch."""
        if self.receptivity is None:
            return driven(body, 1.0, start, self.steps, noise)
        return engaged(body, self.receptivity, start, self.steps, noise)


def habituated(body: Body, noise: Noise, how: Habituation | None = None, of: Radius = eigen_radius) -> Body:
    """Bodies after so many epochs of steady cooperation; W changes, and nothing else."""
    how = how or Habituation()
    n, d = len(body), body.size
    state = np.zeros((n, d))
    for _ in range(how.epochs):
        states = np.empty((n, how.steps, d))
        for step, lived in enumerate(how.lived(body, state, noise)):
            states[:, step] = lived
        state = states[:, -1]
        together = np.matmul(states.transpose(0, 2, 1), states) / how.steps
        own = (states**2).mean(axis=1)
        moved = body.recurrent + how.rate * (together - body.recurrent * own[:, :, None])
        radius = of(moved)
        bound = np.clip(radius, how.lowest, how.highest)
        body = replace(body, recurrent=moved * (bound / radius)[:, None, None])
    return body
