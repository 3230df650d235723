"""Who is asked: a model that is told the fields of its role in words, and a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, cast

from annotated_types import Ge, Gt, Le

from simworld.kernel import Action, Agent, Field, Json, Role, Seat, Value
from simworld_agents.general._words import decided, declared, holding, legal, schema, seen_lines, shown
from simworld_agents.prompts import Prompt

_FOLDER = Path(__file__).parent / "prompts"
SYSTEM = Prompt(_FOLDER / "agent_system.j2", ("who", "persona", "task", "fields", "goal"))
TURN = Prompt(_FOLDER / "agent.j2", ("past", "seen", "legal", "form"))

_LONGEST_THOUGHT = 300
_MOST_OPTIONS = 12
"""Of more whole numbers than these, one is typed and not chosen."""


@dataclass(eq=False)
class LlmAgent(Agent):
    """Asks a model what to do, in any role: it is told the fields that it sees, and those that it decides, in words.

    An agent that knows its world writes better prompts; this one is there for worlds that have none of their own.
    Without a usable answer it does the lowest value that is allowed, or the number nearest to 0.
    """

    model: str = "default"
    """Which of the scenario's models it asks."""
    task: str = ""
    """What the world is about and how it is played, in a few sentences of the prompt."""
    persona: str = ""
    """Who it is, in a sentence or two of the prompt."""
    goal: str = "earn as much reward as possible"
    """What it is asked to reach."""
    window: Annotated[int, Ge(0), Le(100)] = 5
    """How many of its latest decisions the prompt shows."""

    asks = ("model",)
    mind: ClassVar[tuple[Field, ...]] = (Field("thought", "str", meaning="what it said that it thinks"),)
    prompts: ClassVar[Mapping[str, str]] = {p.name: p.digest for p in (SYSTEM, TURN)}

    def __post_init__(self) -> None:
        """Begin without a past."""
        self._past: tuple[str, ...] = ()

    async def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:
        """Ask what to do."""
        role = seat.role
        allowed = {field.name: legal(role, field, seen) for field in decided(role)}
        answer = await seat.ask.model(self._content(seat, seen, allowed))
        said = cast("Mapping[str, Any]", answer.value)
        seat.show(thought=str(said.get("thought") or "")[:_LONGEST_THOUGHT])
        done = {field.name: _value(field, said[field.name]) for field in decided(role)}
        told = ", ".join(f"{f.name} {shown(f, done[f.name])}" for f in decided(role))
        self._past = (*self._past, f"at tick {seat.tick}: {told}")[-self.window :] if self.window else ()
        return done

    def _content(
        self, seat: Seat, seen: Mapping[str, Value], allowed: Mapping[str, list[int] | None]
    ) -> Mapping[str, Json]:
        role = seat.role
        system = SYSTEM.render(
            who=f"{role.name} {seat.member}",
            persona=self.persona,
            task=self.task,
            fields=[declared(field) for field in decided(role)],
            goal=self.goal,
        )
        told = [f"{name} one of {values}" for name, values in allowed.items() if values is not None]
        form = ", ".join(f'"{field.name}": ...' for field in decided(role))
        user = TURN.render(past=self._past, seen=seen_lines(role, seen), legal="; ".join(told), form=form)
        forms: dict[str, Json] = {field.name: schema(field, allowed[field.name]) for field in decided(role)}
        fallback: dict[str, Json] = {field.name: holding(field, allowed[field.name]) for field in decided(role)}
        return {
            "model": self.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "schema": {
                "type": "object",
                "properties": {"thought": {"type": "string"}, **forms},
                "required": ["thought", *forms],
                "additionalProperties": False,
            },
            "fallback": {"thought": "", **fallback},
            "about": {"prompts": [SYSTEM.digest[:12], TURN.digest[:12]]},
        }


@dataclass(eq=False)
class PersonAgent(Agent):
    """Asks a person what to do, in any role: what is seen is the context, and each action field a question.

    Without an answer in time the lowest value that is allowed is done, or the number nearest to 0, and flagged.
    """

    person: str = "default"
    """Which of the scenario's people it asks."""
    deadline: Annotated[float, Gt(0)] | None = None
    """Seconds to answer; without one it is waited for ever."""
    question: str = ""
    """What is asked, instead of the field's own name and meaning."""
    after: Annotated[int, Ge(0)] = 0
    """Ticks of simulated time that a decision takes: the society goes on meanwhile; with 0 it stands still."""

    asks = ("person",)

    def check(self, role: Role) -> None:
        """One value at a time can be asked for."""
        for field in decided(role):
            if field.sizes:
                raise ValueError(f"a person cannot be asked for {field.name!r}, an array of shape {field.sizes}")

    async def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:
        """Ask for one field after the other."""
        role = seat.role
        context: dict[str, Json] = {f.name: shown(f, seen[f.name]) for f in role.logged if not f.masks}
        done: dict[str, Value] = {}
        for field in decided(role):
            allowed = legal(role, field, seen)
            content: dict[str, Json] = {
                "question": self.question or declared(field),
                "context": context,
                "person": self.person,
                "fallback": holding(field, allowed),
                **_form(field, allowed),
            }
            if self.deadline is not None:
                content["deadline"] = self.deadline
            # The first question takes the time; the others follow in the moment in which it is answered.
            answer = await seat.ask.person(content, after=0 if done else self.after)
            done[field.name] = _value(field, answer.value)
        return done


def _form(field: Field, allowed: list[int] | None) -> dict[str, Json]:
    """How a field is answered: by options, as a number within bounds, or as a text."""
    if allowed is not None:
        return {"options": list(allowed)}
    if field.dtype == "str":
        return {}
    if field.dtype == "bool":
        return {"options": [True, False]}
    whole = field.dtype == "int64"
    if whole and field.low is not None and field.high is not None and field.high - field.low < _MOST_OPTIONS:
        return {"options": list(range(int(field.low), int(field.high) + 1))}
    form: dict[str, Json] = {"form": "whole" if whole else "number"}
    form |= {} if field.low is None else {"low": field.low}
    return form | ({} if field.high is None else {"high": field.high})


def _value(field: Field, said: Any) -> Value:
    """An answer, which was checked, as a value of the field."""
    if field.sizes or field.dtype == "str":
        value: Value = said
    else:
        value = bool(said) if field.dtype == "bool" else int(said) if field.dtype == "int64" else float(said)
    return value
