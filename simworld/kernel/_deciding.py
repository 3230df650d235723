"""How the minds of one moment decide: observations handed out, asks answered in rounds, actions checked and merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from simworld.errors import ActionError, ContractError
from simworld.kernel._asks import Answer, Ask, Broker
from simworld.kernel._fields import Array, Field, Members, Role, as_field
from simworld.kernel._minds import Cohort, Draw, Rounds, Seats
from simworld.kernel._roster import Asked, Roster, Suspended
from simworld.kernel._world import Acts

if TYPE_CHECKING:
    from simworld.kernel._recorder import Recorder

_MINUS, _PLUS = float("-inf"), float("inf")


class Part:
    """The members of one cohort that decide together: those freshly due, or those that resume from one tick."""

    __slots__ = ("asked", "cohort", "done", "roster", "rounds", "seats", "seen", "suspended")

    def __init__(self, roster: Roster, cohort: Cohort | None, seats: Seats, seen: Mapping[str, Array]) -> None:
        self.roster = roster
        self.cohort = cohort
        self.seats = seats
        self.seen = seen
        self.done: Mapping[str, Array] = {}
        self.rounds: Rounds | None = None
        self.asked: dict[int, list[Asked]] = {}
        """Asks of this decision so far, by place."""
        self.suspended: dict[int, int] = {}
        """Places that wait again, and the tick at which they are due."""

    def start(self) -> bool:
        """Call the mind; True if it asks."""
        if self.cohort is None:
            return False
        result = self.cohort.act(self.seen, self.seats)
        if result.__class__ is dict or isinstance(result, Mapping):
            self.done = result
            return False
        self.rounds = result
        return True


def run_rounds(parts: Sequence[Part], now: int, broker: Broker, recorder: Recorder | None) -> None:
    """Drive all asking minds of a moment together: the asks of a round go out as one batch."""
    answers: dict[int, list[Answer | None] | None] = {}
    active = [p for p in parts if p.rounds is not None]
    while active:
        batch: list[tuple[Part, list[Ask]]] = []
        for part in active:
            assert part.rounds is not None
            try:
                asks = part.rounds.send(answers.get(id(part)))  # type: ignore[arg-type]
                batch.append((part, asks))
            except StopIteration as stop:
                part.done = stop.value
        active = [p for p, _ in batch]
        planned = [(p, [_plan(p, ask, now) for ask in asks]) for p, asks in batch]
        broker.dispatch([a.ask for _, plan in planned for a in plan if a.answer is None])
        for part, plan in planned:
            answers[id(part)] = [_use(part, asked, now, broker, recorder) for asked in plan]


def _plan(part: Part, ask: Ask, now: int) -> Asked:
    """Find out when an ask is due: anew, or as it was when this decision asked it for the first time."""
    place = int(np.searchsorted(part.seats.members, ask.key[1]))
    history = part.asked.setdefault(place, [])
    if ask.key[3] < len(history):
        asked = history[ask.key[3]]
        if asked.ask.digest != ask.digest:
            raise ContractError(
                f"{ask.key[0]} {ask.key[1]} asked something else when its decision was re-executed;"
                " a mind that asks with after= must decide from what it sees, draws and is answered alone"
            )
        return asked
    asked = Asked(ask, now + ask.after)
    history.append(asked)
    return asked


def _use(part: Part, asked: Asked, now: int, broker: Broker, recorder: Recorder | None) -> Answer | None:
    place = int(np.searchsorted(part.seats.members, asked.ask.key[1]))
    if asked.due > now:
        part.suspended[place] = asked.due
        return None
    if asked.answer is None:
        asked.answer = broker.collect(asked.ask)
        if recorder is not None:
            recorder.asked(now, asked.ask, asked.answer, part.seats.tick)
    return asked.answer


def suspend(part: Part, priority: int) -> None:
    """Keep what the part's suspended decisions need to go on."""
    seats, roster = part.seats, part.roster
    for place, due in part.suspended.items():
        shared = {f.name for f in roster.role.obs if f.shared}
        seen = {k: v if k in shared else v[place : place + 1] for k, v in part.seen.items()}
        member = int(seats.members[place])
        roster.suspended[member] = Suspended(
            seen, seats.tick, int(seats.decisions[place]), due, priority, part.asked[place]
        )


