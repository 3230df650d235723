"""Agents that decide one by one, as a cohort."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import PurePath
from types import TracebackType
from typing import Any

import numpy as np

from simworld.errors import ActionError, ContractError, SimworldError
from simworld.kernel._asks import Answer, Ask
from simworld.kernel._fields import Array, Field, Members, Role, as_field
from simworld.kernel._minds import Action, Agent, Cohort, Rounds, Seat, Seats, Value
from simworld.kernel._words import said_by


class Individuals(Cohort):
    """A cohort of agents that decide one by one, plain or async; their asks go out together."""

    def __init__(self, make: Callable[[], Agent]) -> None:
        self._make = make
        self._agents: dict[int, Agent] = {}
        """Those present, by row."""
        first = make()
        # Declared by the agent class, passed on by the cohort that wraps it.
        self.mind, self.sees, self.does = first.mind, first.sees, first.does  # type: ignore[misc]
        self.asks, self.prompts = first.asks, first.prompts  # type: ignore[misc]
        self._async = inspect.iscoroutinefunction(first.act)

    def join(self, seats: Seats) -> None:
        """Make one agent for every newcomer."""
        for place, row in enumerate(seats.rows.tolist()):
            agent = self._agents[row] = self._make()
            agent.join(Seat(seats, place))

    def leave(self, members: Members, rows: Members) -> None:  # noqa: ARG002
        """Let go of those who left."""
        for row in rows.tolist():
            del self._agents[row]

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array] | Rounds:
        """Let every agent decide; those that ask go on together, in rounds."""
        thoughts = []
        for place, (row, one) in enumerate(zip(seats.rows.tolist(), _one_by_one(seats, seen), strict=True)):
            thought = _Thought(self._agents[row], seats, place)
            thought.start(one, self._async)
            thoughts.append(thought)
        asking = [t for t in thoughts if t.ask is not None]
        if asking:
            return self._rounds(seats, thoughts, asking)
        return self._finish(seats, thoughts)

    def _rounds(self, seats: Seats, thoughts: Sequence[_Thought], asking: list[_Thought]) -> Rounds:
        while asking:
            answers = yield [t.ask for t in asking if t.ask is not None]
            for thought, answer in zip(asking, answers, strict=True):
                if answer is None:
                    self._agents[int(seats.rows[thought.place])] = thought.put_back()
                else:
                    thought.go_on(answer)
            asking = [t for t in asking if t.ask is not None]
        return self._finish(seats, thoughts)

    def _finish(self, seats: Seats, thoughts: Sequence[_Thought]) -> Mapping[str, Array]:
        if any(t.seat.shown for t in thoughts):
            self._show(seats, thoughts)
        return _columns(seats.role, thoughts)

    def _show(self, seats: Seats, thoughts: Sequence[_Thought]) -> None:
        declared = {f.name: f for f in self.mind}
        for thought in thoughts:
            for name in thought.seat.shown:
                if name not in declared:
                    raise ActionError(f"{thought}: found mind field {name!r}; declared: {list(declared)}")
        for name, field in declared.items():
            if any(name in t.seat.shown for t in thoughts):
                seats.show(**{name: _column(field, thoughts, [t.seat.shown.get(name) for t in thoughts], "mind field")})


class _Thought:
    """One agent's decision under way: a coroutine that lives no longer than the moment."""

    __slots__ = ("_coroutine", "_seats", "_snapshot", "_why_not", "action", "agent", "ask", "place", "seat")

    def __init__(self, agent: Agent, seats: Seats, place: int) -> None:
        self.agent, self.place, self.seat = agent, place, Seat(seats, place)
        self._seats = seats
        self.action: Action | None = None
        """What it decided; None while it does not know."""
        self.ask: Ask | None = None
        """What it wants to know, or None."""
        self._coroutine: Coroutine[Ask, Answer, Action] | None = None
        self._snapshot = b""
        self._why_not = "must declare act with 'async def'"

    def __str__(self) -> str:
        """Who thinks, for messages."""
        return f"{type(self.agent).__name__}.act of {self._seats.role.name} {self.seat.member}"

    def start(self, seen: Mapping[str, Value], asks: bool) -> None:
        """Begin to decide."""
        if asks:
            # A suspended decision is re-executed from its start, so the agent must be as it was.
            try:
                self._snapshot = pickle.dumps(self.agent)
            except (AttributeError, TypeError, pickle.PicklingError) as error:
                self._why_not = f"must be picklable ({error})"
        try:
            result = self.agent.act(seen, self.seat)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  only a declared fallback may stand in, see _fail
            self._fail(error)
            return
        if inspect.iscoroutine(result):
            self._coroutine = result
            self.go_on(None)
        else:
            self._decide(result)

    def go_on(self, answer: Answer | None) -> None:
        """Continue with an answer."""
        assert self._coroutine is not None
        self.ask = None
        try:
            asked = self._coroutine.send(answer)  # type: ignore[arg-type]
        except StopIteration as stop:
            self._decide(stop.value)
            return
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  only a declared fallback may stand in, see _fail
            self._fail(error)
            return
        own = (self._seats.role.name, self.seat.member, int(self._seats.decisions[self.place]))
        if asked.__class__ is not Ask or asked.key[:3] != own:
            self._coroutine.close()
            raise ContractError(f"{self}: awaited {asked}; an agent may await only its asks, those of this decision")
        self.ask = asked

    def put_back(self) -> Agent:
        """Drop the coroutine and return the agent as it was before it began to decide."""
        assert self._coroutine is not None
        self._coroutine.close()
        self.ask = None
        if not self._snapshot:
            raise ContractError(f"{self}: an agent that asks with after= {self._why_not}")
        restored: Agent = pickle.loads(self._snapshot)
        return restored

    def _decide(self, result: object) -> None:
        if not isinstance(result, Mapping):
            raise ActionError(f"{self}: found {result!r}; accepted: action fields by name")
        self.action = result

    def _fail(self, error: BaseException) -> None:
        if self.agent.fallback is None or isinstance(error, SimworldError):
            with suppress(TypeError):  # it has notes of its own making
                error.add_note(f"in {self}")
            raise error
        self.seat.fault("error", f"{type(error).__name__}: {said_by(error)}{_place(error)}")
        self.action = self.agent.fallback


