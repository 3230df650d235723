"""Who has taken up which question: whoever thinks about one is not raced, and one who leaves lets it go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

SECONDS = 30.0
"""A hold lasts so long after the page has last been heard of."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A question that somebody has taken up."""

    who: str
    since: float
    """When it was taken up."""
    until: float
    """When it is let go unless the page is heard of again."""


class Holds:
    """The holds on a run's questions. Everybody has one at a time; safe to use from several threads."""

    def __init__(self, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._holds: dict[str, Hold] = {}
        self._lock = threading.Lock()

    def take(self, question: str, who: str) -> bool:
        """Take a question up, or hold it longer; False if somebody else has it. What was held before is let go."""
        with self._lock:
            now, found = self._clock(), self._found(question)
            if found is not None and found.who != who:
                return False
            self._holds = {name: hold for name, hold in self._holds.items() if hold.who != who}
            hold = Hold(who, now, now) if found is None else found
            self._holds[question] = replace(hold, until=now + self._seconds)
            return True

    def let_go(self, question: str, who: str) -> None:
        """Give a question back; one of somebody else's stays theirs."""
        with self._lock:
            found = self._found(question)
            if found is not None and found.who == who:
                del self._holds[question]

    def leave(self, who: str) -> None:
        """Let go of whatever somebody has."""
        with self._lock:
            self._holds = {name: hold for name, hold in self._holds.items() if hold.who != who}

    def of(self, question: str) -> Hold | None:
        """Who has it."""
        with self._lock:
            return self._found(question)

    def held_for(self, question: str) -> float | None:
        """Seconds since it was taken up."""
        hold = self.of(question)
        return None if hold is None else self._clock() - hold.since

    def _found(self, question: str) -> Hold | None:
        hold = self._holds.get(question)
        return hold if hold is not None and hold.until > self._clock() else None
