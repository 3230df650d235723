"""The world: teams that work on cases side by side, round by round, and the experts whom they may ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt

from simworld.kernel import Acts, Array, Members, Moment, Payload, Role, Turn, World
from simworld.worlds.casework._answers import (
    NO_CLASS,
    NO_TEXT,
    BoolArray,
    IntArray,
    blank,
    compared,
    is_given,
    wrong_answers,
)
from simworld.worlds.casework._desk import NOBODY, Desk
from simworld.worlds.casework._questions import FromFile, Generated, Questions, check_installed
from simworld.worlds.casework._roles import Form, expert_role, member_role
from simworld.worlds.casework._rules import CREATE, DEFER, EVAL, agreement, kinds_of, voted, worth
from simworld.worlds.casework._stage import Stage
from simworld.worlds.casework._tally import MEASURES, Tally

Source = Literal["stage", "reasoning", "csv"]
"""Where cases come from."""


@dataclass
class Casework(World):
    """Teams that solve cases: everybody answers alone, then in rounds copies a peer, answers anew, or asks an expert.

    In each round all of a team see the same and move at once; the answer of most is the team's, and of several such
    answers one is drawn. Teams work side by side, a round in a tick: one that waits for its expert holds up no other.
    An expert takes up one request in a tick. Each decision earns 1 if the answer that it led to is right, less its
    cost. The right answers never leave the world: what is right shows in rewards and measures alone. Source: Yang et
    al. 2026, arXiv 2603.07972 (HILA).
    """

    source: Source = "stage"
    """Where cases come from: stage (made by rule, answers are classes), reasoning (tasks of reasoning-gym), csv."""
    size: Annotated[int, Gt(0)] = 3
    """Members of a team; as many teams as the seats of members make."""
    rounds: Annotated[int, Ge(0)] = 2
    """Rounds of decisions on a case, after the one in which everybody answers alone."""
    cases: Annotated[int, Gt(0)] = 20
    """How many cases each team works on."""
    cost_create: Annotated[float, Ge(0)] = 0.1
    """What it costs to answer anew."""
    cost_defer: Annotated[float, Ge(0)] = 0.3
    """What it costs to ask the expert, whether or not there is an answer."""
    shared: bool = True
    """Whether the first answer of an expert on a case is that of all who ask (everybody pays)."""
    keep: bool = False
    """Whether one may leave one's answer as it is; in the paper one takes over a peer's instead."""
    filled: Literal["teams", "places"] = "teams"
    """Whether groups of minds fill one team after the other, or all first places, then all second ones."""
    expert_ticks: Annotated[int, Ge(0)] = 0
    """How long an expert takes over a request, if it does not say so itself."""
    stage: Stage = field(default_factory=Stage)
    """The stage."""
    tasks: dict[str, dict[str, bool | int | float | str]] = field(
        default_factory=lambda: {"chain_sum": {}, "leg_counting": {}, "syllogism": {}}
    )
    """Reasoning tasks, each with its settings; each is a topic."""
    window: Annotated[int, Gt(0)] = 100
    """How many of the last cases, of all teams together, the measures called ..._lately are about."""
    file: str = ""
    """A CSV with the columns question and answer, and if it likes topic."""

    tick_unit: ClassVar[str] = "round"
    changeable = ("cost_create", "cost_defer", "keep", "expert_ticks")
    reads: ClassVar[tuple[str, ...]] = ("file",)
    measures = MEASURES
    roles: tuple[Role, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Look at the source.

        Raises:
            ValueError: Settings that do not go together, or questions that cannot be had.
        """
        if wrong := self.stage.wrong():
            raise ValueError(wrong)
        self._questions: Questions | None = None
        classes, features, topics = self.stage.classes, self.stage.features, self.stage.topics
        if self.source == "reasoning":
            check_installed()
            self._questions = Generated(self.tasks)
        elif self.source == "csv":
            self._questions = FromFile(self.file)
        if self._questions is not None:
            classes, features, topics = 0, 0, len(self._questions.topics)
        self._form = Form(self.size, self.rounds, topics, classes, features, self.stage.number)
        self.roles = (member_role(self._form), expert_role(self._form))

    def check(self, seats: Mapping[str, int]) -> None:
        """Members make whole teams."""
        if seats.get("member", 0) % self.size:
            raise ValueError(f"{seats['member']} members; accepted: a multiple of size, which is {self.size}")

    # -- the beginning ---------------------------------------------------------------------------------------------

    def reset(self, turn: Turn) -> None:
        """Seat everybody, deal the first cases, and wake all members."""
        seats, texts = turn.seats("member"), self._form.texts
        teams = seats // self.size
        shape = (max(teams, 1), self.size)  # without a team, an empty one
        self._seed = turn.seed
        self._number = turn.seed if self.stage.number is None else self.stage.number
        self._case, self._round, self._topic = (np.zeros(shape[0], dtype=np.int64) for _ in range(3))
        self._seen = blank(shape[:1], True) if texts else np.zeros((shape[0], self._form.features))
        self._key, self._key_text, self._told_answer = (blank(shape[:1], texts) for _ in range(3))
        self._active, self._told, self._deferred = (np.zeros(shape[0], dtype=np.bool_) for _ in range(3))
        self._answer, self._next = blank(shape, texts), blank(shape, texts)
        self._compared = compared(self._answer)
        self._sure, self._next_sure, self._told_sure = (np.full(s, np.nan) for s in (shape, shape, shape[:1]))
        self._same, self._decided, self._waits, self._here = (np.zeros(shape, dtype=np.bool_) for _ in range(4))
        self._kind, self._reply_to = np.full(shape, CREATE), blank(shape, texts)
        known = self._form.topics if texts else self.stage.known
        self._tally = Tally(known, self.window)
        here = self._members_in(turn, teams)
        self._here.reshape(-1)[here] = True
        experts = turn.seats("expert")
        present = np.zeros(experts, dtype=np.bool_)
        present[turn.join("expert", experts)] = True
        self._desk = Desk(self._here.size, self.size, present)
        self._reply, self._reply_sure, self._rung = blank((experts,), texts), np.full(experts, np.nan), 0
        self._deal(np.flatnonzero(self._here.any(axis=1)))
        turn.wake("member", here, 0)

    def _members_in(self, turn: Turn, teams: int) -> Members:
        """Let members take their seats, team by team."""
        seats = teams * self.size
        team, place = np.divmod(np.arange(seats), self.size)
        groups = None
        if self.filled == "places":
            ends = np.cumsum(turn.groups("member"))
            groups = np.searchsorted(ends, place * teams + team, side="right")
        return turn.join("member", seats, groups=groups, team=team, place=place)

    def _deal(self, teams: IntArray) -> None:
        """Give these teams their next cases."""
        for case in np.unique(self._case[teams]).tolist():
            at = teams[self._case[teams] == case]
            if self._questions is None:
                made = self.stage.deal(self._number, self._seed, case, at)
                self._topic[at], self._seen[at], self._key[at] = made.topic, made.features, made.key
            else:
                asked = self._questions.deal(self._seed, case, at)
                self._topic[at], self._seen[at], self._key[at] = asked.topic, asked.question, compared(asked.key)
                self._key_text[at] = asked.key
        none = NO_TEXT if self._form.texts else NO_CLASS
        self._answer[teams], self._told_answer[teams] = none, none
        self._sure[teams], self._told[teams], self._deferred[teams] = np.nan, False, False
        self._same[teams], self._decided[teams], self._waits[teams] = False, False, False
        self._compared = compared(self._answer)
        self._round[teams], self._active[teams] = 0, True

    # -- what is seen ----------------------------------------------------------------------------------------------

    def observe(self, role: str, members: Members) -> Mapping[str, Array]:
        """The case, and how things stood after the round before."""
        if role == "expert":
            request = self._desk.current[members]
            idle = request == NOBODY
            seen = self._case_seen(np.where(idle, 0, request // self.size), idle)
            return seen | {
                "request": request,
                "calls": self._desk.calls[members],
                "load": self._desk.load()[members],
            }
        team, place = np.divmod(members, self.size)
        agreed, setting = agreement(self._compared[team]), self._setting()
        row = np.arange(len(members))
        expert = self._desk.expert_of(team)
        load = np.append(self._desk.load(), 0)[expert]
        return {
            **self._case_seen(team, np.zeros(len(team), dtype=np.bool_)),
            "place": place,
            "answer": self._answer[team, place],
            "confidence": self._sure[team, place],
            "same": self._same[team, place],
            "support": agreed.support,
            "isolated": agreed.isolated[row, place],
            "distinct": agreed.distinct,
            "margin": agreed.margin,
            "told": self._told[team],
            "reply": self._reply_to[team, place],
            "load": load,
            "moves": self._moves(team, place),
            **setting,
        }

    def _case_seen(self, team: IntArray, idle: BoolArray) -> dict[str, Array]:
        """The cases of these teams, and what their members answered; nothing where there is none."""
        texts = self._form.texts
        seen, answers, sure = self._seen[team], self._answer[team], self._sure[team]
        seen[idle], answers[idle], sure[idle] = (NO_TEXT if texts else 0.0), (NO_TEXT if texts else NO_CLASS), np.nan
        return {
            "team": np.where(idle, 0, team),
            "case": np.where(idle, 0, self._case[team]),
            "round": np.where(idle, 0, self._round[team]),
            "topic": np.where(idle, 0, self._topic[team]),
            "question" if texts else "features": seen,
            "answers": answers,
            "confidences": sure,
        }

    def _setting(self) -> dict[str, Array]:
        costs = {"cost_create": np.array(self.cost_create), "cost_defer": np.array(self.cost_defer)}
        if self._form.texts:
            return costs
        stage = {"stage": np.array(self._number), "known": np.array(self.stage.known)}
        return costs | stage | {"noise": np.array(self.stage.noise)}

    def _moves(self, team: IntArray, place: IntArray) -> BoolArray:
        """What members at these places may do, shape (n, size + 2)."""
        moves = np.zeros((len(team), self.size + 2), dtype=np.bool_)
        moves[:, : self.size] = self._here[team] & is_given(self._answer[team])
        row = np.arange(len(team))
        moves[row, place] &= self.keep
        moves[:, self.size + 1] = self._desk.expert_of(team) != NOBODY
        moves[self._round[team] == 0] = False
        moves[:, self.size] = True
        return moves

    # -- what happens ----------------------------------------------------------------------------------------------

    def step(self, moment: Moment, turn: Turn) -> None:
        """Members have decided, or experts have answered; rounds that are over are settled."""
        members, experts = moment.acts.get("member"), moment.acts.get("expert")
        if members is not None and len(members):
            self._take(members, turn)
        if experts is not None and len(experts):
            self._replies(experts, turn)
        self._go_on(turn)

    def on_event(self, name: str, payload: Payload, turn: Turn) -> None:
        """An expert's answer is there, or experts take up what waits."""
        if name == "answered" and isinstance(payload, int) and self._desk.here[payload]:
            self._deliver(np.array([payload]), turn)
        self._go_on(turn)

    def taken_out(self, role: str, members: Members, turn: Turn) -> None:
        """Who is gone answers no more: a team goes on without its member, and asks another expert."""
        if role == "expert":
            self._refuse(self._desk.leave(members))
        else:
            self._here.reshape(-1)[members] = False
            self._answer.reshape(-1)[members] = NO_TEXT if self._form.texts else NO_CLASS
            self._sure.reshape(-1)[members] = np.nan
            self._compared = compared(self._answer)
        self._go_on(turn)

    def _take(self, acts: Acts, turn: Turn) -> None:
        """What members decided, as it will stand when the round is over."""
        team, place = np.divmod(acts.members, self.size)
        move, first = acts["move"], self._round[team] == 0
        kind = kinds_of(move, place, self.size, self._moves(team, place))
        kind[first] = CREATE
        whose = np.where(kind == EVAL, move, place)
        anew = kind == CREATE
        answer, sure = self._answer[team, whose], self._sure[team, whose]
        answer[anew], sure[anew] = acts["answer"][anew], acts["confidence"][anew]
        asks = kind == DEFER
        self._kind[team, place], self._waits[team, place], self._decided[team, place] = kind, asks, ~asks
        self._next[team, place], self._next_sure[team, place] = answer, sure
        self._deferred[team[asks]] = True
        self._reply_to[team[asks], place[asks]] = NO_TEXT if self._form.texts else NO_CLASS
        self._ask(team[asks], acts.members[asks], turn)

    def _ask(self, team: IntArray, members: IntArray, turn: Turn) -> None:
        """Requests to experts, but for what a team has been told already."""
        if self.shared:
            self._hand_out(team[self._told[team]])
            members = np.unique(team[~self._told[team]]) * self.size
        members = members[~self._desk.open(members)]
        if len(members):
            self._tally.requests += len(members)
            self._desk.ask(members, turn.tick, turn.draw("lot", members))

    def _hand_out(self, team: IntArray) -> None:
        """Tell all who wait in these teams what their expert has answered."""
        rows, places = np.nonzero(self._waits[team])
        at = team[rows]
        self._next[at, places], self._next_sure[at, places] = self._told_answer[at], self._told_sure[at]
        self._reply_to[at, places] = self._told_answer[at]
        self._waits[at, places], self._decided[at, places] = False, True

    def _replies(self, acts: Acts, turn: Turn) -> None:
        """What experts decided: their answers are there at once, or later."""
        experts = acts.members
        self._desk.free_at[experts] = turn.tick + 1
        answer, requests = acts["answer"].copy(), self._desk.current[experts]
        known = acts["knows"]
        right, wrong = known >= 0.5, known < 0.5  # nan, whose answers are their own, compares false
        answer[right] = (self._key_text if self._form.texts else self._key)[requests[right] // self.size]
        if wrong.any():
            order = np.flatnonzero(wrong)[np.argsort(requests[wrong])]
            chance, key = turn.draw("wrong", requests[order]), self._key[requests[order] // self.size]
            answer[order] = wrong_answers(answer[order], key, chance, self._form.classes)
        self._reply[experts], self._reply_sure[experts] = answer, acts["confidence"]
        takes = np.where(np.isnan(acts["takes"]), self.expert_ticks, np.ceil(acts["takes"]))
        for expert, ticks in zip(experts[takes > 0].tolist(), takes[takes > 0].tolist(), strict=True):
            turn.call(turn.tick + int(ticks), "answered", expert)
        self._deliver(experts[takes == 0], turn)

    def _deliver(self, experts: IntArray, turn: Turn) -> None:
        """Experts' answers reach those who wait for them."""
        if not len(experts):
            return
        answered = is_given(self._reply[experts])
        requests, wanted = self._desk.finish(experts, answered)
        self._refuse(requests[wanted & ~answered])
        came = wanted & answered
        experts, requests = experts[came], requests[came]
        team = requests // self.size
        reply, sure = self._reply[experts], self._reply_sure[experts]
        right = np.asarray(compared(reply) == self._key[team], dtype=np.bool_)
        self._tally.replied(right, turn.tick - self._desk.asked_at[requests])
        if self.shared:
            self._told[team], self._told_answer[team], self._told_sure[team] = True, reply, sure
            self._hand_out(team)
            return
        place = requests % self.size
        self._next[team, place], self._next_sure[team, place] = reply, sure
        self._reply_to[team, place] = reply
        self._waits[team, place], self._decided[team, place] = False, True

    def _refuse(self, requests: IntArray) -> None:
        """Requests without an answer: whoever waits for one keeps its own."""
        self._tally.refused += len(requests)
        if not len(requests):
            return
        waits = np.zeros_like(self._waits)
        if self.shared:
            waits[requests // self.size] = True
        else:
            waits.reshape(-1)[requests] = True
        waits &= self._waits
        self._waits[waits], self._decided[waits] = False, True

    def _go_on(self, turn: Turn) -> None:
        """Settle the rounds that are over, and let experts take up what waits for them."""
        somebody = self._here.any(axis=1)
        self._active &= somebody
        over = self._active & (self._decided | ~self._here).all(axis=1)
        if over.any():
            self._settle(np.flatnonzero(over), turn)
        starting, others = self._desk.start(turn.tick)
        if len(starting):
            turn.wake("expert", starting, turn.tick, priority=1)
        if others and self._rung <= turn.tick:
            self._rung = turn.tick + 1
            turn.call(self._rung, "next")
        if not self._active.any():
            turn.end()

    def _settle(self, teams: IntArray, turn: Turn) -> None:
        """A round of these teams is over: pay, let what was decided stand, and go on or vote."""
        here, first = self._here[teams], self._round[teams] == 0
        answers = self._next[teams]
        answers[~here] = NO_TEXT if self._form.texts else NO_CLASS
        compare = compared(answers)
        right = is_given(answers) & np.asarray(compare == self._key[teams][:, None], dtype=np.bool_)
        seats = teams[:, None] * self.size + np.arange(self.size)
        self._desk.withdraw(seats.reshape(-1))
        decided, alone = here & ~first[:, None], here & first[:, None]
        if decided.any():
            kind = self._kind[teams][decided]
            earned = worth(kind, right[decided], self.cost_create, self.cost_defer)
            turn.reward("member", seats[decided], earned)
            self._tally.decided(kind, right[decided].sum() - earned.sum())
        self._tally.answered_alone(right[alone], self._next_sure[teams][alone])
        self._same[teams] = np.asarray(compare == self._compared[teams], dtype=np.bool_) & is_given(answers)
        self._answer[teams], self._sure[teams] = answers, self._next_sure[teams]
        self._decided[teams] = False
        last = self._round[teams] == self.rounds
        self._round[teams[~last]] += 1
        going = ~last
        if last.any():
            going[last] = self._vote(teams[last], compare[last], right[last], turn)
        self._compared = compared(self._answer)
        wake = seats[going[:, None] & here]
        turn.wake("member", wake, turn.tick + 1)

    def _vote(self, teams: IntArray, answers: Array, right: BoolArray, turn: Turn) -> BoolArray:
        """These teams' cases are over: count them, and deal the next ones; returns who has another one."""
        seats = teams[:, None] * self.size + np.arange(self.size)
        chance = turn.draw("tie", seats.reshape(-1)).reshape(seats.shape)
        place = voted(answers, chance)
        self._tally.members_last(right[self._here[teams]])
        self._tally.closed(right[np.arange(len(teams)), place], self._topic[teams], self._deferred[teams])
        turn.emit(**self._tally.numbers())
        self._case[teams] += 1
        more: BoolArray = self._case[teams] < self.cases
        self._active[teams[~more]] = False
        self._deal(teams[more])
        return more
