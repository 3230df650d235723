"""Who is there: the members of one role, the cohorts they belong to, and their suspended decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from simworld.errors import ContractError
from simworld.kernel._asks import Answer, Ask
from simworld.kernel._chain import tag
from simworld.kernel._fields import Array, Members, Role
from simworld.kernel._minds import Cohort

_RADIX = 2**16


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
    """The old observation: arrays for one member."""
    since: int
    """The tick at which it was taken."""
    moment: int
    """Number of the moment in which it was taken: one tick may have several."""
    decision: int
    asks: dict[int, Asked] = field(default_factory=dict)
    """The decision's asks so far, by ask index."""


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
        self.tag = tag(role)
        self.plain = all(f.dtype != "str" for f in (*role.obs, *role.act))
        """The bytes of all observations and actions are their values."""
        self.shared = frozenset(f.name for f in role.obs if f.shared)
        self.own: Members | None = None
        """An array that was checked before and cannot change: the members of the latest moment."""
        self.looks = 0
        """How many of its observations were compared with the world's own arrays."""
        self.outer = any(g.mind is None for g in groups)
        """Some are decided from outside."""
        self.dense = len(self.groups) == 1 and absent is None
        """Every member's row in its cohort is its number."""
        self.minds: list[Cohort | None] = []
        """Who decides: the minds of the groups; all groups decided from outside are one."""
        self._mind_of_group: list[int] = []
        self._seat_minds()
        self._absent = frozenset(() if absent is None else absent.tolist())
        self._sizes = [0] * len(self.groups)
        self.alive = np.zeros(0, dtype=bool)
        self.decisions = np.zeros(0, dtype=np.int64)
        """Each member's number of decisions, a suspended one included."""
        self.group = np.zeros(0, dtype=np.int64)
        self.mind = np.zeros(0, dtype=np.int64)
        """Each member's place in ``minds``."""
        self.rows = np.zeros(0, dtype=np.int64)

    def present(self) -> Members:
        """Numbers of those present, sorted."""
        return self.alive[: self.count].nonzero()[0]

    def checked(self, members: Members, what: str) -> Members:
        """Member numbers as an array; lists of them are taken, too.

        Raises:
            ContractError: They are not sorted, distinct numbers that were given out.
        """
        if members is self.own:
            return members
        if members.__class__ is not np.ndarray or members.dtype != np.int64 or members.ndim != 1:
            members = self._numbers(members, what)
        n = len(members)
        if n == 1:
            if 0 <= members.item() < self.count:
                return members
        elif n == 0 or (members[0] >= 0 and members[-1] < self.count and (members[1:] > members[:-1]).all()):
            return members
        raise ContractError(
            f"{what} of role {self.role.name!r}: found members {members};"
            f" accepted: sorted, distinct and below {self.count}, as they were given out"
        )

    def _numbers(self, members: object, what: str) -> Members:
        try:
            array = np.asarray(members)
        except ValueError:
            array = np.zeros((0, 0))
        if array.ndim == 1 and (array.dtype.kind in "iu" or not len(array)):
            return array.astype(np.int64)
        raise ContractError(
            f"{what} of role {self.role.name!r}: found {members!r}; accepted: member numbers, int64 of shape (n,)"
        )

    def add(self, count: int, groups: Members | None = None) -> Members:
        """Give out numbers and seats; returns the numbers of those present."""
        first, self.count = self.count, self.count + count
        if self.count > len(self.alive):
            self._grow(max(self.count, 2 * len(self.alive)))
        numbers = np.arange(first, self.count)
        self.alive[numbers] = [n not in self._absent for n in numbers.tolist()] if self._absent else True
        group = self._in_order(numbers) if groups is None else self._told(count, groups)
        self.group[numbers] = group
        self.mind[numbers] = np.array(self._mind_of_group, dtype=np.int64)[group]
        here = numbers[self.alive[numbers]]
        self.left += count - len(here)
        for g in range(len(self.groups)):
            mine = here[self.group[here] == g]
            self.rows[mine] = np.arange(self._sizes[g], self._sizes[g] + len(mine))
            self._sizes[g] += len(mine)
        return here

    def _in_order(self, numbers: Members) -> Members:
        """Groups are filled one after the other; beyond the seats of the scenario, newcomers join the last one."""
        ends = np.cumsum([g.count for g in self.groups])
        return np.minimum(np.searchsorted(ends, numbers, side="right"), len(self.groups) - 1)

    def _told(self, count: int, groups: Members) -> Members:
        """Groups that the world names, one for each newcomer."""
        told = np.asarray(groups)
        if told.shape != (count,) or told.dtype.kind not in "iu" or not ((told >= 0) & (told < len(self.groups))).all():
            raise ContractError(
                f"join of role {self.role.name!r}: found groups {groups!r};"
                f" accepted: {count} numbers below {len(self.groups)}"
            )
        return told.astype(np.int64)

    def reseat(self, place: int, mind: Cohort) -> Members:
        """Give a group another mind; returns its members who are present: their rows begin anew.

        Raises:
            ContractError: There is no such group, or it is decided from outside.
        """
        if not 0 <= place < len(self.groups) or self.groups[place].mind is None:
            raise ContractError(f"role {self.role.name!r}: there is no mind in place {place} that could be replaced")
        groups = list(self.groups)
        groups[place] = replace(groups[place], mind=mind)
        self.groups = tuple(groups)
        self.minds[self._mind_of_group[place]] = mind
        members: Members = np.flatnonzero(self.alive[: self.count] & (self.group[: self.count] == place))
        self.rows[members] = np.arange(len(members))
        self._sizes[place] = len(members)
        self.dense = self.dense and not self.left
        return members

    def begin(self, members: Members) -> Members:
        """Give each of these members the index of its next decision."""
        counts = self.decisions
        indices = counts[members]
        if len(members) == 1:
            counts[members.item()] = indices.item() + 1
        else:
            counts[members] = indices + 1
        return indices

    def split(self, members: Members) -> list[tuple[Cohort | None, Array | slice]]:
        """The minds of these members, and which places in the array are theirs."""
        if len(self.minds) == 1:
            return [(self.minds[0], slice(None))]
        order, shares = self.by_mind(members)
        return [(mind, share if order is None else order[share]) for mind, share in shares]

    def by_mind(self, members: Members) -> tuple[Array | None, list[tuple[Cohort | None, slice]]]:
        """How to sort these members by mind, None if they are, and which stretch is each mind's then."""
        # As 16-bit numbers, which are sorted without comparing them.
        mind: Array = self.mind[members].astype(np.uint16 if len(self.minds) <= _RADIX else np.int64)
        order = None
        if not (mind[1:] >= mind[:-1]).all():
            order = np.argsort(mind, kind="stable")
            mind = mind[order]
        ends = np.searchsorted(mind, np.arange(len(self.minds)), side="right").tolist()
        starts = [0, *ends[:-1]]
        return order, [(self.minds[m], slice(a, b)) for m, (a, b) in enumerate(zip(starts, ends, strict=True)) if b > a]

    def made(self, members: Members) -> Members:
        """How many decisions each of these members has made; one that is suspended is not made yet."""
        made: Members = self.decisions[members]
        return made - np.isin(members, np.fromiter(self.suspended, dtype=np.int64)) if self.suspended else made

    def credited(self, members: Members, decisions: Members | None) -> None:
        """Raise ContractError unless these members have such decisions to credit."""
        if (decisions is not None) != (self.role.credit == "explicit"):
            accepted = "a decision index for each member" if decisions is None else "no decision indices"
            raise ContractError(
                f"reward of role {self.role.name!r}, whose credit is {self.role.credit!r}: accepted: {accepted}"
            )
        made = self.made(members)
        if decisions is None:
            lacking = (made == 0) | ~self.alive[members]
        elif decisions.__class__ is not np.ndarray or decisions.dtype != np.int64 or decisions.shape != members.shape:
            raise ContractError(
                f"reward of role {self.role.name!r}: accepted: decisions as an int64 array of shape {members.shape}"
            )
        else:
            lacking = (decisions < 0) | (decisions >= made)
        if np.count_nonzero(lacking):
            member = int(members[np.argmax(lacking)])
            raise ContractError(
                f"reward of role {self.role.name!r}: member {member} has no such decision to credit"
                " (it has not decided yet, or it has left)"
            )

    def _seat_minds(self) -> None:
        for group in self.groups:
            if group.mind is not None and any(m is group.mind for m in self.minds):
                raise ContractError(f"role {self.role.name!r}: one mind fills two groups; every group needs its own")
            if group.mind is not None or None not in self.minds:
                self.minds.append(group.mind)
            self._mind_of_group.append(self.minds.index(None) if group.mind is None else len(self.minds) - 1)

    def _grow(self, size: int) -> None:
        for name in ("alive", "decisions", "group", "mind", "rows"):
            old = getattr(self, name)
            new = np.zeros(size, dtype=old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)
