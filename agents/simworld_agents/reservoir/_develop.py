"""From a seed to a body: weights drawn, readout trained, habituated. The same seed gives the same body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.random import Generator, Philox

from simworld.kernel import Array
from simworld_agents.reservoir._body import Body, Habituation, Noise, fresh, habituated, trained


@dataclass(frozen=True, slots=True)
class Development:
    """How bodies come about."""

    units: int = 30
    radius: float = 0.9
    noise: float = 0.15
    burn_in: int = 500
    kept: int = 2000
    ridge: float = 0.001
    habituation: Habituation = field(default_factory=Habituation)
    relearn: bool = False
    """Whether the readout learns once more after habituation."""
    lean: float = 0.0
    """Added to the readout's offset at the end."""


@lru_cache(maxsize=32)
def develop(seeds: tuple[int, ...], how: Development) -> Body:
    """A body for each seed; in this process it is worked out once, as arms of a study have the same bodies.

    Nothing of the episode enters but the seeds, which it has drawn: whether a body was known before changes nothing.
    """
    chances = [Generator(Philox(key=seed)) for seed in seeds]
    d = how.units
    normals = np.stack([chance.standard_normal((d, d + 3)) for chance in chances])
    noise = noise_of(chances, d)
    body = trained(fresh(normals, how.radius, how.noise), noise, how.burn_in, how.kept, how.ridge)
    body = habituated(body, noise, how.habituation)
    if how.relearn:
        body = trained(body, noise, how.burn_in, how.kept, how.ridge)
    return replace(body, offset=body.offset + how.lean)


def noise_of(chances: Sequence[Generator], units: int) -> Noise:
    """Standard normal numbers of so many steps, each body's from its own generator."""

    def draw(steps: int) -> Array:
        return np.stack([chance.standard_normal((steps, units)) for chance in chances], axis=1)

    return draw
