"""Executing every decision twice: a suspended one is re-executed from its start, and must come out the same."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, cast

import numpy as np

from simworld.kernel import Action, Agent, Answer, Array, Ask, Json, Seat, Value


class Twice(Agent):
    """Decides as another agent does, twice over, and compares; drawing and asking happen once."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        # Declared by the agent's class, passed on as Individuals expect it.
        self.mind, self.sees, self.does, self.asks = agent.mind, agent.sees, agent.does, agent.asks  # type: ignore[misc]
        self.fallback = agent.fallback  # type: ignore[misc]

    def join(self, seat: Seat) -> None:
        """Let the agent join."""
        self._agent.join(seat)

    async def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:
        """Decide, take everything back, and decide again."""
        before = pickle.dumps(self._agent)
        memory = _Memory(seat)
        first = await _decided(self._agent, seen, memory)
        shown = dict(seat.shown)
        self._agent = cast(Agent, pickle.loads(before))
        memory.rewind()
        again = await _decided(self._agent, seen, memory)
        what = f"{type(self._agent).__name__}.act, executed again with the same draws and answers, decides otherwise"
        assert _plain(again) == _plain(first), what
        assert _plain(seat.shown) == _plain(shown), what
        return again


async def _decided(agent: Agent, seen: Mapping[str, Value], memory: _Memory) -> Action:
    result = agent.act(seen, cast(Seat, memory))
    if not inspect.iscoroutine(result):
        return cast(Action, result)
    coroutine: Coroutine[Ask, Answer, Action] = result
    answer: Any = None
    while True:
        try:
            ask = coroutine.send(answer)
        except StopIteration as stop:
            return cast(Action, stop.value)
        answer = await memory.answer(ask)


class _Memory:
    """A seat that remembers what was drawn and answered, so that a second execution finds the same."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._draws: dict[tuple[object, ...], Array] = {}
        self._asks: list[Ask] = []
        self._answers: list[Answer] = []
        self._asked = self._answered = 0

    def rewind(self) -> None:
        """Begin again."""
        self._asked = self._answered = 0
        self._seat.shown = {}

    def draw(self, stream: str, method: str = "uniform", width: tuple[int, ...] = ()) -> Array:
        """Drawn once."""
        key = (stream, method, width)
        if key not in self._draws:
            self._draws[key] = self._seat.draw(stream, method, width)
        return self._draws[key].copy()

    @property
    def ask(self) -> _Memory:
        """The way to ask."""
        return self

    def model(self, content: Mapping[str, Json], after: int = 0) -> Ask:
        """Asked once."""
        return self._once(self._seat.ask.model, content, after)

    def person(self, content: Mapping[str, Json], after: int = 0) -> Ask:
        """Asked once."""
        return self._once(self._seat.ask.person, content, after)

    async def answer(self, ask: Ask) -> Answer:
        """Answered once."""
        self._answered += 1
        if self._answered > len(self._answers):
            self._answers.append(await ask)
        return self._answers[self._answered - 1]

    def _once(self, make: Callable[[Mapping[str, Json], int], Ask], content: Mapping[str, Json], after: int) -> Ask:
        number, self._asked = self._asked, self._asked + 1
        if number == len(self._asks):
            self._asks.append(make(content, after))
        known = self._asks[number]
        anew = Ask(known.key, known.kind, content, after)
        assert anew.digest == known.digest, f"{known}: executed again, the decision asks otherwise"
        return known

    def __getattr__(self, name: str) -> Any:
        return getattr(self._seat, name)


def _plain(values: Mapping[str, Value]) -> dict[str, object]:
    return {name: np.asarray(value).tolist() for name, value in values.items()}
