"""The loop: total order, moments, members who come and go, asks, and a chain that names what differs."""

from __future__ import annotations

import pickle
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simworld.errors import ActionError, AskError, ChanceError, ContractError, TapeError
from simworld.kernel import (
    Agent,
    Answer,
    Ask,
    Broker,
    Cohort,
    Field,
    Group,
    Individuals,
    Kernel,
    Role,
    Tape,
    World,
    read_tape,
)
from simworld.testing import ScriptedGateway, play, rewrite_tape, tear_tape


class Diary(World):
    """Follows a script of calls and wakes, and writes down what happens."""

    roles = (Role("a", obs=(Field("n", "int64"),), act=(Field("x", low=0, high=1),)), Role("b", act=(Field("y"),)))
    measures = (Field("total"),)

    def __init__(self, script=(), during=None):
        self.script, self.during, self.log = script, during or {}, []

    def reset(self, turn):
        for role in ("a", "b"):
            if turn.seats(role):
                turn.join(role, turn.seats(role))
        for kind, tick, priority, what in self.script:
            if kind == "call":
                turn.call(tick, what, priority=priority)
            else:
                turn.wake(what[0], np.array(what[1]), tick, priority)

    def observe(self, role, members):
        return {"n": members.copy()} if role == "a" else {}

    def step(self, moment, turn):
        who = {r: a.members.tolist() for r, a in moment.acts.items()}
        waits = {r: m.tolist() for r, m in moment.waiting.items()}
        self.log.append((moment.tick, moment.priority, "moment", who, waits))
        for role, acts in moment.acts.items():
            turn.reward(role, acts.members, acts["x" if role == "a" else "y"])
        self._more(("moment", moment.tick), turn)

    def on_event(self, name, payload, turn):
        self.log.append((turn.tick, None, "call", name, {}))
        self._more(("call", name), turn)

    def _more(self, key, turn):
        for act in self.during.pop(key, ()):
            act(turn)


class Half(Cohort):
    def act(self, seen, seats):
        return {f.name: np.full(len(seats.members), 0.5) for f in seats.role.act}


def diary(script, during=None, a=3, b=2, horizon=20, mind=Half):
    seating = {"a": [Group(mind(), a)], "b": [Group(Half(), b)]}
    return play(Diary(script, during), seating, horizon=horizon)


