"""Where experts are asked: who waits for whom, who is at work, and how often each has answered."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from simworld.kernel import Members
from simworld.worlds.casework._answers import BoolArray, FloatArray, IntArray

NOBODY = -1


@dataclass
class Desk:
    """Requests of teams, by the number of the seat that asks (a team's first one, if its answers are shared).

    A team's requests go to one expert: the experts' seats are dealt to the teams in turn, and the next one who is there
    stands in for one who is not. Each takes up one request after the other, at most one in a tick, in the order in
    which they came; what came at the same time is ordered by lot.
    """

    seats: int
    """Of members: so many requests can be open at once."""
    size: int
    """Members of a team."""
    here: BoolArray
    """Which experts are there, by number."""
    calls: IntArray = field(init=False)
    """How many requests each expert has answered."""
    current: IntArray = field(init=False)
    """The request that each expert works on, or -1."""
    free_at: IntArray = field(init=False)
    """The tick from which on each may take up the next one."""
    asked_at: IntArray = field(init=False)
    """The tick at which each open request was made."""
    _at: IntArray = field(init=False)
    """Whom each request waits for, or -1."""
    _lot: FloatArray = field(init=False)
    """Order among requests of one tick."""
    _stale: BoolArray = field(init=False)
    """Experts at work on a request that was withdrawn."""

    def __post_init__(self) -> None:
        """Begin without requests."""
        self.calls, self.free_at = (np.zeros(len(self.here), dtype=np.int64) for _ in range(2))
        self.current = np.full(len(self.here), NOBODY)
        self.asked_at, self._at = np.zeros(self.seats, dtype=np.int64), np.full(self.seats, NOBODY)
        self._lot, self._stale = np.zeros(self.seats), np.zeros(len(self.here), dtype=np.bool_)

    def expert_of(self, teams: IntArray) -> IntArray:
        """Who answers these teams now, or -1 if nobody is there."""
        present = np.flatnonzero(self.here)
        if not len(present):
            return np.full(len(teams), NOBODY)
        wanted = teams % len(self.here)
        expert: IntArray = present[np.searchsorted(present, wanted) % len(present)]
        return expert

    def open(self, requests: IntArray) -> BoolArray:
        """Which of these requests are waiting or worked on."""
        waiting: BoolArray = self._at[requests] != NOBODY
        return waiting

    def ask(self, requests: IntArray, tick: int, lot: FloatArray) -> None:
        """Make requests; somebody must be there to answer."""
        self._at[requests] = self.expert_of(requests // self.size)
        self.asked_at[requests], self._lot[requests] = tick, lot

    def load(self) -> IntArray:
        """How many requests each expert has before it, the one it works on included."""
        waiting = self._at[self._at != NOBODY]
        return np.bincount(waiting, minlength=len(self.here)) + self._stale

    def start(self, tick: int) -> tuple[Members, bool]:
        """Let experts who are free take up their next requests.

        Returns:
            Those who do, and whether others will who have done one in this tick.
        """
        free = self.here & (self.current == NOBODY)
        waiting = np.flatnonzero(self._at != NOBODY)
        waiting = waiting[free[self._at[waiting]]]
        later = self.free_at[self._at[waiting]] > tick
        resting, waiting = bool(later.any()), waiting[~later]
        order = np.lexsort((self._lot[waiting], self.asked_at[waiting], self._at[waiting]))
        experts, first = np.unique(self._at[waiting[order]], return_index=True)
        self.current[experts] = waiting[order[first]]
        return experts, resting

    def finish(self, experts: IntArray, answered: BoolArray) -> tuple[IntArray, BoolArray]:
        """These experts are done: what they worked on, and which of it is still wanted."""
        requests, wanted = self.current[experts], ~self._stale[experts]
        self.calls[experts] += answered
        self._at[requests[wanted]] = NOBODY
        self.current[experts], self._stale[experts] = NOBODY, False
        return requests, wanted

    def withdraw(self, requests: IntArray) -> None:
        """Nobody waits for these any more."""
        self._stale |= np.isin(self.current, requests[self.open(requests)])
        self._at[requests] = NOBODY

    def leave(self, experts: IntArray) -> IntArray:
        """These experts are gone: others take over, from the start; returns the requests that nobody can answer."""
        self.here[experts] = False
        self.current[experts], self._stale[experts] = NOBODY, False
        orphans = np.flatnonzero(np.isin(self._at, experts))
        self._at[orphans] = self.expert_of(orphans // self.size)
        left: IntArray = orphans[self._at[orphans] == NOBODY]
        return left
