"""What is asked of a person and what comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from simworld.errors import AskError
from simworld.kernel import Ask, Json

_KEYS = {"question", "options", "context", "low", "high", "deadline", "fallback", "person"}


@dataclass(frozen=True, slots=True)
class PersonRequest:
    """One question to a person."""

    who: str
    """Whose seat asks: role and number."""
    question: str
    options: tuple[Json, ...] = ()
    """What may be answered; none: a text, or a number where there are bounds."""
    context: Mapping[str, Json] = field(default_factory=dict)
    """What the person may want to know, by name."""
    low: float | None = None
    """Smallest number that is accepted; with ``high`` or alone it makes the answer a number."""
    high: float | None = None
    deadline: float | None = None
    """Seconds until the fallback stands in; None waits for ever."""
    number: int = 0
    """Index of the decision: what a scripted person goes by."""

    def value_of(self, text: str) -> Json:
        """The answer that somebody typed.

        Raises:
            ValueError: It is none that is accepted; the message says what is.
        """
        text = text.strip()
        if self.options:
            return self._option(text)
        if self.low is None and self.high is None:
            return text
        try:
            value = float(text.replace(",", ""))
        except ValueError:
            value = float("nan")
        low = float("-inf") if self.low is None else self.low
        high = float("inf") if self.high is None else self.high
        if not low <= value <= high:
            raise ValueError(f"accepted: a number from {low:g} to {high:g}")
        return value

    def _option(self, text: str) -> Json:
        shown = [option if isinstance(option, str) else json.dumps(option) for option in self.options]
        if text in shown:
            return self.options[shown.index(text)]
        if text.isdecimal() and 1 <= int(text) <= len(shown):
            return self.options[int(text) - 1]
        raise ValueError(f"accepted: {', '.join(f'{i} {option}' for i, option in enumerate(shown, 1))}")


@dataclass(frozen=True, slots=True)
class PersonReply:
    """What a person answered."""

    value: Json
    latency: float
    """Seconds from the question to the answer."""
    source: str
    """Who or what answered."""


class Person(Protocol):
    """Somebody who answers questions, one after the other."""

    def reply(self, request: PersonRequest) -> PersonReply | None:
        """The answer, or None if there is none by the deadline."""

    def close(self) -> None:
        """Answer no more."""


def person_request(ask: Ask) -> PersonRequest:
    """The question that an ask makes.

    Its content holds ``question``, and may hold ``options``, ``context``, ``low`` and ``high`` (bounds of a number),
    ``deadline`` (seconds), ``fallback`` (what stands in when there is no answer) and ``person`` (whom of the
    scenario's people).

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
    numbers: dict[str, float] = {}
    for key in ("low", "high", "deadline"):
        value = content.get(key)
        if value is not None:
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise AskError(f"{ask}: {key} is a number")
            numbers[key] = float(value)
    role, member, decision, _ = ask.key
    return PersonRequest(f"{role} {member}", question, tuple(options), context, number=decision, **numbers)
