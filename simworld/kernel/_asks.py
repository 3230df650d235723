"""Asks: questions to the outside from inside a decision, and who answers them."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeAlias

from simworld.errors import AskError, ContractError

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""Plain data, as JSON knows it."""

AskKey: TypeAlias = tuple[str, int, int, int]
"""(role, member, decision index, ask index): names an ask within its episode."""


_LONG = 0.1
"""Seconds after which an answer is long in coming."""
MENDED = "mended"
"""The fault of an answer that is the asked one's own, but came in a form that had to be put right."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from the outside: timeouts and refusals are answers too."""

    value: Json
    """The answer itself, or what stands in for it."""
    fault: str = ""
    """Why it is not a proper answer (``timeout``, ``refused``, ``mended``, ...), or empty; flags the decision."""
    detail: str = ""
    """More about the fault, in words."""
    source: str = ""
    """Who answered: a model by the name that it gave, a person, a stand-in, a fallback."""
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
    digest: str = field(init=False, repr=False, compare=False)
    """SHA-256 over what is asked (kind, content, after), not over who asks when."""

    def __post_init__(self) -> None:
        """Digest the question.

        Raises:
            ContractError: The content is not plain data.
        """
        try:
            text = json.dumps([self.kind, self.content, self.after], sort_keys=True)
        except (TypeError, ValueError) as error:
            raise ContractError(f"{self}: content must be plain data, as JSON knows it: {error}") from error
        object.__setattr__(self, "digest", hashlib.sha256(text.encode()).hexdigest())

    def __str__(self) -> str:
        """Who asks, for messages."""
        role, member, decision, number = self.key
        return f"ask.{self.kind} of {role} {member} (decision {decision}, ask {number})"

    def __await__(self) -> Generator[Ask, Answer, Answer]:
        """Hand the question to the kernel, and take up again with its answer."""
        answer = yield self
        return answer


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

    def __init__(
        self, gateway: Gateway | None = None, tape: Record | None = None, waiting: Callable[[], None] | None = None
    ) -> None:
        """Open the way to the outside.

        Args:
            gateway: Who answers.
            tape: Where answers are kept.
            waiting: Told when an answer is long in coming: the society stands still, and can be looked at.
        """
        self._gateway, self._tape, self._waiting = gateway, tape, waiting
        self._posted: dict[AskKey, Future[Answer]] = {}

    def dispatch(self, asks: Sequence[Ask]) -> None:
        """Send out the asks that the tape does not know, without waiting for their answers.

        Without a gateway nothing is sent: in a replay, an ask that was still under way when its episode ended has no
        answer on the tape, and needs none.

        Raises:
            AskError: The gateway does not take every ask.
            TapeError: The tape holds another question at the place of one of these.
        """
        new = [a for a in asks if a.key not in self._posted and (self._tape is None or self._tape.get(a) is None)]
        if not new or self._gateway is None:
            return
        futures = self._gateway.post(new)
        if len(futures) != len(new):
            raise AskError(f"{new[0]}: the gateway took {len(futures)} of {len(new)} asks")
        for ask, future in zip(new, futures, strict=True):
            self._posted[ask.key] = future
            # As each answer lands, not when all have: a crash in between must not lose a paid one.
            future.add_done_callback(partial(self._landed, ask))

    def collect(self, ask: Ask) -> Answer:
        """The answer to an ask, waiting for it if it is still under way.

        Whatever the gateway raises comes out here, once, with a note that names the ask.

        Raises:
            AskError: Nobody can answer: there is no gateway, and the tape does not know the answer.
        """
        self.dispatch([ask])
        future = self._posted.pop(ask.key, None)
        if future is not None:
            try:
                if self._waiting is not None and not concurrent.futures.wait([future], _LONG).done:
                    self._waiting()
                answer = future.result()
                if self._tape is None:
                    return _plain(ask, answer)
                # A waiter may wake before the future's callback has run: taped first, used then.
                self._tape.put(ask, _plain(ask, answer))
            except Exception as error:
                error.add_note(f"while waiting for the answer to {ask}")
                raise
        taped = None if self._tape is None else self._tape.get(ask)
        if taped is None:
            raise AskError(f"{ask}: nobody can answer here (no gateway, and not on the tape)")
        return taped

    def close(self, wait: bool = False) -> None:
        """Stop taping answers that are still under way, and cancel what has not begun; or wait for them before."""
        posted, self._posted = self._posted, {}
        if wait:
            concurrent.futures.wait(posted.values())
        self._tape = None
        for future in posted.values():
            future.cancel()

    def _landed(self, ask: Ask, done: Future[Answer]) -> None:
        tape = self._tape
        if tape is None or done.cancelled() or done.exception() is not None:
            return
        # What fails here fails again, and is raised, where the answer is collected.
        with suppress(Exception):
            tape.put(ask, _plain(ask, done.result()))


def answer_digest(answer: Answer) -> str:
    """SHA-256 over an answer, without its telemetry."""
    text = json.dumps([answer.value, answer.fault, answer.detail, answer.source], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(ask: Ask, answer: Answer) -> Answer:
    """The answer exactly as a tape gives it back, so that a replay sees the same."""
    try:
        value, telemetry = json.loads(json.dumps([answer.value, dict(answer.telemetry)]))
        words = answer.fault + answer.detail + answer.source
    except (AttributeError, TypeError, ValueError) as error:
        raise AskError(f"{ask}: the gateway answered {answer!r}; accepted: an Answer of plain data") from error
    assert isinstance(words, str)
    return Answer(value, answer.fault, answer.detail, answer.source, telemetry)
