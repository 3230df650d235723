"""What is asked of a person and what comes back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, get_args

from simworld.errors import AskError
from simworld.kernel import Ask, Json, is_unicode

_AMOUNT = re.compile(r"[-+]?((\d{1,3}(,\d{3})+|\d+)(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
"""A number as people type it; a comma separates thousands, and nothing else."""
_KEYS = {"question", "options", "context", "low", "high", "form", "cost", "deadline", "fallback", "person"}

Form: TypeAlias = Literal["text", "number", "whole"]
"""What is typed where there are no options to choose from."""


@dataclass(frozen=True, slots=True)
class PersonRequest:
    """One question to a person."""

    who: str
    """Whose seat asks: role and number."""
    question: str
    options: tuple[Json, ...] = ()
    """What may be answered; none: what the form says."""
    context: Mapping[str, Json] = field(default_factory=dict)
    """What the person may want to know, by name."""
    low: float | None = None
    """Smallest number that is accepted."""
    high: float | None = None
    """Greatest number that is accepted."""
    form: Form = "text"
    """A text, a number, or a whole number; bounds make it a number."""
    cost: float | None = None
    """What the answer costs whoever asks, in the world's own unit."""
    deadline: float | None = None
    """Seconds until the fallback stands in; None waits for ever."""
    number: int = 0
    """Index of the decision: what a scripted person goes by."""
    ask: int = 0
    """Index of the question within its decision."""
    episode: str = ""
    """In which episode; empty where there is one alone."""
    digest: str = ""
    """SHA-256 of what is asked."""
    person: str = "default"
    """Whom of the scenario's people it is for."""
    place: int = 1
    """Its place among those that wait together for somebody who answers one after the other."""
    among: int = 1
    """So many do."""

    def __post_init__(self) -> None:
        """See to the form."""
        if self.form == "text" and not (self.low is None and self.high is None):
            object.__setattr__(self, "form", "number")

    @property
    def id(self) -> str:
        """Names the question within its run, usable as a file name."""
        return ".".join([self.episode or "episode", *self.who.split(), str(self.number), str(self.ask)])

    def value_of(self, text: str) -> Json:
        """The answer that somebody typed.

        Raises:
            ValueError: It is none that is accepted; the message says what is.
        """
        text = text.strip()
        if self.options:
            return self._option(text)
        if self.form == "text":
            return text
        value = float(text.replace(",", "")) if _AMOUNT.fullmatch(text) else float("nan")
        if not self._within(value):
            raise ValueError(f"accepted: {self.accepted}")
        return int(value) if self.form == "whole" else value

    def wrong(self, value: Json) -> str:
        """Why an answer is none that is accepted; empty if it is one."""
        if self.options:
            # True is 1 in Python, and is not in JSON.
            alike = [o for o in self.options if o == value and isinstance(o, bool) == isinstance(value, bool)]
            options = ", ".join(json.dumps(option) for option in self.options)
            return "" if alike else f"found {json.dumps(value)}; accepted: {options}"
        if self.form == "text":
            text = isinstance(value, str) and is_unicode(value)
            return "" if text else f"found {json.dumps(value)}; accepted: a text"
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if number and self._within(value) else f"found {json.dumps(value)}; accepted: {self.bounds}"

    def as_asked(self, value: Json) -> Json:
        """An answer that is accepted, as whoever asks has it: the option itself, a whole number without a point."""
        if self.options:
            return next(o for o in self.options if o == value and isinstance(o, bool) == isinstance(value, bool))
        return int(value) if self.form == "whole" and isinstance(value, float) else value

    def _within(self, value: Any) -> bool:
        inside = bool((self.low is None or value >= self.low) and (self.high is None or value <= self.high))
        return inside and math.isfinite(value) and (self.form != "whole" or float(value).is_integer())

    @property
    def bounds(self) -> str:
        """Which numbers are accepted, in words."""
        what = "a whole number" if self.form == "whole" else "a number"
        if self.low is not None:
            what += f" from {self.low:g}"
        return what if self.high is None else f"{what} {'up ' if self.low is None else ''}to {self.high:g}"

    @property
    def accepted(self) -> str:
        """What may be typed, in words."""
        if self.options:
            return ", ".join(f"{number} {option}" for number, option in enumerate(self._spelt, 1))
        return "a text" if self.form == "text" else self.bounds

    @property
    def _spelt(self) -> list[str]:
        return [option if isinstance(option, str) else json.dumps(option) for option in self.options]

    def _option(self, text: str) -> Json:
        shown = self._spelt
        if text in shown:
            return self.options[shown.index(text)]
        if text.isdecimal() and 1 <= int(text) <= len(shown):
            return self.options[int(text) - 1]
        raise ValueError(f"accepted: {self.accepted}")


