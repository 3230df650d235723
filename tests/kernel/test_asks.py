"""Asks beyond the simple case: answers from threads, late answers, fields of every sort, and credit for old decisions."""

from __future__ import annotations

import itertools
import pickle
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simworld.errors import AskError, ContractError, TapeError
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
from simworld.testing import ScriptedGateway, play, tear_tape

LETTER = Role(
    "clerk",
    obs=(
        Field("word", "str"),
        Field("place", shape=(2,)),
        Field("weather", "str", shared=True),
        Field("map", shape=(2, 2), shared=True),
    ),
    act=(Field("reply", "str"), Field("go", shape=(2,), low=-1, high=1), Field("sure", "bool"), Field("n", "int64")),
    credit="explicit",
)
HORIZON = 14


class Office(World):
    """Clerks with clocks of their own; what they did is paid two ticks later, to the very decision."""

    roles = (LETTER,)

    def __init__(self):
        self.steps = [0]

    def reset(self, turn):
        clerks = turn.join("clerk", turn.seats("clerk"))
        turn.wake("clerk", clerks, clerks % 3)

    def observe(self, role, members):
        now = self.steps[-1]
        return {
            "word": np.array([f"w{now}.{m}" for m in members], dtype=object),
            "place": np.stack([members * 1.0, members + now], axis=1),
            "weather": np.array(f"rain {now}", dtype=object),
            "map": np.full((2, 2), now * 1.0),
        }

    def step(self, moment, turn):
        self.steps.append(turn.tick)
        acts = moment.acts.get("clerk")
        if acts is not None:
            turn.call(turn.tick + 2, "pay", (acts.members.copy(), acts.decisions.copy(), acts["n"].copy()))
            turn.wake("clerk", acts.members, turn.tick + 1 + acts["n"] % 2)
        for waiting in moment.waiting.values():
            turn.wake("clerk", waiting, turn.tick + 1)

    def on_event(self, name, payload, turn):
        members, decisions, n = payload
        here = np.isin(members, turn.members("clerk"))
        turn.reward("clerk", members[here], n[here] * 1.0, decisions[here])


class Clerk(Agent):
    """Every third decision asks a person who takes three ticks, the others a model."""

    mind = (Field("thought", "str"), Field("hope"))

    def __init__(self):
        self.said = []

    async def act(self, seen, seat):
        if len(self.said) % 3 == 2:
            answer = await seat.ask.person({"word": seen["word"], "place": seen["place"].tolist()}, after=3)
            seat.show(thought=f"asked about {seen['word']}", hope=0.5)
        else:
            answer = await seat.ask.model({"map": seen["map"].tolist(), "weather": seen["weather"]})
        self.said.append(answer.value)
        noise = seat.draw("noise", "uniform", (2,))
        return {
            "reply": f"{seen['word']}/{answer.value}/{len(self.said)}",
            "go": noise * 2 - 1,
            "sure": True,
            "n": len(self.said),
        }


def reply(ask: Ask) -> Answer:
    return Answer(ask.digest[:6])


def seating(*counts: int):
    return {"clerk": [Group(Individuals(Clerk), n) for n in counts]}


def office(gateway=None, tape=None, groups=(5,), **more):
    return play(Office(), seating(*groups), horizon=HORIZON, broker=Broker(gateway, tape), **more)


def rows(played):
    keep = ("tick", "since", "member", "decision", "fault")
    return [
        {k: r[k] for k in keep} | {k: str(v) for part in ("seen", "done", "mind") for k, v in sorted(r[part].items())}
        for r in played.heard.rows
    ]


def test_a_resumed_decision_keeps_text_shaped_and_shared_observations():
    played = office(ScriptedGateway(reply))
    late = [r for r in played.heard.rows if r["since"] != r["tick"]]
    assert late
    for row in late:
        assert row["tick"] == row["since"] + 3
        assert row["mind"]["thought"] == f"asked about {row['seen']['word']}"
        assert row["done"]["reply"].startswith(f"{row['seen']['word']}/")
    # where in one moment some resume and others are fresh, each row has the weather of its own observation
    assert {r["tick"] for r in late} & {r["tick"] for r in played.heard.rows if r["since"] == r["tick"]}
    for row in played.heard.rows:
        now = max(t for t in played.kernel.world.steps if t < max(row["since"], 1))
        assert row["seen"]["weather"] == f"rain {now}"
        assert row["seen"]["word"] == f"w{now}.{row['member']}"
        assert row["seen"]["place"].tolist() == [row["member"], row["member"] + now]
        assert (row["seen"]["map"] == now).all()


