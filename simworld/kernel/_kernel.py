"""The loop: pops moments, lets minds decide, steps the world, and links it all in a hash chain."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from heapq import heappop
from typing import Any

import numpy as np

from simworld.errors import ActionError, ContractError
from simworld.kernel._agenda import Agenda, Entry, Payload, Resume
from simworld.kernel._asks import Broker
from simworld.kernel._chance import Chance
from simworld.kernel._deciding import Part, Whole, decided, resumed, run_rounds, suspend
from simworld.kernel._fields import Array, Members, freeze
from simworld.kernel._interventions import Intervention
from simworld.kernel._minds import Seats
from simworld.kernel._recorder import Recorder
from simworld.kernel._roster import Group, Roster
from simworld.kernel._society import Society
from simworld.kernel._world import Acts, Moment, World

Outer = Mapping[str, Mapping[str, Array]]
"""Actions decided outside, by role and field, in the order of the members in ``moment.outer``."""


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
        self.seating = seating
        """Who fills the seats of each role."""
        self.moments = 0
        """How many moments are over."""
        self.closed = False
        """All records are closed: the episode is over."""
        self._society = Society(world, seating, seed, absent or {})
        self._held: tuple[Moment, list[Part]] | None = None
        self._started = False
        self._broker = Broker()
        self._untouched = -1
        """The tick of the last intervention, as long as nothing else has happened since."""

    @property
    def tick(self) -> int:
        """Now."""
        return self._society.turn.tick

    @property
    def chain(self) -> bytes:
        """Link of the last moment: a digest of everything before it."""
        return self._society.chain.link

    @property
    def ended(self) -> bool:
        """The world ended the episode."""
        return self._society.ended

    @property
    def halted(self) -> bool:
        """It was stopped from outside."""
        return self._society.over and not self._society.ended

    @property
    def agenda(self) -> Agenda:
        """What is due when."""
        return self._society.agenda

    @property
    def chance(self) -> Chance:
        """Chance, by address."""
        return self._society.chance

    def roster(self, role: str) -> Roster:
        """The members of a role."""
        return self._society.roster(role)

    def attach(self, recorder: Recorder | None = None, broker: Broker | None = None) -> None:
        """Let an episode be recorded, and give it somebody who answers asks."""
        if recorder is not None:
            self._society.recorder = recorder
        if broker is not None:
            self._broker = broker

    # -- running ---------------------------------------------------------------------------------------------------

    def run(self, until: int | None = None) -> None:
        """Run to the end of the episode, or until the next entry is due at tick ``until`` or later."""
        begin, finish = self.begin, self.finish
        while (moment := begin(until)) is not None:
            finish(moment)

    def next_tick(self) -> int:
        """Tick of the next entry, or the horizon."""
        self._start()
        heap = self.agenda.heap
        return min(heap[0][0], self.horizon) if heap else self.horizon

    def step(self) -> bool:
        """One moment; False if the episode is over."""
        moment = self.begin()
        if moment is None:
            return False
        self.finish(moment)
        return True

    def begin(self, until: int | None = None) -> Moment | None:
        """Pop a moment, observe, and let every inner mind decide.

        Returns:
            The moment, or None: there is none before tick ``until``, or the episode is over and closed.
        """
        if self._held is not None:
            raise ContractError("a moment is already begun: finish it first")
        if not self._started:
            self._start()
        self._untouched = -1
        society, on_event = self._society, self.world.on_event
        turn, heap = society.turn, society.agenda.heap
        stop = self.horizon if until is None or until > self.horizon else until
        while heap and not society.over:
            entry = heap[0]
            tick = entry[0]
            if tick >= stop:
                break
            heappop(heap)
            if tick != turn.tick:
                if society.sampled:
                    self._alone()
                turn.tick = tick
                if society.busy:
                    society.forget()
            if entry[1] & 1:
                moment = self._decide(entry)
                if moment is not None:
                    return moment
            else:
                on_event(entry[3], entry[4], turn)
                if society.leaving:
                    society.settle()
        if society.ended or (not society.over and (until is None or until > self.horizon)):
            self._close()
        return None

    def halt(self) -> None:
        """Stop before the next entry, from any thread: whoever runs the episode finds it not closed."""
        self._society.over = True

    def go_on(self) -> None:
        """Take entries again after a halt."""
        self._society.over = self._society.ended

    def intervene(self, change: Intervention) -> None:
        """Let a change take effect at its tick, before whatever is due then: run the kernel up to that tick first.

        Raises:
            ContractError: Something of that tick, or of a later one, has happened already.
        """
        self._start()
        turn = self._society.turn
        untouched = self._untouched == change.at or not self.moments
        if self._held is not None or self.closed or change.at < turn.tick or (change.at == turn.tick and not untouched):
            raise ContractError(f"an intervention at tick {change.at}: it is already tick {turn.tick}")
        if change.at != turn.tick:
            if self._society.sampled:
                self._alone()
            turn.tick = change.at
            self._society.forget()
        self._society.intervene(change)
        self._untouched = change.at

    def pay(self, role: str, amount: float) -> None:
        """Credit the latest decision of everybody of a role who is present and has made one: between two moments.

        Raises:
            ContractError: The episode is over.
        """
        if self._held is not None or self.closed:
            raise ContractError(f"pay of role {role!r}: a moment is under way, or the episode is over")
        roster = self.roster(role)
        members = roster.present()
        members = members[roster.made(members) > 0]
        if len(members):
            self._society.reward(role, members, np.full(len(members), float(amount)), None)

    def finish(self, moment: Moment, outer: Outer | None = None) -> None:
        """Fill in outer decisions, write rows, step the world once with all actions, and extend the chain.

        Raises:
            ActionError: An outer decision is missing or outside what the role declares; the moment stays begun.
        """
        if self._held is None or self._held[0] is not moment:
            raise ContractError("this moment was not begun, or is already finished")
        parts, society = self._held[1], self._society
        if moment.outer or outer:
            self._fill_in(moment, parts, outer or {})
        for roster, acts in decided(parts):
            moment.acts[roster.role.name] = acts
            roster.own = acts.members
            society.chain.decided(roster, moment.tick, acts)
            if society.recorder is not None or acts.faults:
                society.decided(acts)
        self._held = None
        if moment.outer:
            moment.outer = {}
        for part in parts:
            if part.suspended:
                suspend(part, society.agenda, moment.priority)
        self.world.step(moment, society.turn)
        if society.leaving:
            society.settle()
        self.moments += 1
        society.link(moment.priority)

    # -- a moment --------------------------------------------------------------------------------------------------

    def _decide(self, first: Entry) -> Moment | None:
        """Observe for all who are due, before anybody acts; then let the minds decide."""
        tick, order, _, name, payload = first
        moment = Moment(tick, order >> 1)
        parts: list[Part] = []
        rosters, heap = self._society.rosters, self._society.agenda.heap
        if heap and heap[0][0] == tick and heap[0][1] == order:
            due = self._society.agenda.merge(first)
            for role in rosters:
                if role in due:
                    self._gather(moment, rosters[role], due[role], parts)
        else:
            self._gather(moment, rosters[name], (payload,), parts)
        if not parts and not moment.waiting:
            return None
        asking = False
        for part in parts:
            if part.start():
                asking = True
        if asking:
            run_rounds(parts, tick, self._broker, self._society.asked)
        self._held = (moment, parts)
        return moment

    def _gather(self, moment: Moment, roster: Roster, due: Sequence[Payload], parts: list[Part]) -> None:
        """Observe for those of a role who are due, and seat them by mind."""
        if len(due) > 1 or roster.left or roster.suspended:
            members = self._awake(moment, roster, due, parts)
            if not len(members):
                return
        else:
            members = due[0]  # type: ignore[assignment]
            freeze(members)  # a copied agenda holds copied arrays
        role, tick, drawn = roster.role, moment.tick, self._society.drawn
        seen = self._society.observe(roster, members)
        decisions = roster.begin(members)
        freeze(decisions)
        if len(roster.minds) == 1:
            rows = members if roster.dense else roster.rows[members]
            seats = Seats(role, tick, members, rows, decisions, drawn)
            parts.append(Part(roster, roster.minds[0], seats, seen, self.moments))
        else:
            whole = Whole(members, decisions, seen)
            order, shares = roster.by_mind(members)
            if order is not None:
                # Sorted once, each mind's share is a stretch of the same arrays.
                members, decisions = members[order], decisions[order]
                seen = {k: v if k in roster.shared else v[order] for k, v in seen.items()}
                for array in (members, decisions, *seen.values()):
                    freeze(array)
            rows = roster.rows[members]
            for mind, share in shares:
                mine = {k: v if k in roster.shared else v[share] for k, v in seen.items()}
                seats = Seats(role, tick, members[share], rows[share], decisions[share], drawn)
                part = Part(roster, mind, seats, mine, self.moments)
                part.whole, part.places = whole, share if order is None else order[share]
                parts.append(part)
        if roster.outer:
            for part in parts:
                if part.cohort is None and part.roster is roster:
                    acts = Acts(role, part.seats.members, part.seats.decisions, tick)
                    acts.seen = part.seen
                    moment.outer = {**moment.outer, role.name: acts}

    def _awake(self, moment: Moment, roster: Roster, due: Sequence[Payload], parts: list[Part]) -> Members:
        """Sort those due into the absent (dropped), the waiting (listed), the resuming and the fresh."""
        again = [m for p in due if isinstance(p, Resume) for m in p.members.tolist() if m in roster.suspended]
        woken = [p for p in due if isinstance(p, np.ndarray)]
        members = np.unique(np.concatenate(woken)) if len(woken) > 1 else woken[0] if woken else np.zeros(0, np.int64)
        if roster.left:
            members = members[roster.alive[members]]
        if roster.suspended and len(members):
            waits = np.isin(members, np.fromiter(roster.suspended, dtype=np.int64))
            if waits.any():
                moment.waiting = {**moment.waiting, roster.role.name: members[waits]}
                members = members[~waits]
        freeze(members)
        parts += resumed(roster, again, self._society.drawn)
        return members

    def _fill_in(self, moment: Moment, parts: Sequence[Part], outer: Outer) -> None:
        strange = sorted(set(outer) - set(moment.outer))
        if strange:
            raise ActionError(f"nobody of role {strange} is due and decided outside; due are {sorted(moment.outer)}")
        for part in parts:
            if part.cohort is None:
                part.done = outer.get(part.roster.role.name, {})

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self.world.reset(self._society.turn)
            self._society.settle()
            # However many are due at tick 0, that is no loop yet.
            self._society.begun()

    def _alone(self) -> None:
        """A tick is over in which nobody was due, and the world sampled measures all the same: a moment of its own."""
        self.moments += 1
        self._society.link(0)

    def _close(self) -> None:
        """End the episode: a closing row for everybody present, and a last link."""
        if self.closed:
            return
        self.closed = True
        society = self._society
        if society.sampled:
            self._alone()
        if not society.ended:
            society.turn.tick = self.horizon
        end = "terminated" if society.ended and not society.cut else "truncated"
        for name, roster in society.rosters.items():
            society.close(name, roster.present(), end)
        society.link(0)
        self.world.close()

    # -- copies ----------------------------------------------------------------------------------------------------

    def branch(self, seed: int | None = None) -> Kernel:
        """A copy of the society as it stands, sharing chance: run it for a while and throw it away.

        It carries neither recorder nor gateway: an ask in it is an error. With a seed, its chance is another one from
        now on: how far two such copies part tells how much is noise.
        """
        twin = copy.deepcopy(self)
        if seed is not None:
            twin._society.reseed(seed)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """State without what stands beside the agenda: recorder and broker."""
        if self._held is not None:
            raise ContractError("a kernel is copied between moments: finish the one that is begun")
        return self.__dict__ | {"_broker": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take up a copied state, with nobody beside the agenda."""
        self.__dict__.update(state)
        self._broker = Broker()
