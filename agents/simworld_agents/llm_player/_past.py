"""What a player who reasons in text remembers: the latest rounds, and totals of all; neither grows with time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Round:
    """A round from where one player stood; actions from 0 to 1 as they were played, noise included."""

    number: int
    """From 1 on."""
    own: float
    other: float
    """The mean, if there were several others; nan if there was nobody."""
    payoff: float


@dataclass(frozen=True, slots=True)
class Past:
    """The rounds so far. It is a value: a decision that is executed again begins with the same past."""

    window: int
    """How many of the latest rounds are kept."""
    rounds: int = 0
    """How many there were."""
    latest: tuple[Round, ...] = ()
    """Oldest first."""
    payoff: float = 0.0
    """Sum of all payoffs."""
    other: float = 0.0
    """Sum of what the other played."""
    met: int = 0
    """Rounds in which there was another."""

    def with_seen(self, seen: Mapping[str, float]) -> Past:
        """The past after what is seen now: one round more, or none for who sat out."""
        number = int(seen["rounds"])
        if number <= self.rounds:
            return self
        new = Round(number, seen["own"], seen["other"], seen["payoff"])
        latest = (*self.latest, new)[-self.window :] if self.window else ()
        there = new.other == new.other  # nan is not itself
        return replace(
            self,
            rounds=number,
            latest=latest,
            payoff=self.payoff + new.payoff,
            other=self.other + (new.other if there else 0.0),
            met=self.met + there,
        )
