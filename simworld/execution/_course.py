"""An episode on its way: its kernel, what is recorded of it, and the interventions that are still to come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from simworld.execution._build import build_interventions, build_society
from simworld.execution._probes import Probes, build_probes, probe_fields
from simworld.execution._spec import EpisodeSpec
from simworld.execution._stops import Stops
from simworld.files import beside
from simworld.kernel import Keep, Kernel, Tape, TwinTape
from simworld.recording import EpisodeTables


def tape_path(run: Path, episode: str) -> Path:
    """Where the asks of an episode are taped."""
    return run / "tape" / f"{episode}.tape"


class Course:
    """The course of an episode."""

    def __init__(self, spec: EpisodeSpec, probed: bool = False) -> None:
        """Build it.

        Args:
            spec: The episode.
            probed: Whether all of its probes are followed; else those alone that pay, for they are part of it.
        """
        self._spec = spec
        world, seating = build_society(spec.resolved, spec.import_from)
        with beside(spec.import_from):
            changes, later = build_interventions(spec.resolved, world)
            probes = build_probes(spec.resolved, world)
        self._stops = Stops(changes, Probes(probes) if probed else Probes(probes).paying)
        self._planned = len(changes)
        self._sampled: Callable[[int, Mapping[str, float]], None] = _untold
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
        return self._stops.to_come

    @property
    def probes(self) -> Probes:
        """Branches under way."""
        return self._stops.probes

    def tell(self, sampled: Callable[[int, Mapping[str, float]], None]) -> None:
        """Whom to tell what probes find: tick and numbers."""
        self._sampled = sampled

    def take_up(self, kernel: Kernel, to_come: int, probes: Probes) -> None:
        """Go on with a kernel that has come so far elsewhere."""
        self.kernel, self._stops.probes = kernel, probes
        self._stops.skip(to_come)
        kernel.go_on()

    def run(self) -> None:
        """Run on, through all interventions and probes, to the end; or until the kernel is halted."""
        # Minds of newcomers are made on the way.
        with beside(self._spec.import_from):
            self._run()

    def _run(self) -> None:
        kernel, stops = self.kernel, self._stops
        while (stop := stops.following(kernel)) is not None:
            kernel.run(until=stop)
            if kernel.halted:
                return
            if kernel.closed:
                self._told(kernel.tick + 1, stops.over(kernel))
                return
            self._told(stop, stops.at(kernel, stop))
            if isinstance(self._tape, TwinTape) and self._planned - stops.to_come > self._spec.shared:
                self._tape.strict = False
        kernel.run()

    def _told(self, tick: int, found: Mapping[str, float]) -> None:
        if found:
            self._sampled(tick, found)


def _untold(tick: int, found: Mapping[str, float]) -> None:
    """Nobody wants to know."""
