"""A planner who is told what it takes to be right: the best schedule by brute force, the reference for all others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, cast

import numpy as np
from annotated_types import Ge, Gt, Le

from simworld.kernel import Action, Agent, Field, Role, Seat, Value
from simworld.worlds.economy import FloatArray, Schedule, Settlement, Workforce, uniform_schedule
from simworld_agents.economist._optimal_tax import brute_force, outcome
from simworld_agents.economist._planners import brackets_of, inferred_cost
from simworld_analysis.formulas import inverse_income_mean

_MOST_BRACKETS = 4
_SAME = 1e-9
"""Relative difference up to which a tax roll tells the same society."""


class OptimumPlanner(Agent):
    """A planner who computes the schedule of greatest inverse-income welfare, from skills that it reads off incomes.

    Spaces: ``brackets``, every combination of rates on a grid; ``flat``, one rate for all by numerical search. Workers
    are taken to respond rationally, with the elasticity that it believes in and the cost of labour that the median
    worker's hours imply. It is a yardstick: no administration sees skills.
    """

    sees = ("edges", "rates", "incomes", "hours")
    does = ("rates",)
    mind: ClassVar[tuple[Field, ...]] = (
        Field("believed_cost", unit="USD/year", meaning="labour cost constant inferred from the tax roll"),
    )

    def __init__(
        self,
        space: Literal["brackets", "flat"] = "brackets",
        steps: Annotated[int, Ge(1), Le(100)] = 10,
        elasticity: Annotated[float, Gt(0)] = 0.4,
        floor: Annotated[float, Gt(0)] = 1.0,
    ) -> None:
        """Choose where to look.

        Args:
            space: brackets (a grid over all of them, up to four) or flat (one rate).
            steps: Steps of the grid from 0 to 100 percent.
            elasticity: Elasticity that it believes in.
            floor: Lowest income, USD/year, in the weights.
        """
        self._space, self._steps = space, steps
        self._elasticity, self._floor = elasticity, floor
        self._known: tuple[FloatArray, float, FloatArray] | None = None

    def check(self, role: Role) -> None:
        """The grid can be searched through."""
        brackets = brackets_of(role)
        if self._space == "brackets" and brackets > _MOST_BRACKETS:
            raise ValueError(f"brute force over {brackets} brackets; accepted: {_MOST_BRACKETS} or fewer")

    def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:
        """The best schedule for the society of the last tax roll; searched for anew only if that has changed."""
        edges, rates = cast(FloatArray, seen["edges"]), cast(FloatArray, seen["rates"])
        incomes, hours = cast(FloatArray, seen["incomes"]), cast(FloatArray, seen["hours"])
        worked = (hours > 0) & (incomes > 0)  # nan, the absent, compare false
        skills = incomes[worked] / hours[worked]
        if not len(skills):
            return {"rates": rates}
        cost = inferred_cost(incomes[worked], hours[worked], Schedule(edges, rates), self._elasticity)
        if self._known is None or not _alike(self._known, skills, cost):
            best = self._best(Workforce(skills, cost, self._elasticity), edges)
            self._known = (skills, cost, best)
        seat.show(believed_cost=cost)
        return {"rates": self._known[2]}

    def _best(self, workforce: Workforce, edges: FloatArray) -> FloatArray:
        def welfare(utility: FloatArray, accounts: Settlement) -> float:
            return inverse_income_mean(utility, accounts.income, self._floor)

        if self._space == "brackets":
            grid = [step / self._steps for step in range(self._steps + 1)]
            return brute_force(workforce, edges, welfare, grid)[0]
        from scipy.optimize import minimize_scalar  # noqa: PLC0415  slow to import

        found = minimize_scalar(
            lambda rate: -welfare(*outcome(workforce, uniform_schedule(edges, float(rate)))),
            bounds=(0.0, 1.0),
            method="bounded",
            options={"xatol": 1e-5},
        )
        return np.full(edges.shape, float(found.x))


def _alike(known: tuple[FloatArray, float, FloatArray], skills: FloatArray, cost: float) -> bool:
    before, old_cost, _ = known
    same = before.shape == skills.shape and bool(np.allclose(before, skills, rtol=_SAME, atol=0.0))
    return same and abs(cost - old_cost) <= _SAME * old_cost
