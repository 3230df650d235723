"""The event list: callback entries and wakes in one total order."""

from __future__ import annotations

import operator
from heapq import heappop, heappush
from itertools import count
from typing import TypeAlias

import numpy as np

from simworld.errors import ContractError
from simworld.kernel._fields import Array, Members

Payload: TypeAlias = object
"""Plain data (numbers, strings, tuples, arrays): an entry is pickled, copied and logged."""

Entry: TypeAlias = tuple[int, int, int, str, Payload]
"""(tick, order, number, name, payload): order is twice the priority, plus one for a wake."""


class Resume:
    """Payload of a wake by which suspended members take up their decision again."""

    __slots__ = ("members",)

    def __init__(self, members: Members) -> None:
        self.members = members


class Agenda:
    """What is due when: ordered by (tick, priority), callback entries before wakes, then by order of scheduling.

    Entries belong to the society and are plain data. Probes (measures, recorders, branches) live beside it.
    """

    __slots__ = ("_numbers", "heap")

    def __init__(self) -> None:
        self.heap: list[Entry] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self.heap)

    def call(self, tick: int, name: str, payload: Payload = None, priority: int = 0) -> None:
        """Schedule a callback entry for the world's ``on_event``."""
        if tick.__class__ is not int:
            tick = operator.index(tick)
        heappush(self.heap, (tick, priority << 1, next(self._numbers), name, payload))

    def wake(self, role: str, members: Members, ticks: int | Array, priority: int = 0) -> None:
        """Schedule wakes: all at one tick, or each at its own (int64 of the members' shape)."""
        order = (priority << 1) | 1
        if not isinstance(ticks, np.ndarray):
            if len(members):
                heappush(self.heap, (operator.index(ticks), order, next(self._numbers), role, members))
            return
        if ticks.shape != members.shape or ticks.dtype.kind not in "iu":
            raise ContractError(f"wake of {role!r}: ticks must be whole numbers of shape {members.shape}")
        by_tick = np.argsort(ticks, kind="stable")
        when = ticks[by_tick]
        cuts = np.flatnonzero(np.diff(when)) + 1
        for part in np.split(by_tick, cuts) if len(when) else ():
            heappush(self.heap, (int(ticks[part[0]]), order, next(self._numbers), role, members[part]))

    def resume(self, role: str, members: Members, tick: int, priority: int) -> None:
        """Schedule the continuation of suspended decisions."""
        heappush(self.heap, (tick, (priority << 1) | 1, next(self._numbers), role, Resume(members)))

    def pop(self) -> Entry:
        """Take the first entry."""
        return heappop(self.heap)

    def merge(self, first: Entry) -> dict[str, tuple[list[Members], list[Members]]]:
        """Take all wakes due together with the first one, by role: (woken, resuming) arrays of members."""
        heap, entry = self.heap, first
        due: dict[str, tuple[list[Members], list[Members]]] = {}
        while True:
            woken, resuming = due.setdefault(entry[3], ([], []))
            payload = entry[4]
            if isinstance(payload, Resume):
                resuming.append(payload.members)
            else:
                woken.append(payload)  # type: ignore[arg-type]
            if not heap or heap[0][0] != first[0] or heap[0][1] != first[1]:
                return due
            entry = heappop(heap)
