"""Mesa's models as worlds, unmodified: they step by themselves, and what they report is recorded."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter, itemgetter
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from mesa import DataCollector
from pydantic import JsonValue

from simworld.errors import ContractError
from simworld.hosts._mesa_dice import Dice
from simworld.hosts._mesa_model import (
    Asked,
    Clock,
    Kind,
    Kinds,
    advance,
    column_of,
    declared,
    forget,
    population,
    read,
)
from simworld.hosts._mesa_seats import Itself, MesaSeat, decided, untouched
from simworld.kernel import Acts, Array, Cohort, Field, Members, Moment, Payload, Turn, World

Taken: TypeAlias = Mapping[str, tuple[Array, Mapping[str, Array]]]
"""Who decided what in a step: unique ids and action fields, by role."""

_OF_AGENT, _OF_RECORD = attrgetter("unique_id"), itemgetter(1)
"""Mesa's number of an agent, from the agent and from what is collected of it."""
_OWN = 0
"""Minds decide before the model steps,"""
_AFTER = 1
"""and what it reports is recorded after."""


class _Collected(NamedTuple):
    """What a model's own collector has told of agents in a step."""

    rows: Sequence[Any]
    """(step, unique id, what is reported ...) of each."""
    ids: Array

    def of(self, ids: Array) -> bool:
        """Whether it is of these agents, in their order."""
        return np.array_equal(self.ids, ids)