def test_one_cohort_or_three_are_the_same_society():
    whole = office(ScriptedGateway(reply))
    parts = office(ScriptedGateway(reply), groups=(1, 3, 1))
    assert rows(whole) == rows(parts)
    assert whole.links == parts.links


def test_explicit_credit_reaches_the_decision_it_names_also_when_it_was_resumed():
    played = office(ScriptedGateway(reply))
    paid = sum(amount for _, _, amount in played.heard.rewards)
    earned = sum(int(r["done"]["n"]) for r in played.heard.rows if r["tick"] + 2 < HORIZON)
    assert paid == earned > 0


class Overpays(Office):
    def on_event(self, name, payload, turn):
        members, decisions, n = payload
        turn.reward("clerk", members, n * 1.0, decisions + 1)


def test_credit_for_a_decision_that_is_not_made_is_an_error():
    with pytest.raises(ContractError, match=r"member \d has no such decision to credit"):
        play(Overpays(), seating(5), horizon=HORIZON, broker=Broker(ScriptedGateway(reply)))


class Threads:
    """Answers from threads, in an order of their own."""

    def __init__(self, answer=reply, hold=None):
        self._pool = ThreadPoolExecutor(8)
        self._answer, self._hold = answer, hold
        self.asked = []

    def post(self, asks):
        self.asked += asks
        # The last asked is begun first: answers do not come in the order of their asks.
        futures = {i: self._pool.submit(self._one, asks[i]) for i in reversed(range(len(asks)))}
        return [futures[i] for i in range(len(asks))]

    def _one(self, ask):
        if self._hold is not None:
            self._hold.wait(5)
        return self._answer(ask)


def test_answers_from_threads_give_the_same_society_and_a_tape_that_replays(tmp_path):
    plain = office(ScriptedGateway(reply), Tape(tmp_path / "plain.tape"))
    threads = Threads()
    threaded = office(threads, Tape(tmp_path / "tape.tape"))
    assert threaded.links == plain.links
    replayed = office(None, Tape(tmp_path / "tape.tape"))
    assert replayed.links == plain.links
    # every ask went out once; what was used is on the tape once, and of the rest what came before the end
    taped = {ask.key: answer for ask, answer in read_tape(tmp_path / "tape.tape")}
    assert len(threads.asked) == len({a.key for a in threads.asked})
    used = {ask.key: answer for _, ask, answer in threaded.heard.asks if answer is not None}
    assert all(taped[key] == answer for key, answer in used.items())
    plain_tape = {ask.key: answer for ask, answer in read_tape(tmp_path / "plain.tape")}
    assert all(plain_tape[key] == answer for key, answer in taped.items())


class Late(Agent):
    async def act(self, seen, seat):
        answer = await seat.ask.person({"word": seen["word"]}, after=5)
        return {"reply": str(answer.value), "go": [0.0, 0.0], "sure": False, "n": 1}


class Quick(Late):
    def act(self, seen, seat):
        return {"reply": "", "go": [0.0, 0.0], "sure": True, "n": 0}


def test_simulated_time_goes_on_while_an_answer_is_under_way():
    gate = threading.Event()

    class Opens(Office):
        def step(self, moment, turn):
            super().step(moment, turn)
            if turn.tick == 2:
                gate.set()  # nobody would get here if the kernel waited for the first answer in wall time

    groups = {"clerk": [Group(Individuals(Late), 1), Group(Individuals(Quick), 1)]}
    played = play(Opens(), groups, horizon=HORIZON, broker=Broker(Threads(hold=gate)))
    assert [r["tick"] for r in played.heard.rows if r["member"] == 0] == [5, 12]


def test_what_the_gateway_raises_comes_out_with_the_ask_that_waited_for_it():
    def fails(ask):
        raise OSError("the line is dead")

    with pytest.raises(OSError, match="the line is dead") as caught:
        office(Threads(fails))
    assert "while waiting for the answer to ask.model of clerk" in "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    "answer", [None, Answer({1, 2}), Answer("x", telemetry={"at": object()}), Answer("x", fault=None)]
)
def test_an_answer_that_a_tape_could_not_give_back_is_refused(answer, tmp_path):
    for tape in (None, Tape(tmp_path / "tape.tape")):
        with pytest.raises(AskError, match="accepted: an Answer of plain data"):
            office(ScriptedGateway(lambda _: answer), tape)
    assert not (tmp_path / "tape.tape").exists()