@dataclass(frozen=True, slots=True)
class PersonReply:
    """What a person answered."""

    value: Json
    latency: float
    """Seconds from the question to the answer."""
    source: str
    """Who or what answered."""
    rationale: str = ""
    """Why, in the person's own words."""
    participant: str = ""
    """Who it was, by pseudonym, where several may answer."""
    thought: float | None = None
    """Seconds from taking the question up to the answer, where that is known."""

    @property
    def telemetry(self) -> dict[str, Json]:
        """All of it that is not the answer itself."""
        told: dict[str, Json] = {"seconds": self.latency, "seconds_thought": self.thought}
        told |= {"participant": self.participant, "rationale": self.rationale}
        return {key: value for key, value in told.items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class Unanswered:
    """There is no answer, and it is not for want of time."""

    fault: str
    """Why, in a word: it flags the decision."""
    detail: str
    """More about it."""


class Person(Protocol):
    """Somebody who answers questions."""

    at_once: int
    """So many questions may be put at a time; further ones wait for their turn."""

    def reply(self, request: PersonRequest) -> PersonReply | Unanswered | None:
        """The answer, or None if there is none by the deadline, or why there is none at all."""

    def close(self) -> None:
        """Answer no more."""


def person_request(ask: Ask, episode: str = "") -> PersonRequest:
    """The question that an ask makes, in an episode.

    Its content holds ``question``, and may hold ``options``, ``context``, ``low`` and ``high`` (bounds of a number),
    ``form`` (text, number or whole), ``cost``, ``deadline`` (seconds),
    ``fallback`` (what stands in when there is no answer) and ``person`` (whom of the scenario's people).

    Raises:
        AskError: The content is something else.
    """
    content = ask.content
    unknown = set(content) - _KEYS
    question, options, context = content.get("question"), content.get("options", ()), content.get("context", {})
    if unknown or not isinstance(question, str):
        raise AskError(
            f"{ask}: found {sorted(content)}; accepted: question and {', '.join(sorted(_KEYS - {'question'}))}"
        )
    if not isinstance(options, Sequence) or isinstance(options, str) or not isinstance(context, Mapping):
        raise AskError(f"{ask}: options are a list, context is a mapping")
    form = content.get("form", "text")
    if form not in get_args(Form):
        raise AskError(f"{ask}: form: found {form!r}; accepted: {', '.join(get_args(Form))}")
    role, member, decision, number = ask.key
    return PersonRequest(
        f"{role} {member}",
        question,
        tuple(options),
        context,
        low=_number(ask, "low"),
        high=_number(ask, "high"),
        form=form,  # type: ignore[arg-type]  # it is among the accepted ones
        cost=_number(ask, "cost"),
        deadline=_number(ask, "deadline"),
        number=decision,
        ask=number,
        episode=episode,
        digest=ask.digest,
        person=str(content.get("person", "default")),
    )


def _number(ask: Ask, key: str) -> float | None:
    value = ask.content.get(key)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise AskError(f"{ask}: {key} is a number")
    return float(value)
