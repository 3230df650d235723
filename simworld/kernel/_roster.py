"""Who is there: the members of one role, the cohorts they belong to, and their suspended decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from simworld.errors import ContractError
from simworld.kernel._asks import Answer, Ask
from simworld.kernel._fields import Array, Members, Role
from simworld.kernel._minds import Cohort


@dataclass(frozen=True, slots=True)
class Group:
    """Seats of a role that one mind fills; without a mind they are decided from outside (a learner's)."""

    mind: Cohort | None
    """The cohort that decides, or None."""
    count: int = 1
    """Seats at the start; later newcomers join the role's last group."""
    label: str = ""
    """What the table ``agents`` calls this mind."""


@dataclass(slots=True)
class Asked:
    """One ask of a decision: when it is answered in simulated time, and the answer once it was used."""

    ask: Ask
    due: int
    answer: Answer | None = None


@dataclass(slots=True)
class Suspended:
    """A decision that waits for an answer: enough to re-execute it from its start."""

    seen: Mapping[str, Array]
    """The old observation: arrays of shape (1, ...)."""
    since: int
    decision: int
    due: int
    priority: int
    asks: list[Asked] = field(default_factory=list)


class Roster:
    """The members of one role. Numbers are given out once and never used again."""

    def __init__(self, role: Role, groups: Sequence[Group], absent: Members | None = None) -> None:
        self.role = role
        self.groups = tuple(groups)
        self.wanted = sum(g.count for g in groups)
        self.count = 0
        """How many numbers have been given out."""
        self.left = 0
        """How many of them are not present any more, or never were."""
        self.suspended: dict[int, Suspended] = {}
        self.tag = role.name.encode()
        self.dense = len(self.groups) == 1 and absent is None
        """Every member's row in its cohort is its number."""
        self._absent = set(() if absent is None else absent.tolist())
        self._sizes = [0] * len(self.groups)
        self.alive = np.zeros(0, dtype=bool)
        self.decisions = np.zeros(0, dtype=np.int64)
        self.group = np.zeros(0, dtype=np.int64)
        self.rows = np.zeros(0, dtype=np.int64)

    def present(self) -> Members:
        """Numbers of those present, sorted."""
        return np.flatnonzero(self.alive[: self.count])

    def check(self, members: Members, what: str) -> None:
        """Raise ContractError unless these are sorted, distinct numbers that were given out."""
        if members.__class__ is not np.ndarray or members.dtype != np.int64:
            raise ContractError(f"{what} of role {self.role.name!r}: members must be an int64 array")
        n = len(members)
        if n == 0:
            return
        if members[-1] >= self.count or members[0] < 0 or (n > 1 and not (members[1:] > members[:-1]).all()):
            raise ContractError(
                f"{what} of role {self.role.name!r}: members must be sorted, distinct and below {self.count}"
            )

    def add(self, count: int) -> Members:
        """Give out numbers and seats; returns the numbers of those present."""
        first, self.count = self.count, self.count + count
        if self.count > len(self.alive):
            self._grow(max(self.count, 2 * len(self.alive)))
        numbers = np.arange(first, self.count)
        self.decisions[numbers] = 0
        self.alive[numbers] = [n not in self._absent for n in numbers.tolist()] if self._absent else True
        ends = np.cumsum([g.count for g in self.groups])
        # Beyond the seats that the scenario fills, newcomers join the last group.
        self.group[numbers] = np.minimum(np.searchsorted(ends, numbers, side="right"), len(self.groups) - 1)
        here = numbers[self.alive[numbers]]
        self.left += count - len(here)
        for g in range(len(self.groups)):
            mine = here[self.group[here] == g]
            self.rows[mine] = np.arange(self._sizes[g], self._sizes[g] + len(mine))
            self._sizes[g] += len(mine)
        return here

    def split(self, members: Members) -> list[tuple[int, Members]]:
        """The places of members in this array, by group."""
        if len(self.groups) == 1:
            return [(0, np.arange(len(members)))]
        group = self.group[members]
        return [(g, places) for g in range(len(self.groups)) if len(places := np.flatnonzero(group == g))]

    def _grow(self, size: int) -> None:
        for name in ("alive", "decisions", "group", "rows"):
            old = getattr(self, name)
            new = np.zeros(size, dtype=old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)
