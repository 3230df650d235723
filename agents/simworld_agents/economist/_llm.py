"""Workers and a planner who reason in text, after Karten et al. 2025, "LLM Economist" (arXiv 2507.15815)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

import numpy as np
from annotated_types import Ge, Le

from simworld.kernel import Action, Agent, Answer, Field, Json, Seat, Value
from simworld.worlds.economy import FloatArray
from simworld_agents.economist._memory import Memory
from simworld_agents.prompts import Prompt

_FOLDER = Path(__file__).parent / "prompts"
WORKER_SYSTEM = Prompt(
    _FOLDER / "worker_system.j2", ("name", "persona", "cap", "full_time", "formula", "cost", "power")
)
WORKER = Prompt(_FOLDER / "worker.j2", ("edges", "window", "best", "rates", "hours", "settle", "cap"))
PLANNER_SYSTEM = Prompt(_FOLDER / "planner_system.j2", ("objective",))
PLANNER = Prompt(_FOLDER / "planner.j2", ("brackets", "window", "best", "rates", "settle", "delta", "count"))

_THOUGHT = Field("thought", "str", meaning="what it said that it thinks, in its own words")
_LONGEST_THOUGHT = 300
_MOST_CHANGE = 20
"""Points by which a rate may change in one move, where changes are asked for (Karten et al. 2025)."""
Share = Annotated[int, Ge(0), Le(100)]


@dataclass(frozen=True, slots=True)
class Period:
    """A period as a worker remembers it; money in USD/year, rates as they were shown."""

    rates: str
    hours: float
    income: float
    tax: float
    rebate: float
    utility: float

    @property
    def key(self) -> object:
        """What was tried."""
        return self.hours

    @property
    def score(self) -> float:
        """What came of it."""
        return self.utility


class LlmWorker(Agent):
    """A worker who asks a model how many hours to work, and tells it what its past hours came to.

    The prompt holds a window of the latest periods and the best under the rates in force, so it does not grow with
    time. The formula of utility is not told, unless asked for: it has to be learned.
    """

    sees = (
        *("edges", "rates", "rebate", "elasticity", "labour_cost", "hours_cap"),
        *("skill", "hours", "income", "tax", "utility"),
    )
    does = ("hours",)
    asks = ("model",)
    mind: ClassVar[tuple[Field, ...]] = (_THOUGHT,)
    prompts: ClassVar[Mapping[str, str]] = {p.name: p.digest for p in (WORKER_SYSTEM, WORKER)}

    def __init__(
        self,
        model: str = "default",
        persona: str = "",
        window: Share = 6,
        best: Share = 3,
        explore: Annotated[int, Ge(0)] = 3,
        formula: bool = False,
    ) -> None:
        """Choose how it asks.

        Args:
            model: Which of the scenario's models it asks.
            persona: Who it is, in a sentence or two of the prompt.
            window: How many of the latest periods the prompt shows.
            best: How many of the best hours under the rates in force the prompt shows.
            explore: Periods of trying after the rates have changed; then it is asked for the best.
            formula: Tell it how utility is computed.
        """
        self._model, self._persona, self._explore, self._formula = model, persona, explore, formula
        self._memory: Memory[Period] = Memory(window, best)
        self._rates = ""
        """The rates in force when it decided last."""
        self._tried = 0
        """Periods under these rates."""

    async def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:
        """Ask for the hours; without a usable answer they stay as they are."""
        number = cast("Mapping[str, float]", seen)
        rates = _percents(cast(FloatArray, seen["rates"]))
        period = Period(
            self._rates, number["hours"], number["income"], number["tax"], number["rebate"], number["utility"]
        )
        # Memory changes only after the answer, so that the decision can be executed again.
        memory = Memory(self._memory.window, self._memory.keep, self._memory.latest, self._memory.best)
        if self._rates:
            memory.add(period)
        changed = rates != self._rates
        if changed:
            memory.forget_best()
        tried = 0 if changed else self._tried
        answer = await seat.ask.model(self._content(number, rates, memory, tried >= self._explore, seat))
        self._memory, self._rates, self._tried = memory, rates, tried + 1
        said = cast("Mapping[str, Any]", answer.value)
        seat.show(thought=str(said.get("thought") or "")[:_LONGEST_THOUGHT])
        return {"hours": float(said["hours"])}

    def _content(
        self, seen: Mapping[str, float], rates: str, memory: Memory[Period], settle: bool, seat: Seat
    ) -> Mapping[str, Json]:
        system = WORKER_SYSTEM.render(
            name=f"worker {seat.member}",
            persona=self._persona,
            cap=seen["hours_cap"],
            full_time=40 * seen["skill"],
            formula=self._formula,
            cost=f"{seen['labour_cost']:.6g}",
            power=1 + 1 / seen["elasticity"],
        )
        user = WORKER.render(
            edges=_amounts(cast(FloatArray, seen["edges"])),
            window=memory.latest,
            best=memory.best,
            rates=rates,
            hours=seen["hours"],
            settle=settle,
            cap=seen["hours_cap"],
        )
        hours: Json = {"type": "number", "minimum": 0, "maximum": seen["hours_cap"]}
        return {
            "model": self._model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "schema": _schema("hours", hours),
            "fallback": {"thought": "", "hours": seen["hours"]},
            "about": {"prompts": [WORKER_SYSTEM.digest[:12], WORKER.digest[:12]]},
        }


@dataclass(frozen=True, slots=True)
class TaxYear:
    """A tax year as a planner remembers it: rates in percent, and the welfare they came to."""

    percents: tuple[float, ...]
    welfare: float

    @property
    def key(self) -> object:
        """What was tried."""
        return self.percents

    @property
    def score(self) -> float:
        """What came of it."""
        return self.welfare


class LlmPlanner(Agent):
    """A planner who asks a model for tax rates once a tax year, and tells it what former rates came to.

    The prompt holds a window of the latest tax years, the best of all (it really is the best), and a summary of the
    society by bracket, so it grows neither with time nor with the population.
    """

    sees = ("edges", "rates", "incomes", "hours", "welfare")
    does = ("rates",)
    asks = ("model",)
    mind: ClassVar[tuple[Field, ...]] = (
        _THOUGHT,
        Field("best_welfare", meaning="greatest welfare of a tax year so far"),
    )
    prompts: ClassVar[Mapping[str, str]] = {p.name: p.digest for p in (PLANNER_SYSTEM, PLANNER)}

    def __init__(
        self,
        model: str = "default",
        action: Literal["rates", "changes"] = "rates",
        window: Share = 5,
        best: Share = 3,
        explore: Annotated[int, Ge(0)] = 15,
        objective: str = "the mean utility of all people, in which the poor count for more",
    ) -> None:
        """Choose how it asks.

        Args:
            model: Which of the scenario's models it asks.
            action: Ask for the rates themselves, or for changes of at most 20 points, as in the paper.
            window: How many of the latest tax years the prompt shows.
            best: How many of the best tax years the prompt shows.
            explore: Tax years of trying; then it is asked for the best.
            objective: What welfare is, in words.
        """
        self._model, self._changes, self._explore, self._objective = model, action == "changes", explore, objective
        self._memory: Memory[TaxYear] = Memory(window, best)
        self._years = 0

    async def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:
        """Ask for rates; without a usable answer they stay as they are."""
        now = np.round(100 * cast(FloatArray, seen["rates"]), 1)
        welfare = cast(float, seen["welfare"])
        memory = Memory(self._memory.window, self._memory.keep, self._memory.latest, self._memory.best)
        if not np.isnan(welfare):
            memory.add(TaxYear(tuple(now.tolist()), welfare))
        answer = await seat.ask.model(self._content(seen, now, memory))
        self._memory, self._years = memory, self._years + 1
        said = cast("Mapping[str, Any]", answer.value)
        seat.show(thought=str(said.get("thought") or "")[:_LONGEST_THOUGHT])
        if memory.best:
            seat.show(best_welfare=memory.best[0].welfare)
        return {"rates": np.clip(self._percents_of(answer, now), 0, 100) / 100}

    def _percents_of(self, answer: Answer, now: FloatArray) -> FloatArray:
        said = cast("Mapping[str, Any]", answer.value)
        return now + np.array(said["changes"]) if self._changes else np.array(said["rates"], dtype=np.float64)

    def _content(self, seen: Mapping[str, Value], now: FloatArray, memory: Memory[TaxYear]) -> Mapping[str, Json]:
        user = PLANNER.render(
            brackets=_by_bracket(seen),
            window=[self._shown(year, now) for year in memory.latest],
            best=[self._shown(year, now) for year in memory.best],
            rates=_listed(now.tolist()),
            settle=self._years >= self._explore,
            delta=_MOST_CHANGE if self._changes else 0,
            count=len(now),
        )
        name, low, high = ("changes", -_MOST_CHANGE, _MOST_CHANGE) if self._changes else ("rates", 0, 100)
        stay: list[Json] = [0.0] * len(now) if self._changes else now.tolist()
        array: Json = {
            "type": "array",
            "items": {"type": "number", "minimum": low, "maximum": high},
            "minItems": len(now),
            "maxItems": len(now),
        }
        return {
            "model": self._model,
            "messages": [
                {"role": "system", "content": PLANNER_SYSTEM.render(objective=self._objective)},
                {"role": "user", "content": user},
            ],
            "schema": _schema(name, array),
            "fallback": {"thought": "", name: stay},
            "about": {"prompts": [PLANNER_SYSTEM.digest[:12], PLANNER.digest[:12]]},
        }

    def _shown(self, year: TaxYear, now: FloatArray) -> Mapping[str, object]:
        changes = _listed((np.array(year.percents) - now).tolist()) if self._changes else ""
        return {"rates": _listed(year.percents), "changes": changes, "welfare": year.welfare}


def _schema(name: str, decided: Json) -> Json:
    return {
        "type": "object",
        "properties": {"thought": {"type": "string"}, name: decided},
        "required": ["thought", name],
        "additionalProperties": False,
    }


def _by_bracket(seen: Mapping[str, Value]) -> list[Mapping[str, float]]:
    """Share of people, mean income and mean hours in each bracket: as long for ten people as for ten million."""
    edges, incomes, hours = (cast(FloatArray, seen[name]) for name in ("edges", "incomes", "hours"))
    here = ~np.isnan(incomes)
    bracket = np.searchsorted(edges, incomes[here], side="right") - 1
    counts = np.bincount(bracket, minlength=len(edges))
    most = np.maximum(counts, 1)
    mean_income = np.bincount(bracket, incomes[here], len(edges)) / most
    mean_hours = np.bincount(bracket, hours[here], len(edges)) / most
    total = max(1, int(here.sum()))
    return [
        {"edge": edge, "share": 100 * count / total, "income": income, "hours": hour}
        for edge, count, income, hour in zip(
            edges.tolist(), counts.tolist(), mean_income.tolist(), mean_hours.tolist(), strict=True
        )
    ]


def _percents(rates: FloatArray) -> str:
    return _listed((100 * rates).tolist())


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.1f}".removesuffix(".0") for value in values)


def _amounts(values: FloatArray) -> str:
    # Without separators for thousands: commas separate the entries.
    return ", ".join(f"{value:.0f}" for value in values.tolist())
