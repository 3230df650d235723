"""The world: two cadences on one agenda, workers every period and the planner every tax year."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from simworld.errors import ActionError
from simworld.kernel import Array, Field, Members, Moment, Role, Turn, World
from simworld.worlds.economy._labour import Workforce, check_balance, labour_cost, settle
from simworld.worlds.economy._schedule import FloatArray, Schedule, named_edges
from simworld.worlds.economy._skills import FULL_TIME_HOURS, skills_from_uniform
from simworld_analysis import formulas

Objective = Literal[
    "inverse_income_sum",
    "inverse_income_mean",
    "utilitarian_mean",
    "mean_log_utility",
    "minimum_utility",
    "equality_times_productivity",
]
"""A measure of welfare; all of them are always computed, one is the planner's reward."""

_MEASURES = (
    Field("inverse_income_sum", meaning="sum of u/max(z, floor), as published (Karten et al. 2025); not per head"),
    Field("inverse_income_mean", unit="USD/year", meaning="mean utility, weights 1/max(z, floor) normalised to one"),
    Field("utilitarian_mean", unit="USD/year", meaning="mean utility"),
    Field("mean_log_utility", meaning="mean of log max(u, 1)"),
    Field("minimum_utility", unit="USD/year", meaning="utility of the worst off"),
    Field("equality_times_productivity", unit="USD/year", meaning="(1 - gini of net income, corrected) x mean income"),
    Field("objective", meaning="the welfare that the planner is rewarded for"),
    Field("gini_income", meaning="Gini coefficient of income before tax"),
    Field("gini_net", meaning="Gini coefficient of income after tax and rebate"),
    Field("mean_income", unit="USD/year", meaning="mean income before tax"),
    Field("revenue", unit="USD/year", meaning="tax per head, all of it paid back as the rebate"),
    Field(
        "budget_gap", unit="USD/year", meaning="income less what is kept and paid back, per head: zero but for rounding"
    ),
    Field("mean_hours", unit="hours/week", meaning="mean hours of those present"),
    Field("participation", meaning="share of workers with hours above zero"),
    Field("top_rate", meaning="marginal rate of the highest bracket"),
)


