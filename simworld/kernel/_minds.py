"""Who decides: agents one by one, cohorts in arrays, and the seats they sit in."""

from __future__ import annotations

import inspect
import pickle
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np

from simworld.errors import ContractError, SimworldError
from simworld.kernel._asks import Answer, Ask, Json
from simworld.kernel._fields import Array, Field, Members, Role, as_field

Draw: TypeAlias = Callable[[str, str, int, Members, tuple[int, ...]], Array]
"""(method, stream, tick, members, width) -> draws: the kernel's guarded door to chance."""

Value: TypeAlias = "bool | int | float | str | Array"
"""One field's value for one member."""

Action: TypeAlias = Mapping[str, Value]
"""Action fields by name, for one member."""

Rounds: TypeAlias = Generator[list[Ask], "list[Answer | None]", Mapping[str, Array]]
"""A cohort that asks: yields the asks of a round, is sent their answers (None: suspended), returns the actions."""


class Asking:
    """The way to ask from one seat."""

    __slots__ = ("_place", "_seats")

    def __init__(self, seats: Seats, place: int) -> None:
        self._seats, self._place = seats, place

    def model(self, content: Mapping[str, Json], after: int = 0) -> Ask:
        """A question to a model; ``after`` ticks of simulated time pass until the answer (0: none)."""
        return self._seats.asked(self._place, "model", content, after)

    def person(self, content: Mapping[str, Json], after: int = 0) -> Ask:
        """A question to a person; ``after`` ticks of simulated time pass until the answer (0: none)."""
        return self._seats.asked(self._place, "person", content, after)


class Seats:
    """What a cohort's members may use while they decide: who and when they are, chance, asks, showing."""

    __slots__ = ("_asks", "_draw", "decisions", "faults", "members", "role", "rows", "shown", "tick")

    def __init__(self, role: Role, tick: int, members: Members, rows: Members, decisions: Members, draw: Draw) -> None:
        self.role = role
        """The role of these seats."""
        self.tick = tick
        """The tick at which the observation was taken."""
        self.members = members
        """Member numbers, sorted, int64 of shape (n,)."""
        self.rows = rows
        """Each member's place in its cohort, in order of joining, int64 of shape (n,)."""
        self.decisions = decisions
        """Each member's decision index, int64 of shape (n,)."""
        self.shown: dict[str, Array] = {}
        self.faults: dict[int, tuple[str, str]] = {}
        self._asks: dict[int, int] | None = None
        self._draw = draw

    def draw(self, stream: str, method: str = "uniform", width: tuple[int, ...] = ()) -> Array:
        """Addressed draws, float64 of shape (n, *width); a second draw names another stream."""
        return self._draw(method, stream, self.tick, self.members, width)

    def show(self, **mind: Array) -> None:
        """Record mind fields, arrays of shape (n, ...); they never reach the world."""
        self.shown.update(mind)

    def fault(self, place: int, kind: str, detail: str = "") -> None:
        """Flag the decision at this place: its action is a fallback, not the mind's own."""
        self.faults[place] = (kind, detail)

    def ask(self, place: int) -> Asking:
        """The way to ask for the member at this place."""
        return Asking(self, place)

    def asked(self, place: int, kind: str, content: Mapping[str, Json], after: int) -> Ask:
        """Make an ask with its address; the kernel answers it when it is yielded or awaited."""
        if after.__class__ is not int or after < 0:
            raise ContractError(f"ask.{kind}: after={after!r}; accepted: a whole number of ticks, 0 or more")
        if self._asks is None:
            self._asks = {}
        number = self._asks.get(place, 0)
        self._asks[place] = number + 1
        key = (self.role.name, int(self.members[place]), int(self.decisions[place]), number)
        return Ask(key, kind, content, after)