entry = st.tuples(
    st.just("call"), st.integers(0, 9), st.integers(-2, 2), st.text("pqr", min_size=1, max_size=3)
) | st.tuples(
    st.just("wake"),
    st.integers(0, 9),
    st.integers(-2, 2),
    st.tuples(st.just("a"), st.sets(st.integers(0, 2), min_size=1).map(sorted))
    | st.tuples(st.just("b"), st.sets(st.integers(0, 1), min_size=1).map(sorted)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(entry, max_size=25))
def test_entries_come_in_total_order_and_wakes_merge_into_moments(script):
    log = diary(script).kernel.world.log
    expected = []
    for tick, priority in sorted({(t, p) for _, t, p, _ in script}):
        here = [(k, w) for k, t, p, w in script if (t, p) == (tick, priority)]
        expected += [(tick, None, "call", w, {}) for k, w in here if k == "call"]
        who = defaultdict(set)
        for kind, what in here:
            if kind == "wake":
                who[what[0]] |= set(what[1])
        if who:
            expected.append((tick, priority, "moment", {r: sorted(who[r]) for r in ("a", "b") if r in who}, {}))
    assert log == expected


def test_what_is_added_during_a_moment_makes_a_second_one_after_its_callbacks():
    during = {
        ("moment", 3): [lambda t: t.wake("a", np.array([1]), 3), lambda t: t.call(3, "late")],
        ("call", "late"): [lambda t: t.call(3, "later")],
    }
    log = diary([("wake", 3, 0, ("a", [0]))], during).kernel.world.log
    assert [(e[2], e[3]) for e in log] == [
        ("moment", {"a": [0]}),
        ("call", "late"),
        ("call", "later"),
        ("moment", {"a": [1]}),
    ]


def test_wakes_at_different_ticks_go_in_as_one_array():
    during = {("call", "go"): [lambda t: t.wake("a", np.arange(3), np.array([7, 5, 7]))]}
    log = diary([("call", 2, 0, "go")], during).kernel.world.log
    assert [(e[0], e[3]) for e in log[1:]] == [(5, {"a": [1]}), (7, {"a": [0, 2]})]


def test_members_join_and_leave_and_numbers_are_never_used_again():
    during = {
        ("moment", 1): [lambda t: t.leave("a", np.array([1])), lambda t: t.join("a", 2)],
        ("moment", 2): [lambda t: t.wake("a", np.array([0, 1, 2, 3, 4]), 4)],
    }
    played = diary([("wake", 1, 0, ("a", [0, 1])), ("wake", 2, 0, ("a", [0, 1, 2]))], during)
    log = played.kernel.world.log
    assert [e[3]["a"] for e in log] == [[0, 1], [0, 2], [0, 2, 3, 4]]
    assert ("a", 1, 1, "left") in played.heard.closings
    assert {(m, end) for r, _, m, end in played.heard.closings if r == "a"} == {
        (0, "truncated"), (1, "left"), (2, "truncated"), (3, "truncated"), (4, "truncated"),
    }  # fmt: skip


def test_a_world_may_end_the_episode():
    played = diary([("wake", 1, 0, ("a", [0])), ("wake", 5, 0, ("a", [0]))], {("moment", 1): [lambda t: t.end()]})
    assert len(played.kernel.world.log) == 1
    assert {(t, end) for _, t, _, end in played.heard.closings} == {(1, "terminated")}


def test_time_never_runs_backwards_and_cannot_be_held():
    with pytest.raises(ContractError, match="it is already tick 3"):
        diary([("call", 3, 0, "go")], {("call", "go"): [lambda t: t.call(2, "back")]})

    class Stuck(Diary):
        def on_event(self, name, payload, turn):
            turn.call(turn.tick, "again")

    with pytest.raises(ContractError, match="zero-delay loop"):
        play(Stuck([("call", 1, 0, "go")]), {})


def test_an_address_is_drawn_once():
    twice = [lambda t: t.draw("noise"), lambda t: t.draw("noise")]
    with pytest.raises(ChanceError, match="name another stream"):
        diary([("call", 1, 0, "go")], {("call", "go"): twice})
    other = [lambda t: t.draw("noise"), lambda t: t.draw("sound")]
    diary([("call", 1, 0, "go")], {("call", "go"): other})


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({"x": np.array([0.5, 2.0])}, "member 1: 'x' is 2.0; accepted: 0 to 1"),
        ({"x": np.array([0.5, np.nan])}, "member 1: 'x' is nan"),
        ({"x": np.array([0.5])}, r"found shape \(1,\); accepted: \(2,\)"),
        ({"x": np.array(["a", "b"])}, "found <U1; accepted: float64"),
        ({}, "the action lacks 'x'"),
        ({"x": np.zeros(2), "z": np.zeros(2)}, r"has no field \['z'\]; it has \['x'\]"),
    ],
)
def test_an_action_outside_the_declaration_is_named(action, message):
    class Wrong(Cohort):
        def act(self, seen, seats):
            return action

    with pytest.raises((ActionError, ContractError), match=message):
        diary([("wake", 0, 0, ("a", [0, 1]))], mind=Wrong)


class Remembers(Agent):
    """Asks a model, then a person who takes three ticks, and counts its decisions."""

    def __init__(self):
        self.decided = 0

    async def act(self, seen, seat):
        self.decided += 1
        first = await seat.ask.model({"n": int(seen["n"]), "decided": self.decided})
        second = await seat.ask.person({"so": first.value}, after=3)
        return {"x": (first.value + second.value + float(seat.draw("mood"))) / 4}


def answers(ask: Ask) -> Answer:
    return Answer(ask.content["n"] / 10 if ask.kind == "model" else 0.25)


ASKING = [("wake", t, 0, ("a", [0, 1, 2])) for t in range(0, 12, 2)]


def asking(gateway=None, tape=None, horizon=12):
    seating = {"a": [Group(Individuals(Remembers), 3)], "b": [Group(Half(), 2)]}
    return play(Diary(ASKING), seating, horizon=horizon, broker=Broker(gateway, tape))


