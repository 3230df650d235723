"""An episode whose learners decide outside: what they see, do and earn between two of their moments."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Any

import numpy as np

from simworld.errors import ContractError, ScenarioError
from simworld.execution import Outside, Probes, Stops, build_interventions, build_probes, build_society, check
from simworld.files import beside
from simworld.kernel import (
    Acts,
    Array,
    Broker,
    Cohort,
    Group,
    Intervention,
    Kernel,
    Members,
    Moment,
    Outer,
    Role,
    Silent,
    World,
)
from simworld.scenario import Cell, Scenario
from simworld.spaces import Watch


class Part:
    """The seats that learners fill, and the cell in which they do."""

    def __init__(self, scenario: Scenario, learners: Sequence[str], arm: str = "", sees: Sequence[str] = ()) -> None:
        check(scenario)
        self.scenario = scenario
        self.cell = _cell_of(scenario, arm)
        resolved: Any = self.cell.resolved
        self.resolved: Mapping[str, Any] = resolved
        self.outer = _groups(scenario, self.cell, learners)
        """The groups that are decided outside: role and place."""
        self.roles = tuple(dict.fromkeys(role for role, _ in self.outer))
        self.import_from, self._folder = str(scenario.folder), scenario.folder
        self.asks = bool(resolved.get("models") or resolved.get("people"))
        self.outside = tuple(self._stand_outside())
        """What stands beside the society and has no part in branches of it, in words."""
        self._sees = frozenset(sees)
        self._fresh = b""
        self._check_seen()

    def _stand_outside(self) -> Iterator[str]:
        if self.resolved.get("interventions"):
            yield "interventions"
        if any(block.get("reward") for block in self.resolved.get("probes", {}).values()):
            yield "probes that pay"
        if self.asks:
            yield "models and people who are asked"

    def beside(self) -> AbstractContextManager[None]:
        """Looks for files where the scenario's are, while its society is at work."""
        return beside(self._folder)

    def probes(self, world: World) -> Probes:
        """The probes that pay: those are part of an episode."""
        blocks = self.resolved.get("probes", {}).values()
        with self.beside():
            return Probes(build_probes(self.resolved, world) if any(b.get("reward") for b in blocks) else ()).paying

    def seen_role(self, role: Role) -> Role:
        """A role with those observations alone that learners are to see."""
        if not self._sees:
            return role
        return replace(role, obs=tuple(f for f in role.obs if f.name in self._sees or f.masks))

    def _check_seen(self) -> None:
        """Raise ScenarioError where learners are to see what there is not."""
        if not self._sees:
            return
        world = self.cell.build_world()
        known = {f.name for role in world.roles if role.name in self.roles for f in role.logged}
        unknown = sorted(self._sees - known)
        if unknown:
            where = self.scenario.place(("train", "sees"))
            raise ScenarioError(f"{where}: train.sees: found {unknown[0]!r}; accepted: {', '.join(sorted(known))}")

    def society(self) -> tuple[World, dict[str, Sequence[Group]], list[Intervention]]:
        """A world, its minds and its interventions, as new."""
        if self._fresh:
            made: tuple[World, dict[str, Sequence[Group]], list[Intervention]] = pickle.loads(self._fresh)
            return made  # by this process, below
        world, groups = build_society(self.resolved, self.import_from, self.outer)
        seating: dict[str, Sequence[Group]] = dict(groups)
        with self.beside():
            changes, _ = build_interventions(self.resolved, world)
        with suppress(pickle.PicklingError, TypeError, AttributeError):
            # Faster than building it, which looks every kind up; what cannot be pickled is built every time.
            self._fresh = pickle.dumps((world, seating, changes), protocol=pickle.HIGHEST_PROTOCOL)
        return world, seating, changes

    def played(
        self,
        minds: Mapping[str, Cohort],
        seed: int,
        notes: Silent | None = None,
        changes: Sequence[Intervention] = (),
        watch: Watch | None = None,
    ) -> Stage:
        """An episode in which these minds decide for the learners' seats, by role, at its end.

        Args:
            minds: By role.
            seed: Of the episode.
            notes: Takes note of what is seen and done.
            changes: Interventions besides the scenario's own.
            watch: Looks at the society in the middle of it.
        """
        world, seating, own = self.society()
        for role, place in self.outer:
            groups = list(seating[role])
            groups[place] = Group(minds[role], groups[place].count, "policy")
            seating[role] = groups
        every = sorted([*own, *changes], key=lambda change: change.at)
        stage = Stage(self, watch)
        stage.play(Kernel(world, seating, seed, self.cell.horizon), every, seed, notes)
        return stage