def resumed(roster: Roster, members: Iterable[int], draw: Draw) -> list[Part]:
    """Parts that take up suspended decisions: one for each cohort and tick of observation, in that order."""
    groups: dict[tuple[int, int], list[int]] = {}
    for member in sorted(members):
        groups.setdefault((roster.suspended[member].since, int(roster.group[member])), []).append(member)
    parts = []
    for (since, group), who in sorted(groups.items()):
        numbers = np.array(who, dtype=np.int64)
        taken = [roster.suspended.pop(m) for m in who]
        decisions = np.array([s.decision for s in taken], dtype=np.int64)
        shared = {f.name for f in roster.role.obs if f.shared}
        seen = {k: v if k in shared else np.concatenate([s.seen[k] for s in taken]) for k, v in taken[0].seen.items()}
        seats = Seats(roster.role, since, numbers, roster.rows[numbers], decisions, draw)
        part = Part(roster, roster.groups[group].mind, seats, seen)
        part.asked = {place: s.asks for place, s in enumerate(taken)}
        parts.append(part)
    return parts


def check_seen(world: str, role: Role, members: Members, seen: Mapping[str, Array]) -> None:
    """Raise ContractError unless the observation has the declared fields; make its arrays read-only."""
    declared = role.obs
    if len(seen) != len(declared):
        raise ContractError(
            f"{world}.observe({role.name!r}): found {sorted(seen)}; declared {[f.name for f in role.obs]}"
        )
    n = (len(members),)
    for field in declared:
        array = seen.get(field.name)
        shape = field.shape if field.shared else n + field.shape
        if (
            array is None
            or (array.dtype is not field.numpy_dtype and array.dtype != field.numpy_dtype)
            or array.shape != shape
        ):
            found = "nothing" if array is None else f"{array.dtype} of shape {array.shape}"
            raise ContractError(
                f"{world}.observe({role.name!r}): field {field.name!r}: found {found};"
                f" declared {field.dtype} of shape {shape}"
            )
        array.setflags(write=False)


def check_done(role: Role, members: Members, done: Mapping[str, Array], fields: tuple[Field, ...]) -> dict[str, Array]:
    """Fill in defaults and check kind, shape and bounds of actions (or mind fields).

    Raises:
        ActionError: An undeclared or missing field, another kind or shape, or a value out of bounds.
    """
    n, checked = (len(members),), {}
    for field in fields:
        name = field.name
        array = done.get(name)
        shape = n + field.shape
        if array is None:
            if field.default is None:
                raise ActionError(f"role {role.name!r}: the action lacks {name!r}; found {sorted(done)}")
            array = np.full(shape, field.default, dtype=field.numpy_dtype)  # type: ignore[arg-type]
        elif array.__class__ is not np.ndarray or array.dtype is not field.numpy_dtype:
            array = as_field(field, array, f"role {role.name!r}: field")
        if array.shape != shape:
            raise ActionError(f"role {role.name!r}: field {name!r}: found shape {array.shape}; accepted: {shape}")
        if field.bounded and array.size:
            _check_bounds(role, field, members, array)
        checked[name] = array
    if not done.keys() <= checked.keys():
        extra = sorted(set(done) - set(checked))
        raise ActionError(f"role {role.name!r} has no field {extra}; it has {[f.name for f in fields]}")
    return checked