class Seat:
    """What one agent may use while it decides."""

    __slots__ = ("_mind", "_place", "_seats")

    def __init__(self, seats: Seats, place: int) -> None:
        self._seats, self._place = seats, place
        self._mind: dict[str, Value] = {}

    @property
    def tick(self) -> int:
        """The tick at which the observation was taken."""
        return self._seats.tick

    @property
    def member(self) -> int:
        """The agent's number in its role."""
        return int(self._seats.members[self._place])

    @property
    def ask(self) -> Asking:
        """The way to ask the outside: ``await seat.ask.model(...)``, ``await seat.ask.person(...)``."""
        return Asking(self._seats, self._place)

    def draw(self, stream: str, method: str = "uniform", width: tuple[int, ...] = ()) -> Array:
        """This member's addressed draw, float64 of shape width."""
        seats = self._seats
        one = seats.members[self._place : self._place + 1]
        drawn: Array = seats._draw(method, stream, seats.tick, one, width)[0]
        return drawn

    def show(self, **mind: Value) -> None:
        """Record mind fields of this agent; they never reach the world."""
        self._mind.update(mind)

    def fault(self, kind: str, detail: str = "") -> None:
        """Flag this decision: its action is a fallback, not the agent's own."""
        self._seats.fault(self._place, kind, detail)


class Agent(ABC):
    """One who sits in a seat and decides; it sees an observation and holds no reference to the world."""

    mind: ClassVar[tuple[Field, ...]] = ()
    """What it may show of its inner state."""
    sees: ClassVar[tuple[str, ...]] = ()
    """Observation fields that it needs; checked before a run starts."""
    does: ClassVar[tuple[str, ...]] = ()
    """Action fields that it decides; checked before a run starts."""
    fallback: ClassVar[Action | None] = None
    """What it does, flagged as a fault, if deciding fails; without one a failure ends the episode."""

    def join(self, seat: Seat) -> None:  # noqa: B027  most agents need nothing
        """Called once when the agent takes its seat."""

    @abstractmethod
    def act(self, seen: Mapping[str, Value], seat: Seat) -> Action | Awaitable[Action]:
        """Decide: the observation of one member in, action fields by name out; plain or ``async``."""


class Cohort(ABC):
    """All members of a role that share one mind; decides for many in one call, arrays in, arrays out."""

    mind: ClassVar[tuple[Field, ...]] = ()
    """What its members may show of their inner state."""
    sees: ClassVar[tuple[str, ...]] = ()
    """Observation fields that it needs; checked before a run starts."""
    does: ClassVar[tuple[str, ...]] = ()
    """Action fields that it decides; checked before a run starts."""

    def join(self, seats: Seats) -> None:  # noqa: B027  a stateless cohort needs nothing
        """Called with the seats of those who join; their rows follow those already there."""

    def leave(self, members: Members, rows: Members) -> None:  # noqa: B027
        """Called with those who leave; their rows are not used again."""

    @abstractmethod
    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array] | Rounds:
        """Decide: arrays of shape (n, ...) in, arrays of shape (n, ...) out; shared fields come without n.

        What is seen is read-only. A cohort that asks is a generator function: it yields a list of asks, is sent
        a list of answers (None for a member that is now suspended), and returns the actions.
        """


class Individuals(Cohort):
    """A cohort of agents that decide one by one, plain or async; their asks go out together."""

    def __init__(self, make: Callable[[], Agent]) -> None:
        self._make = make
        self._agents: list[Agent] = []
        first = make()
        # Declared by the agent class, passed on by the cohort that wraps it.
        self.mind, self.sees, self.does = first.mind, first.sees, first.does  # type: ignore[misc]

    def join(self, seats: Seats) -> None:
        """Make one agent for every newcomer."""
        for place in range(len(seats.members)):
            agent = self._make()
            self._agents.append(agent)
            agent.join(Seat(seats, place))

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Rounds:
        """Let every agent decide; collect the asks of the async ones in rounds."""
        shared = {f.name for f in seats.role.obs if f.shared}
        columns = [(name, array, name in shared) for name, array in seen.items()]
        done: list[Action | None] = [None] * len(seats.members)
        minds: list[Seat] = []
        waiting: list[_Thinking] = []
        for place, row in enumerate(seats.rows.tolist()):
            agent, seat = self._agents[row], Seat(seats, place)
            minds.append(seat)
            one = {name: array if common else array[place] for name, array, common in columns}
            thinking = _Thinking(agent, place, row)
            if thinking.start(one, seat):
                waiting.append(thinking)
            done[place] = thinking.action
        while waiting:
            answers = yield [t.ask for t in waiting if t.ask is not None]
            still = []
            for thinking, answer in zip(waiting, answers, strict=True):
                if answer is None:
                    self._agents[thinking.row] = thinking.put_back()
                elif thinking.go_on(answer):
                    still.append(thinking)
                done[thinking.place] = thinking.action
            waiting = still
        self._show(seats, minds)
        return _columns(seats.role, done)

    def _show(self, seats: Seats, minds: Sequence[Seat]) -> None:
        for field in self.mind:
            if any(field.name in s._mind for s in minds):
                empty: Any = "" if field.dtype == "str" else np.nan if field.dtype == "float64" else 0
                column = [s._mind.get(field.name, empty) for s in minds]
                seats.show(**{field.name: as_field(field, column, f"role {seats.role.name!r}: mind field")})
        undeclared = {name for s in minds for name in s._mind} - {f.name for f in self.mind}
        if undeclared:
            raise ContractError(
                f"role {seats.role.name!r}: shown but not declared as mind fields: {sorted(undeclared)}"
            )


