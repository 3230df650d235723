"""What asking costs: spent so far, and the hard limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from simworld.errors import BudgetError


@dataclass(frozen=True, slots=True)
class Budget:
    """Hard limits of a run; None is no limit."""

    usd: float | None = None
    """Money for models; every price must be known."""
    tokens: int | None = None
    """Tokens of prompts and answers together."""
    asks: int | None = None
    """Questions to models."""
    minutes: float | None = None
    """Wall time of the run."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run has spent on models, or is about to."""

    asks: int = 0
    tokens: int = 0
    usd: float = 0.0

    def plus(self, other: Spent) -> Spent:
        """Both together."""
        return Spent(self.asks + other.asks, self.tokens + other.tokens, self.usd + other.usd)

    def minus(self, other: Spent) -> Spent:
        """The difference."""
        return Spent(self.asks - other.asks, self.tokens - other.tokens, self.usd - other.usd)


class Meter(Protocol):
    """Counts for a whole run, over all of its processes."""

    @property
    def budget(self) -> Budget:
        """The limits."""

    def reserve(self, most: Spent) -> None:
        """Set aside what a call may cost, before it is sent. Raises BudgetError if it is too much."""

    def settle(self, difference: Spent) -> None:
        """Correct by the difference between what a call came to and what was set aside."""

    def spent(self) -> Spent:
        """So far, with what is set aside for calls under way."""


class OwnMeter:
    """Counts for this process alone."""

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        self._spent = Spent()

    def reserve(self, most: Spent) -> None:
        """Set aside."""
        after = self._spent.plus(most)
        check_budget(self.budget, after)
        self._spent = after

    def settle(self, difference: Spent) -> None:
        """Correct."""
        self._spent = self._spent.plus(difference)

    def spent(self) -> Spent:
        """So far."""
        return self._spent


class Tab:
    """What one ask costs while it is under way: set aside call by call, and settled whatever becomes of it."""

    def __init__(self, meter: Meter, aside: Spent) -> None:
        """Take over what was set aside for the first call: tokens and usd; that it is an ask was counted already."""
        self._meter, self._aside = meter, aside
        self._flying, self._sent = False, False

    def open(self, most: Spent) -> None:
        """Set aside what a further call may cost, unless that is done already. Raises BudgetError."""
        if self._aside == Spent():
            self._meter.reserve(most)
            self._aside = most

    def fly(self) -> None:
        """The call is sent."""
        self._flying = self._sent = True

    def land(self, came_to: Spent | None) -> None:
        """The call came to this; None: nobody knows, so it is taken for what was set aside."""
        self._flying = False
        if came_to is not None:
            self._meter.settle(came_to.minus(self._aside))
        self._aside = Spent()

    def miss(self) -> None:
        """The call failed at no cost: what was set aside serves the next."""
        self._flying = False

    def close(self) -> None:
        """Give back what was not used. A call that was cut off may cost what was set aside."""
        back = Spent() if self._flying else self._aside
        if not self._sent:
            back = back.plus(Spent(asks=1))
        self._meter.settle(Spent().minus(back))
        self._aside = Spent()


def check_budget(budget: Budget, after: Spent) -> None:
    """Raise BudgetError if this would be more than the budget allows."""
    for what, most, found in (
        ("asks", budget.asks, after.asks),
        ("tokens", budget.tokens, after.tokens),
        ("usd", budget.usd, after.usd),
    ):
        if most is not None and found > most:
            raise BudgetError(f"the budget of {most:,g} {what} does not allow the next asks ({found:,g} {what})")