class _Ear(Silent):
    """Hears what the learners earn, and how their records end; tells somebody else what is seen and done."""

    def __init__(self, roles: Sequence[str], notes: Silent | None = None) -> None:
        self._notes = notes or Silent()
        self.earned: dict[str, Array] = {role: np.zeros(0) for role in roles}
        """By member, since it was taken last."""
        self.ended: dict[tuple[str, int], tuple[str, Mapping[str, Array], int]] = {}
        """How a record ended, what was seen then, and at which place in it."""
        self.joined_now: list[tuple[str, int]] = []
        self.samples: dict[str, list[float]] | None = None
        """Samples of the world's measures, by name; None: nobody wants them."""

    def joined(self, role: str, tick: int, members: Members, groups: Members, traits: Mapping[str, Array]) -> None:
        """Somebody new."""
        self._notes.joined(role, tick, members, groups, traits)
        if role in self.earned and len(members):
            size = int(members[-1]) + 1
            self.earned[role] = np.concatenate([self.earned[role], np.zeros(max(0, size - len(self.earned[role])))])
            self.joined_now += [(role, member) for member in members.tolist()]

    def left(self, role: str, tick: int, members: Members) -> None:
        """Pass it on."""
        self._notes.left(role, tick, members)

    def decided(self, role: str, tick: int, acts: Acts) -> None:
        """Pass it on."""
        self._notes.decided(role, tick, acts)

    def rewarded(self, role: str, members: Members, amounts: Array, decisions: Members | None) -> None:
        """Add up: members are distinct."""
        self._notes.rewarded(role, members, amounts, decisions)
        if role in self.earned:
            self.earned[role][members] += amounts

    def sampled(self, tick: int, values: Mapping[str, float]) -> None:
        """Keep them, if somebody wants them."""
        self._notes.sampled(tick, values)
        if self.samples is not None:
            for name, value in values.items():
                self.samples.setdefault(name, []).append(value)

    def closed(self, role: str, tick: int, members: Members, seen: Mapping[str, Array], end: str) -> None:
        """The record ends."""
        self._notes.closed(role, tick, members, seen, end)
        if role in self.earned:
            for place, member in enumerate(members.tolist()):
                self.ended[role, member] = (end, seen, place)


