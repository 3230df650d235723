"""Planners who need no model: fixed schedules, optimal-tax formulas, and searches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, cast

import numpy as np
from annotated_types import Ge, Gt, Le

from simworld.kernel import Action, Agent, Field, Role, Seat, Value
from simworld.worlds.economy import FloatArray, Schedule, Workforce, named_schedule
from simworld_agents.economist._optimal_tax import (
    Search,
    SearchRule,
    begin_search,
    bracket_fixed_point,
    coordinate_climb,
    delta_climb,
    inverse_income_weights,
    linear_rate,
    pareto_tail_index,
    pareto_top_rate,
    random_search,
    saez_point,
)

Rate = Annotated[float, Ge(0), Le(1)]
Elasticity = Annotated[float, Ge(0.05), Le(5)]
_TAIL = 0.9
"""Incomes above this quantile estimate the Pareto tail where the top bracket holds fewer than five."""
_MOVES: dict[str, SearchRule] = {"coordinate": coordinate_climb, "delta": delta_climb}


class FixedPlanner(Agent):
    """A planner who sets one schedule for good: any year's federal one, a free market, one flat rate, or a list."""

    sees = ("edges",)
    does = ("rates", "edges")

    def __init__(self, schedule: str = "us_2024", rate: Rate | None = None, rates: list[Rate] | None = None) -> None:
        """Choose the schedule.

        Args:
            schedule: us_2018 to us_2026 (rates and edges), free_market, flat (with ``rate``) or custom (with
                ``rates``, one per bracket of the world).
            rate: The flat rate.
            rates: The rates, lowest bracket first.

        Raises:
            ValueError: An unknown name, or a rate that does not go with it.
        """
        if (rate is not None) != (schedule == "flat") or (rates is not None) != (schedule == "custom"):
            raise ValueError(f"schedule {schedule!r}: 'rate' goes with flat, 'rates' with custom, neither with others")
        self._named = None if schedule in {"flat", "custom", "free_market"} else named_schedule(schedule)
        self._rates = rates if rates is not None else [rate or 0.0]

    def check(self, role: Role) -> None:
        """The schedule has as many brackets as the world."""
        brackets = brackets_of(role)
        if self._named is not None and len(self._named.edges) != brackets:
            raise ValueError(f"this schedule has {len(self._named.edges)} brackets, the world has {brackets}")
        if len(self._rates) not in {1, brackets}:
            raise ValueError(
                f"found {len(self._rates)} rates; accepted: one for each of the world's {brackets} brackets"
            )

    def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:  # noqa: ARG002
        """The same schedule every time."""
        edges = cast(FloatArray, seen["edges"])
        if self._named is not None:
            return {"rates": self._named.rates, "edges": self._named.edges}
        return {"rates": np.broadcast_to(np.array(self._rates), edges.shape)}


class SaezPlanner(Agent):
    """A planner who reads the tax roll every tax year and sets what an optimal-tax formula asks for.

    Forms: ``bracket``, the first-order condition of every bracket, iterated with the workers' best responses;
    ``linear``, the optimal flat rate; ``pareto_top``, that rate with Saez's (2001) top rate in the highest bracket;
    ``point``, the formula as the release of Karten et al. 2025 computes it (labelled the release's: it is not what
    the theory asks for). Welfare weights are inverse incomes. What it knows are incomes, hours and the elasticity it
    believes in; skills are incomes by hours, and the cost of labour is inferred from what the median worker chose.
    """

    sees = ("edges", "rates", "incomes", "hours")
    does = ("rates",)
    mind: ClassVar[tuple[Field, ...]] = (
        Field("believed_cost", unit="USD/year", meaning="labour cost constant inferred from the tax roll"),
    )

    def __init__(
        self,
        form: Literal["bracket", "linear", "pareto_top", "point"] = "bracket",
        elasticity: Elasticity | list[Elasticity] = 0.4,
        floor: Annotated[float, Gt(0)] = 1.0,
    ) -> None:
        """Choose the formula.

        Args:
            form: Which formula.
            elasticity: Elasticity that it believes in; one per bracket is accepted by ``point`` only.
            floor: Lowest income, USD/year, in the weights.

        Raises:
            ValueError: Several elasticities for another form than point.
        """
        if isinstance(elasticity, list) and form != "point":
            raise ValueError(f"elasticity: found {len(elasticity)} numbers; form {form!r} accepts one")
        self._form, self._elasticity, self._floor = form, elasticity, floor

    def check(self, role: Role) -> None:
        """Elasticities that are listed are one for each bracket."""
        if isinstance(self._elasticity, list) and len(self._elasticity) != brackets_of(role):
            raise ValueError(
                f"elasticity: found {len(self._elasticity)} numbers; accepted: one, or one for each of the world's"
                f" {brackets_of(role)} brackets"
            )

    def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:
        """Rates by the formula, from last period's tax roll."""
        edges, rates = cast(FloatArray, seen["edges"]), cast(FloatArray, seen["rates"])
        incomes, hours = cast(FloatArray, seen["incomes"]), cast(FloatArray, seen["hours"])
        worked = (hours > 0) & (incomes > 0)  # nan, the absent, compare false
        incomes, hours = incomes[worked], hours[worked]
        if len(incomes) < 2 or (self._form == "point" and np.ptp(incomes / hours) == 0.0):
            # Nothing to be learned from such a tax roll: no density can be estimated on a single point.
            return {"rates": rates}
        if self._form == "point":
            return {"rates": saez_point(incomes / hours, edges, self._elasticity)}
        elasticity = cast(float, self._elasticity)
        weights = inverse_income_weights(incomes, self._floor)
        if self._form == "bracket":
            cost = inferred_cost(incomes, hours, Schedule(edges, rates), elasticity)
            seat.show(believed_cost=cost)
            return {"rates": bracket_fixed_point(Workforce(incomes / hours, cost, elasticity), edges).rates}
        flat = np.full(edges.shape, linear_rate(weights, incomes, elasticity))
        if self._form == "pareto_top":
            flat[-1] = _top_rate(incomes, weights, float(edges[-1]), elasticity)
        return {"rates": flat}


