"""Who decides: agents one by one, cohorts in arrays, and the seats they sit in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import ClassVar, Literal, TypeAlias

from simworld.errors import ActionError, ContractError
from simworld.kernel._asks import Answer, Ask, Json
from simworld.kernel._fields import Array, Field, Members, Role
from simworld.kernel._words import lasting

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

    shown: dict[str, Array] | None = None
    faults: dict[int, tuple[str, str]] | None = None
    _asks: dict[int, int] | None = None

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
        self._draw = draw

    def draw(
        self,
        stream: str,
        method: str = "uniform",
        width: tuple[int, ...] = (),
        places: Members | None = None,
        numbers: Members | None = None,
    ) -> Array:
        """Addressed draws, float64 of shape (n, *width); a second draw names another stream.

        With ``places``, sorted, for the members at these places alone. With ``numbers``, sorted and different, by these
        instead of the members' own: what belongs to a player who has many seats is the player's, whatever the seats.
        """
        members = self.members if places is None else self.members[places]
        members = members if numbers is None else numbers
        return self._draw(method, f"{self.role.name}/{stream}", self.tick, members, width)

    def draw_one(self, place: int, stream: str, method: str, width: tuple[int, ...]) -> Array:
        """The same for the member at this place alone, float64 of shape width."""
        one = self.members[place : place + 1]
        drawn: Array = self._draw(method, f"{self.role.name}/{stream}", self.tick, one, width)[0]
        return drawn

    def show(self, **mind: Array) -> None:
        """Record mind fields, arrays of shape (n, ...); they never reach the world."""
        self.shown = mind if self.shown is None else self.shown | mind

    def fault(self, place: int, kind: str, detail: str = "") -> None:
        """Flag the decision at this place: its action is a fallback, not the mind's own."""
        if kind.__class__ is not str or detail.__class__ is not str or not kind:
            raise ActionError(
                f"role {self.role.name!r}: fault({kind!r}, {detail!r}); accepted: a kind and a detail, texts"
            )
        if self.faults is None:
            self.faults = {}
        self.faults[place] = (lasting(kind), lasting(detail))

    def ask(self, place: int) -> Asking:
        """The way to ask for the member at this place."""
        return Asking(self, place)

    def asked(self, place: int, kind: str, content: Mapping[str, Json], after: int) -> Ask:
        """Make an ask with its address; the kernel answers it when it is yielded or awaited."""
        member = int(self.members[place])
        if after.__class__ is not int or after < 0:
            raise ContractError(
                f"ask.{kind} of {self.role.name} {member}: after={after!r}; accepted: whole ticks, 0 or more"
            )
        if self._asks is None:
            self._asks = {}
        number = self._asks.get(place, 0)
        self._asks[place] = number + 1
        key = (self.role.name, member, int(self.decisions[place]), number)
        return Ask(key, kind, content, after)


class Seat:
    """What one agent may use while it decides."""

    __slots__ = ("_place", "_seats", "shown")

    def __init__(self, seats: Seats, place: int) -> None:
        self._seats, self._place = seats, place
        self.shown: dict[str, Value] = {}

    @property
    def role(self) -> Role:
        """The role, its shapes in numbers."""
        return self._seats.role

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
        return self._seats.draw_one(self._place, stream, method, width)

    def show(self, **mind: Value) -> None:
        """Record mind fields of this agent; they never reach the world."""
        self.shown.update(mind)

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
    asks: ClassVar[tuple[Literal["model", "person"], ...]] = ()
    """Whom it asks; checked before a run starts."""
    prompts: ClassVar[Mapping[str, str]] = {}
    """Texts that it asks with, by name: their SHA-256, for the record."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Parameters that name files whose content counts."""
    fallback: ClassVar[Action | None] = None
    """What it does, flagged as a fault, if deciding fails; without one a failure ends the episode."""

    def check(self, role: Role) -> None:  # noqa: B027  most agents fit any role with the fields that they need
        """Raise ValueError if it does not fit this role, whose shapes are in numbers; asked before a run starts."""

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
    asks: ClassVar[tuple[Literal["model", "person"], ...]] = ()
    """Whom they ask; checked before a run starts."""
    prompts: ClassVar[Mapping[str, str]] = {}
    """Texts that they ask with, by name: their SHA-256, for the record."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Parameters that name files whose content counts."""

    def check(self, role: Role) -> None:  # noqa: B027  most cohorts fit any role with the fields that they need
        """Raise ValueError if it does not fit this role, whose shapes are in numbers; asked before a run starts."""

    def join(self, seats: Seats) -> None:  # noqa: B027  a stateless cohort needs nothing
        """Called with the seats of those who join; their rows follow those already there."""

    def leave(self, members: Members, rows: Members) -> None:  # noqa: B027
        """Called with those who leave; their rows are not used again."""

    @abstractmethod
    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array] | Rounds:
        """Decide: arrays of shape (n, ...) in, arrays of shape (n, ...) out; shared fields come without n.

        What is seen is read-only. A cohort that asks is a generator function: it yields a list of asks, is sent
        a list of answers (None for a member that is now suspended), and returns the actions; what it returns for
        a suspended member is not read. A suspended decision is re-executed from its start, in a call of its own
        when it is due, so a mind changes its memory of a member only after the last answer.
        """
