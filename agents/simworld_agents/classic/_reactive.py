"""Players who answer what the other did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from simworld.kernel import Array, Cohort, Seats
from simworld_agents.classic._open_loop import Share
from simworld_agents.classic._seats import Memory


@dataclass(eq=False)
class TitForTat(Cohort):
    """Plays what the other played in the last round, times a scale."""

    sees = ("other",)
    does = ("cooperate",)

    first: Share = 1.0
    """What it plays before it has seen anything."""
    scale: Share = 1.0
    """What the other's action is multiplied by; below 1 it takes a little more than it is given."""

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:  # noqa: ARG002
        """The other's last action."""
        other = seen["other"]
        return {"cooperate": np.where(np.isnan(other), self.first, self.scale * other)}


@dataclass(eq=False)
class ExponentialAverage(Cohort):
    """Plays an exponential moving average of what the other played (Body-Reservoir Governance, experiment 10)."""

    sees = ("other", "rounds")
    does = ("cooperate",)

    memory: Share = 0.9
    """Weight of its own last action against the other's."""
    first: Share = 1.0
    """What it plays before it has seen anything."""

    def __post_init__(self) -> None:
        """Begin without seats."""
        self._last = Memory(self.first)
        self._rounds = Memory(0.0)

    def join(self, seats: Seats) -> None:
        """Everybody starts from the same."""
        self._last.make_room(seats.rows)
        self._rounds.make_room(seats.rows)

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:
        """The average, moved a little towards what the other did."""
        other, last = seen["other"], self._last.values
        before = last[seats.rows]
        # Who has sat a round out has seen nothing new.
        heard = (seen["rounds"] > self._rounds.values[seats.rows]) & ~np.isnan(other)
        now = np.where(heard, self.memory * before + (1.0 - self.memory) * other, before)
        last[seats.rows], self._rounds.values[seats.rows] = now, seen["rounds"]
        return {"cooperate": now}


@dataclass(eq=False)
class Grim(Cohort):
    """Cooperates until the other has played less than a threshold, and never again."""

    sees = ("other",)
    does = ("cooperate",)

    threshold: Share = 0.5
    """The least that it takes for cooperation."""

    def __post_init__(self) -> None:
        """Begin without seats."""
        self._trusts = Memory(1.0)

    def join(self, seats: Seats) -> None:
        """Everybody trusts at first."""
        self._trusts.make_room(seats.rows)

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:
        """Cooperation as long as it trusts."""
        trusts = self._trusts.values
        trusts[seats.rows[seen["other"] < self.threshold]] = 0.0
        return {"cooperate": trusts[seats.rows]}