class HillClimbPlanner(Agent):
    """A planner who knows no economics: changes the best schedule so far a little, and keeps what is better."""

    sees = ("edges", "welfare")
    does = ("rates",)

    def __init__(
        self,
        moves: Literal["coordinate", "delta"] = "coordinate",
        start: Rate = 0.5,
        explore: Annotated[int, Ge(1)] = 40,
    ) -> None:
        """Choose the moves.

        Args:
            moves: coordinate (one rate by 10 points) or delta (all rates, each by up to 20 points).
            start: First rate in every bracket, a fraction; taken to the nearest 10 points.
            explore: Tax years of search; then the best schedule found stays.
        """
        self._rule: SearchRule = _MOVES[moves]
        self._start, self._explore = start, explore
        self._search: Search | None = None

    def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:
        """Score last year's schedule, and try another one."""
        brackets = len(cast(FloatArray, seen["edges"]))
        if self._search is None:
            self._search = begin_search([10 * round(10 * self._start)] * brackets)
        elif self._search.evaluations < self._explore:
            score = float(cast(float, seen["welfare"]))
            self._search = self._rule(self._search, score, seat.draw("search", width=(brackets,)))
        over = self._search.evaluations >= self._explore
        percent = self._search.best if over else self._search.trial
        return {"rates": np.array(percent) / 100.0}


class RandomSearchPlanner(HillClimbPlanner):
    """A planner who knows nothing: tries schedules at random, and keeps the best."""

    def __init__(self, start: Rate = 0.5, explore: Annotated[int, Ge(1)] = 40) -> None:
        """Choose how long to search.

        Args:
            start: First rate in every bracket, a fraction; taken to the nearest 10 points.
            explore: Tax years of search; then the best schedule found stays.
        """
        super().__init__(start=start, explore=explore)
        self._rule = random_search


def brackets_of(role: Role) -> int:
    """How many brackets a world has, from what its planner decides."""
    (rates,) = [f for f in role.act if f.name == "rates"]
    return int(rates.shape[0])


def inferred_cost(incomes: FloatArray, hours: FloatArray, schedule: Schedule, elasticity: float) -> float:
    """Labour cost at which the median worker's hours satisfy v (1 - t) = c (1 + 1/e) h^(1/e)."""
    kept = 1.0 - schedule.marginal(incomes)
    cost = (incomes / hours) * kept / ((1.0 + 1.0 / elasticity) * hours ** (1.0 / elasticity))
    usable = cost[cost > 0]
    # At the cap or at a kink the condition does not hold exactly: the median is not moved by a few such workers.
    return float(np.median(usable)) if len(usable) else 1.0


def _top_rate(incomes: FloatArray, weights: FloatArray, edge: float, elasticity: float) -> float:
    threshold = edge if (incomes > edge).sum() >= 5 else float(np.quantile(incomes, _TAIL))
    above = incomes > threshold
    if not above.any():
        return 0.0
    weight = float(weights[above].mean() / weights.mean())
    return pareto_top_rate(weight, pareto_tail_index(incomes, threshold), elasticity)