def test_a_decision_waits_for_its_answer_in_simulated_time():
    gateway = ScriptedGateway(answers)
    played = asking(gateway)
    log = played.kernel.world.log
    # asked at 0, answered at 3; the wake at 2 finds them waiting; asked again at 4, answered at 7
    assert [(e[0], e[3], e[4]) for e in log[:5]] == [
        (0, {}, {}), (2, {}, {"a": [0, 1, 2]}), (3, {"a": [0, 1, 2]}, {}), (4, {}, {}), (6, {}, {"a": [0, 1, 2]}),
    ]  # fmt: skip
    rows = [r for r in played.heard.rows if r["member"] == 0]
    assert [(r["since"], r["tick"], r["decision"]) for r in rows] == [(0, 3, 0), (4, 7, 1), (8, 11, 2)]
    # re-executed from its start, but each decision was counted, and each question asked, once
    assert [a.content["decided"] for a in gateway.asked if a.kind == "model" and a.key[1] == 0] == [1, 2, 3]
    assert len({a.key for a in gateway.asked}) == len(gateway.asked) == 18


def test_a_replay_from_the_tape_asks_nobody_and_gives_the_same_chain(tmp_path):
    first = asking(ScriptedGateway(answers), Tape(tmp_path / "tape.tape"))
    again = asking(None, Tape(tmp_path / "tape.tape"))
    assert again.links == first.links


def test_a_resumed_episode_pays_for_no_answer_twice(tmp_path):
    whole = asking(ScriptedGateway(answers), Tape(tmp_path / "whole.tape"))
    tear_tape(tmp_path / "whole.tape", tmp_path / "tape.tape", answers=7, torn=20)  # killed while writing the eighth
    gateway = ScriptedGateway(answers)
    resumed = asking(gateway, Tape(tmp_path / "tape.tape"))
    assert resumed.links == whole.links
    assert len(gateway.asked) == len(list(read_tape(tmp_path / "whole.tape"))) - 7


def test_the_tape_refuses_another_question(tmp_path):
    asking(ScriptedGateway(answers), Tape(tmp_path / "tape.tape"))

    def other(place, ask, answer):
        return Ask(ask.key, ask.kind, {"n": 77} if place == 3 else ask.content, ask.after), answer

    rewrite_tape(tmp_path / "tape.tape", tmp_path / "other.tape", other)
    with pytest.raises(TapeError, match="the tape holds another question"):
        asking(None, Tape(tmp_path / "other.tape"))


def test_nobody_to_ask_is_an_error_also_in_a_branch():
    with pytest.raises(AskError, match=r"ask.model of a 0 \(decision 0, ask 0\): nobody can answer"):
        asking()


def test_pickling_and_branching_with_suspended_decisions(tmp_path):
    def begun(tape):
        seating = {"a": [Group(Individuals(Remembers), 3)], "b": [Group(Half(), 2)]}
        kernel = Kernel(Diary(ASKING), seating, 0, 12)
        kernel.attach(None, Broker(ScriptedGateway(answers), tape))
        return kernel

    whole = begun(Tape(tmp_path / "tape.tape"))
    whole.run()
    half = begun(Tape(tmp_path / "tape.tape"))
    half.run(until=3)
    for copy in (pickle.loads(pickle.dumps(half)), half.branch()):
        copy.attach(None, Broker(None, Tape(tmp_path / "tape.tape")))
        copy.run()
        assert copy.chain == whole.chain


def test_who_leaves_while_waiting_is_discarded_with_a_fault():
    during = {("moment", 2): [lambda t: t.leave("a", np.array([1]))]}
    seating = {"a": [Group(Individuals(Remembers), 3)], "b": [Group(Half(), 2)]}
    played = play(Diary(ASKING, during), seating, horizon=5, broker=Broker(ScriptedGateway(answers)))
    assert next(f[:5] for f in played.heard.faults) == (2, "a", 1, 0, "left")
    assert [r["member"] for r in played.heard.rows] == [0, 2]


def test_awaiting_anything_but_an_ask_is_an_error():
    class Sleeps(Agent):
        async def act(self, seen, seat):
            import asyncio

            await asyncio.sleep(0)
            return {"x": 0.5}

    with pytest.raises(ContractError, match="may await only its asks"):
        diary([("wake", 0, 0, ("a", [0]))], mind=lambda: Individuals(Sleeps))


