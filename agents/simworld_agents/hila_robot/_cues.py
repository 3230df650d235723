"""What a robot looks at when it decides whether to ask: mostly, how far it will push people aside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simworld.kernel import Array
from simworld.worlds.plaza import FloatArray, length
from simworld_agents.navigator import ConstantVelocity, Predictor, Scenery

CHOICES = ("go", "yield", "ask")
"""What it may do for the next seconds: go its way, stand, or be driven by an operator."""
GO, YIELD, ASK = range(3)
TICKS = 8
"""For so many ticks it looks ahead, as far as the model of people does."""
SEEN = ("perturbation", "standing", "distance", "far")
"""What is seen of a situation, all in metres: how far people will be, on average over people and ticks, from where they
would be without the robot, if it goes its way and if it stands; how near the nearest surface comes if it goes, at most
``_NEAR``; how far the goal is."""
CUES = tuple(f"{choice}/{name}" for choice in CHOICES[1:] for name in ("one", *SEEN))
"""Cues of choices: those of going are 0, so that the others' weights say what speaks for them against going."""
_NEAR = 2.0
_SCALE = np.array([0.1, 0.1, 1.0, 10.0])
"""What is 1 to the policy, in metres."""


@dataclass(frozen=True)
class Situation:
    """What a robot knows when it decides."""

    scenery: Scenery
    """Where people are, and where they were."""
    plan: FloatArray
    """Where it will be in the next ticks if it goes its way, m, shape (TICKS, 2)."""
    reach: FloatArray
    """Sum of radii with each person, m, shape (n,)."""
    far: float
    """To its goal, m."""

    def seen(self, predictor: Predictor) -> FloatArray:
        """The numbers of ``SEEN``, shape (4,)."""
        if not len(self.scenery.position):
            return np.array([0.0, 0.0, _NEAR, self.far])
        stays = np.broadcast_to(self.scenery.robot, self.plan.shape)
        alone = predictor.paths(self.scenery, None, TICKS)[0]
        moved = [
            float(length(predictor.paths(self.scenery, plan[None], TICKS)[0] - alone).mean())
            for plan in (self.plan, stays)
        ]
        straight = ConstantVelocity().paths(self.scenery, None, TICKS)[0]
        gap = float((length(self.plan[:, None] - straight) - self.reach).min())
        return np.array([*moved, min(gap, _NEAR), self.far])


def candidates(seen: FloatArray) -> Array:
    """Cues of the three choices, shape (n, 3, len(CUES)), from what is seen, shape (n, 4)."""
    own = np.concatenate([np.ones((len(seen), 1)), seen / _SCALE], axis=1)
    width = own.shape[1]
    found = np.zeros((len(seen), len(CHOICES), len(CUES)))
    found[:, YIELD, :width] = own
    found[:, ASK, width:] = own
    return found
