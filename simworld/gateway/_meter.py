"""What asking costs: spent so far, and the hard limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from simworld.errors import BudgetError


@dataclass(frozen=True, slots=True)
class Budget:
    """Hard limits of a run; None is no limit."""

    usd: float | None = None
    """Money, as far as prices are known."""
    tokens: int | None = None
    """Tokens of prompts and answers together."""
    asks: int | None = None
    """Questions to models."""
    minutes: float | None = None
    """Wall time of the run."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run has spent on models."""

    asks: int = 0
    tokens: int = 0
    usd: float = 0.0


class Meter(Protocol):
    """Counts for a whole run, over all of its processes."""

    def reserve(self, asks: int, tokens: int, usd: float) -> None:
        """Set aside what a batch of asks may cost, before any of it is sent. Raises BudgetError if it is too much."""

    def settle(self, tokens: int, usd: float) -> None:
        """Correct by the difference between what was set aside and what it came to."""

    def spent(self) -> Spent:
        """So far."""


class OwnMeter:
    """Counts for this process alone."""

    def __init__(self, budget: Budget | None = None) -> None:
        self._budget, self._spent = budget or Budget(), Spent()

    def reserve(self, asks: int, tokens: int, usd: float) -> None:
        """Set aside."""
        after = Spent(self._spent.asks + asks, self._spent.tokens + tokens, self._spent.usd + usd)
        check_budget(self._budget, after)
        self._spent = after

    def settle(self, tokens: int, usd: float) -> None:
        """Correct."""
        self._spent = Spent(self._spent.asks, self._spent.tokens + tokens, self._spent.usd + usd)

    def spent(self) -> Spent:
        """So far."""
        return self._spent


def check_budget(budget: Budget, after: Spent) -> None:
    """Raise BudgetError if this would be more than the budget allows."""
    for what, most, found in (
        ("asks", budget.asks, after.asks),
        ("tokens", budget.tokens, after.tokens),
        ("usd", budget.usd, after.usd),
    ):
        if most is not None and found > most:
            raise BudgetError(f"the budget of {most:,g} {what} does not allow the next asks ({found:,g} {what})")
