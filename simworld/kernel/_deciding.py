"""How the minds of one moment decide: observations handed out, asks answered in rounds, actions checked and merged."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from simworld.errors import ActionError, ContractError
from simworld.kernel._asks import MENDED, Answer, Ask, Broker
from simworld.kernel._fields import Array, Field, Members, Role, as_field, freeze
from simworld.kernel._minds import Cohort, Draw, Rounds, Seats
from simworld.kernel._roster import Asked, Roster, Suspended
from simworld.kernel._world import Acts

if TYPE_CHECKING:
    from simworld.kernel._agenda import Agenda

Used: TypeAlias = Callable[[int, Ask, Answer, int], None]
"""(tick, ask, answer, since): told of every answer, once, when it is used."""

_ndarray = np.ndarray
_NOTHING: Mapping[str, Array] = MappingProxyType({})


class Whole(NamedTuple):
    """All members of a role who are freshly due, with what they saw, before it is handed out mind by mind."""

    members: Members
    decisions: Members
    seen: Mapping[str, Array]


class Part:
    """The members of one cohort that decide together: those freshly due, or those that resume from one moment."""

    done: Mapping[str, Array] = _NOTHING
    rounds: Rounds | None = None
    asked: dict[int, dict[int, Asked]] | None = None
    """Asks of these decisions so far, by place and ask index."""
    suspended: dict[int, int] | None = None
    """Places that wait (again), and the tick at which they are due."""
    whole: Whole | None = None
    """Of whom these are a share, unless they are all."""
    places: Array | slice = slice(None)
    """Where among them."""

    def __init__(
        self, roster: Roster, cohort: Cohort | None, seats: Seats, seen: Mapping[str, Array], moment: int
    ) -> None:
        self.roster = roster
        self.cohort = cohort
        self.seats = seats
        self.seen = seen
        self.moment = moment
        """Number of the moment in which they saw."""

    def start(self) -> bool:
        """Call the mind; True if it asks."""
        if self.cohort is None:
            return False
        result = self.cohort.act(self.seen, self.seats)
        if isinstance(result, dict):
            self.done = result
        elif isinstance(result, Generator):
            self.rounds = result
            return True
        else:
            self._decide(result)
        return False

    def go_on(self, answers: list[Answer | None] | None) -> list[Ask] | None:
        """Send a round of answers and take the next asks; None if the mind is done."""
        assert self.rounds is not None
        try:
            asks = self.rounds.send(answers)  # type: ignore[arg-type]
        except StopIteration as stop:
            self._decide(stop.value)
            return None
        for ask in asks if asks.__class__ is list else (asks,):
            if ask.__class__ is not Ask:
                raise ContractError(f"{type(self.cohort).__name__}.act yielded {asks!r}; accepted: a list of asks")
        return asks

    def place(self, ask: Ask) -> int:
        """The place of whoever asks."""
        role, member, decision, _ = ask.key
        seats = self.seats
        place = int(np.searchsorted(seats.members, member))
        there = role == seats.role.name and place < len(seats.members) and seats.members[place] == member
        if there and seats.decisions[place] == decision and not (self.suspended and place in self.suspended):
            return place
        raise ContractError(f"{ask}: {type(self.cohort).__name__}.act may ask only for decisions that it makes now")

    def _decide(self, result: object) -> None:
        if not isinstance(result, Mapping):
            raise ActionError(
                f"{type(self.cohort).__name__}.act of role {self.roster.role.name!r}:"
                f" found {result!r}; accepted: arrays by action field"
            )
        self.done = result


def run_rounds(parts: Sequence[Part], now: int, broker: Broker, asked: Used) -> None:
    """Drive all asking minds of a moment together: the asks of a round go out as one batch."""
    rounds: list[tuple[Part, list[Answer | None] | None]] = [(p, None) for p in parts if p.rounds is not None]
    while rounds:
        batch = []
        for part, answers in rounds:
            asks = part.go_on(answers)
            if asks is not None:
                batch.append((part, [(part.place(ask), _plan(part, ask, now)) for ask in asks]))
        broker.dispatch([a.ask for _, plan in batch for _, a in plan if a.answer is None])
        rounds = [(p, [_use(p, place, a, now, broker, asked) for place, a in plan]) for p, plan in batch]


def _plan(part: Part, ask: Ask, now: int) -> Asked:
    """Find out when an ask is due: anew, or as it was when this decision asked it for the first time."""
    if part.asked is None:
        part.asked = {}
    history = part.asked.setdefault(part.place(ask), {})
    asked = history.setdefault(ask.key[3], Asked(ask, now + ask.after))
    if asked.ask.digest != ask.digest:
        raise ContractError(
            f"{ask}: found another question than before its decision was re-executed;"
            " accepted: the same, so decide from what is seen, drawn and answered alone"
        )
    return asked


def _use(part: Part, place: int, asked: Asked, now: int, broker: Broker, used: Used) -> Answer | None:
    if asked.due > now:
        if part.suspended is None:
            part.suspended = {}
        part.suspended[place] = max(asked.due, part.suspended.get(place, 0))
        return None
    if asked.answer is None:
        asked.answer = broker.collect(asked.ask)
        used(now, asked.ask, asked.answer, part.seats.tick)
    answer = asked.answer
    if answer.fault:
        # Also when it was used before the decision was re-executed: that began with a clean sheet.
        faults = part.seats.faults or {}
        if faults.get(place, (MENDED,))[0] == MENDED:
            part.seats.fault(place, answer.fault, answer.detail)
    return answer


def suspend(part: Part, agenda: Agenda, priority: int) -> None:
    """Keep what the part's suspended decisions need to go on when they are due."""
    seats, roster = part.seats, part.roster
    for place, due in (part.suspended or {}).items():
        seen = {k: v if k in roster.shared else v[place : place + 1] for k, v in part.seen.items()}
        asks = {} if part.asked is None else part.asked[place]
        who = seats.members[place : place + 1]
        roster.suspended[int(who[0])] = Suspended(seen, seats.tick, part.moment, int(seats.decisions[place]), asks)
        agenda.resume(roster.role.name, who, due, priority)


