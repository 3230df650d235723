"""An episode on its way: its kernel, what is recorded of it, and the interventions that are still to come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from simworld.execution._build import build_interventions, build_society
from simworld.execution._probes import Probes, build_probes, probe_fields
from simworld.execution._spec import EpisodeSpec
from simworld.kernel import Keep, Kernel, Tape, TwinTape
from simworld.recording import EpisodeTables


def tape_path(run: Path, episode: str) -> Path:
    """Where the asks of an episode are taped."""
    return run / "tape" / f"{episode}.tape"


class Course:
    """The course of an episode."""

    def __init__(self, spec: EpisodeSpec) -> None:
        self._spec = spec
        world, seating = build_society(spec.resolved, spec.import_from)
        changes, later = build_interventions(spec.resolved, world)
        self._changes = deque(changes)
        probes = build_probes(spec.resolved, world)
        self.probes = Probes(probes)
        """Branches under way."""
        self._pays = len(self.probes.paying) > 0
        self._sampled: Callable[[int, Mapping[str, float]], None] | None = None
        self._happened = 0
        self._tape: Tape | None = None
        record: Any = spec.resolved["record"]
        kinds: Any = spec.kinds
        self.kernel = Kernel(world, seating, spec.seed, spec.horizon)
        minds = {role: [*groups, *later.get(role, ())] for role, groups in seating.items()}
        self.tables = EpisodeTables.of(spec.key, world, minds, record, kinds, probe_fields(probes, world))
        """What is recorded of it."""

    def tape(self, first: Keep | None = None) -> Tape:
        """Its tape in the run directory; up to its first intervention that of the same episode without any.

        ``first`` is told of every new answer before it is kept there.
        """
        own, base = tape_path(self._spec.run, self._spec.id), tape_path(self._spec.run, self._spec.base)
        self._tape = TwinTape(own, base, first) if self._spec.base and base.exists() else Tape(own, first)
        return self._tape

    @property
    def to_come(self) -> int:
        """Interventions that have not taken effect."""
        return len(self._changes)

    def probe(self, sampled: Callable[[int, Mapping[str, float]], None]) -> None:
        """Let it be probed, and tell what is found: tick and numbers. Otherwise it is not: its episode is the same."""
        self._sampled = sampled

    def take_up(self, kernel: Kernel, to_come: int, probes: Probes) -> None:
        """Go on with a kernel that has come so far elsewhere."""
        self.kernel, self.probes = kernel, probes
        while len(self._changes) > to_come:
            self._changes.popleft()
            self._happened += 1
        kernel.go_on()

    def run(self) -> None:
        """Run on, through all interventions, to the end; or until the kernel is halted."""
        kernel = self.kernel
        while (stop := self._next_stop()) is not None:
            kernel.run(until=stop)
            if kernel.halted:
                return
            if kernel.closed:
                # The world ended it: how things stand is how they stand a tick later.
                self._compare(kernel.tick + 1, over=True)
                return
            self._compare(stop, over=stop == kernel.horizon)
            while self._changes and self._changes[0].at == stop:
                self._intervene()
            if (self._sampled is not None or self._pays) and stop < kernel.horizon:
                self.probes.begin(kernel, stop)
        kernel.run()

    def _next_stop(self) -> int | None:
        """The next tick at which something is done beside the agenda; None if there is none."""
        change = self._changes[0].at if self._changes else None
        if self._sampled is None and not self._pays:
            return change
        probe = self.probes.next_stop(self.kernel.tick, self.kernel.horizon)
        return min((tick for tick in (change, probe) if tick is not None), default=None)

    def _compare(self, tick: int, over: bool) -> None:
        if self._sampled is None and not self._pays:
            return
        found = self.probes.compare(self.kernel, tick, over)
        if found and not self.kernel.closed:
            self.probes.pay(self.kernel, found)
        if found and self._sampled is not None:
            self._sampled(tick, found)

    def _intervene(self) -> None:
        change = self._changes.popleft()
        self.probes.intervene(change)
        self.kernel.intervene(change)
        self._happened += 1
        if isinstance(self._tape, TwinTape) and self._happened > self._spec.shared:
            self._tape.strict = False
