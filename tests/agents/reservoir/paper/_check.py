"""What a check is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """A number of the paper, and where ours must lie."""

    name: str
    says: str
    paper: str
    """As the text or the release's tables have it."""
    of: Callable[[], float]
    low: float
    high: float
    slow: bool = False
    """Left to ``python -m paper``."""

    @property
    def experiment(self):
        """Checks of one experiment share what they stand on, which a process works out once."""
        shared = {"2": ("C1", "C2", "exp 2", "F3", "F4"), "6": ("C4", "C5", "F1", "F2"), "3": ("exp 3",)}
        return next((e for e, names in shared.items() if self.name in names and not self.slow), self.name)

    @property
    def met(self):
        """Whether it lies there."""
        return self.low <= float(self.of()) <= self.high