class _Thinking:
    """One agent's decision under way: a coroutine that lives no longer than the moment."""

    __slots__ = ("_coroutine", "_seat", "_snapshot", "action", "agent", "ask", "place", "row")

    def __init__(self, agent: Agent, place: int, row: int) -> None:
        self.agent, self.place, self.row = agent, place, row
        self.action: Action | None = None
        self.ask: Ask | None = None
        self._coroutine: Coroutine[Ask, Answer, Action] | None = None
        self._snapshot = b""

    def start(self, seen: Mapping[str, Value], seat: Seat) -> bool:
        """Begin to decide; True if the agent asks."""
        self._seat = seat
        if inspect.iscoroutinefunction(self.agent.act):
            # A suspended decision is re-executed from its start, so the agent must be as it was.
            self._snapshot = pickle.dumps(self.agent)
        try:
            result = self.agent.act(seen, seat)
        except Exception as error:  # noqa: BLE001  only a declared fallback may stand in, see _fail
            return self._fail(error)
        if inspect.iscoroutine(result):
            self._coroutine = result
            return self.go_on(None)
        self.action = result  # type: ignore[assignment]
        return False

    def go_on(self, answer: Answer | None) -> bool:
        """Continue with an answer; True if the agent asks again."""
        assert self._coroutine is not None
        try:
            asked = self._coroutine.send(answer)  # type: ignore[arg-type]
        except StopIteration as stop:
            self.action = stop.value
            return False
        except Exception as error:  # noqa: BLE001  only a declared fallback may stand in, see _fail
            return self._fail(error)
        if not isinstance(asked, Ask):
            self._coroutine.close()
            raise ContractError(f"{type(self.agent).__name__} awaited {asked!r}; an agent may await only its asks")
        self.ask = asked
        return True

    def put_back(self) -> Agent:
        """Drop the coroutine and return the agent as it was before it began to decide."""
        assert self._coroutine is not None
        self._coroutine.close()
        restored: Agent = pickle.loads(self._snapshot)
        return restored

    def _fail(self, error: Exception) -> bool:
        if self.agent.fallback is None or isinstance(error, SimworldError):
            error.add_note(f"in {type(self.agent).__name__}.act of {self._seat._seats.role.name} {self._seat.member}")
            raise error
        self._seat.fault("error", f"{type(error).__name__}: {error}")
        self.action = self.agent.fallback
        return False


def _columns(role: Role, done: Sequence[Action | None]) -> dict[str, Array]:
    """Single actions into arrays; a suspended member's place holds a value that nobody reads."""
    columns: dict[str, Array] = {}
    given = {name for action in done if action is not None for name in action}
    unknown = given - {f.name for f in role.act}
    if unknown:
        raise ContractError(
            f"role {role.name!r} has no action field {sorted(unknown)}; it has {[f.name for f in role.act]}"
        )
    for field in role.act:
        if field.name not in given and field.default is not None:
            continue
        values: list[Any] = []
        for action in done:
            if action is None:
                values.append(_filler(field))
            elif field.name in action:
                values.append(action[field.name])
            elif field.default is not None:
                values.append(np.full(field.shape, field.default) if field.shape else field.default)
            else:
                raise ContractError(f"role {role.name!r}: the action lacks {field.name!r}")
        columns[field.name] = as_field(field, values, f"role {role.name!r}: action field")
    return columns


def _filler(field: Field) -> Any:
    value: Any = "" if field.dtype == "str" else (field.low or 0)
    return np.full(field.shape, value) if field.shape else value
