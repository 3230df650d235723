"""The books of a society: who is there, what they drew, decided and earned, and how their records end."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simworld.errors import ChanceError, ContractError
from simworld.kernel._agenda import Agenda
from simworld.kernel._asks import Answer, Ask, answer_digest
from simworld.kernel._chain import Chain
from simworld.kernel._chance import Chance, Drawn
from simworld.kernel._deciding import check_given, check_seen
from simworld.kernel._fields import Array, Members
from simworld.kernel._interventions import Intervention
from simworld.kernel._minds import Seats
from simworld.kernel._recorder import Recorder
from simworld.kernel._roster import Group, Roster
from simworld.kernel._world import Acts, Turn, World

_SAME_TICK = 1_000_000
"""So many entries scheduled for the tick they are scheduled in are a loop that never lets time pass."""
_SAME_TICK_WAKES = 10_000
"""So many wakes: a moment takes longer than a callback entry."""
_LOOKS = 3
"""So many observations of a role are compared with the world's own arrays; whoever hands them out does so at once."""


class Society:
    """What a turn works on: everything that happens is noted here, in the chain and by the recorder."""

    def __init__(
        self, world: World, seating: Mapping[str, Sequence[Group]], seed: int, absent: Mapping[str, Members]
    ) -> None:
        names = [r.name for r in world.roles]
        if len(set(names)) < len(names):
            raise ContractError(f"the world declares a role twice: {names}")
        unknown = {*seating, *absent} - {*names}
        if unknown:
            raise ContractError(f"the world has no role {sorted(unknown)}; it has {names}")
        sizes = {name: sum(g.count for g in seating.get(name, ())) for name in names}
        self.rosters = {
            r.name: Roster(r.sized(sizes), seating.get(r.name, ()), absent.get(r.name)) for r in world.roles
        }
        self.world = world
        self.agenda = Agenda()
        self.chance = Chance(seed)
        self.chain = Chain(seed)
        self.recorder: Recorder | None = None
        self.ended = False
        """The world ended the episode."""
        self.cut = False
        """It ended it in the middle: nothing had come to its end."""
        self.over = False
        """No further entry is taken: it ended, or was halted from outside."""
        self.leaving: dict[str, list[Members]] = {}
        """Those who leave at the end of this step."""
        self.turn = Turn(self)
        self._measures = frozenset(f.name for f in world.measures)
        self._drawn: dict[tuple[str, int], Drawn] = {}
        self._same_tick = 0
        self.sampled = False
        """Measures were emitted since the last link."""
        self.busy = False
        """Something was drawn, or scheduled for now, in this tick."""

    def begun(self) -> None:
        """The world is set up; what it drew for that stays drawn."""
        self._same_tick = 0

    def forget(self) -> None:
        """Time has passed: let go of what concerns one tick only."""
        self.busy = False
        self._same_tick = 0
        self._drawn.clear()

    def roster(self, role: str) -> Roster:
        """The members of a role."""
        found = self.rosters.get(role)
        if found is None:
            raise ContractError(f"the world has no role {role!r}; it has {list(self.rosters)}")
        return found

    # -- what a turn may do ----------------------------------------------------------------------------------------

    def draw(self, stream: str, members: Members | int, method: str, width: tuple[int, ...]) -> Array:
        """Draw for the world; see ``Turn.draw``."""
        if not isinstance(members, np.ndarray):
            members = np.arange(operator.index(members))
        elif members.dtype != np.int64 or members.ndim != 1 or (len(members) and members[0] < 0):
            raise ChanceError(f"stream {stream!r}: found members {members!r}; accepted: int64 numbers from 0 on")
        elif len(members) > 1 and not (members[1:] > members[:-1]).all():
            raise ChanceError(f"stream {stream!r}: found members {members!r}; accepted: sorted and distinct ones")
        return self.drawn(method, f"world/{stream}", self.turn.tick, members, width)

    def drawn(self, method: str, stream: str, tick: int, members: Members, width: tuple[int, ...]) -> Array:
        """Draw at an address, once, and put the numbers into the chain."""
        if len(members):
            self.busy = True
            before = self._drawn.get((stream, tick))
            if before is None:
                self._drawn[stream, tick] = Drawn(members)
            elif not before.add(members):
                raise ChanceError(f"stream {stream!r} was drawn at tick {tick} before: name another stream")
        values = self.chance.draw(method, stream, tick, members, width)  # type: ignore[arg-type]
        self.chain.drew((stream, tick, method, *width), members, values)
        return values

    def join(self, role: str, count: int, traits: Mapping[str, Array], groups: Members | None = None) -> Members:
        """Give out seats; see ``Turn.join``."""
        roster = self.roster(role)
        count = operator.index(count)
        if count < 0 or (count and not roster.groups):
            why = "accepted: 0 or more" if count < 0 else "nobody fills it: the scenario names no mind for it"
            raise ContractError(f"join of role {role!r}: found {count}; {why}")
        first = roster.count
        checked = check_given(roster.role, roster.role.traits, np.arange(first, first + count), traits, "trait")
        if not count:
            return np.zeros(0, dtype=np.int64)
        members = roster.add(count, groups)
        checked = {name: array[members - first] for name, array in checked.items()}
        self.chain.note("joined", (role, *checked), members, *checked.values())
        if not len(members):
            return members
        if self.recorder is not None:
            self.recorder.joined(role, self.turn.tick, members, roster.group[members], checked)
        for mind, at in roster.split(members):
            if mind is not None:
                who = members[at]
                rows, decisions = roster.rows[who], roster.decisions[who]
                mind.join(Seats(roster.role, self.turn.tick, who, rows, decisions, self.drawn))
        return members

    def leave(self, role: str, members: Members) -> None:
        """Let members leave at the end of this step; see ``Turn.leave``."""
        self.leaving.setdefault(role, []).append(self.roster(role).checked(members, "leave").copy())

    def reward(self, role: str, members: Members, amounts: Array, decisions: Members | None) -> None:
        """Credit decisions; see ``Turn.reward``."""
        roster = self.roster(role)
        members = roster.checked(members, "reward")
        if amounts.__class__ is not np.ndarray or amounts.dtype != np.float64 or amounts.shape != members.shape:
            amounts = _amounts(role, members, amounts)
        roster.credited(members, decisions)
        named = () if decisions is None else (decisions,)
        self.chain.note("reward", (role,), members, amounts, *named)
        if self.recorder is not None:
            self.recorder.rewarded(role, members, amounts, decisions)

    def reseed(self, seed: int) -> None:
        """Let all chance be another from now on: for a branch."""
        self.chance = Chance(seed)

    def emit(self, values: Mapping[str, float]) -> None:
        """Sample measures; see ``Turn.emit``."""
        if not self._measures.issuperset(values):
            undeclared = sorted(set(values) - self._measures)
            raise ContractError(f"measures {undeclared} are not declared by the world; it has {sorted(self._measures)}")
        try:
            numbers = {name: float(value) for name, value in values.items()}
        except (TypeError, ValueError) as error:
            raise ContractError(f"measures: found {dict(values)}; accepted: numbers") from error
        self.sampled = True
        self.chain.note("measures", tuple(numbers), np.array(list(numbers.values())))
        if self.recorder is not None:
            self.recorder.sampled(self.turn.tick, numbers)

    def not_past(self, tick: object, what: str) -> int:
        """The tick as an int. Raises ContractError for the past, or a loop that never lets time pass."""
        try:
            number = operator.index(tick)  # type: ignore[arg-type]
        except TypeError as error:
            raise ContractError(f"{what}: found tick {tick!r}; accepted: a whole number") from error
        if number < self.turn.tick:
            raise ContractError(f"{what} at tick {number}: it is already tick {self.turn.tick}")
        if number == self.turn.tick:
            self.busy = True
            self._same_tick += _SAME_TICK // _SAME_TICK_WAKES if what.startswith("wake") else 1
            if self._same_tick > _SAME_TICK:
                raise ContractError(
                    f"{what}: tick {number} never ends (a zero-delay loop); did you mean turn.tick + 1?"
                )
        return number

    # -- what the kernel does --------------------------------------------------------------------------------------

    def observe(self, roster: Roster, members: Members) -> Mapping[str, Array]:
        """What these members see, checked."""
        found = self.world.observe(roster.role.name, members)
        if roster.looks < _LOOKS:
            roster.looks += 1
            self._find_views(roster.role.name, found)
        return check_seen(self.world, roster.role, members, found)

    def _find_views(self, role: str, seen: Mapping[str, Array]) -> None:
        """Raise ContractError where an observation is the world's own state: what was seen must not change."""
        given: object = seen
        if not isinstance(given, Mapping):
            raise ContractError(
                f"{type(self.world).__name__}.observe({role!r}): found {seen!r}; accepted: fields by name"
            )
        owned = {name: own for name, own in vars(self.world).items() if isinstance(own, np.ndarray)}
        for name, array in given.items():
            for attribute, own in owned.items():
                if isinstance(array, np.ndarray) and np.may_share_memory(array, own):
                    raise ContractError(
                        f"{type(self.world).__name__}.observe({role!r}): field {name!r} shares its memory with"
                        f" self.{attribute}; accepted: a copy (self.{attribute}.copy())"
                    )

    def decided(self, acts: Acts) -> None:
        """Record what members of a role decided, before the world steps, and note faults."""
        if self.recorder is not None:
            self.recorder.decided(acts.role.name, self.turn.tick, acts)
        for place, fault in acts.faults.items():
            self._flag(acts.role.name, int(acts.members[place]), int(acts.decisions[place]), fault)

    def asked(self, tick: int, ask: Ask, answer: Answer | None, since: int) -> None:
        """Note an answer that is used, or that an ask has none when its decision is discarded."""
        said = "" if answer is None else answer_digest(answer)
        self.chain.note("asked", (*ask.key, ask.digest, said))
        if self.recorder is not None:
            self.recorder.asked(tick, ask, answer, since)

    def settle(self) -> None:
        """Close the records of those who left in this step."""
        leaving, self.leaving = self.leaving, {}
        for role, arrays in leaving.items():
            roster = self.rosters[role]
            members = np.unique(np.concatenate(arrays))
            members = members[roster.alive[members]]
            self.close(role, members, "left")
            roster.alive[members] = False
            roster.left += len(members)
            for mind, places in roster.split(members):
                if mind is not None and len(members):
                    mind.leave(members[places], roster.rows[members[places]])
            if self.recorder is not None and len(members):
                self.recorder.left(role, self.turn.tick, members)

    def intervene(self, change: Intervention) -> None:
        """Let a change take effect: first those who leave, then new minds, then parameters."""
        for role, members in change.without.items():
            roster = self.roster(role)
            here = roster.present()
            if members is not None and len(members) and members[-1] >= roster.count:
                there = f"accepted: 0 to {roster.count - 1}"
                raise ContractError(f"an intervention takes out {role} {members[-1]}, who was never there; {there}")
            gone = here if members is None else np.intersect1d(members, here)
            if len(gone):
                self.leave(role, gone)
                self.settle()
                self.world.taken_out(role, gone, self.turn)
        for (role, place), mind in change.minds.items():
            roster = self.roster(role)
            for member in sorted(roster.suspended):
                if roster.group[member] == place:
                    self._discard(roster, member, "reseated")
            members = roster.reseat(place, mind)
            self.chain.note("reseated", (role, place), members)
            if len(members):
                rows, decisions = roster.rows[members], roster.decisions[members]
                mind.join(Seats(roster.role, self.turn.tick, members, rows, decisions, self.drawn))
        if change.values:
            told = json.dumps(change.values, sort_keys=True)
            self.chain.note("changed", (told,))
            self.world.change(change.values, self.turn)
        if self.leaving:
            self.settle()

    def close(self, role: str, members: Members, end: str) -> None:
        """The last row of each of these members: a last observation, and how it ended."""
        if not len(members):
            return
        roster = self.rosters[role]
        for member in members.tolist() if roster.suspended else ():
            self._discard(roster, member, end)
        seen = self.observe(roster, members)
        self.chain.note("closed", (role, end), members, *(seen[f.name] for f in roster.role.obs))
        if self.recorder is not None:
            self.recorder.closed(role, self.turn.tick, members, seen, end)

    def link(self, priority: int) -> None:
        """Extend the chain by all that was noted."""
        self.sampled = False
        link = self.chain.close(self.turn.tick, priority)
        if self.recorder is not None:
            self.recorder.linked(self.turn.tick, priority, link)

    def _discard(self, roster: Roster, member: int, why: str) -> None:
        """Drop a suspended decision: no action, no row, a fault; a late answer stays on the tape, unused."""
        pending = roster.suspended.pop(member, None)
        if pending is None:
            return
        # It was never made, so it cannot be credited.
        roster.decisions[member] -= 1
        for asked in pending.asks.values():
            if asked.answer is None:
                self.asked(self.turn.tick, asked.ask, None, pending.since)
        detail = f"decision of tick {pending.since} was waiting for an answer"
        self._flag(roster.role.name, member, pending.decision, (why, detail))

    def _flag(self, role: str, member: int, decision: int, fault: tuple[str, str]) -> None:
        self.chain.note("fault", (role, member, decision, *fault))
        if self.recorder is not None:
            self.recorder.faulted(self.turn.tick, role, member, decision, fault)

    def __getstate__(self) -> dict[str, Any]:
        """State without what stands beside it."""
        return self.__dict__ | {"recorder": None, "turn": self.turn.tick}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take up a copied state, with a turn of its own."""
        self.__dict__.update(state)
        self.turn = Turn(self)
        self.turn.tick = state["turn"]
        for roster in self.rosters.values():
            # Copied arrays are not read-only any more.
            roster.own = None


def _amounts(role: str, members: Members, amounts: object) -> Array:
    """Rewards as float64: whole numbers and lists are taken, anything else is an error."""
    try:
        array = np.asarray(amounts)
        taken = array.dtype.kind in "fiu" and array.shape == members.shape
    except ValueError:
        taken = False
    if not taken:
        raise ContractError(f"reward of role {role!r}: found {amounts!r}; accepted: float64 of shape {members.shape}")
    return array.astype(np.float64)