def test_a_gateway_that_loses_an_ask_is_an_error():
    class Loses(ScriptedGateway):
        def post(self, asks):
            return super().post(asks)[1:]

    with pytest.raises(AskError, match=r"the gateway took \d of \d asks"):
        office(Loses(reply))


def test_a_cancelled_answer_is_raised_and_never_taped(tmp_path):
    class Cancels:
        def post(self, asks):
            futures = [Future() for _ in asks]
            for future in futures:
                future.cancel()
                future.set_running_or_notify_cancel()
            return futures

    from concurrent.futures import CancelledError

    tape = Tape(tmp_path / "tape.tape")
    with pytest.raises(CancelledError):
        office(Cancels(), tape)
    assert len(tape) == 0


def test_a_closed_tape_takes_no_more(tmp_path):
    tape = Tape(tmp_path / "tape.tape")
    tape.close()
    with pytest.raises(TapeError, match="the tape is closed"):
        office(ScriptedGateway(reply), tape)


@pytest.mark.parametrize("after", [-1, 1.0, "3", None])
def test_a_latency_is_whole_ticks(after):
    class Asks(Agent):
        async def act(self, seen, seat):
            await seat.ask.model({}, after=after)

    with pytest.raises(ContractError, match="accepted: whole ticks, 0 or more"):
        play(Office(), {"clerk": [Group(Individuals(Asks), 1)]}, broker=Broker(ScriptedGateway(reply)))


_count = itertools.count()


class Fickle(Agent):
    async def act(self, seen, seat):
        await seat.ask.person({"number": next(_count)}, after=2)


def test_a_decision_that_asks_otherwise_when_it_is_re_executed_is_found():
    with pytest.raises(ContractError, match="found another question than before"):
        play(Office(), {"clerk": [Group(Individuals(Fickle), 1)]}, broker=Broker(ScriptedGateway(reply)))


def test_nobody_asks_for_another():
    class Meddles(Cohort):
        def act(self, seen, seats):
            yield [Ask(("clerk", 4, 0, 0), "model", {})]

    groups = {"clerk": [Group(Meddles(), 2), Group(Individuals(Clerk), 3)]}
    with pytest.raises(ContractError, match="may ask only for decisions that it makes now"):
        play(Office(), groups, broker=Broker(ScriptedGateway(reply)))


@settings(max_examples=25)
@given(st.integers(1, HORIZON - 1), st.sampled_from([(5,), (2, 3)]), st.integers(0, 3))
def test_a_copy_made_at_any_moment_ends_as_the_original_does(tick, groups, seed):
    kernel = Kernel(Office(), seating(*groups), seed, HORIZON)
    tape = Tape()
    kernel.attach(None, Broker(ScriptedGateway(reply), tape))
    kernel.run(until=tick)
    copies = [pickle.loads(pickle.dumps(kernel)), kernel.branch()]
    kernel.run()
    for copy in copies:
        # What was asked before the copy and is answered after it lies on the tape: nobody is asked again.
        copy.attach(None, Broker(None, tape))
        copy.run()
        assert copy.chain == kernel.chain


@settings(max_examples=15)
@given(st.integers(0, 60), st.integers(0, 40))
def test_a_killed_episode_asks_only_what_its_tape_lacks(tmp_path_factory, answers, torn):
    folder = tmp_path_factory.mktemp("tape")
    whole = office(ScriptedGateway(reply), Tape(folder / "whole.tape"))
    count = len(list(read_tape(folder / "whole.tape")))
    answers = min(answers, count - 1)
    tear_tape(folder / "whole.tape", folder / "torn.tape", answers, torn)
    gateway = ScriptedGateway(reply)
    resumed = office(gateway, Tape(folder / "torn.tape"))
    assert resumed.links == whole.links
    assert len(gateway.asked) == count - answers
    assert [a for a, _ in read_tape(folder / "torn.tape")] == [a for a, _ in read_tape(folder / "whole.tape")]
