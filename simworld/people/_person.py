"""What is asked of a person and what comes back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from simworld.errors import AskError
from simworld.kernel import Ask, Json

_AMOUNT = re.compile(r"[-+]?((\d{1,3}(,\d{3})+|\d+)(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
"""A number as people type it; a comma separates thousands, and nothing else."""
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
        value = float(text.replace(",", "")) if _AMOUNT.fullmatch(text) else float("nan")
        if not self._within(value):
            raise ValueError(f"accepted: {self._bounds()}")
        return value

    def wrong(self, value: Json) -> str:
        """Why an answer is none that is accepted; empty if it is one."""
        if self.options:
            # True is 1 in Python, and is not in JSON.
            alike = [o for o in self.options if o == value and isinstance(o, bool) == isinstance(value, bool)]
            options = ", ".join(json.dumps(option) for option in self.options)
            return "" if alike else f"found {json.dumps(value)}; accepted: {options}"
        if self.low is None and self.high is None:
            return ""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if number and self._within(value) else f"found {json.dumps(value)}; accepted: {self._bounds()}"

    def _within(self, value: Any) -> bool:
        return bool((self.low is None or value >= self.low) and (self.high is None or value <= self.high)) and (
            math.isfinite(value)
        )

    def _bounds(self) -> str:
        if self.low is None or self.high is None:
            return f"a number up to {self.high:g}" if self.low is None else f"a number from {self.low:g}"
        return f"a number from {self.low:g} to {self.high:g}"

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
