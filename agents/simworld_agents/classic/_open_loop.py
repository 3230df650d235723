"""Players who listen to nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, MinLen

from simworld.kernel import Array, Cohort, Seats

Share = Annotated[float, Ge(0), Le(1)]
"""From 0 to 1."""


@dataclass(eq=False)
class Always(Cohort):
    """Plays the same in every round."""

    does = ("cooperate",)

    level: Share = 1.0
    """What it plays, from 0 (defect) to 1 (cooperate)."""

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:  # noqa: ARG002
        """The same again."""
        return {"cooperate": np.full(len(seats.members), self.level)}


@dataclass(frozen=True)
class Phase:
    """A stretch of rounds that are played alike."""

    rounds: Annotated[int, Gt(0)]
    """How many."""
    level: Share = 1.0
    """What is played."""
    noise: Share = 0.0
    """Chance of a defection instead, independent in every round."""


@dataclass(eq=False)
class Scheduled(Cohort):
    """Plays a schedule, whatever the others do; its last phase goes on."""

    does = ("cooperate",)

    phases: Annotated[list[Phase], MinLen(1)]
    """One after the other, each with rounds, level and noise."""

    def __post_init__(self) -> None:
        """Work out when each phase ends."""
        self._ends = np.cumsum([phase.rounds for phase in self.phases])

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:  # noqa: ARG002
        """What the phase of this round says."""
        place = min(int(np.searchsorted(self._ends, seats.tick, side="right")), len(self.phases) - 1)
        phase = self.phases[place]
        played = np.full(len(seats.members), phase.level)
        if phase.noise:
            played[seats.draw("defects") < phase.noise] = 0.0
        return {"cooperate": played}