class MesaWorld(World):
    """A Mesa model, as it is.

    Tick t is the model's step t: tick 0 is the model as it was made, so a horizon of 101 is a hundred steps. The
    episode's seed is the model's. What its DataCollector reports of the model are measures; each class of agents of
    which something is reported is a role, with one row for every agent and step. Nobody needs to fill these roles: the
    agents decide by their own code, unless ``seats`` hands a class to minds. An episode ends when the model stops
    running.
    """

    tick_unit: ClassVar[str] = "step"
    runs: ClassVar[tuple[str, ...]] = ("model", "seats", "classes")

    def __init__(
        self,
        model: str,
        args: dict[str, JsonValue] | None = None,
        report: dict[str, list[str]] | None = None,
        kinds: dict[str, Kind] | None = None,
        classes: list[str] | None = None,
        seats: list[str] | None = None,
        clock: Clock = "auto",
    ) -> None:
        """Look at the model.

        Args:
            model: The model's class, as module:Class, such as mesa.examples:WolfSheep.
            args: Arguments that it is made with, by name.
            report: Attributes to record besides what the model reports, by role, or by ``model``: numbers of the model
                become measures, as in {boid: [position]}. A role is called like the class, as in money_agent.
            kinds: What reporters report (number, whole, truth, text), where their first values do not tell.
            classes: Classes of agents that come later, as module:Class, where something is reported of them.
            seats: Adapters that hand a class of agents to minds, as module:Class.
            clock: Which of Mesa's simulators drives the model besides its step: abm, devs or none; auto is abm where
                the model's constructor takes a simulator. A tick is one unit of its time.

        Raises:
            ValueError: There is no such model, or it cannot be hosted.
        """
        asked = Asked(
            model,
            json.dumps(args or {}, sort_keys=True),
            tuple((name, tuple(paths)) for name, paths in sorted((report or {}).items())),
            tuple(sorted((kinds or {}).items())),
            tuple(classes or ()),
            tuple(seats or ()),
            clock,
        )
        self._asked, self._declared = asked, declared(asked)
        self._of = {one.role.name: one for one in self._declared.kinds}
        self.roles = tuple(one.role for one in self._declared.kinds)
        reported = [Field(n, meaning=f"the model's reporter {r!r}") for n, r in self._declared.measures.items()]
        reported += [Field(n, meaning=f"the model's {path}") for n, path in self._declared.attributes.items()]
        self.measures = (*reported, Field("agents", meaning="agents of all classes"))

    @property
    def left_out(self) -> tuple[str, ...]:
        """Reporters of the model that report no number, and so are no measure."""
        return self._declared.left_out

    def own_minds(self) -> Mapping[str, Cohort]:
        """The agents' own code."""
        return {name: Itself() for name in self._of}

    def check(self, seats: Mapping[str, int]) -> None:
        """How many agents there are is the model's own affair."""
        for name, one in self._of.items():
            if seats.get(name, 0) and one.seat is None:
                raise ValueError(
                    f"role {name!r} keeps the code of {one.cls.__name__}; accepted: no mind for it, or an adapter in"
                    " seats (see MesaSeat)"
                )

    def reset(self, turn: Turn) -> None:
        """Make the model with the episode's seed."""
        self._dice = Dice(turn.seed)
        self._seed = turn.seed
        self._history: list[tuple[str, Any]] = []
        """All that was done to the model: what a copy does again."""
        with self._dice.rolled():
            self._model, self._simulator = self._declared.make(turn.seed)
        self._handed = {n: one for n, one in self._of.items() if one.seat is not None and turn.seats(n)}
        """Roles that minds decide for."""
        if not self._handed:
            # No code but the model's runs until the episode is over.
            self._dice.keep()
        self._ids: dict[str, Array] = {name: np.zeros(0, dtype=np.int64) for name in self._of}
        """Unique ids of the agents that are there, in the model's order."""
        self._member: dict[str, dict[int, int]] = {name: {} for name in self._of}
        """Members by unique id."""
        self._everybody: dict[str, Members] = {name: np.zeros(0, dtype=np.int64) for name in self._of}
        """Their members, in the same order."""
        self._unique = {name: np.zeros(0, dtype=np.int64) for name in self._of}
        """Every member's unique id."""
        self._agents: dict[str, dict[int, Any]] = {name: {} for name in self._of}
        """Mesa's agents by member, of roles that minds may decide for."""
        self._seen: dict[str, dict[str, Array]] = {
            name: {f.name: np.zeros((0, *f.sizes), dtype=f.numpy_dtype) for f in one.role.obs}
            for name, one in self._of.items()
        }
        """What was seen of every member last."""
        self._collected = -1
        self._counts: object = None
        """What tells whether somebody has come or gone since they were looked through."""
        reported = self._record(turn)
        if self._model.running:
            self._schedule(turn)
        elif not reported:
            turn.end()

    def observe(self, role: str, members: Members) -> Mapping[str, Array]:
        """What is reported of these agents, or what the adapter sees of them now."""
        one, seen = self._of[role], self._seen[role]
        if one.seat is not None:
            with untouched(self._model):
                for member in members.tolist():
                    agent = self._agents[role].get(member)
                    if agent is None:
                        continue  # one that is gone is seen as it was
                    told = one.seat.observe(agent)
                    if told.keys() != seen.keys():
                        where = f"{type(one.seat).__name__}.observe"
                        raise ContractError(f"{where}: found {[*told]}; accepted: all that is declared, {[*seen]}")
                    for name, value in told.items():
                        seen[name][member] = value
        return {name: column[members] for name, column in seen.items()}

    def step(self, moment: Moment, turn: Turn) -> None:
        """Let the model step with what was decided."""
        if moment.priority == _OWN:
            self._advance(moment.acts, turn)
        elif not self._model.running:
            turn.end()

    def on_event(self, name: str, payload: Payload, turn: Turn) -> None:  # noqa: ARG002
        """Let the model step; nobody decides anything."""
        self._advance({}, turn)

    def taken_out(self, role: str, members: Members, turn: Turn) -> None:
        """These agents are removed from the model."""
        wanted = set(members.tolist())
        ids = {unique for unique, member in self._member[role].items() if member in wanted}
        self._taken_out(role, ids)
        stay = ~np.isin(self._ids[role], list(ids))
        self._ids[role], self._everybody[role] = self._ids[role][stay], self._everybody[role][stay]
        if role in self._handed and not any(len(self._ids[name]) for name in self._handed):
            # Those who were due have gone: the model goes on by itself.
            turn.call(max(turn.tick, 1), "step")

    def close(self) -> None:
        """Give Python's and numpy's global random numbers back, and let go of the model."""
        self._dice.give_back()
        forget(self._model)

    # -- a step ----------------------------------------------------------------------------------------------------

    def _advance(self, decided: Mapping[str, Acts], turn: Turn) -> None:
        taken = {
            name: (self._unique[name][acts.members], {f.name: acts.done[f.name] for f in acts.role.act})
            for name, acts in decided.items()
        }
        self._history.append(("step", taken))
        acting = {name: [self._agents[name].get(m) for m in acts.members.tolist()] for name, acts in decided.items()}
        self._step(taken)
        for name, agents in acting.items():
            self._reward(name, decided[name].members, agents, turn)
        reported = self._record(turn)
        if self._model.running:
            self._schedule(turn)
        elif not reported:
            turn.end()

    def _step(self, taken: Taken) -> None:
        with self._dice.rolled(), self._seated(taken):
            advance(self._model, self._simulator)

    def _reward(self, name: str, members: Members, agents: Sequence[Any], turn: Turn) -> None:
        """Pay those who decided what the adapter says, those too who are gone by now."""
        seat = self._of[name].seat
        assert seat is not None
        if type(seat).reward is not MesaSeat.reward:
            with untouched(self._model):
                amounts = [0.0 if agent is None else float(seat.reward(agent)) for agent in agents]
            turn.reward(name, members, np.array(amounts))

    def _schedule(self, turn: Turn) -> None:
        """The next step: when those have decided who decide, or by itself."""
        # Not turn.members: those who leave in this step are still among them.
        due = {name: np.sort(self._everybody[name]) for name in self._handed}
        if any(len(members) for members in due.values()):
            for name, members in due.items():
                turn.wake(name, members, turn.tick + 1, _OWN)
        else:
            turn.call(turn.tick + 1, "step")

    @contextmanager
    def _seated(self, taken: Taken) -> Iterator[None]:
        """Within, agents that minds decide for do what was decided where the model calls their method."""
        before = []
        for name, one in self._handed.items():
            assert one.seat is not None
            method = one.seat.method
            before.append((one.cls, method, one.cls.__dict__.get(method)))
            setattr(one.cls, method, decided(one.seat, taken.get(name)))
        try:
            yield
        finally:
            for cls, method, own in before:
                delattr(cls, method) if own is None else setattr(cls, method, own)

    # -- what is recorded ------------------------------------------------------------------------------------------

    def _record(self, turn: Turn) -> bool:
        """Who is there now, and what is reported of the model and of them; whether anything is reported of them."""
        reported = False
        model = self._model
        collected, typed = self._collect(turn)
        if collected.rows:
            self._nobody_else()
        before, self._counts = self._counts, population(model)
        same = before is not None and before == self._counts
        for name, one in self._of.items():
            agents = model.agents_by_type.get(one.cls, ())
            if same and all(column.reported for column in one.columns) and collected.of(self._ids[name]):
                ids = self._ids[name]
            else:
                ids = np.fromiter(map(_OF_AGENT, agents), dtype=np.int64, count=len(agents))
            if not np.array_equal(ids, self._ids[name]):
                self._population(turn, name, one, ids, agents)
                member = self._member[name]
                self._everybody[name] = np.array([member[u] for u in self._ids[name].tolist()], dtype=np.int64)
            if one.seat is not None:
                continue
            due = self._report(name, one, agents, (collected, _collected(typed.get(one.cls, ()))))
            if len(due):
                turn.wake(name, due, turn.tick, _AFTER)
                reported = True
        return reported

    def _nobody_else(self) -> None:
        """Raise ValueError if the model reports agents of a class that came later: they have no table."""
        known = {one.cls for one in self._of.values()}
        strange = next((cls for cls in self._model.agent_types if cls not in known), None)
        if strange is not None and self._model.datacollector.agent_reporters:
            name = f"{strange.__module__}:{strange.__qualname__}"
            raise ValueError(f"agents of {strange.__name__} came after the model was made; say so: classes: [{name}]")

    def _collect(self, turn: Turn) -> tuple[_Collected, Mapping[type[Any], Sequence[Any]]]:
        """Emit what the model reports, and hand on what it reports of agents, if it has collected in this step."""
        model, collector = self._model, getattr(self._model, "datacollector", None)
        told = {name: float(read(model, path)) for name, path in self._declared.attributes.items()}
        rows: Sequence[Any] = ()
        typed: Mapping[type[Any], Sequence[Any]] = {}
        if isinstance(collector, DataCollector):
            counts = [len(values) for values in collector.model_vars.values()]
            if counts and max(counts) > 0 and sum(counts) != self._collected:
                self._collected = sum(counts)
                for name, reporter in self._declared.measures.items():
                    value = collector.model_vars[reporter][-1]
                    told[name] = math.nan if value is None else float(value)
            rows = collector._agent_records.get(model.steps, ())
            typed = collector._agenttype_records.get(model.steps, {})
        turn.emit(agents=float(len(model.agents)), **told)
        return _collected(rows), typed

    def _population(self, turn: Turn, name: str, one: Kinds, ids: Array, agents: Any) -> None:
        """Let newcomers join, and those leave who are gone."""
        before = self._ids[name]
        gone, new = np.setdiff1d(before, ids), np.setdiff1d(ids, before)
        if len(gone):
            left = np.sort(np.array([self._member[name].pop(u) for u in gone.tolist()], dtype=np.int64))
            for member in left.tolist():
                self._agents[name].pop(member, None)
            turn.leave(name, left)
        self._ids[name] = ids
        if not len(new):
            return
        first = len(self._unique[name])
        self._unique[name] = np.concatenate([self._unique[name], new])
        self._member[name] |= dict(zip(new.tolist(), range(first, first + len(new)), strict=True))
        for field in one.role.obs:
            blank = np.full((len(new), *field.sizes), field.blank, dtype=field.numpy_dtype)
            self._seen[name][field.name] = np.concatenate([self._seen[name][field.name], blank])
        if one.seat is not None:
            self._agents[name] |= {self._member[name][a.unique_id]: a for a in agents}
        here = turn.join(name, len(new), unique_id=new)
        if len(here) < len(new):
            # Whoever is absent is no part of the model either.
            there = set(here.tolist())
            absent = {u for u in new.tolist() if self._member[name][u] not in there}
            self._taken_out(name, absent)
            self._ids[name] = ids[~np.isin(ids, list(absent))]

    def _report(self, name: str, one: Kinds, agents: Any, collected: tuple[_Collected, _Collected]) -> Members:
        """Take in what is reported of the agents of a class, with all agents and by itself; returns of whom."""
        member = self._member[name]
        reported = [column for column in one.columns if column.reported]
        direct = [column for column in one.columns if not column.reported]
        everybody, seen, ids = self._everybody[name], self._seen[name], self._ids[name]
        for column in direct:
            values = [read(agent, column.name) for agent in agents if agent.unique_id in member]
            seen[column.field.name][everybody] = column_of(column, values, name)
        due = everybody if direct else np.zeros(0, dtype=np.int64)
        shared = len(self._model.datacollector.agent_reporters) if reported else 0
        for columns, told in zip((reported[:shared], reported[shared:]), collected, strict=True):
            if not columns or not told.rows:
                continue
            mine, who = told.rows, everybody
            if not told.of(ids):
                mine = [record for record in told.rows if record[1] in member]
                who = np.array([member[record[1]] for record in mine], dtype=np.int64)
            if mine:
                for place, column in enumerate(columns):
                    seen[column.field.name][who] = column_of(column, list(map(itemgetter(2 + place), mine)), name)
                due = who if not len(due) else np.union1d(due, who)
        return np.sort(due)

    def _taken_out(self, name: str, ids: set[int]) -> None:
        self._history.append(("remove", (name, sorted(ids))))
        self._remove(name, ids)
        for unique in ids:
            self._agents[name].pop(self._member[name].pop(unique, -1), None)

    def _remove(self, name: str, ids: Collection[int]) -> None:
        with self._dice.rolled():
            for agent in list(self._model.agents_by_type.get(self._of[name].cls, ())):
                if agent.unique_id in ids:
                    agent.remove()

    # -- copies ----------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """State without the model: most models hold functions that cannot be pickled."""
        left_out = {"_model", "_simulator", "_agents", "_dice"}
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the model anew and let it do again what it did: the same seed and steps, the same state."""
        self.__dict__.update(state)
        if "_history" not in state:
            return
        self._dice = Dice(self._seed)
        with self._dice.rolled():
            self._model, self._simulator = self._declared.make(self._seed)
        members = self._member
        for what, told in self._history:
            if what == "step":
                self._step(told)
            else:
                self._remove(*told)
        self._agents = {
            name: {members[name][a.unique_id]: a for a in self._model.agents_by_type.get(one.cls, ())}
            if one.seat is not None
            else {}
            for name, one in self._of.items()
        }


def _collected(rows: Sequence[Any]) -> _Collected:
    return _Collected(rows, np.fromiter(map(_OF_RECORD, rows), np.int64, len(rows)))