def resumed(roster: Roster, members: Iterable[int], draw: Draw) -> list[Part]:
    """Parts that take up suspended decisions: one for each moment of observation and mind, in that order."""
    together: dict[tuple[int, int], list[int]] = {}
    for member in sorted(members):
        together.setdefault((roster.suspended[member].moment, int(roster.mind[member])), []).append(member)
    parts = []
    for (moment, mind), who in sorted(together.items()):
        numbers = np.array(who, dtype=np.int64)
        taken = [roster.suspended.pop(m) for m in who]
        decisions = np.array([s.decision for s in taken], dtype=np.int64)
        freeze(numbers)
        seen = {
            k: v if k in roster.shared else np.concatenate([s.seen[k] for s in taken]) for k, v in taken[0].seen.items()
        }
        for array in seen.values():
            freeze(array)
        seats = Seats(roster.role, taken[0].since, numbers, roster.rows[numbers], decisions, draw)
        part = Part(roster, roster.minds[mind], seats, seen, moment)
        part.asked = {place: s.asks for place, s in enumerate(taken)}
        parts.append(part)
    return parts


def check_seen(world: object, role: Role, members: Members, seen: Mapping[str, Array]) -> Mapping[str, Array]:
    """The observation with its declared fields, as read-only arrays of the declared kinds.

    Raises:
        ContractError: A field is missing, undeclared, or of another kind or shape.
    """
    n = len(members)
    for field in role.obs:
        array = seen.get(field.name)
        shape = field.one if n == 1 or field.shared else (n, *field.sizes)
        if (
            array.__class__ is not _ndarray
            or (array.dtype is not field.numpy_dtype and array.dtype != field.numpy_dtype)
            or array.shape != shape
            or field.dtype == "str"
        ):
            array = _fitted(f"{type(world).__name__}.observe({role.name!r})", field, seen, shape)
            seen = {**seen, field.name: array}
        array.setflags(False)  # type: ignore[call-arg]  # as ``freeze``, without a call
    if len(seen) != len(role.obs):
        raise ContractError(
            f"{type(world).__name__}.observe({role.name!r}): found fields {sorted(seen)};"
            f" accepted: {[f.name for f in role.obs]}"
        )
    return seen


