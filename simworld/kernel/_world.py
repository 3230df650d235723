"""The rules: worlds, the moments they step through, and the turn that is their only way to the kernel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simworld.errors import ContractError
from simworld.kernel._agenda import Payload
from simworld.kernel._asks import Json
from simworld.kernel._fields import Array, Field, Members, Role, freeze
from simworld.kernel._minds import Cohort

if TYPE_CHECKING:
    from simworld.kernel._chance import Method
    from simworld.kernel._society import Society

_NOTHING: Mapping[str, Array] = MappingProxyType({})


class Acts:
    """What the members of one role saw and decided in one moment: arrays in member order."""

    seen: Mapping[str, Array] = _NOTHING
    """Observation fields; a shared one comes without n, except where decisions of several moments meet."""
    done: Mapping[str, Array] = _NOTHING
    """Action fields."""
    mind: Mapping[str, Array] = _NOTHING
    """Mind fields that somebody showed."""
    faults: Mapping[int, tuple[str, str]] = MappingProxyType({})
    """Flagged decisions by place: (kind, detail)."""

    def __init__(self, role: Role, members: Members, decisions: Members, since: int | Members) -> None:
        self.role = role
        self.members = members
        self.decisions = decisions
        self.since = since
        """Tick at which they saw: one for all, or one each where a decision was resumed."""

    def __getitem__(self, field: str) -> Array:
        """One action field, shape (n, ...)."""
        return self.done[field]

    def __len__(self) -> int:
        return len(self.members)


class Moment:
    """The wakes due at one (tick, priority), with what was decided."""

    waiting: Mapping[str, Members] = MappingProxyType({})
    """Members that were woken while their decision is suspended: that wake makes no decision."""
    outer: Mapping[str, Acts] = MappingProxyType({})
    """Between begin and finish: whose decision is awaited from outside, and what they see, by role."""

    def __init__(self, tick: int, priority: int) -> None:
        self.tick = tick
        self.priority = priority
        self.acts: dict[str, Acts] = {}
        """Who decided what, by role; roles without a decision are absent."""


class World(ABC):
    """The rules and the state; declares roles; never decides for anybody.

    State lives in the world's own attributes and is plain, picklable data. A world never keeps the turn.
    """

    roles: tuple[Role, ...] = ()
    """The kinds of seats."""
    measures: tuple[Field, ...] = ()
    """What it may emit: numbers of the society over time."""
    tick_length: float = 1.0
    """How long one tick is, in ``tick_unit``."""
    tick_unit: ClassVar[str] = "tick"
    """Unit of the tables' column ``time``."""
    backdrop: Sequence[Sequence[float]] | Array = ()
    """What stands still where members move, such as walls: segments, x and y of one end and of the other, in metres.
    Known when the world is made, recorded beside positions, and drawn beneath them; for minds it means nothing."""
    runs: ClassVar[tuple[str, ...]] = ()
    """Parameters that name code: a module, ``module:Class``, or a list of these."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Parameters that name files whose content counts."""
    changeable: ClassVar[tuple[str, ...]] = ()
    """Parameters that an intervention may change in mid-episode: attributes that are read anew in every step."""

    def check(self, seats: Mapping[str, int]) -> None:  # noqa: B027  most worlds take any number
        """Raise ValueError if it cannot be played with so many seats; asked before a run starts."""

    def own_minds(self) -> Mapping[str, Cohort]:
        """Minds that it brings for roles which a scenario leaves open, by role; new ones for every episode."""
        return {}

    @abstractmethod
    def reset(self, turn: Turn) -> None:
        """Begin an episode: set up the state, let the seats be taken (``turn.join``), schedule the first wakes."""

    @abstractmethod
    def observe(self, role: str, members: Members) -> Mapping[str, Array]:
        """What these members see now: fresh arrays of shape (n, ...), never views; shared fields without n.

        A member can be observed until the end of the step in which it leaves.
        """

    @abstractmethod
    def step(self, moment: Moment, turn: Turn) -> None:
        """Let the moment's actions take effect, all at once."""

    def on_event(self, name: str, payload: Payload, turn: Turn) -> None:  # noqa: ARG002
        """Handle a callback entry that the world scheduled with ``turn.call``."""
        raise ContractError(f"{type(self).__name__} scheduled {name!r} but has no on_event")

    def change(self, values: Mapping[str, Json], turn: Turn) -> None:  # noqa: ARG002
        """Take up new values of parameters that are changeable, in mid-episode: by an intervention."""
        for name, value in values.items():
            setattr(self, name, value)

    def close(self) -> None:  # noqa: B027
        """The episode is over: let go of what others may use, such as a window. Not called if it fails or is killed."""

    def taken_out(self, role: str, members: Members, turn: Turn) -> None:  # noqa: B027
        """Members were taken out by an intervention: take back what they held. They cannot be woken any more."""


