"""The outside of a process: its desks for models and people, opened for a run and closed with it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from simworld.errors import AskError, ScenarioError
from simworld.execution._taped import tapes_of
from simworld.gateway import Budget, Desk, Manner, Meter, ModelSpec, OwnMeter
from simworld.kernel import Answer, Ask, Gateway
from simworld.people import AnswerTape, Box, PeopleDesk, Person, Scripted, Taped, Terminal, Web
from simworld.scenario import Cell, Scenario

_SECRETS = {"KEY", "APIKEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL", "CREDENTIALS"}
"""Words in the names of environment variables that hold secrets."""
_SHORTEST_SECRET = 16
"""Of one that nobody named: shorter values are words and numbers that an answer may hold by itself."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which conditions a run asks: what does not determine its answers."""

    manner: Manner
    budget: Budget
    keys: tuple[str, ...] = ()
    """Environment variables that the scenario names as those of its keys."""
    tapes: Mapping[str, AnswerTape] = field(default_factory=dict)
    """What earlier runs have of answers, by their names: read once, where the scenario is."""

    @staticmethod
    def of(scenario: Scenario, jobs: int) -> Conditions:
        """Those of a scenario; the limit of calls is shared out among worker processes.

        Raises:
            ScenarioError: There are more processes than calls at once, or a tape that answers for people is missing.
        """
        asking, budget = scenario.model.asking, scenario.model.budget
        if asking.limit < jobs and any(not spec.stand_in for c in scenario.cells for spec in _specs(c)):
            place = scenario.place(("asking", "limit"))
            raise ScenarioError(
                f"{place}: found {asking.limit} calls at once for {jobs} jobs; accepted: {jobs} or more"
            )
        return Conditions(
            Manner(max(1, asking.limit // jobs), asking.timeout, asking.retries),
            Budget(budget.usd, budget.tokens, budget.asks, budget.minutes),
            tuple(dict.fromkeys(name for _, name in _named_keys(scenario))),
            tapes_of(scenario),
        )


class Outside:
    """Whoever answers in this process."""

    def __init__(
        self,
        conditions: Conditions,
        meter: Meter,
        stopping: Callable[[], bool],
        aside: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Open all desks.

        Args:
            conditions: Under which models are asked.
            meter: What counts what is spent.
            stopping: Whether the run was asked to stop.
            aside: Entered while somebody is asked at the terminal: nobody else draws there meanwhile.
        """
        # Read here and handed down: nothing below looks at the environment.
        keys = {n: v for n, v in os.environ.items() if n in conditions.keys or _is_secret(n, v)}
        self._tapes = conditions.tapes
        self._desk, self._stopping = Desk(conditions.manner, meter, keys, stopping), stopping
        self._people: dict[tuple[str, Box | None], PeopleDesk] = {}
        self._terminal = Terminal(stopping=stopping, aside=aside)

    @staticmethod
    def of(scenario: Scenario) -> Outside:
        """That of a process of its own, which keeps to the scenario's budget."""
        conditions = Conditions.of(scenario, 1)
        return Outside(conditions, OwnMeter(conditions.budget), lambda: False)

    def gateway(self, resolved: Mapping[str, Any], seed: int, episode: str = "", box: Box | None = None) -> Gateway:
        """The way to the models and people of an episode.

        Args:
            resolved: Of which resolved cell.
            seed: With which seed.
            episode: Its id.
            box: Where questions to people at a web page lie.
        """
        people = self._people_desk(resolved.get("people", {}), box)
        return _Switchboard(
            {"model": self._desk.gateway(model_specs(resolved), seed), "person": people.gateway(episode)}
        )

    def close(self) -> None:
        """Close all desks."""
        self._desk.close()
        for desk in self._people.values():
            desk.close()

    def _people_desk(self, blocks: Any, box: Box | None) -> PeopleDesk:
        """One for all episodes with these people: somebody at a terminal is the same person in each."""
        key = json.dumps(blocks, sort_keys=True), box
        if key not in self._people:
            self._people[key] = PeopleDesk({name: self._person(name, block, box) for name, block in blocks.items()})
        return self._people[key]

    def _person(self, name: str, block: Mapping[str, Any], box: Box | None) -> Person:
        if block["kind"] == "scripted":
            return Scripted(block["answers"])
        if block["kind"] == "tape":
            return Taped(self._tapes[block["run"]], block["match"], block["missing"])
        if block["kind"] == "terminal":
            return self._terminal
        if box is None:
            raise ScenarioError(f"people.{name}: a web page belongs to a run; accepted here: scripted, tape, terminal")
        return Web(box, self._stopping)


class _Switchboard:
    """Sends each ask to whoever answers its kind, and keeps their order."""

    def __init__(self, ways: Mapping[str, Gateway]) -> None:
        self._ways = ways

    def post(self, asks: Sequence[Ask]) -> Sequence[Future[Answer]]:
        """Send out."""
        unknown = [ask for ask in asks if ask.kind not in self._ways]
        if unknown:
            raise AskError(f"{unknown[0]}: nobody answers this kind; accepted: {', '.join(self._ways)}")
        futures: dict[int, Future[Answer]] = {}
        for kind, way in self._ways.items():
            places = [place for place, ask in enumerate(asks) if ask.kind == kind]
            if places:
                futures.update(zip(places, way.post([asks[place] for place in places]), strict=True))
        return [futures[place] for place in range(len(asks))]


def model_specs(resolved: Mapping[str, Any]) -> dict[str, ModelSpec]:
    """The models of a resolved cell, by the names that its minds use."""
    return {
        name: ModelSpec(**{key: value for key, value in block.items() if value is not None})
        for name, block in resolved.get("models", {}).items()
    }


def check_outside(scenario: Scenario, jobs: int, cluster: bool = False) -> None:
    """Check what only this machine can tell.

    Raises:
        ScenarioError: A key that the scenario names is not set, or a person at the terminal would be asked by a
            worker process.
    """
    for place, name in _named_keys(scenario):
        if not os.environ.get(name, "").strip():
            raise ScenarioError(f"{place}: api_key_env: the environment variable {name} is not set")
    for cell in scenario.cells:
        people: Any = cell.resolved.get("people", {})
        for name, block in people.items():
            if block["kind"] == "terminal" and (jobs > 1 or cluster):
                place = scenario.place(("people", name))
                raise ScenarioError(
                    f"{place}: people.{name}: a person at the terminal goes with --jobs 1 only, and without a cluster"
                )


def _specs(cell: Cell) -> Iterable[ModelSpec]:
    return model_specs(cell.resolved).values()


def _named_keys(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """(place, environment variable) of every key that the models of a scenario name."""
    for cell in scenario.cells:
        models: Any = cell.resolved.get("models", {})
        for name, block in models.items():
            if block.get("api_key_env"):
                yield scenario.place(("models", name)), block["api_key_env"]


def _is_secret(name: str, value: str) -> bool:
    return len(value) >= _SHORTEST_SECRET and bool(_SECRETS & set(name.upper().split("_")))
