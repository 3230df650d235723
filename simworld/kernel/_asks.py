"""Asks: questions to the outside from inside a decision, and who answers them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from simworld.errors import AskError

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""Plain data, as JSON knows it."""

AskKey: TypeAlias = tuple[str, int, int, int]
"""(role, member, decision index, ask index): names an ask within its episode."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from the outside: timeouts and refusals are answers too."""

    value: Json
    """The answer itself."""
    fault: str = ""
    """Why it is not a proper answer (``timeout``, ``refused``, ...), or empty."""
    telemetry: Mapping[str, Json] = field(default_factory=dict)
    """Latency, attempts, money: what the scenario does not determine; never part of identity."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question, with the address that the tape knows it by. An agent awaits it."""

    key: AskKey
    kind: str
    """Who is asked: ``model`` or ``person``."""
    content: Mapping[str, Json]
    """The question: plain data."""
    after: int = 0
    """Ticks of simulated time until the answer; 0 is within the moment."""

    def __await__(self) -> Generator[Ask, Answer, Answer]:
        """Hand the question to the kernel, and take up again with its answer."""
        answer = yield self
        return answer

    @property
    def digest(self) -> str:
        """SHA-256 over what is asked (kind, content, after), not over who asks when."""
        text = json.dumps([self.kind, self.content, self.after], sort_keys=True, ensure_ascii=False, allow_nan=True)
        return hashlib.sha256(text.encode()).hexdigest()


class Gateway(Protocol):
    """The way to the outside: whoever answers asks."""

    def post(self, asks: Sequence[Ask]) -> Sequence[Future[Answer]]:
        """Send questions out at once; each future holds the answer when it has come."""


class Record(Protocol):
    """What a tape offers: to find an answer, and to keep one."""

    def get(self, ask: Ask) -> Answer | None:
        """The taped answer to this ask, or None. Raises TapeError if another question was asked there."""

    def put(self, ask: Ask, answer: Answer) -> None:
        """Keep an answer durably, before it is used."""


class Broker:
    """Answers asks: from the tape if it knows them, else through the gateway, taping every answer before it is used."""

    def __init__(self, gateway: Gateway | None = None, tape: Record | None = None) -> None:
        self._gateway, self._tape = gateway, tape
        self._posted: dict[AskKey, Future[Answer]] = {}

    def dispatch(self, asks: Sequence[Ask]) -> None:
        """Send out the asks that the tape does not know, without waiting for their answers."""
        new = [a for a in asks if a.key not in self._posted and (self._tape is None or self._tape.get(a) is None)]
        if not new:
            return
        if self._gateway is None:
            raise AskError(f"{_where(new[0])}: nobody can answer here (no gateway, and not on the tape)")
        for ask, future in zip(new, self._gateway.post(new), strict=True):
            self._posted[ask.key] = future
            if self._tape is not None:
                # As each answer lands, not when all have: a crash in between must not lose a paid one.
                future.add_done_callback(lambda done, ask=ask: self._keep(ask, done))  # type: ignore[misc]

    def collect(self, ask: Ask) -> Answer:
        """The answer to an ask, waiting for it if it is still under way."""
        self.dispatch([ask])
        future = self._posted.pop(ask.key, None)
        if future is None:
            answer = None if self._tape is None else self._tape.get(ask)
            if answer is None:
                raise AskError(f"{_where(ask)}: the answer was already collected")
            return answer
        answer = future.result()
        if self._tape is not None:
            # A waiter may wake before the future's callback has run: taped first, used then.
            self._tape.put(ask, answer)
        return answer

    def _keep(self, ask: Ask, done: Future[Answer]) -> None:
        if self._tape is not None and not done.cancelled() and done.exception() is None:
            self._tape.put(ask, done.result())


def _where(ask: Ask) -> str:
    role, member, decision, number = ask.key
    return f"ask.{ask.kind} of {role} {member} (decision {decision}, ask {number})"