def _fitted(where: str, field: Field, seen: Mapping[str, Array], shape: tuple[int, ...]) -> Array:
    """One observation field that does not come as it is declared: taken if nothing is lost by it."""
    if field.name not in seen:
        raise ContractError(f"{where}: field {field.name!r} is missing; found {sorted(seen)}")
    try:
        array = as_field(field, seen[field.name], f"{where}: field")
    except ActionError as error:
        raise ContractError(str(error)) from None
    if array.shape != shape:
        raise ContractError(f"{where}: field {field.name!r}: found shape {array.shape}; accepted: {shape}")
    return array


def check_given(
    role: Role, fields: Sequence[Field], members: Members, given: Mapping[str, Array], what: str = "action"
) -> dict[str, Array]:
    """Actions (or traits, or mind fields) with defaults filled in, checked for kind, shape and bounds.

    Arrays are copied: what a mind does to its own later must not reach the world. Blanks are accepted in traits and
    mind fields: not everybody has every one.

    Raises:
        ActionError: An undeclared or missing field, another kind or shape, or a value out of bounds.
    """
    n = len(members)
    found, checked = 0, {}
    for field in fields:
        array = given.get(field.name)
        found += array is not None
        shape = field.one if n == 1 else (n, *field.sizes)
        if array is None:
            if field.default is None:
                raise ActionError(f"{_who(role, members)}: the {what} lacks {field.name!r}; found {sorted(given)}")
            array = np.full(shape, field.default, dtype=field.numpy_dtype)
        elif array.__class__ is not _ndarray or array.dtype is not field.numpy_dtype or field.dtype == "str":
            array = as_field(field, array, f"{_who(role, members)}: {what} field")
        if array.shape != shape:
            raise ActionError(
                f"{_who(role, members)}: {what} field {field.name!r}: found shape {array.shape}; accepted: {shape}"
            )
        if field.limits is not None and array.size:
            low, high = field.limits
            # A nan compares false.
            if not (low <= array.item() <= high if array.size == 1 else low <= array.min() and array.max() <= high):
                _check_bounds(role, field, members, array, what)
        checked[field.name] = array.copy()
    if found != len(given):
        extra = sorted(set(given) - set(checked))
        raise ActionError(f"{_who(role, members)} has no field {extra}; it has {[f.name for f in fields]}")
    return checked


def _who(role: Role, members: Members) -> str:
    return f"role {role.name!r}, member {members[0]}" if len(members) == 1 else f"role {role.name!r}"


def _check_bounds(role: Role, field: Field, members: Members, array: Array, what: str) -> None:
    assert field.limits is not None
    low, high = field.limits
    bad = ~((array >= low) & (array <= high))
    # A nan is accepted where it is the declared default ("leave as it is").
    nan_is_default = isinstance(field.default, float) and np.isnan(field.default)
    if field.dtype == "float64" and (what != "action" or nan_is_default):
        bad &= ~np.isnan(array)
    elif what != "action":
        bad &= array != field.blank
    if bad.any():
        place = tuple(np.argwhere(bad)[0])
        raise ActionError(
            f"role {role.name!r}, member {members[place[0]]}: {field.name!r} is {array[place]};"
            f" accepted: {low:g} to {high:g}"
        )


def decided(parts: Sequence[Part]) -> list[tuple[Roster, Acts]]:
    """What the members of each role decided, checked, in member order; roles where nobody decided are left out.

    Raises:
        ActionError: An action lies outside what the role declares.
    """
    if len(parts) == 1:
        acts = _acts(parts[0])
        return [] if acts is None else [(parts[0].roster, acts)]
    rosters = {p.roster.role.name: p.roster for p in parts}
    found = [(r, _merged(r, [p for p in parts if p.roster is r])) for r in rosters.values()]
    return [(roster, acts) for roster, acts in found if acts is not None]


def _merged(roster: Roster, parts: Sequence[Part]) -> Acts | None:
    both = [(p, acts) for p in parts if (acts := _acts(p)) is not None]
    if len(both) < 2:
        return both[0][1] if both else None
    role, all_acts = roster.role, [a for _, a in both]
    whole = both[0][0].whole
    if whole is not None and all(p.whole is whole and not p.suspended for p, _ in both) and len(both) == len(parts):
        # Every share goes back to where it was taken from.
        acts, places = Acts(role, whole.members, whole.decisions, both[0][1].since), [p.places for p, _ in both]
        acts.seen = whole.seen
    else:
        acts, places = _gathered(role, both)
    acts.done = {f.name: _laid([a.done[f.name] for a in all_acts], places) for f in role.act}
    acts.mind = _merged_minds(all_acts, places)
    if any(a.faults for a in all_acts):
        at = [np.arange(len(acts))[place] for place in places]
        acts.faults = {
            int(at[number][place]): fault for number, a in enumerate(all_acts) for place, fault in a.faults.items()
        }
    return acts