def test_a_failure_with_a_fallback_is_a_fault_and_without_one_an_error():
    class Fails(Agent):
        def act(self, seen, seat):
            raise ValueError("no idea")

    class Falls(Fails):
        fallback = {"x": 0.0}

    script = [("wake", 0, 0, ("a", [0, 1]))]
    with pytest.raises(ValueError, match="no idea"):
        diary(script, mind=lambda: Individuals(Fails))
    played = diary(script, mind=lambda: Individuals(Falls))
    kinds, details = zip(*(r["fault"] for r in played.heard.rows), strict=True)
    assert kinds == ("error", "error")
    assert all(d.startswith("ValueError: no idea (test_kernel.py:") for d in details)
    assert len(played.heard.faults) == 2


class Flips(Cohort):
    """Draws and acts; may change one action or one draw."""

    def __init__(self, flip=None):
        self.flip = flip

    def act(self, seen, seats):
        drawn = seats.draw("x")
        if self.flip == ("act", seats.tick):
            return {"x": np.clip(drawn + 1e-12, 0, 1)}
        return {"x": drawn * 0 if self.flip == ("hide", seats.tick) else drawn}


@pytest.mark.parametrize("tick", [0, 4, 9])
def test_one_flipped_action_is_named_at_its_moment(tick):
    script = [("wake", t, 0, ("a", [0, 1, 2])) for t in range(10)]
    plain, flipped = diary(script, mind=Flips), diary(script, mind=lambda: Flips(("act", tick)))
    first = next(i for i, (p, f) in enumerate(zip(plain.links, flipped.links, strict=True)) if p != f)
    assert plain.links[first][0] == tick


def test_one_flipped_draw_is_named_at_its_moment_even_if_nobody_acts_on_it(monkeypatch):
    from simworld.kernel import Chance

    class Idle(Flips):
        def act(self, seen, seats):
            seats.draw("x")
            return {"x": np.zeros(len(seats.members))}

    script = [("wake", t, 0, ("a", [0, 1, 2])) for t in range(10)]
    plain = diary(script, mind=Idle)
    draw = Chance.draw

    def flipped(self, method, stream, index, members, width=()):
        values = draw(self, method, stream, index, members, width)
        return values + 1e-12 if index == 6 else values

    monkeypatch.setattr(Chance, "draw", flipped)
    other = diary(script, mind=Idle)
    first = next(i for i, (p, f) in enumerate(zip(plain.links, other.links, strict=True)) if p != f)
    assert plain.links[first][0] == 6


def test_one_flipped_answer_is_named_at_its_moment():
    plain = asking(ScriptedGateway(answers))
    other = asking(ScriptedGateway(lambda a: Answer(0.26) if a.key == ("a", 1, 1, 1) else answers(a)))
    first = next(i for i, (p, f) in enumerate(zip(plain.links, other.links, strict=True)) if p != f)
    assert plain.links[first][0] == 7  # the second decision, asked at 4, is made at 7


def test_two_cohorts_of_one_law_are_one_and_so_are_individuals():
    class One(Agent):
        def act(self, seen, seat):
            return {"x": float(seat.draw("x"))}

    script = [("wake", t, 0, ("a", [0, 1, 2] if t % 2 else [1])) for t in range(10)]
    links = [
        play(Diary(script), {"a": groups, "b": [Group(Half(), 2)]}).links
        for groups in (
            [Group(Flips(), 3)],
            [Group(Flips(), 1), Group(Flips(), 2)],
            [Group(Individuals(One), 2), Group(Flips(), 1)],
        )
    ]
    # the lean path (one cohort) and the merging path (several) give the same numbers in another order of drawing
    rows = [
        [
            (r["tick"], r["member"], r["done"]["x"])
            for r in play(Diary(script), {"a": g, "b": [Group(Half(), 2)]}).heard.rows
        ]
        for g in (
            [Group(Flips(), 3)],
            [Group(Flips(), 1), Group(Flips(), 2)],
            [Group(Individuals(One), 2), Group(Flips(), 1)],
        )
    ]
    assert rows[0] == rows[1] == rows[2]
    assert len(links[0]) == len(links[1]) == len(links[2])


