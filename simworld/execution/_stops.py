"""What is done beside the agenda of an episode: probes are looked at, and changes from outside take effect."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from simworld.execution._probes import Probes
from simworld.kernel import Intervention, Kernel


class Stops:
    """The ticks at which an episode stops for a moment, before anything that is due: run the kernel up to each."""

    def __init__(self, changes: Iterable[Intervention], probes: Probes) -> None:
        self._changes = deque(changes)
        self.probes = probes
        """Branches under way."""

    @property
    def to_come(self) -> int:
        """Interventions that have not taken effect."""
        return len(self._changes)

    def skip(self, to_come: int) -> None:
        """Leave out the interventions that took effect before the episode was taken up, all but so many."""
        while len(self._changes) > to_come:
            self._changes.popleft()

    def following(self, kernel: Kernel) -> int | None:
        """The next one; None if there is none before the end."""
        change = self._changes[0].at if self._changes else None
        probe = self.probes.next_stop(kernel.tick, kernel.horizon) if len(self.probes) else None
        return min((tick for tick in (change, probe) if tick is not None), default=None)

    def at(self, kernel: Kernel, tick: int) -> dict[str, float]:
        """Do what is to be done at this tick; returns the numbers of branches that are over, by probe."""
        found = self.probes.compare(kernel, tick, over=tick == kernel.horizon)
        self.probes.pay(kernel, found)
        while self._changes and self._changes[0].at == tick:
            change = self._changes.popleft()
            self.probes.intervene(change)
            kernel.intervene(change)
        if tick < kernel.horizon:
            self.probes.begin(kernel, tick)
        return found

    def over(self, kernel: Kernel) -> dict[str, float]:
        """The world has ended the episode: how things stand is how they stand a tick later, and nobody can be paid."""
        return self.probes.compare(kernel, kernel.tick + 1, over=True)