class Turn:
    """The world's pen: everything that it may do to the episode, and nothing else."""

    __slots__ = ("_agenda", "_rosters", "_society", "tick")

    def __init__(self, society: Society) -> None:
        self.tick = 0
        """Now."""
        self._society = society
        self._agenda, self._rosters = society.agenda, society.rosters

    @property
    def seed(self) -> int:
        """The episode's seed: for what brings random numbers of its own, such as another program's model."""
        return self._society.chance.seed

    def draw(
        self, stream: str, members: Members | int = 1, method: Method = "uniform", width: tuple[int, ...] = ()
    ) -> Array:
        """Addressed draws of this tick for members (sorted numbers, or so many from 0), float64 (n, *width).

        Raises:
            ChanceError: This address was drawn before; a second draw names another stream.
        """
        return self._society.draw(stream, members, method, width)

    def seats(self, role: str) -> int:
        """How many seats of a role the scenario fills at the start."""
        return self._society.roster(role).wanted

    def members(self, role: str) -> Members:
        """Who of a role is present, sorted."""
        return self._society.roster(role).present()

    def groups(self, role: str) -> tuple[int, ...]:
        """How many of a role the scenario asks for in each of its groups, in their order."""
        return tuple(group.count for group in self._society.roster(role).groups)

    def join(self, role: str, count: int = 1, groups: Members | None = None, **traits: Array) -> Members:
        """Let newcomers take their seats; numbers are never used again.

        Args:
            role: Which role.
            count: How many numbers are given out.
            groups: The place of each newcomer's group among the role's, shape (count,), where one who is asked for
                takes several seats; by default the groups are filled one after the other.
            **traits: Declared trait fields, shape (count, ...).

        Returns:
            The numbers of those present: a fork may leave out some.
        """
        return self._society.join(role, count, traits, groups)

    def leave(self, role: str, members: Members) -> None:
        """Let members leave for good, with a closing row at the end of this step."""
        self._society.leave(role, members)

    def wake(self, role: str, members: Members, tick: int | Array, priority: int = 0) -> None:
        """Make members due: all at one tick, or each at its own (array of the members' shape).

        Raises:
            ContractError: A tick in the past, unsorted or unknown members, or a loop that never lets time pass.
        """
        roster = self._rosters.get(role) or self._society.roster(role)
        if members is not roster.own:
            # A copy: what the world does to its own array later must not reach the agenda, nor a mind's the world.
            members = roster.checked(members, "wake").copy()
            freeze(members)
        if tick.__class__ is int and tick > self.tick:
            pass
        elif not isinstance(tick, np.ndarray):
            tick = self._society.not_past(tick, f"wake of {role!r}")
        elif tick.shape != members.shape or tick.dtype.kind not in "iu":
            raise ContractError(
                f"wake of {role!r}: found ticks as {tick.dtype} of shape {tick.shape};"
                f" accepted: whole numbers of shape {members.shape}"
            )
        elif len(tick) and tick.min() <= self.tick:
            self._society.not_past(tick.min(), f"wake of {role!r}")
        if len(members):
            self._agenda.wake(role, members, tick, priority)

    def call(self, tick: int, name: str, payload: Payload = None, priority: int = 0) -> None:
        """Schedule a callback entry: plain data for ``on_event``.

        Raises:
            ContractError: A tick in the past, or a loop that never lets time pass.
        """
        if tick.__class__ is not int or tick <= self.tick:
            tick = self._society.not_past(tick, f"call of {name!r}")
        self._agenda.call(tick, name, payload, priority)

    def reward(self, role: str, members: Members, amounts: Array, decisions: Members | None = None) -> None:
        """Add to the members' latest decisions, or, in a role with explicit credit, to the decisions named."""
        self._society.reward(role, members, amounts, decisions)

    def emit(self, **measures: float) -> None:
        """Sample declared measures of the society: one row of the table ``measures``."""
        self._society.emit(measures)

    def end(self, truncated: bool = False) -> None:
        """End the episode after this step: its members are ``terminated``, or ``truncated`` in mid-course."""
        self._society.ended = self._society.over = True
        self._society.cut = truncated