@dataclass
class Economy(World):
    """A society of workers who choose hours and a planner who chooses tax rates.

    A period is one repetition of a static year: incomes are annual, tax is assessed and paid back every period. A tax
    year is ``tax_year`` periods: workers decide every period, the planner at the start of every tax year, before
    them. Nothing but the agents' memory carries over. Until somebody decides otherwise all work 40 hours. Source:
    Karten et al. 2025, "LLM Economist", arXiv 2507.15815, with its labour cost recalibrated.
    """

    brackets: str | list[float] = "us_2024"
    """Bracket edges: us_2018 to us_2026, three, flat, or a list of lower edges in USD/year."""
    start_rate: Annotated[float, Ge(0), Le(1)] = 0.5
    """Rate in every bracket until the planner first moves."""
    elasticity: Annotated[float, Ge(0.05), Le(5)] = 0.4
    """Elasticity of taxable income to the net-of-tax rate where hours are interior."""
    calibration: Literal["median40", "published"] | Annotated[float, Gt(0)] = "median40"
    """Labour cost: median40 (the median worker chooses 40 hours under US 2024), published (0.0005), or a number."""
    skills: Literal["sampled", "quantiles"] | list[Annotated[float, Ge(0)]] = "sampled"
    """Skills: sampled from the income distribution by seed, its evenly spaced quantiles, or one number per worker."""
    hours_cap: Annotated[float, Gt(0), Le(168)] = 100.0
    """Most hours a week."""
    tax_year: Annotated[int, Gt(0)] = 12
    """Periods in a tax year."""
    objective: Objective = "inverse_income_mean"
    """The welfare that the planner is rewarded for: its mean over the tax year."""
    floor: Annotated[float, Gt(0)] = 1.0
    """Lowest income, USD/year, that enters inverse-income weights."""

    tick_unit: ClassVar[str] = "year"
    changeable = ("objective", "floor")
    measures = _MEASURES
    roles: tuple[Role, ...] = field(init=False, repr=False)
    tick_length: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Work out the roles from the parameters.

        Raises:
            ValueError: Brackets that make no schedule.
        """
        edges = np.array(self.brackets) if isinstance(self.brackets, list) else named_edges(self.brackets)
        self._start = Schedule(edges, np.full(len(edges), self.start_rate))
        self._cost = labour_cost(self.calibration, self.elasticity)
        self.tick_length = 1.0 / self.tax_year
        self.roles = _roles(len(edges), self.hours_cap)

    def check(self, seats: Mapping[str, int]) -> None:
        """Skills that are listed are one for each worker."""
        if isinstance(self.skills, list) and len(self.skills) != seats.get("worker", 0):
            raise ValueError(
                f"skills: found {len(self.skills)} numbers; accepted: one for each of {seats.get('worker', 0)} workers"
            )

    def reset(self, turn: Turn) -> None:
        """Draw the skills, seat everybody, and wake the planner before the workers."""
        count = turn.seats("worker")
        skills = self._skills(turn, count)
        self._workforce = Workforce(skills, self._cost, self.elasticity, self.hours_cap)
        self._schedule = self._start
        self._present = np.zeros(count, dtype=bool)
        self._present[turn.join("worker", count, skill=skills)] = True
        self._hours = np.full(count, min(FULL_TIME_HOURS, self.hours_cap))
        self._welfare_sum, self._welfare = 0.0, float("nan")
        self._assess()
        if turn.seats("planner"):
            turn.wake("planner", turn.join("planner", turn.seats("planner")), 0, priority=-1)
        turn.wake("worker", turn.members("worker"), 0)

    def observe(self, role: str, members: Members) -> Mapping[str, Array]:
        """What workers or the planner see: the schedule in force and the accounts of the last period."""
        edges, rates = self._schedule.edges.copy(), self._schedule.rates.copy()
        if role == "planner":
            n = (len(members), 1)
            incomes, hours = self._income.copy(), self._hours.copy()
            incomes[~self._present] = hours[~self._present] = np.nan
            return {
                "edges": edges,
                "rates": rates,
                "incomes": np.tile(incomes, n),
                "hours": np.tile(hours, n),
                "welfare": np.full(len(members), self._welfare),
            }
        return {
            "edges": edges,
            "rates": rates,
            "rebate": np.array(self._rebate),
            "elasticity": np.array(self.elasticity),
            "labour_cost": np.array(self._cost),
            "hours_cap": np.array(self.hours_cap),
            "skill": self._workforce.skills[members],
            "hours": self._hours[members],
            "income": self._income[members],
            "tax": self._tax[members],
            "utility": self._utility[members],
        }

    def step(self, moment: Moment, turn: Turn) -> None:
        """A planner's moment sets the schedule; a workers' moment is a period: work, tax, rebate, welfare."""
        planned = moment.acts.get("planner")
        if planned is not None and len(planned):
            self._schedule = self._new_schedule(planned["edges"][0], planned["rates"][0])
            turn.wake("planner", turn.members("planner"), turn.tick + self.tax_year, priority=-1)
        if moment.priority < 0:
            return
        worked = moment.acts.get("worker")
        if worked is not None:
            self._hours[worked.members] = worked["hours"]
        self._assess()
        workers = turn.members("worker")
        turn.reward("worker", workers, self._utility[workers])
        self._report(turn)
        turn.wake("worker", workers, turn.tick + 1)

    def taken_out(self, role: str, members: Members, turn: Turn) -> None:  # noqa: ARG002
        """Workers who were taken out earn and pay nothing from the next period on."""
        if role == "worker":
            self._present[members] = False

    def _assess(self) -> None:
        """The accounts of a period for all who are present, checked for balance."""
        here = self._present
        everybody = bool(here.all())
        hours = self._hours if everybody else self._hours[here]
        settled = settle(self._schedule, self._workforce.skills if everybody else self._workforce.skills[here], hours)
        check_balance(settled)
        utility = self._workforce.utility(hours, settled.net)
        self._rebate = settled.rebate
        if everybody:
            self._income, self._tax, self._net, self._utility = settled.income, settled.tax, settled.net, utility
            return
        columns = [np.zeros(len(here)) for _ in range(4)]
        for column, values in zip(columns, (settled.income, settled.tax, settled.net, utility), strict=True):
            column[here] = values
        self._income, self._tax, self._net, self._utility = columns

    def _report(self, turn: Turn) -> None:
        """Emit all measures, and credit the planner with its objective."""
        here = self._present
        if not here.any():
            return
        income, net, utility, hours = (a[here] for a in (self._income, self._net, self._utility, self._hours))
        welfare = {
            "inverse_income_sum": formulas.inverse_income_sum(utility, income, self.floor),
            "inverse_income_mean": formulas.inverse_income_mean(utility, income, self.floor),
            "utilitarian_mean": formulas.utilitarian_mean(utility),
            "mean_log_utility": formulas.mean_log_utility(utility),
            "minimum_utility": formulas.minimum_utility(utility),
            "equality_times_productivity": formulas.equality_times_productivity(net),
        }
        objective = welfare[self.objective]
        turn.emit(
            **welfare,
            objective=objective,
            gini_income=formulas.gini(income),
            gini_net=formulas.gini(net),
            mean_income=float(income.mean()),
            revenue=self._rebate,
            budget_gap=float((income - net).mean()),
            mean_hours=float(hours.mean()),
            participation=float((hours > 0).mean()),
            top_rate=float(self._schedule.rates[-1]),
        )
        self._welfare_sum += objective
        if (turn.tick + 1) % self.tax_year == 0:
            self._welfare, self._welfare_sum = self._welfare_sum / self.tax_year, 0.0
        planners = turn.members("planner")
        if len(planners):
            turn.reward("planner", planners, np.full(len(planners), objective / self.tax_year))

    def _skills(self, turn: Turn, count: int) -> FloatArray:
        if isinstance(self.skills, list):
            return np.array(self.skills, dtype=np.float64)
        if self.skills == "quantiles":
            return skills_from_uniform((np.arange(count) + 0.5) / count)
        return skills_from_uniform(turn.draw("skill", count))

    def _new_schedule(self, edges: FloatArray, rates: FloatArray) -> Schedule:
        kept = np.where(np.isnan(edges), self._schedule.edges, edges)
        try:
            return Schedule(kept, rates)
        except ValueError as error:
            raise ActionError(f"planner: {error}") from error


def _roles(brackets: int, cap: float) -> tuple[Role, ...]:
    usd, fraction = "USD/year", "fraction"
    schedule = (
        Field("edges", shape=(brackets,), unit=usd, meaning="lower bracket edges in force", shared=True),
        Field("rates", shape=(brackets,), unit=fraction, meaning="marginal rates in force", shared=True),
    )
    worker = Role(
        "worker",
        obs=(
            *schedule,
            Field("rebate", unit=usd, meaning="equal lump sum of the last period", shared=True),
            Field("elasticity", meaning="elasticity of income to the net-of-tax rate", shared=True),
            Field("labour_cost", unit=usd, meaning="constant c of the cost c h^(1 + 1/e) of h hours", shared=True),
            Field("hours_cap", unit="hours/week", meaning="most hours", shared=True),
            Field("skill", unit="USD/year per hour/week", meaning="annual income per weekly hour"),
            Field("hours", unit="hours/week", meaning="hours of the last period"),
            Field("income", unit=usd, meaning="income before tax of the last period"),
            Field("tax", unit=usd, meaning="tax paid in the last period"),
            Field("utility", unit=usd, meaning="utility of the last period"),
        ),
        act=(Field("hours", unit="hours/week", meaning="hours to work", low=0.0, high=cap),),
        traits=(Field("skill", unit="USD/year per hour/week", meaning="annual income per weekly hour"),),
    )
    planner = Role(
        "planner",
        most=1,
        obs=(
            *schedule,
            Field(
                "incomes", shape=("worker",), unit=usd, meaning="tax roll: incomes of the last period, nan if absent"
            ),
            Field("hours", shape=("worker",), unit="hours/week", meaning="hours of the last period, nan if absent"),
            Field("welfare", meaning="the objective's mean over the last tax year; nan before the first"),
        ),
        act=(
            Field("rates", shape=(brackets,), unit=fraction, meaning="marginal rates to set", low=0.0, high=1.0),
            Field(
                "edges",
                shape=(brackets,),
                unit=usd,
                meaning="lower bracket edges to set; nan leaves an edge as it is",
                low=0.0,
                default=float("nan"),
            ),
        ),
    )
    return (planner, worker)
