"""Governance: how far the body is listened to, and what makes it be listened to less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from simworld.kernel import Array

WEIGHTS = (0.3, 0.3, 0.4)
"""Of the three parts of discomfort: state, output, disagreement (eq. 6)."""


@dataclass(frozen=True, slots=True)
class Sentinel:
    """Receptivity that falls with discomfort and returns to rest (eq. 9)."""

    receptivity: Annotated[float, Ge(0), Le(1)] = 0.85
    """alpha_0, at rest and at the start."""
    eta_up: Annotated[float, Gt(0), Le(1)] = 0.05
    """Share of the way back to rest that is made in a round."""
    eta_down: Annotated[float, Ge(0)] = 0.5
    """Fall for each unit of discomfort above ``theta``."""
    theta: Annotated[float, Ge(0)] = 0.1
    """Discomfort that is tolerated."""
    alpha_min: Annotated[float, Ge(0), Le(1)] = 0.05
    """Least receptivity."""

    def next(self, alpha: Array, discomfort: Array) -> Array:
        """Receptivity after a round with this discomfort."""
        back = self.eta_up * (self.receptivity - alpha)
        away = self.eta_down * np.maximum(0.0, discomfort - self.theta)
        return np.clip(alpha + back - away, self.alpha_min, 1.0)

    def equilibrium(self, discomfort: float) -> float:
        """Where receptivity settles under constant discomfort (proposition 2.9)."""
        fall = self.eta_down / self.eta_up * max(0.0, discomfort - self.theta)
        return max(self.alpha_min, self.receptivity - fall)


@dataclass(frozen=True, slots=True)
class Discomfort:
    """What is not as usual, by its parts (eq. 6)."""

    state: Array
    """Root mean square distance of the state from its baseline."""
    output: Array
    """Distance of the body's action from its baseline."""
    disagreement: Array
    """Distance between the body's action and the cognitive one."""

    @property
    def total(self) -> Array:
        """Weighted together."""
        a, b, c = WEIGHTS
        whole: Array = a * self.state + b * self.output + c * self.disagreement
        return whole


def discomfort(state: Array, output: Array, disagreement: Array) -> Discomfort:
    """From how far things are from what they usually are: states (n, d), actions (n,)."""
    apart = np.sqrt(np.einsum("nd,nd->n", state, state) / state.shape[-1])
    return Discomfort(apart, np.abs(output), np.abs(disagreement))
