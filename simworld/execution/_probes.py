"""Probes: branches of a society, changed and followed beside it, to tell what is from what would be."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simworld.errors import AskError, ScenarioError
from simworld.execution._build import intervention_of
from simworld.kernel import Array, Field, Intervention, Kernel, Members, World


@dataclass(frozen=True, slots=True)
class Probe:
    """One comparison, as the scenario declares it."""

    name: str
    """Name of its measure."""
    role: str
    field: str
    """The observation that is compared."""
    every: int | None
    """Ticks from one branch to the next; None: one, at the beginning."""
    ticks: int | None
    """For how long each is followed; None: to the end."""
    change: Intervention
    """What is changed in the branch."""
    anew: bool
    """Whether chance is another in the branch."""
    pays: Mapping[str, float]
    """What a branch that is over pays every member of a role, for each unit of the distance."""

    def begins(self, tick: int) -> bool:
        """Whether a branch begins at this tick."""
        return tick % self.every == 0 if self.every else tick == 0


@dataclass(slots=True)
class _Branch:
    """What would be, under way."""

    kernel: Kernel
    since: int
    total: float = 0.0
    """Sum of the distances so far."""
    count: int = 0


def build_probes(resolved: Mapping[str, Any], world: World) -> tuple[Probe, ...]:
    """The probes of an episode.

    Raises:
        ScenarioError: It compares what is no observation in numbers, or has the name of another measure.
    """
    found = []
    for name, block in resolved.get("probes", {}).items():
        where = f"probes.{name}"
        numbers = [f"{r.name}.obs.{f.name}" for r in world.roles for f in r.obs if f.dtype != "str" and not f.shared]
        if block["of"] not in numbers:
            raise ScenarioError(f"{where}.of: found {block['of']!r}; accepted: {', '.join(numbers) or 'nothing'}")
        role, _, field = str(block["of"]).split(".")
        if name in {f.name for f in world.measures}:
            raise ScenarioError(f"{where}: the world has a measure of that name; accepted: another name")
        for paid in block.get("reward", {}):
            if any(r.name == paid and r.credit == "explicit" for r in world.roles):
                raise ScenarioError(f"{where}.reward: {paid!r} is credited by decision; accepted: a role that is not")
        change = intervention_of({**block, "at": 0}, resolved, world, where)
        found.append(
            Probe(
                name,
                role,
                field,
                block["every"],
                block["ticks"],
                change,
                block["chance"] == "other",
                block.get("reward", {}),
            )
        )
    return tuple(found)


def probe_fields(probes: Sequence[Probe], world: World) -> tuple[Field, ...]:
    """The measures of probes: flows, for each sample is of one branch."""
    units = {(r.name, f.name): f.unit for r in world.roles for f in r.obs}
    return tuple(
        Field(
            probe.name,
            unit=units[probe.role, probe.field],
            flow=True,
            meaning=f"mean distance of {probe.role}.{probe.field} from what it would be in a branch now over",
        )
        for probe in probes
    )


class Probes:
    """The branches of one episode. They stand beside the agenda: the episode is the same with and without them."""

    def __init__(self, probes: Sequence[Probe]) -> None:
        self._probes = probes
        self._live: dict[str, list[_Branch]] = {probe.name: [] for probe in probes}
        self._looked = -1
        self.impossible: dict[str, str] = {}
        """Why a probe has no numbers, by name: somebody asks in its branch."""

    @property
    def paying(self) -> Probes:
        """Those that pay: without the others the episode is the same."""
        return Probes([probe for probe in self._probes if probe.pays])

    def __len__(self) -> int:
        return len(self._probes)

    def pay(self, kernel: Kernel, found: Mapping[str, float]) -> None:
        """Credit what branches that are over pay to the latest decisions of those present."""
        for probe in self._probes:
            for role, weight in probe.pays.items() if probe.name in found else ():
                kernel.pay(role, weight * found[probe.name])

    def next_stop(self, tick: int, horizon: int) -> int | None:
        """The next tick at which something is compared or begun; None if there is none before the end."""
        after = max(tick, self._looked + 1)
        if any(self._live.values()):
            return after if after <= horizon else None
        starts = [_next(probe, after) for probe in self._probes if probe.name not in self.impossible]
        stop = min((start for start in starts if start is not None), default=horizon)
        return stop if stop < horizon else None

    def compare(self, kernel: Kernel, tick: int, over: bool = False) -> dict[str, float]:
        """Let all branches come to this tick, and see how far they are from what is.

        Args:
            kernel: The society itself, as it stands before anything of this tick.
            tick: The tick.
            over: The episode has come to its end. Branches that are followed to the end are over; those that are not
                as old as they should be are left out, for the younger one is, the less has become of its change.

        Returns:
            The numbers of branches that are over, by probe: the mean over all of them, of members and ticks.
        """
        self._looked = tick
        found: dict[str, float] = {}
        for probe in self._probes:
            live = self._live[probe.name]
            own = _values(kernel, probe) if live else None
            total, count = 0.0, 0
            for branch in list(live):
                if own is not None and tick > branch.since:
                    self._follow(probe, branch, own, tick)
                whole = over if probe.ticks is None else tick >= branch.since + probe.ticks
                if (whole or over) and branch in live:
                    live.remove(branch)
                    if whole:
                        total, count = total + branch.total, count + branch.count
            if count:
                found[probe.name] = total / count
        return found

    def intervene(self, change: Intervention) -> None:
        """What happens to the society happens to its branches."""
        for branch in (branch for live in self._live.values() for branch in live):
            if not branch.kernel.closed:
                branch.kernel.intervene(copy.deepcopy(change))

    def begin(self, kernel: Kernel, tick: int) -> None:
        """Begin the branches that are due at this tick."""
        for probe in self._probes:
            if probe.begins(tick) and probe.name not in self.impossible:
                twin = kernel.branch(-1 - kernel.chance.seed if probe.anew else None)
                twin.intervene(replace(copy.deepcopy(probe.change), at=tick))
                self._live[probe.name].append(_Branch(twin, tick))

    def _follow(self, probe: Probe, branch: _Branch, own: tuple[Members, Array], tick: int) -> None:
        try:
            branch.kernel.run(until=tick)
        except AskError as error:
            if probe.pays:
                # Without it some would be paid for less than others, and nobody would see.
                raise AskError(f"probe {probe.name!r} pays, and its branch cannot be followed: {error}") from error
            self.impossible[probe.name] = str(error)
            self._live[probe.name].clear()
            return
        members, values = own
        others, theirs = _values(branch.kernel, probe)
        _, here, there = np.intersect1d(members, others, assume_unique=True, return_indices=True)
        if not len(here):
            return
        apart = (values[here].astype(np.float64) - theirs[there]).reshape(len(here), -1)
        distances = np.sqrt((apart * apart).sum(axis=1))
        known = distances[~np.isnan(distances)]
        branch.total += float(known.sum())
        branch.count += len(known)


def _values(kernel: Kernel, probe: Probe) -> tuple[Members, Array]:
    """Who is present, and what is compared of them."""
    members = kernel.roster(probe.role).present()
    return members, kernel.world.observe(probe.role, members)[probe.field]


def _next(probe: Probe, tick: int) -> int | None:
    """The first tick from this one on at which a branch begins."""
    if probe.every is None:
        return 0 if tick == 0 else None
    return -(-tick // probe.every) * probe.every
