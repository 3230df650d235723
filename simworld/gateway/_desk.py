"""The desk: takes the asks of all episodes of a process to their models, many at once, and brings back answers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

from simworld.errors import AskError, ModelError
from simworld.gateway._conversation import Conversation, converse, request_of
from simworld.gateway._line import Line, Manner, open_line
from simworld.gateway._meter import Meter, OwnMeter, Spent, Tab
from simworld.gateway._reading import holdable
from simworld.gateway._redact import Redactor
from simworld.gateway._request import ModelFailure, ModelSpec, Request
from simworld.gateway._stand_in import stand_in
from simworld.kernel import Answer, Ask

_CHARACTERS, _LONGEST_ANSWER = 4, 200
"""Of the stand-in: characters of a token, and tokens of its longest answer."""


class Desk:
    """Answers asks of kind ``model``. One per process, for all of its episodes; closed when they are over."""

    def __init__(
        self,
        manner: Manner | None = None,
        meter: Meter | None = None,
        keys: Mapping[str, str] | None = None,
        stopping: Callable[[], bool] = bool,
    ) -> None:
        """Open a desk.

        Args:
            manner: How to ask.
            meter: Counts what is spent, and holds the budget.
            keys: Secrets, by the environment variables that hold them.
            stopping: Whether the run was asked to stop: then nothing more is sent.
        """
        self._manner, self.meter = manner or Manner(), meter or OwnMeter()
        self._keys, self._stopping = dict(keys or {}), stopping
        self.redact = Redactor(self._keys.values())
        self._lines: dict[ModelSpec, Line] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._guarded = False

    def gateway(self, models: Mapping[str, ModelSpec], seed: int) -> ModelGateway:
        """The way to these models, by the names that a scenario gives them, for an episode with this seed."""
        return ModelGateway(self, models, seed)

    def take(self, batch: Sequence[tuple[Ask, ModelSpec, Request]]) -> list[Future[Answer]]:
        """Send all of these asks on their way.

        Raises:
            ModelError: A model cannot be asked at all: no key, no known price to hold a budget with.
            BudgetError: The budget does not allow them; none was sent.
        """
        if not self._guarded:
            self._guarded = True
            self.redact.guard_logs()
        most = [self._most(spec, request) for _, spec, request in batch]
        self.meter.reserve(Spent(len(batch), sum(m.tokens for m in most), sum(m.usd for m in most)))
        futures = []
        for (ask, spec, request), aside in zip(batch, most, strict=True):
            if spec.stand_in:
                future: Future[Answer] = Future()
                future.set_result(self._at_once(ask, spec, request, aside))
            else:
                tab = Tab(self.meter, aside)
                future = asyncio.run_coroutine_threadsafe(self._drive(ask, spec, request, tab), self._running())
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
            for line in self._lines.values():
                await line.client.close()

        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()
        self._lines.clear()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _at_once(self, ask: Ask, spec: ModelSpec, request: Request, aside: Spent) -> Answer:
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
        self.meter.settle(Spent(0, _tokens(answer) - aside.tokens))
        telemetry = {**answer.telemetry, "seconds": time.perf_counter() - begun}
        return Answer(answer.value, answer.fault, answer.detail, answer.source, telemetry)

    async def _drive(self, ask: Ask, spec: ModelSpec, request: Request, tab: Tab) -> Answer:
        line = self._lines[spec]
        begun, attempts = time.monotonic(), 0
        conversation: Conversation = converse(ask, request)
        try:
            wanted = next(conversation)
            while True:
                outcome, tried = await line.call(wanted, self._slots, self._stopping, tab)
                attempts += tried
                try:
                    wanted = conversation.send(outcome)
                except StopIteration as stop:
                    answer: Answer = stop.value
                    break
        finally:
            tab.close()
        telemetry = {**answer.telemetry, "attempts": attempts, "seconds": time.monotonic() - begun}
        return self._clean(Answer(answer.value, answer.fault, answer.detail, answer.source, telemetry))

    def _most(self, spec: ModelSpec, request: Request) -> Spent:
        if spec.stand_in:
            return Spent(0, sum(len(m["content"]) for m in request.messages) // _CHARACTERS + _LONGEST_ANSWER)
        return self._line(spec).most(request)

    def _line(self, spec: ModelSpec) -> Line:
        """The line to a model, opened here and not in the loop: a long import would hold up all calls."""
        line = self._lines.get(spec)
        if line is None:
            line = open_line(spec, self._keys, self._manner, self.redact)
            if self.meter.budget.usd is not None and line.client.prices is None:
                raise ModelError(
                    f"model {spec.model!r}: nobody knows its price, so budget.usd cannot be held;"
                    " accepted: usd_per_million_input and usd_per_million_output (0 for a server of your own)"
                )
            self._lines[spec] = line
        return line

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
        """The answer without secrets, which a server may echo, and without text that no table can hold."""
        value, words, telemetry = (
            holdable(self.redact.all(part))
            for part in (answer.value, [answer.fault, answer.detail, answer.source], dict(answer.telemetry))
        )
        assert isinstance(words, list)
        assert isinstance(telemetry, dict)
        fault, detail, source = map(str, words)
        return Answer(value, fault, detail, source, telemetry)


class ModelGateway:
    """The kernel's ``Gateway`` for asks of kind ``model`` of one episode."""

    def __init__(self, desk: Desk, models: Mapping[str, ModelSpec], seed: int) -> None:
        self._desk, self._models, self._seed = desk, models, seed

    def post(self, asks: Sequence[Ask]) -> Sequence[Future[Answer]]:
        """Send asks to the models that they name; see ``request_of`` for their content.

        Raises:
            AskError: An ask names no model that the scenario has, or is malformed.
            ModelError: A model cannot be asked at all.
            BudgetError: The budget does not allow them.
        """
        return self._desk.take([(ask, self._spec(ask), request_of(ask, self._seed)) for ask in asks])

    def _spec(self, ask: Ask) -> ModelSpec:
        name = ask.content.get("model", "default")
        found = self._models.get(name) if isinstance(name, str) else None
        if found is None:
            raise AskError(f"{ask}: the scenario has no model {name!r}; it has {', '.join(self._models) or 'none'}")
        return found


def _tokens(answer: Answer) -> int:
    counts = [answer.telemetry.get(key, 0) for key in ("prompt_tokens", "completion_tokens")]
    return sum(count for count in counts if isinstance(count, int))