def _gathered(role: Role, both: Sequence[tuple[Part, Acts]]) -> tuple[Acts, list[Array | slice]]:
    """Decisions of whom one moment or several observed, in member order; and where each part's are among them."""
    all_acts = [a for _, a in both]
    members = np.concatenate([a.members for a in all_acts])
    # What is put together are runs in order: a stable sort merges them.
    order = np.argsort(members, kind="stable")
    place_of = np.argsort(order, kind="stable")
    places: list[Array | slice] = list(np.split(place_of, np.cumsum([len(a) for a in all_acts])[:-1]))
    ticks = {a.since for a in all_acts}
    since = ticks.pop() if len(ticks) == 1 else np.concatenate([np.full(len(a), a.since) for a in all_acts])[order]
    freeze(members := members[order])
    acts = Acts(role, members, np.concatenate([a.decisions for a in all_acts])[order], since)
    same = len({p.moment for p, _ in both}) == 1
    acts.seen = {}
    for field in role.obs:
        columns = [a.seen[field.name] for a in all_acts]
        if field.shared and same:
            acts.seen[field.name] = columns[0]
            continue
        if field.shared:
            # Each part saw its own moment, so the merged observation has one row for each member.
            columns = [np.broadcast_to(c, (len(a), *c.shape)) for c, a in zip(columns, all_acts, strict=True)]
        acts.seen[field.name] = np.concatenate(columns)[order]
    return acts, places


def _laid(columns: Sequence[Array], places: Sequence[Array | slice]) -> Array:
    """Columns of several parts as one, each where it belongs."""
    out = np.empty((sum(map(len, columns)), *columns[0].shape[1:]), dtype=columns[0].dtype)
    for column, place in zip(columns, places, strict=True):
        out[place] = column
    return out


def _acts(part: Part) -> Acts | None:
    """What a part decided, checked, without those who are suspended."""
    seats, role = part.seats, part.roster.role
    members, decisions, seen, done = seats.members, seats.decisions, part.seen, part.done
    shown, faults = seats.shown, seats.faults
    if part.suspended:
        keep = np.delete(np.arange(len(members)), list(part.suspended))
        if not len(keep):
            return None
        done, shown = _take(done, keep, len(members)), _take(shown or {}, keep, len(members))
        seen = {k: v if k in part.roster.shared else v[keep] for k, v in seen.items()}
        faults = {at: faults[place] for at, place in enumerate(keep.tolist()) if faults and place in faults}
        members, decisions = members[keep], decisions[keep]
        freeze(members)
    acts = Acts(role, members, decisions, seats.tick)
    acts.seen = seen
    acts.done = check_given(role, role.act, members, done)
    if faults:
        acts.faults = faults
    if shown:
        declared = () if part.cohort is None else part.cohort.mind
        fields = [f for f in declared if f.name in shown]
        acts.mind = check_given(role, fields, members, shown, "mind")
    return acts


def _take(given: Mapping[str, Array], keep: Array, n: int) -> dict[str, Array]:
    """Some places of arrays that are not checked yet: one of another length stays as it is, for the check to find."""
    arrays = {name: np.asarray(array) for name, array in given.items()}
    return {name: array[keep] if array.shape[:1] == (n,) else array for name, array in arrays.items()}


def _merged_minds(all_acts: Sequence[Acts], places: Sequence[Array | slice]) -> dict[str, Array]:
    """Mind fields over all parts: those that do not show a field leave it blank."""
    merged = {}
    for name in dict.fromkeys(name for a in all_acts for name in a.mind):
        like = next(a.mind[name] for a in all_acts if name in a.mind)
        blank = {"f": np.nan, "O": "", "b": False}.get(like.dtype.kind, 0)
        columns = [
            a.mind[name] if name in a.mind else np.full((len(a), *like.shape[1:]), blank, dtype=like.dtype)
            for a in all_acts
        ]
        merged[name] = _laid(columns, places)
    return merged
