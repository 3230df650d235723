"""The loop: pops moments, lets minds decide, steps the world, and links it all in a hash chain."""

from __future__ import annotations

import copy
import hashlib
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simworld.errors import ChanceError, ContractError
from simworld.kernel._agenda import Agenda, Entry
from simworld.kernel._asks import Broker
from simworld.kernel._chance import Chance
from simworld.kernel._deciding import (
    Part,
    check_done,
    check_seen,
    merge,
    resumed,
    run_rounds,
    suspend,
)
from simworld.kernel._fields import Array, Members
from simworld.kernel._minds import Seats
from simworld.kernel._recorder import Recorder
from simworld.kernel._roster import Group, Roster
from simworld.kernel._world import Moment, Turn, World

_SAME_TICK = 1_000_000
"""So many entries scheduled for the tick they are scheduled in are a loop that never lets time pass."""

_PACK = struct.Struct("<qq").pack

Outer = Mapping[str, Mapping[str, Array]]
"""Actions decided outside, by role and field, in the order of the moment's outer members."""


class Kernel:
    """One episode: a world, its minds, an agenda and chance.

    ``step()`` is ``begin()`` plus ``finish()``. The same world, minds and seed give the same chain, whoever records
    or watches. Recorder and broker are attached from outside: a copy or a pickle does not carry them.
    """

    def __init__(
        self,
        world: World,
        seating: Mapping[str, Sequence[Group]],
        seed: int,
        horizon: int,
        absent: Mapping[str, Members] | None = None,
    ) -> None:
        self.world, self.horizon = world, horizon
        self.chance = Chance(seed)
        self.agenda = Agenda()
        self.chain = hashlib.sha256(f"simworld\0{seed}".encode()).digest()
        """Link of the last moment: a digest of everything before it."""
        self.moments = 0
        self.ended = False
        """The world ended the episode."""
        self.closed = False
        """All records are closed: the episode is over."""
        unknown = set(seating) - {r.name for r in world.roles}
        if unknown:
            raise ContractError(f"the world has no role {sorted(unknown)}; it has {[r.name for r in world.roles]}")
        sizes = {r.name: sum(g.count for g in seating.get(r.name, ())) for r in world.roles}
        self._rosters = {
            r.name: Roster(r.sized(sizes), seating.get(r.name, ()), (absent or {}).get(r.name)) for r in world.roles
        }
        self._parts: list[bytes] = []
        self._drawn: dict[str, Members] = {}
        self._leaving: list[tuple[str, Members]] = []
        self._same_tick = 0
        self._held: tuple[Moment, list[Part]] | None = None
        self._started = False
        self._measures = frozenset(f.name for f in world.measures)
        self._recorder: Recorder | None = None
        self._broker = Broker()
        self._turn = Turn(self)

    # -- running ---------------------------------------------------------------------------------------------------

    def attach(self, recorder: Recorder | None = None, broker: Broker | None = None) -> None:
        """Let an episode be recorded, and give it somebody who answers asks."""
        if recorder is not None:
            self._recorder = recorder
        if broker is not None:
            self._broker = broker

    @property
    def tick(self) -> int:
        """Now."""
        return self._turn.tick

    def run(self, until: int | None = None) -> None:
        """Run to the end of the episode, or until the next entry is due at tick ``until`` or later."""
        while (until is None or self.next_tick() < until) and self.step():
            pass

    def next_tick(self) -> int:
        """Tick of the next entry, or the horizon."""
        self._start()
        return min(self.agenda.heap[0][0], self.horizon) if self.agenda.heap else self.horizon

    def step(self) -> bool:
        """One moment; False if the episode is over."""
        moment = self.begin()
        if moment is None:
            return False
        self.finish(moment)
        return True

    def begin(self) -> Moment | None:
        """Pop a moment, observe, and let every inner mind decide; None closes the episode."""
        if self._held is not None:
            raise ContractError("a moment is already begun: finish it first")
        self._start()
        agenda, turn, world = self.agenda, self._turn, self.world
        heap, pop, horizon = agenda.heap, agenda.pop, self.horizon
        while heap and not self.ended:
            tick = heap[0][0]
            if tick >= horizon:
                break
            entry = pop()
            if tick != turn.tick:
                turn.tick = tick
                self._same_tick = 0
                self._drawn.clear()
            if entry[1] & 1:
                held = self._decide(entry)
                if held is not None:
                    self._held = held
                    return held[0]
            else:
                world.on_event(entry[3], entry[4], turn)
                if self._leaving:
                    self._settle()
        self._close()
        return None

    def finish(self, moment: Moment, outer: Outer | None = None) -> None:
        """Fill in outer decisions, write rows, step the world once with all actions, and extend the chain.

        Raises:
            ActionError: An outer decision is missing or outside what the role declares.
        """
        if self._held is None or self._held[0] is not moment:
            raise ContractError("this moment was not begun, or is already finished")
        parts = self._held[1]
        self._parts.append(_PACK(moment.tick, moment.priority))
        if len(parts) == 1:
            self._decided(moment, parts, outer)
        else:
            for name in dict.fromkeys(p.roster.role.name for p in parts):
                self._decided(moment, [p for p in parts if p.roster.role.name == name], outer)
        self._held = None
        self.world.step(moment, self._turn)
        if self._leaving:
            self._settle()
        self.moments += 1
        self._link(moment.priority)

    def _decided(self, moment: Moment, parts: list[Part], outer: Outer | None) -> None:
        """Bring a role's decisions together: into the moment, the chain and the rows."""
        roster = parts[0].roster
        name = roster.role.name
        for part in parts:
            if part.cohort is None:
                part.done = (outer or {}).get(name, {})
            if part.suspended:
                suspend(part, moment.priority)
                for place, due in part.suspended.items():
                    self.agenda.resume(name, part.seats.members[place : place + 1], due, moment.priority)
        acts = merge(roster, parts)
        if acts is None:
            return
        moment.acts[name] = acts
        chain = self._parts
        chain.append(roster.tag)
        chain.append(acts.members.tobytes())
        for fields in (acts.seen, acts.done, acts.mind) if acts.mind else (acts.seen, acts.done):
            for array in fields.values():
                chain.append(_bytes(array))
        if self._recorder is not None:
            self._recorder.decided(name, moment.tick, acts)
        if acts.faults:
            self._flag(name, acts.faults, acts.members, acts.decisions)

    # -- a moment --------------------------------------------------------------------------------------------------

    def _decide(self, first: Entry) -> tuple[Moment, list[Part]] | None:
        """Observe for all who are due, before anybody acts; then let the minds decide."""
        tick, priority = first[0], first[1] >> 1
        moment = Moment(tick, priority)
        parts: list[Part] = []
        due = self.agenda.merge(first)
        for name in due if len(due) == 1 else [r for r in self._rosters if r in due]:
            roster = self._rosters[name]
            woken, resuming = due[name]
            if resuming or roster.left or roster.suspended or len(woken) > 1:
                members = self._awake(moment, roster, woken, resuming, parts)
            else:
                members = woken[0]
            if len(members):
                self._observe(roster, members, parts)
        if not parts:
            return (moment, parts) if moment.waiting else None
        asking = False
        for part in parts:
            asking |= part.start()
        if asking:
            run_rounds(parts, tick, self._broker, self._recorder)
        return moment, parts

    def _awake(
        self, moment: Moment, roster: Roster, woken: list[Members], resuming: list[Members], parts: list[Part]
    ) -> Members:
        """Sort those due into the absent (dropped), the waiting (listed), the resuming and the fresh."""
        again = [m for part in resuming for m in part.tolist() if m in roster.suspended]
        members = np.unique(np.concatenate(woken)) if len(woken) > 1 else woken[0] if woken else np.zeros(0, np.int64)
        if roster.left:
            members = members[roster.alive[members]]
        if roster.suspended and len(members):
            waits = np.isin(members, np.fromiter(roster.suspended, dtype=np.int64))
            if waits.any():
                moment.waiting[roster.role.name] = members[waits]
                members = members[~waits]
        parts += resumed(roster, again, self.drawn)
        return members

    def _observe(self, roster: Roster, members: Members, parts: list[Part]) -> None:
        role, tick = roster.role, self._turn.tick
        seen = self.world.observe(role.name, members)
        check_seen(type(self.world).__name__, role, members, seen)
        counts = roster.decisions
        if len(members) == 1:
            one = int(members[0])
            decisions = counts[one : one + 1].copy()
            counts[one] += 1
        else:
            decisions = counts[members]
            counts[members] = decisions + 1
        if len(roster.groups) == 1:
            rows = members if roster.dense else roster.rows[members]
            seats = Seats(role, tick, members, rows, decisions, self.drawn)
            parts.append(Part(roster, roster.groups[0].mind, seats, seen))
            return
        shared = {f.name for f in role.obs if f.shared}
        for group, places in roster.split(members):
            mine = {k: v if k in shared else v[places] for k, v in seen.items()}
            who = members[places]
            seats = Seats(role, tick, who, roster.rows[who], decisions[places], self.drawn)
            parts.append(Part(roster, roster.groups[group].mind, seats, mine))

    def _settle(self) -> None:
        """Close the records of those who left in this step."""
        leaving, self._leaving = self._leaving, []
        for role, members in leaving:
            roster = self._rosters[role]
            seen = self.world.observe(role, members)
            check_seen(type(self.world).__name__, roster.role, members, seen)
            self._discard(roster, members, "left")
            roster.alive[members] = False
            roster.left += len(members)
            for group, places in roster.split(members):
                mind = roster.groups[group].mind
                if mind is not None:
                    mind.leave(members[places], roster.rows[members[places]])
            if self._recorder is not None:
                self._recorder.closed(role, self.tick, members, seen, "left")
                self._recorder.left(role, self.tick, members)

    def _discard(self, roster: Roster, members: Members, why: str) -> None:
        """Drop suspended decisions: no action, no row, a fault; a late answer stays on the tape, unused."""
        for member in members.tolist():
            pending = roster.suspended.pop(member, None)
            if pending is None:
                continue
            if self._recorder is not None:
                for asked in pending.asks:
                    if asked.answer is None:
                        self._recorder.asked(self.tick, asked.ask, None, pending.since)
            detail = f"decision of tick {pending.since} was waiting for an answer"
            self._flag(roster.role.name, {0: (why, detail)}, np.array([member]), np.array([pending.decision]))

    def _flag(self, role: str, faults: Mapping[int, tuple[str, str]], members: Members, decisions: Members) -> None:
        for place, fault in faults.items():
            member, decision = int(members[place]), int(decisions[place])
            self._parts.append(f"{role}\0{member}\0{decision}\0{fault}".encode())
            if self._recorder is not None:
                self._recorder.faulted(self.tick, role, member, decision, fault)

    def _link(self, priority: int) -> None:
        parts = self._parts
        parts.append(self.chain)
        self.chain = hashlib.sha256(b"".join(parts)).digest()
        parts.clear()
        if self._recorder is not None:
            self._recorder.linked(self._turn.tick, priority, self.chain)

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self.world.reset(self._turn)

    def _close(self) -> None:
        """End the episode: a closing row for everybody present, and a last link."""
        if self.closed:
            return
        self.closed = True
        end = "terminated" if self.ended else "truncated"
        if not self.ended:
            self._turn.tick = self.horizon
        for name, roster in self._rosters.items():
            members = roster.present()
            if len(members):
                self._discard(roster, members, end)
                seen = self.world.observe(name, members)
                check_seen(type(self.world).__name__, roster.role, members, seen)
                self._parts.extend(map(_bytes, seen.values()))
                if self._recorder is not None:
                    self._recorder.closed(name, self.tick, members, seen, end)
        self._link(0)

    # -- what a turn may do ----------------------------------------------------------------------------------------

    def roster(self, role: str) -> Roster:
        """The members of a role."""
        found = self._rosters.get(role)
        if found is None:
            raise ContractError(f"the world has no role {role!r}; it has {list(self._rosters)}")
        return found

    def drawn(self, method: str, stream: str, tick: int, members: Members, width: tuple[int, ...]) -> Array:
        """Draw at an address, once, and put the numbers into the chain."""
        if tick == self._turn.tick:
            before = self._drawn.get(stream)
            if before is not None:
                if len(np.intersect1d(before, members)):
                    raise ChanceError(f"stream {stream!r} was drawn at tick {tick} before: name another stream")
                self._drawn[stream] = np.concatenate([before, members])
            else:
                self._drawn[stream] = members
        values = self.chance.draw(method, stream, tick, members, width)  # type: ignore[arg-type]
        self._parts.append(values.tobytes())
        return values

    def join(self, role: str, count: int, traits: Mapping[str, Array]) -> Members:
        """Give out seats; see ``Turn.join``."""
        roster = self.roster(role)
        if not roster.groups:
            raise ContractError(f"nobody fills role {role!r}: the scenario names no mind for it")
        first = roster.count
        members = roster.add(count)
        places = members - first
        checked = {
            k: v[places]
            for k, v in check_done(roster.role, np.arange(first, first + count), traits, roster.role.traits).items()
        }
        self._parts.extend([role.encode(), members.tobytes()])
        for group, at in roster.split(members):
            mind = roster.groups[group].mind
            if mind is not None and len(at):
                who = members[at]
                mind.join(Seats(roster.role, self.tick, who, roster.rows[who], roster.decisions[who], self.drawn))
        if self._recorder is not None and len(members):
            self._recorder.joined(role, self.tick, members, roster.group[members], checked)
        return members

    def leave(self, role: str, members: Members) -> None:
        """Let members leave at the end of this step; see ``Turn.leave``."""
        roster = self.roster(role)
        roster.check(members, "leave")
        members = members[roster.alive[members]]
        self._leaving.append((role, members))
        self._parts.append(members.tobytes())

    def reward(self, role: str, members: Members, amounts: Array, decisions: Members | None) -> None:
        """Credit decisions; see ``Turn.reward``."""
        roster = self.roster(role)
        roster.check(members, "reward")
        if (decisions is not None) != (roster.role.credit == "explicit"):
            raise ContractError(f"role {role!r} has credit {roster.role.credit!r}: decisions must fit that")
        if amounts.__class__ is not np.ndarray or amounts.dtype != np.float64 or amounts.shape != members.shape:
            raise ContractError(f"reward of role {role!r}: accepted: float64 of shape {members.shape}")
        self._parts.append(amounts.tobytes())
        if self._recorder is not None:
            self._recorder.rewarded(role, members, amounts, decisions)

    def emit(self, values: Mapping[str, float]) -> None:
        """Sample measures; see ``Turn.emit``."""
        if not self._measures.issuperset(values):
            raise ContractError(f"measures {sorted(set(values) - self._measures)} are not declared by the world")
        self._parts.append(np.array(list(values.values()), dtype=np.float64).tobytes())
        if self._recorder is not None:
            self._recorder.sampled(self.tick, values)

    def not_past(self, tick: int, what: str) -> None:
        """Raise ContractError for the past, or for too many entries at the tick in which they are scheduled."""
        if tick < self._turn.tick:
            raise ContractError(f"{what} at tick {tick}: it is already tick {self._turn.tick}")
        self._same_tick += 1
        if self._same_tick > _SAME_TICK:
            raise ContractError(f"{what}: tick {tick} never ends (a zero-delay loop)")

    # -- copies ----------------------------------------------------------------------------------------------------

    def branch(self) -> Kernel:
        """A copy of the society as it stands, sharing chance: run it for a while and throw it away.

        It carries neither recorder nor gateway: an ask in it is an error.
        """
        if self._held is not None:
            raise ContractError("a branch starts between moments: finish the one that is begun")
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        """State without what stands beside the agenda: recorder and broker."""
        if self._held is not None:
            raise ContractError("a kernel is copied between moments: finish the one that is begun")
        state = self.__dict__.copy()
        state["_recorder"], state["_broker"], state["_turn"] = None, None, self._turn.tick
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take up a copied state, with a turn of its own and nobody beside the agenda."""
        self.__dict__.update(state)
        self._broker = Broker()
        self._turn = Turn(self)
        self._turn.tick = state["_turn"]


def _bytes(array: Array) -> bytes:
    return array.tobytes() if array.dtype.kind != "O" else repr(array.tolist()).encode()