def _check_bounds(role: Role, field: Field, members: Members, array: Array) -> None:
    low = _MINUS if field.low is None else field.low
    high = _PLUS if field.high is None else field.high
    # A nan compares false; it is accepted only where it is the declared default ("leave as it is").
    if array.size == 1:
        if low <= array.item() <= high:
            return
    elif low <= array.min() and array.max() <= high:
        return
    may_be_nan = isinstance(field.default, float) and np.isnan(field.default)
    bad = ~((array >= low) & (array <= high)) & ~(np.isnan(array) if may_be_nan else False)
    if bad.any():
        place = np.argwhere(bad)[0]
        raise ActionError(
            f"role {role.name!r}, member {members[place[0]]}: {field.name!r} is {array[tuple(place)]};"
            f" accepted: {low:g} to {high:g}"
        )


def merge(roster: Roster, parts: Sequence[Part]) -> Acts | None:
    """The decisions of a role's parts as arrays in member order, or None if nobody decided."""
    role = roster.role
    if len(parts) == 1 and not parts[0].suspended:
        part = parts[0]
        seats = part.seats
        acts = Acts(role, seats.members, seats.decisions, seats.tick)
        acts.seen = part.seen
        acts.done = check_done(role, seats.members, part.done, role.act)
        if seats.faults:
            acts.faults = seats.faults
        if seats.shown:
            acts.mind = _check_mind(part)
        return acts
    kept = [[i for i in range(len(p.seats.members)) if i not in p.suspended] for p in parts]
    picked = [(p, np.array(k, dtype=np.int64)) for p, k in zip(parts, kept, strict=True) if k]
    if not picked:
        return None
    members = np.concatenate([p.seats.members[k] for p, k in picked])
    order = np.argsort(members, kind="stable")
    since = np.concatenate([np.full(len(k), p.seats.tick) for p, k in picked])[order]
    decisions = np.concatenate([p.seats.decisions[k] for p, k in picked])[order]
    acts = Acts(role, members[order], decisions, since)
    seen, done = {}, {}
    for field in role.obs:
        if field.shared and len({p.seats.tick for p, _ in picked}) == 1:
            seen[field.name] = picked[0][0].seen[field.name]
            continue
        # A resumed decision keeps its old shared fields: one row each.
        columns = [
            np.broadcast_to(p.seen[field.name], (len(k), *np.shape(p.seen[field.name])))
            if field.shared
            else p.seen[field.name][k]
            for p, k in picked
        ]
        seen[field.name] = np.concatenate(columns)[order]
    checked = [check_done(role, p.seats.members[k], _take(p.done, k), role.act) for p, k in picked]
    for field in role.act:
        done[field.name] = np.concatenate([c[field.name] for c in checked])[order]
    acts.seen, acts.done = seen, done
    acts.mind = _merge_minds(picked, order)
    place_of = np.empty(len(order), dtype=np.int64)
    place_of[order] = np.arange(len(order))
    offset, faults = 0, {}
    for part, keep in picked:
        for at, place in enumerate(keep.tolist()):
            if place in part.seats.faults:
                faults[int(place_of[offset + at])] = part.seats.faults[place]
        offset += len(keep)
    acts.faults = faults
    return acts


def _take(done: Mapping[str, Array], keep: Array) -> dict[str, Array]:
    return {name: np.asarray(array)[keep] for name, array in done.items()}


def _check_mind(part: Part) -> dict[str, Array]:
    declared = {} if part.cohort is None else {f.name: f for f in part.cohort.mind}
    fields = tuple(f for name, f in declared.items() if name in part.seats.shown)
    return check_done(part.roster.role, part.seats.members, part.seats.shown, fields)


def _merge_minds(picked: Sequence[tuple[Part, Array]], order: Array) -> dict[str, Array]:
    """Mind fields over all parts: minds that do not show a field leave it empty."""
    shown = [_check_mind(p) for p, _ in picked]
    merged = {}
    for name in dict.fromkeys(name for s in shown for name in s):
        like = next(s[name] for s in shown if name in s)
        empty = np.nan if like.dtype.kind == "f" else "" if like.dtype.kind == "O" else 0
        columns = [
            s[name][k] if name in s else np.full((len(k), *like.shape[1:]), empty, dtype=like.dtype)
            for s, (_, k) in zip(shown, picked, strict=True)
        ]
        merged[name] = np.concatenate(columns)[order]
    return merged
