"""A player who asks a model in every round, in the manner of Akata et al. 2025, "Playing repeated games with LLMs"."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

import numpy as np
from annotated_types import Ge, Le

from simworld.errors import ContractError
from simworld.kernel import Action, Agent, Field, Json, Seat, Value
from simworld.worlds.games import Payoffs, payoffs_of
from simworld_agents.llm_player._past import Past, Round
from simworld_agents.prompts import Prompt

_FOLDER = Path(__file__).parent / "prompts"
SYSTEM = Prompt(_FOLDER / "player_system.j2", ("persona", "first", "second", "discrete", "payoffs", "rules", "goal"))
PLAYER = Prompt(_FOLDER / "player.j2", ("window", "between", "totals", "first", "second", "discrete"))

_LONGEST_THOUGHT = 300


@dataclass(eq=False)
class LlmPlayer(Agent):
    """A player who asks a model what to play in every round, and tells it what the past rounds came to.

    The prompt holds what the game pays, the latest rounds and totals of all, so it does not grow with time. It says
    neither how many rounds there will be nor whether the other is the same one in all of them: ``rules`` may.
    """

    model: str = "default"
    """Which of the scenario's models it asks."""
    game: Literal["prisoners_dilemma", "stag_hunt", "chicken", "untold"] | list[float] = "prisoners_dilemma"
    """What it is told that a round pays, in the world's words; untold: it has to learn that."""
    actions: Literal["continuous", "discrete"] = "continuous"
    """Whether it is asked for a number from 0 to 1, or for one of two options."""
    labels: tuple[str, str] = ("cooperate", "defect")
    """What cooperation and defection are called. Neutral ones, such as J and F, suggest nothing."""
    window: Annotated[int, Ge(0), Le(100)] = 10
    """How many of the latest rounds the prompt shows."""
    persona: str = ""
    """Who it is, in a sentence or two of the prompt."""
    rules: str = ""
    """More about the game, in a sentence or two of the prompt."""
    goal: str = "maximise your payoff"
    """What it is asked to reach."""

    sees = ("own", "other", "payoff", "rounds")
    does = ("cooperate",)
    asks = ("model",)
    mind: ClassVar[tuple[Field, ...]] = (
        Field("thought", "str", meaning="what it said that it thinks, in its own words"),
    )
    prompts: ClassVar[Mapping[str, str]] = {p.name: p.digest for p in (SYSTEM, PLAYER)}

    def __post_init__(self) -> None:
        """Begin without a past.

        Raises:
            ValueError: Labels that cannot be told apart, or payoffs that are not four.
        """
        if len({label.strip() for label in self.labels} - {""}) != 2:
            raise ValueError(f"labels: found {list(self.labels)}; accepted: two different words")
        self._discrete = self.actions == "discrete"
        self._payoffs = None if self.game == "untold" else payoffs_of(self.game)
        self._past = Past(self.window)
        self._choice = 1.0
        """What it chose last; cooperation before."""

    async def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:
        """Ask what to play; without a usable answer it chooses what it chose last."""
        number = cast("Mapping[str, float]", seen)
        if number["rounds"] > self._past.rounds:
            self._check_payoff(number)
        # Memory changes only after the answer, so that the decision can be executed again.
        past = self._past.with_seen(number)
        answer = await seat.ask.model(self._content(past))
        said = cast("Mapping[str, Any]", answer.value)
        self._past, self._choice = past, self._action(said["choice"])
        seat.show(thought=str(said.get("thought") or "")[:_LONGEST_THOUGHT])
        return {"cooperate": self._choice}

    def _check_payoff(self, seen: Mapping[str, float]) -> None:
        """Whoever is told one game and plays another would be a finding about nothing."""
        if self._payoffs is None:
            return
        own, other = np.array(seen["own"]), np.array(seen["other"])
        told = float(self._payoffs.of(own, other))
        if not math.isclose(told, seen["payoff"], rel_tol=1e-9, abs_tol=1e-9):
            raise ContractError(
                f"llm_player: its prompt says that {own:g} against {other:g} pays {told:g}, the world paid"
                f" {seen['payoff']:g}; accepted: the world's game, or untold"
            )

    def _content(self, past: Past) -> Mapping[str, Json]:
        first, second = self.labels
        system = SYSTEM.render(
            persona=self.persona,
            first=first,
            second=second,
            discrete=self._discrete,
            payoffs=_told(self._payoffs),
            rules=self.rules,
            goal=self.goal,
        )
        user = PLAYER.render(
            window=[self._shown(one) for one in past.latest],
            between=self._discrete and any(_is_between(x) for one in past.latest for x in (one.own, one.other)),
            totals=_totals(past),
            first=first,
            second=second,
            discrete=self._discrete,
        )
        number: Json = {"type": "number", "minimum": 0, "maximum": 1}
        choice: Json = {"enum": [first, second]} if self._discrete else number
        return {
            "model": self.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "schema": {
                "type": "object",
                "properties": {"thought": {"type": "string"}, "choice": choice},
                "required": ["thought", "choice"],
                "additionalProperties": False,
            },
            "fallback": {"thought": "", "choice": self._word(self._choice) if self._discrete else self._choice},
            "about": {"prompts": [SYSTEM.digest[:12], PLAYER.digest[:12]]},
        }

    def _shown(self, one: Round) -> Mapping[str, object]:
        other = "" if math.isnan(one.other) else self._word(one.other)
        return {"number": one.number, "own": self._word(one.own), "other": other, "payoff": _number(one.payoff)}

    def _word(self, action: float) -> str:
        """An action as the prompt calls it: a label, a share of the first one, or a number."""
        if not self._discrete:
            return _number(action)
        return f"{_number(100 * action)} % {self.labels[0]}" if _is_between(action) else self.labels[action == 0.0]

    def _action(self, choice: str | float) -> float:
        return float(choice == self.labels[0]) if self._discrete else float(choice)


def _told(payoffs: Payoffs | None) -> Mapping[str, str]:
    """The four payoffs as the prompt shows them; none if they are not told."""
    if payoffs is None:
        return {}
    four = {"reward": payoffs.reward, "sucker": payoffs.sucker}
    four |= {"temptation": payoffs.temptation, "punishment": payoffs.punishment}
    return {name: f"{value:.6g}" for name, value in four.items()}


def _totals(past: Past) -> Mapping[str, object]:
    """What all rounds came to; nothing before the first."""
    if not past.rounds:
        return {}
    share = _number(100 * past.other / past.met) if past.met else ""
    return {"rounds": past.rounds, "payoff": _number(past.payoff / past.rounds), "share": share}


def _is_between(action: float) -> bool:
    return 0.0 < action < 1.0


def _number(value: float) -> str:
    """Two decimals at most."""
    # What is rounded to zero has no sign.
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")