class Stage:
    """One episode after the other, each run from one moment of the learners to their next."""

    def __init__(self, part: Part, watch: Watch | None = None) -> None:
        self.part = part
        self._watch, self._look = watch, 0
        self.kernel: Kernel
        self.ear: _Ear
        self.moment: Moment | None = None
        """Where learners are due now; None: the episode is over."""
        self._stops = Stops((), Probes(()))
        self._outside: Outside | None = None

    def reset(self, seed: int) -> None:
        """Begin an episode, and run to the first moment in which a learner is due."""
        world, seating, changes = self.part.society()
        self.kernel = Kernel(world, seating, seed, self.part.cell.horizon)
        self._stops = Stops(changes, self.part.probes(world))
        self.ear = _Ear(self.part.roles)
        self.kernel.attach(self.ear, self._broker(seed))
        self.moment = self._next()

    def play(self, kernel: Kernel, changes: Sequence[Intervention], seed: int, notes: Silent | None) -> None:
        """Run an episode in which the learners' seats have minds to its end: what they earned is heard."""
        self.kernel, self.ear = kernel, _Ear(self.part.roles, notes)
        self._stops = Stops(changes, self.part.probes(kernel.world))
        self.ear.samples = {}
        kernel.attach(self.ear, self._broker(seed))
        if self._next() is not None:
            raise ContractError("a learner has no mind")
        self.close()

    def act(self, outer: Outer) -> None:
        """Let the learners who are due act, and run to the next moment in which one is.

        Raises:
            ActionError: An action is missing or not accepted; nothing has happened then.
        """
        if self.moment is None:
            raise ContractError("the episode is over: reset first")
        self.kernel.finish(self.moment, outer)
        self.moment = self._next()

    def due(self) -> Mapping[str, Acts]:
        """Who is due now, and what they see, by role."""
        return {} if self.moment is None else self.moment.outer

    def role(self, name: str) -> Role:
        """A role, its shapes in numbers."""
        return self.kernel.roster(name).role

    def members(self, role: str) -> list[int]:
        """The members of a role who are decided outside, present or not, in their order."""
        roster = self.kernel.roster(role)
        places = [place for name, place in self.part.outer if name == role]
        own = np.isin(roster.group[: roster.count], places)
        return [int(m) for m in np.flatnonzero(own)]

    def measured(self, names: Sequence[str]) -> dict[str, float]:
        """The episode's numbers of these measures, once it is over: the mean of a flow, else the last sample."""
        flows = {f.name for f in self.kernel.world.measures if f.flow}
        samples = self.ear.samples or {}
        return {
            name: float(np.mean(own)) if name in flows else own[-1]
            for name in names
            if (own := samples.get(name, [float("nan")]))
        }

    def endings(self) -> list[tuple[str, int, str, Mapping[str, Array]]]:
        """Whose records have ended since this was asked last: role, member, how, and what was seen then (n = 1)."""
        found: list[tuple[str, int, str, Mapping[str, Array]]] = []
        for (role, member), (end, seen, place) in self.ear.ended.items():
            shared = {f.name for f in self.role(role).obs if f.shared}
            one = {name: v if name in shared else v[place : place + 1] for name, v in seen.items()}
            found.append((role, member, end, one))
        self.ear.ended.clear()
        return found

    def close(self) -> None:
        """Let go of whoever answers from outside."""
        if self._outside is not None:
            self._outside.close()
            self._outside = None

    def _broker(self, seed: int) -> Broker | None:
        if not self.part.asks:
            return None
        self._outside = self._outside or Outside.of(self.part.scenario)
        return Broker(self._outside.gateway(self.part.resolved, seed))

    def _next(self) -> Moment | None:
        # Minds of newcomers are made on the way.
        with self.part.beside():
            return self._following()

    def _following(self) -> Moment | None:
        kernel, finish, stops = self.kernel, self.kernel.finish, self._stops
        while True:
            stop = until = stops.following(kernel)
            if self._watch is not None and self._look < kernel.horizon:
                until = self._look if stop is None else min(stop, self._look)
            moment = kernel.begin(until)
            if moment is None:
                if until is None or kernel.closed:
                    return None
                if until == stop:
                    stops.at(kernel, until)
                if self._watch is not None and until == self._look:
                    # After what is changed at this tick: who looks sees the society as it goes on.
                    self._look += self._watch.every
                    self._watch.look(kernel, until)
            elif moment.outer:
                return moment
            else:
                finish(moment)


def _cell_of(scenario: Scenario, arm: str) -> Cell:
    """The first cell of an arm; of the scenario if none is named."""
    for cell in scenario.cells:
        if not arm or cell.arm == arm:
            return cell
    names = ", ".join(dict.fromkeys(cell.arm for cell in scenario.cells if cell.arm)) or "none"
    raise ScenarioError(f"{scenario.path}: unknown arm {arm!r}; accepted: {names}")


def _groups(scenario: Scenario, cell: Cell, learners: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """The groups that learners name: a role, or one of its groups as in ``player.0``."""
    known = [(seating.role, seating.index) for seating in cell.seatings]
    names = dict.fromkeys([role for role, _ in known] + [f"{role}.{place}" for role, place in known])
    accepted = ", ".join(names) or "nobody, for the scenario fills no role"
    found: list[tuple[str, int]] = []
    for text in learners:
        role, dot, place = text.partition(".")
        mine = [(r, p) for r, p in known if r == role and (not dot or place == str(p))]
        if not mine:
            raise ScenarioError(
                f"{scenario.path}: learners: found {text!r}; accepted: {accepted or 'nobody: no role is filled'}"
            )
        found += mine
    if not found:
        raise ScenarioError(f"{scenario.path}: learners: found nobody; accepted: {accepted}")
    seats = {(seating.role, seating.index): seating.count for seating in cell.seatings}
    if not any(seats[group] for group in found):
        raise ScenarioError(f"{scenario.path}: learners: {', '.join(learners)} have no seat; accepted: count above 0")
    if len(set(found)) < len(found):
        raise ScenarioError(f"{scenario.path}: learners: {', '.join(learners)} name a group twice")
    return tuple(found)