def _place(error: BaseException) -> str:
    """Where an exception was raised, for the record: file and line."""
    trace = error.__traceback__
    if trace is not None and isinstance(error, RecursionError):
        # Where the stack overflows depends on where it began: the agent's own first line does not.
        return _at(trace.tb_next or trace)
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else _at(trace)


def _at(trace: TracebackType) -> str:
    return f" ({PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"


def _one_by_one(seats: Seats, seen: Mapping[str, Array]) -> Iterator[dict[str, Value]]:
    """Each member's observation: plain Python values, and arrays where a field has a shape."""
    n = len(seats.members)
    columns: list[Sequence[Value]] = []
    for field in seats.role.obs:
        array = seen[field.name]
        if field.shared:
            columns.append([array if field.shape else array.item()] * n)
        else:
            columns.append(array if field.shape else array.tolist())  # type: ignore[arg-type]
    names = [f.name for f in seats.role.obs]
    for place in range(n):
        yield {name: column[place] for name, column in zip(names, columns, strict=True)}


def _columns(role: Role, thoughts: Sequence[_Thought]) -> dict[str, Array]:
    """Single actions into arrays; a suspended member's place holds a value that nobody reads."""
    accepted = {f.name: None for f in role.act}
    for thought in thoughts:
        if thought.action is not None and not thought.action.keys() <= accepted.keys():
            strange = next(name for name in thought.action if name not in accepted)
            raise ActionError(f"{thought}: found action field {strange!r}; accepted: {list(accepted)}")
    columns = {}
    for field in role.act:
        values: list[Any] = []
        for thought in thoughts:
            given = None if thought.action is None else thought.action.get(field.name, field.default)
            if given is None and thought.action is not None:
                raise ActionError(f"{thought}: the action lacks {field.name!r}; found {sorted(thought.action)}")
            values.append(given)
        columns[field.name] = _column(field, thoughts, values, "action field")
    return columns


_SURE: Mapping[str, type] = {"bool": bool, "int64": int, "float64": float, "str": str}
"""Python types that need no further look."""
_LARGE = 1 << 63


def _column(field: Field, thoughts: Sequence[_Thought], values: Sequence[Any], what: str) -> Array:
    """One field's values as an array; None where there is none."""
    column = np.full((len(values), *field.sizes), field.blank, dtype=field.numpy_dtype)
    sure = None if field.shape else _SURE[field.dtype]
    for place, value in enumerate(values):
        # One by one: what is accepted from one agent must not depend on what the others do.
        if value.__class__ is sure and sure is not str and (not isinstance(value, int) or -_LARGE <= value < _LARGE):
            column[place] = value
        elif value is not None:
            one = as_field(field, value, f"{thoughts[place]}: {what}")
            if one.shape not in {field.sizes, ()}:
                raise ActionError(
                    f"{thoughts[place]}: {what} {field.name!r}: found shape {one.shape}; accepted: {field.sizes}"
                )
            column[place] = one if one.ndim else one.item()
    return column
