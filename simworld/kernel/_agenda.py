"""The event list: callback entries and wakes in one total order."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from simworld.kernel._fields import Array, Members, freeze

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

    __slots__ = ("_number", "heap")

    def __init__(self) -> None:
        self.heap: list[Entry] = []
        self._number = 0

    def __len__(self) -> int:
        return len(self.heap)

    def call(self, tick: int, name: str, payload: Payload = None, priority: int = 0) -> None:
        """Schedule a callback entry for the world's ``on_event``."""
        self._number = number = self._number + 1
        heappush(self.heap, (tick, priority << 1, number, name, payload))

    def wake(self, role: str, members: Members, ticks: int | Array, priority: int = 0) -> None:
        """Schedule wakes: all at one tick, or each at its own (whole numbers of the members' shape)."""
        order = (priority << 1) | 1
        if not isinstance(ticks, np.ndarray):
            self._number = number = self._number + 1
            heappush(self.heap, (ticks, order, number, role, members))
            return
        by_tick = np.argsort(ticks, kind="stable")
        when, who = ticks[by_tick], members[by_tick]
        freeze(who)
        cuts = (np.flatnonzero(when[1:] != when[:-1]) + 1).tolist()
        for start, stop in pairwise([0, *cuts, len(who)]):
            self._number = number = self._number + 1
            heappush(self.heap, (int(when[start]), order, number, role, who[start:stop]))

    def resume(self, role: str, members: Members, tick: int, priority: int) -> None:
        """Schedule the continuation of suspended decisions."""
        self._number = number = self._number + 1
        heappush(self.heap, (tick, (priority << 1) | 1, number, role, Resume(members)))

    def merge(self, first: Entry) -> dict[str, list[Payload]]:
        """Take all wakes due together with the first one: members, or Resume of members, by role."""
        heap, tick, order = self.heap, first[0], first[1]
        due = {first[3]: [first[4]]}
        while heap and heap[0][0] == tick and heap[0][1] == order:
            entry = heappop(heap)
            due.setdefault(entry[3], []).append(entry[4])
        return due
