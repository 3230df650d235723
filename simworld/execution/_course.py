"""An episode on its way: its kernel, what is recorded of it, and the interventions that are still to come."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

from simworld.execution._build import build_interventions, build_society
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
        self._happened = 0
        self._tape: Tape | None = None
        record: Any = spec.resolved["record"]
        kinds: Any = spec.kinds
        self.kernel = Kernel(world, seating, spec.seed, spec.horizon)
        minds = {role: [*groups, *later.get(role, ())] for role, groups in seating.items()}
        self.tables = EpisodeTables.of(spec.key, world, minds, record, kinds)
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

    def take_up(self, kernel: Kernel, to_come: int) -> None:
        """Go on with a kernel that has come so far elsewhere."""
        self.kernel = kernel
        while len(self._changes) > to_come:
            self._changes.popleft()
            self._happened += 1
        kernel.go_on()

    def run(self) -> None:
        """Run on, through all interventions, to the end; or until the kernel is halted."""
        while self._changes:
            self.kernel.run(until=self._changes[0].at)
            if self.kernel.closed or self.kernel.halted:
                return
            self.kernel.intervene(self._changes.popleft())
            self._happened += 1
            if isinstance(self._tape, TwinTape) and self._happened > self._spec.shared:
                self._tape.strict = False
        self.kernel.run()