class Mixed(Diary):
    """Seats its members in turn among the groups, or as it is told."""

    def __init__(self, script, groups):
        super().__init__(script)
        self.groups = groups

    def reset(self, turn):
        turn.join("a", len(self.groups), groups=np.array(self.groups))
        turn.wake("a", np.arange(len(self.groups)), 0)


class Shows(Flips):
    """Draws, shows what it saw, and flags whoever has an odd number."""

    mind = (Field("shown"),)

    def act(self, seen, seats):
        seats.show(shown=seen["n"] * 1.0)
        for place in np.flatnonzero(seats.members % 2):
            seats.fault(int(place), "odd", str(seats.members[place]))
        return {"x": seats.draw("x")}


@given(groups=st.lists(st.integers(0, 2), min_size=1, max_size=12))
def test_whose_members_sit_between_each_other_get_each_their_own(groups):
    minds = [Group(Shows(), 0), Group(Shows(), 0), Group(Shows(), 0)]
    mixed, alone = (
        play(Mixed([], seated), {"a": filled})
        for seated, filled in ((groups, minds), ([0] * len(groups), [Group(Shows(), 0)]))
    )
    for found in (mixed, alone):
        assert [r["member"] for r in found.heard.rows] == list(range(len(groups)))
        assert [r["mind"]["shown"] for r in found.heard.rows] == list(range(len(groups)))
        assert [r["seen"]["n"] for r in found.heard.rows] == list(range(len(groups)))
        assert [r["fault"] for r in found.heard.rows] == [
            ("odd", str(m)) if m % 2 else None for m in range(len(groups))
        ]
    assert [r["done"]["x"] for r in mixed.heard.rows] == [r["done"]["x"] for r in alone.heard.rows]


class Loose(Diary):
    """Hands out and pays in plain Python, where nothing is lost by it."""

    def observe(self, role, members):
        return {"n": members.tolist()} if role == "a" else {}

    def step(self, moment, turn):
        turn.reward("a", [0, 2], [1, 2])
        turn.leave("a", [1])
        turn.wake("b", [], turn.tick + 1)


def test_what_loses_nothing_is_taken_as_it_comes():
    played = play(Loose([("wake", 0, 0, ("a", [0, 1, 2]))]), {"a": [Group(Half(), 3)], "b": [Group(Half(), 2)]})
    assert played.heard.rewards == [("a", 0, 1.0), ("a", 2, 2.0)]
    assert ("a", 1, 0) not in played.heard.gone
    assert ("a", 0, 1) in played.heard.gone


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        ({"m": np.zeros(3)}, r"field 'n' is missing; found \['m'\]"),
        ({"n": np.zeros(2, int)}, r"field 'n': found shape \(2,\); accepted: \(3,\)"),
        ({"n": np.full(3, 0.5)}, "field 'n': found float64; accepted: int64"),
        ({"n": ["a", "b", "c"]}, "field 'n': found <U1; accepted: int64"),
        ({"n": np.zeros(3, int), "m": 1}, r"found fields \['m', 'n'\]; accepted: \['n'\]"),
        (None, "found None; accepted: fields by name"),
    ],
)
def test_an_observation_outside_the_declaration_is_named(seen, message):
    class Blind(Diary):
        def observe(self, role, members):
            return seen

    with pytest.raises(ContractError, match=message):
        play(Blind([("wake", 0, 0, ("a", [0, 1, 2]))]), {"a": [Group(Half(), 3)]})


def test_a_world_that_wakes_for_the_same_tick_for_ever_is_told_so():
    class Stuck(Diary):
        def step(self, moment, turn):
            turn.wake("a", moment.acts["a"].members, turn.tick)

    with pytest.raises(ContractError, match=r"tick 1 never ends .* did you mean turn.tick \+ 1"):
        play(Stuck([("wake", 1, 0, ("a", [0]))]), {"a": [Group(Half(), 1)]})


def test_a_default_lies_within_its_bounds():
    with pytest.raises(ContractError, match="default 30 lies outside 0 to 20"):
        Field("x", low=0, high=20, default=30)
