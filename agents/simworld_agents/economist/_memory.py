"""What a mind that reasons in text remembers: a window of the latest, and the best; neither grows with time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


class Scored(Protocol):
    """Something tried, and what came of it."""

    @property
    def key(self) -> object:
        """What was tried: of several with one key, the latest counts."""

    @property
    def score(self) -> float:
        """What came of it: more is better."""


Tried = TypeVar("Tried", bound=Scored)


@dataclass
class Memory(Generic[Tried]):
    """The latest trials in their order, and the best distinct ones, best first."""

    window: int
    """How many of the latest are kept."""
    keep: int
    """How many of the best are kept."""
    latest: list[Tried] = field(default_factory=list)
    best: list[Tried] = field(default_factory=list)

    def add(self, trial: Tried) -> None:
        """Remember a trial."""
        self.latest = [*self.latest, trial][-self.window :] if self.window else []
        # A stable sort: of equals, what has been known longer stays ahead.
        others = [t for t in self.best if t.key != trial.key]
        self.best = sorted([*others, trial], key=lambda t: -t.score)[: self.keep]

    def forget_best(self) -> None:
        """What was best is so no more: the world has changed."""
        self.best = []
