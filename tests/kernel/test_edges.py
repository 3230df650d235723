"""What a hostile reader found: late decisions that meet, arrays that come back, text that cannot be kept, addresses."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from simworld.errors import ActionError, ChanceError, ContractError
from simworld.kernel import (
    Agent,
    Answer,
    Broker,
    Chance,
    Cohort,
    Field,
    Group,
    Individuals,
    Kernel,
    Role,
    Tape,
    World,
    lasting,
)
from simworld.testing import ScriptedGateway, play


class Counter(World):
    """Members who each count for themselves; a script may do more in a step."""

    roles = (Role("p", obs=(Field("n", "int64"),), act=(Field("x"), Field("word", "str", default=""))),)
    measures = (Field("seen"),)

    def __init__(self, starts=(0, 0, 0), during=None):
        self.starts, self.during, self.log = starts, during, []

    def reset(self, turn):
        turn.wake("p", turn.join("p", turn.seats("p")), np.array(self.starts[: turn.seats("p")]))

    def observe(self, role, members):
        return {"n": members.copy()}

    def step(self, moment, turn):
        if "p" in moment.acts:
            self.log.append((turn.tick, moment.acts["p"].members.tolist()))
            if self.during is not None:
                self.during(moment.acts["p"], turn)


class Waits(Agent):
    """Every decision is made at tick 5, whenever it was begun."""

    async def act(self, seen, seat):
        answer = await seat.ask.model({"n": seen["n"]}, after=max(0, 5 - seat.tick))
        return {"x": float(answer.value)}


def gateway():
    return Broker(ScriptedGateway(lambda ask: Answer(ask.content["n"])), Tape())


def test_decisions_of_different_ticks_meet_in_one_moment():
    class Plain(Counter):
        roles = (Role("p", obs=(Field("n", "int64"),), act=(Field("x"),)),)

    played = play(Plain((0, 1, 5)), {"p": [Group(Individuals(Waits), 3)]}, broker=gateway())
    assert played.kernel.world.log == [(5, [0, 1, 2])]
    assert [(r["since"], r["done"]["x"]) for r in played.heard.rows] == [(0, 0.0), (1, 1.0), (5, 2.0)]


def test_what_a_world_does_to_the_members_of_a_moment_reaches_no_agenda():
    def reuse(acts, turn):
        turn.wake("p", acts.members, turn.tick + 3)
        acts.members[:] = 0

    for groups in ([Group(Individuals(Waits), 3)], [Group(Individuals(Waits), 1), Group(Individuals(Waits), 2)]):
        with pytest.raises(ValueError, match="read-only"):
            play(Counter((0, 1, 2), reuse), {"p": groups}, broker=gateway())


class Moves(Cohort):
    def act(self, seen, seats):
        return {"x": seen["n"] * 1.0}


def reuse(acts, turn):
    turn.wake("p", acts.members, turn.tick + 1)
    acts.members[:] = 0


class Reuses(Counter):
    """Misuses the members of a moment from tick 2 on."""

    def step(self, moment, turn):
        acts = moment.acts["p"]
        turn.wake("p", acts.members, turn.tick + 1)
        if turn.tick >= 2:
            acts.members[:] = 0


@pytest.mark.parametrize("copy", [lambda k: k.branch(), lambda k: pickle.loads(pickle.dumps(k))])
def test_a_copy_refuses_what_the_original_refuses(copy):
    kernel = Kernel(Reuses(), {"p": [Group(Moves(), 3)]}, 0, 10)
    kernel.run(until=2)
    for one in (copy(kernel), kernel):
        with pytest.raises(ValueError, match="read-only"):
            one.run()


def test_draws_of_another_width_or_method_share_nothing():
    everybody = np.arange(600)
    drawn = [
        Chance(1).draw(method, "s", 3, everybody, width).ravel()
        for method in ("uniform", "normal", "exponential")
        for width in ((), (2,), (3,), (2, 2))
    ]
    for place, one in enumerate(drawn):
        for other in drawn[:place]:
            assert not np.intersect1d(one, other).size
    # two shapes of one size are one draw
    assert np.array_equal(
        Chance(1).draw("normal", "s", 3, everybody, (4,)).ravel(),
        Chance(1).draw("normal", "s", 3, everybody, (2, 2)).ravel(),
    )


def test_what_is_drawn_while_setting_up_is_drawn():
    class Draws(Counter):
        def reset(self, turn):
            turn.draw("s", 3)
            super().reset(turn)

    def again(acts, turn):
        turn.draw("s", 3)

    with pytest.raises(ChanceError, match="was drawn at tick 0 before"):
        play(Draws((0,), again), {"p": [Group(Moves(), 1)]})


@pytest.mark.parametrize("how", ["act", "show", "observe"])
def test_text_that_nothing_can_hold_is_refused_by_name(how):
    bad = "lone \ud800"

    class Says(Agent):
        mind = (Field("thought", "str"),)

        def act(self, seen, seat):
            if how == "show":
                seat.show(thought=bad)
            return {"x": 0.0, "word": bad if how == "act" else ""}

    class Sees(Counter):
        roles = (Role("p", obs=(Field("n", "str"),), act=Counter.roles[0].act),)

        def observe(self, role, members):
            return {"n": np.array([bad if how == "observe" else ""] * len(members), dtype=object)}

    with pytest.raises((ActionError, ContractError), match=r"found 'lone \\ud800'; accepted: str, in Unicode"):
        play(Sees(), {"p": [Group(Individuals(Says), 1)]})


DETAIL = f"lone \ud800 of {object()}"


def test_faults_are_words_that_last():
    class Flags(Agent):
        def __init__(self, kind="odd", detail=DETAIL):
            self.kind, self.detail = kind, detail

        def act(self, seen, seat):
            seat.fault(self.kind, self.detail)
            return {"x": 0.0}

    played = play(Counter((0,)), {"p": [Group(Individuals(Flags), 1)]})
    assert played.heard.rows[0]["fault"] == ("odd", "lone \\ud800 of <object object at 0x…>")
    for kind, detail in ((5, ""), ("odd", 7), ("", "nothing")):
        with pytest.raises(ActionError, match="accepted: a kind and a detail, texts"):
            play(Counter((0,)), {"p": [Group(Individuals(lambda k=kind, d=detail: Flags(k, d)), 1)]})
    assert lasting("at 0x7f01 and at 0xAB") == "at 0x… and at 0x…"


def test_the_record_of_a_failure_is_the_same_every_time():
    class Fails(Agent):
        fallback = {"x": 0.0}

        def act(self, seen, seat):
            raise ValueError(object())

    links = [play(Counter(), {"p": [Group(Individuals(Fails), 3)]}).links for _ in range(3)]
    assert links[0] == links[1] == links[2]


def test_leaving_the_program_is_a_failure_of_the_mind():
    class Exits(Agent):
        def act(self, seen, seat):
            raise SystemExit(0)

    class Stays(Exits):
        fallback = {"x": 1.0}

    with pytest.raises(SystemExit):
        play(Counter(), {"p": [Group(Individuals(Exits), 1)]})
    assert play(Counter(), {"p": [Group(Individuals(Stays), 1)]}).heard.rows[0]["fault"][0] == "error"


class Paid(Counter):
    """Explicit credit; member 0 leaves while it waits, and is then paid for what it never decided."""

    roles = (
        Role("p", obs=(Field("n", "int64"),), act=(Field("x"), Field("word", "str", default="")), credit="explicit"),
    )

    def reset(self, turn):
        super().reset(turn)
        turn.call(2, "leave")
        turn.call(3, "pay")

    def on_event(self, name, payload, turn):
        if name == "leave":
            turn.leave("p", [0])
        else:
            turn.reward("p", np.array([0]), np.array([1.0]), np.array([0]))


def test_a_discarded_decision_cannot_be_credited_recorded_or_not():
    with pytest.raises(ContractError, match="member 0 has no such decision to credit"):
        play(Paid((0, 0)), {"p": [Group(Individuals(Waits), 2)]}, broker=gateway())


def test_a_role_is_not_called_world():
    with pytest.raises(ContractError, match="role name 'world'"):
        Role("world")


class Ticks(World):
    """Callback entries without end, and nobody in it."""

    measures = (Field("n"),)

    def reset(self, turn):
        turn.call(0, "go")

    def observe(self, role, members):
        return {}

    def step(self, moment, turn):
        raise AssertionError("nobody decides here")

    def on_event(self, name, payload, turn):
        turn.emit(n=turn.tick)
        turn.call(turn.tick + 1, "go")


def test_a_world_of_callbacks_can_be_halted_and_its_chain_stays_small():
    import threading

    kernel = Kernel(Ticks(), {}, 0, 10**12)
    threading.Timer(0.3, kernel.halt).start()
    kernel.run()
    assert not kernel.closed
    assert kernel.tick > 1000
    assert len(kernel._society.chain._noted) < 10_000


def test_a_folded_chain_is_the_same_every_time_and_names_any_change():
    def link(change=None):
        class Changed(Ticks):
            def on_event(self, name, payload, turn):
                super().on_event(name, payload, turn)
                if turn.tick == change:
                    turn.emit(n=-1.0)

        return play(Changed(), {}, horizon=20_000).links[-1]

    assert link() == link()
    assert len({link(), link(17), link(19_000)}) == 3


class Twins(World):
    """Everybody who is asked for takes two seats."""

    roles = (Role("p", obs=(Field("x"),), act=(Field("a"),)),)

    def reset(self, turn):
        asked = np.repeat(np.arange(len(turn.groups("p"))), turn.groups("p"))
        self.groups = np.tile(asked, 2)
        self.done = np.zeros(len(self.groups))
        turn.wake("p", turn.join("p", len(self.groups), groups=self.groups), 0)

    def observe(self, role, members):
        return {"x": np.zeros(len(members))}

    def step(self, moment, turn):
        self.done[moment.acts["p"].members] = moment.acts["p"]["a"]


class Says(Cohort):
    def __init__(self, value):
        self.value = value

    def join(self, seats):
        self.rows = seats.rows.tolist()

    def act(self, seen, seats):
        return {"a": np.full(len(seats.members), self.value)}


def test_a_world_may_say_which_minds_newcomers_have():
    world, one, two = Twins(), Says(1.0), Says(2.0)
    Kernel(world, {"p": [Group(one, 1), Group(two, 2)]}, seed=0, horizon=1).run()
    assert world.done.tolist() == [1.0, 2.0, 2.0, 1.0, 2.0, 2.0]
    assert (one.rows, two.rows) == ([0, 1], [0, 1, 2, 3])


@pytest.mark.parametrize("groups", [[0, 1], [0, 2, 0], [0.0, 1.0, 0.0], [-1, 0, 0]])
def test_groups_that_are_not_there_are_refused(groups):
    class Wrong(Twins):
        def reset(self, turn):
            turn.join("p", 3, groups=groups)

    with pytest.raises(ContractError, match=r"join of role 'p': found groups .*; accepted: 3 numbers below 2"):
        Kernel(Wrong(), {"p": [Group(Says(1.0), 1), Group(Says(2.0), 2)]}, seed=0, horizon=1).run()
