"""The desk: takes the asks of all episodes of a process to their models, many at once, and brings back answers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from simworld.errors import AskError, ModelError
from simworld.gateway._conversation import Conversation, converse, request_of
from simworld.gateway._meter import Meter, OwnMeter
from simworld.gateway._redact import Redactor
from simworld.gateway._request import Client, Completion, ModelFailure, ModelSpec, Request
from simworld.gateway._stand_in import stand_in
from simworld.kernel import Answer, Ask

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
_FIRST_CALL = 5.0
"""Seconds more for a model's first call: libraries load what they need when they need it."""
_CHARACTERS = 4
"""About so many make a token: what a prompt may cost is set aside before it is sent."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How models are asked: what cannot change an answer."""

    limit: int = 64
    """Most calls under way at once."""
    timeout: float = 60.0
    """Seconds that one call may take."""
    retries: int = 4
    """Further attempts after a call that failed for a reason that may pass."""


class Desk:
    """Answers asks of kind ``model``. One per process, for all of its episodes; closed when they are over."""

    def __init__(
        self,
        manner: Manner | None = None,
        meter: Meter | None = None,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        """Open a desk.

        Args:
            manner: How to ask.
            meter: Counts what is spent, and holds the budget.
            keys: Environment variables that may hold secrets, by name.
        """
        self._manner, self.meter = manner or Manner(), meter or OwnMeter()
        self._keys = dict(keys or {})
        self.redact = Redactor(self._keys.values())
        self._clients: dict[ModelSpec, Client] = {}
        self._down: set[ModelSpec] = set()
        """Models that could not be reached the last time: not worth patience until they answer again."""
        self._warm: set[ModelSpec] = set()
        """Models that were called before."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._slots: asyncio.Semaphore | None = None
        self._guarded = False

    def gateway(self, models: Mapping[str, ModelSpec], seed: int) -> ModelGateway:
        """The way to these models, by the names that a scenario gives them, for an episode with this seed."""
        return ModelGateway(self, models, seed)

    def take(self, batch: Sequence[tuple[Ask, ModelSpec, Request]]) -> list[Future[Answer]]:
        """Send all of these asks on their way.

        Raises:
            BudgetError: The budget does not allow them; none was sent.
        """
        if not self._guarded:
            self._guarded = True
            self.redact.guard_logs()
        aside = [_most_tokens(spec, request) for _, spec, request in batch]
        money = [_most_usd(spec, tokens) for (_, spec, _), tokens in zip(batch, aside, strict=True)]
        self.meter.reserve(len(batch), sum(aside), sum(money))
        futures = []
        for (ask, spec, request), tokens, usd in zip(batch, aside, money, strict=True):
            if spec.stand_in:
                future: Future[Answer] = Future()
                future.set_result(self._at_once(ask, spec, request, tokens))
            else:
                self._prepare(spec)
                future = asyncio.run_coroutine_threadsafe(self._drive(ask, spec, request, tokens, usd), self._running())
            futures.append(future)
        return futures

    def close(self) -> None:
        """Cancel what is under way, and let go of connections and the thread."""
        loop, self._loop = self._loop, None
        if loop is None:
            return

        async def end() -> None:
            me = asyncio.current_task()
            others = [task for task in asyncio.all_tasks() if task is not me]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            for client in self._clients.values():
                await client.close()

        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()
        self._clients.clear()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _at_once(self, ask: Ask, spec: ModelSpec, request: Request, aside: int) -> Answer:
        """A stand-in is a function: it needs no thread."""
        begun = time.perf_counter()
        conversation = converse(ask, request)
        wanted = next(conversation)
        while True:
            outcome = stand_in(spec.model, wanted)
            if isinstance(outcome, ModelFailure):
                raise ModelError(f"model {spec.model!r}: {outcome.detail}")
            try:
                wanted = conversation.send(outcome)
            except StopIteration as stop:
                answer: Answer = stop.value
                break
        self.meter.settle(_tokens(answer) - aside, 0.0)
        telemetry = {**answer.telemetry, "seconds": time.perf_counter() - begun}
        return Answer(answer.value, answer.fault, answer.detail, answer.source, telemetry)

    async def _drive(self, ask: Ask, spec: ModelSpec, request: Request, aside: int, usd: float) -> Answer:
        begun = time.monotonic()
        conversation: Conversation = converse(ask, request)
        attempts = 0
        wanted = next(conversation)
        while True:
            outcome, tried = await self._attempts(spec, wanted)
            attempts += tried
            if isinstance(outcome, ModelFailure) and outcome.kind == "rejected":
                self.meter.settle(-aside, -usd)
                raise ModelError(self.redact(f"model {spec.model!r}: {outcome.detail}"))
            try:
                wanted = conversation.send(outcome)
            except StopIteration as stop:
                answer: Answer = stop.value
                break
        spent = answer.telemetry.get("usd", 0.0)
        assert isinstance(spent, int | float)
        self.meter.settle(_tokens(answer) - aside, float(spent) - usd)
        telemetry = {**answer.telemetry, "attempts": attempts, "seconds": time.monotonic() - begun}
        return self._clean(Answer(answer.value, answer.fault, answer.detail, answer.source, telemetry))

    async def _attempts(self, spec: ModelSpec, request: Request) -> tuple[Completion | ModelFailure, int]:
        """One call, again and again with longer waits while it fails for reasons that may pass."""
        assert self._slots is not None
        tries = 1 if spec in self._down else 1 + self._manner.retries
        # Spread by the ask's own seed: all that were turned away together must not come back together.
        spread = 0.75 + (request.seed % 1000) / 2000
        attempt = 0
        while True:
            attempt += 1
            async with self._slots:
                outcome = await self._one(spec, request)
            if isinstance(outcome, Completion):
                self._down.discard(spec)
                return outcome, attempt
            if not outcome.retry or attempt >= tries:
                if outcome.kind in {"unreachable", "timeout"}:
                    self._down.add(spec)
                return outcome, attempt
            wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (attempt - 1)) * spread
            await asyncio.sleep(wait if outcome.after is None else min(outcome.after, _LONGEST_WAIT))

    async def _one(self, spec: ModelSpec, request: Request) -> Completion | ModelFailure:
        try:
            async with asyncio.timeout(self._manner.timeout + (0 if spec in self._warm else _FIRST_CALL)):
                return await self._clients[spec].complete(request)
        except ModelFailure as failure:
            return ModelFailure(failure.kind, self.redact(failure.detail), failure.retry, failure.after)
        except TimeoutError:
            return ModelFailure("timeout", f"no answer within {self._manner.timeout:g} s")
        finally:
            self._warm.add(spec)

    def _prepare(self, spec: ModelSpec) -> None:
        """Make the client of a model, here and not in the loop: a long import would hold up all calls."""
        if spec not in self._clients:
            self._clients[spec] = _make_client(spec, self._keys, self._manner)

    def _running(self) -> asyncio.AbstractEventLoop:
        """The loop in which calls are under way, in a thread of its own."""
        if self._loop is None:
            loop = asyncio.new_event_loop()
            self._slots = asyncio.Semaphore(self._manner.limit)
            # A daemon: a desk that nobody closes must not keep the process alive.
            self._thread = threading.Thread(target=loop.run_forever, name="simworld-models", daemon=True)
            self._thread.start()
            self._loop = loop
        return self._loop

    def _clean(self, answer: Answer) -> Answer:
        """The answer without secrets: a server may echo what it was sent."""
        words = (answer.fault, self.redact(answer.detail), self.redact(answer.source))
        telemetry = {key: self.redact.all(value) for key, value in answer.telemetry.items()}
        return Answer(self.redact.all(answer.value), *words, telemetry)


class ModelGateway:
    """The kernel's ``Gateway`` for asks of kind ``model`` of one episode."""

    def __init__(self, desk: Desk, models: Mapping[str, ModelSpec], seed: int) -> None:
        self._desk, self._models, self._seed = desk, models, seed

    def post(self, asks: Sequence[Ask]) -> Sequence[Future[Answer]]:
        """Send asks to the models that they name; see ``request_of`` for their content.

        Raises:
            AskError: An ask names no model that the scenario has, or is malformed.
            BudgetError: The budget does not allow them.
        """
        return self._desk.take([(ask, self._spec(ask), request_of(ask, self._seed)) for ask in asks])

    def _spec(self, ask: Ask) -> ModelSpec:
        name = ask.content.get("model", "default")
        found = self._models.get(name) if isinstance(name, str) else None
        if found is None:
            raise AskError(f"{ask}: the scenario has no model {name!r}; it has {', '.join(self._models) or 'none'}")
        return found


def _make_client(spec: ModelSpec, keys: Mapping[str, str], manner: Manner) -> Client:
    # Imported only when used: both bring a network library, and litellm takes seconds.
    if spec.client == "lean" or (spec.client == "auto" and spec.base_url):
        from simworld.gateway._lean import LeanClient  # noqa: PLC0415

        return LeanClient(spec, keys, manner.limit)
    from simworld.gateway._litellm import LitellmClient  # noqa: PLC0415

    return LitellmClient(spec, keys, manner.timeout)


def _most_tokens(spec: ModelSpec, request: Request) -> int:
    return sum(len(m["content"]) for m in request.messages) // _CHARACTERS + spec.max_tokens


def _most_usd(spec: ModelSpec, tokens: int) -> float:
    prompt = max(0, tokens - spec.max_tokens) * (spec.usd_per_million_input or 0.0)
    return (prompt + spec.max_tokens * (spec.usd_per_million_output or 0.0)) / 1e6


def _tokens(answer: Answer) -> int:
    counts = [answer.telemetry.get(key, 0) for key in ("prompt_tokens", "completion_tokens")]
    return sum(count for count in counts if isinstance(count, int))
