"""Asking people: one contract for whoever answers, in the moment or later, and a fallback for whoever does not."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from simworld.errors import AskError
from simworld.execution import replay_run
from simworld.kernel import Agent, Ask, Broker, Field, Group, Individuals, Role, Tape, World
from simworld.people import PeopleDesk, PersonRequest, Scripted, person_request
from simworld.testing import play
from simworld_analysis import open_run
from simworld_analysis.report import render_report

COMMAND = [sys.executable, "-c", "from simworld.cli import main; main()", "run", "study.yaml", "--display", "none"]


def run_of(here: Path):
    return open_run(max((here / "runs").iterdir()))


def test_a_scripted_person_answers_by_decision_and_is_named(study):
    here = study("{default: {kind: scripted, answers: ['yes', 'no', null]}}")
    done = subprocess.run(COMMAND, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    run = run_of(here)
    rows = run.table("decisions.doctor").query("end.isna()")
    assert rows["act.treat"].tolist() == [True, True, False, False, False, False, True, True]
    assert rows["fault"].isna().tolist() == [True] * 4 + [False] * 2 + [True] * 2
    assert run.table("asks")["source"].tolist() == ["scripted"] * 4 + ["fallback"] * 2 + ["scripted"] * 2
    assert set(run.table("faults")["kind"]) == {"timeout"}
    assert replay_run(run.path).identical
    # A script is never called anything else.
    told = "6 answered by a script, which is no person and 2 answered by nobody in time"
    assert told in render_report(run)


def test_a_scripted_answer_that_is_no_option_is_not_taken(study):
    here = study("{default: {kind: scripted, answers: ['yes', 'Yes', true]}}")
    assert subprocess.run(COMMAND, cwd=here, check=False).returncode == 0
    run = run_of(here)
    rows = run.table("decisions.doctor").query("end.isna()")
    assert rows["fault"].astype(object).fillna("").tolist() == [""] * 2 + ["invalid"] * 4 + [""] * 2
    details = run.table("faults")["detail"].drop_duplicates().tolist()
    assert details == [f'scripted: found {found}; accepted: "yes", "no"' for found in ('"Yes"', "true")]


def test_an_answer_may_take_simulated_time(study):
    here = study("{default: {kind: scripted, answers: ['yes']}}", ", after: 2")
    assert subprocess.run(COMMAND, cwd=here, check=False).returncode == 0
    rows = run_of(here).table("decisions.doctor").query("end.isna()")
    assert rows[["since", "tick"]].drop_duplicates().to_numpy().tolist() == [[0, 2]]


def test_a_person_whom_nobody_has_is_found_before_the_run(study):
    here = study("{expert: {kind: terminal}}")
    done = subprocess.run(COMMAND, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "found no person 'default' in 'people'; accepted: expert" in done.stderr


# -- the contract ----------------------------------------------------------------------------------------------------


def ask(**content) -> Ask:
    return Ask(("doctor", 3, 7, 0), "person", content)


def test_a_question_as_it_is_put():
    request = person_request(ask(question="How much?", low=0, high=10, context={"x": 1}, deadline=3, fallback=5))
    assert (request.who, request.number, request.deadline) == ("doctor 3", 7, 3.0)
    assert request.value_of(" 7.5 ") == 7.5
    assert person_request(ask(question="How much?", low=0, high=1e4)).value_of("1,234.5") == 1234.5
    for wrong in ("eleven", "11", "nan", "", "2,5", "1_0"):
        with pytest.raises(ValueError, match="accepted: a number from 0 to 10"):
            request.value_of(wrong)


def test_options_are_chosen_by_number_or_by_word():
    request = PersonRequest("a 0", "?", options=("stay", "go", 3))
    assert [request.value_of(t) for t in ("1", "go", "3", "3")] == ["stay", "go", 3, 3]
    for wrong in ("0", "4", "Stay", ""):
        with pytest.raises(ValueError, match="accepted: 1 stay, 2 go, 3 3"):
            request.value_of(wrong)
    assert PersonRequest("a 0", "?").value_of(" anything ") == "anything"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({}, "accepted: question and"),
        ({"question": 3}, "accepted: question and"),
        ({"question": "?", "option": ["a"]}, "accepted: question and"),
        ({"question": "?", "options": "ab"}, "options are a list"),
        ({"question": "?", "low": "0"}, "low is a number"),
        ({"question": "?", "deadline": True}, "deadline is a number"),
        ({"question": "?", "person": "other"}, "the scenario has no person 'other'; it has default"),
    ],
)
def test_a_malformed_question_is_named(content, why):
    desk = PeopleDesk({"default": Scripted([1])})
    with pytest.raises(AskError, match=re.escape(why)):
        desk.post([ask(**content)])
    desk.close()


def test_one_person_answers_one_question_at_a_time():
    class Slow:
        at_once = 1
        busy = most = 0

        def reply(self, request):
            Slow.busy += 1
            Slow.most = max(Slow.most, Slow.busy)
            time.sleep(0.02)
            Slow.busy -= 1

        def close(self):
            pass

    desk = PeopleDesk({"default": Slow()})
    answers = [f.result() for f in desk.post([ask(question="?", fallback=1)] * 5)]
    assert {a.value for a in answers} == {1}
    assert Slow.most == 1
    desk.close()


class Room(World):
    roles = (Role("a", act=(Field("x"),)),)

    def reset(self, turn):
        turn.wake("a", turn.join("a", 1), 0)

    def observe(self, role, members):
        return {}

    def step(self, moment, turn):
        if "a" in moment.acts:
            turn.wake("a", np.array([0]), turn.tick + 1)


class Asks(Agent):
    async def act(self, seen, seat):
        answer = await seat.ask.person({"question": "?", "form": "number", "fallback": -1.0}, after=1)
        return {"x": float(answer.value)}


def test_a_decision_executed_again_is_flagged_again(tmp_path):
    desk = PeopleDesk({"default": Scripted([None, 2.0])})
    played = play(
        Room(), {"a": [Group(Individuals(Asks), 1)]}, horizon=6, broker=Broker(desk, Tape(tmp_path / "t.tape"))
    )
    assert [(r["done"]["x"], r["fault"] and r["fault"][0]) for r in played.heard.rows] == [
        (-1.0, "timeout"), (2.0, None), (-1.0, "timeout"),
    ]  # fmt: skip
    desk.close()


@pytest.mark.parametrize(
    ("request_", "good", "wrong"),
    [
        (PersonRequest("a 0", "?", options=(1, "b")), [1, 1.0, "b"], [True, "1", None, 2]),
        (PersonRequest("a 0", "?", low=0), [0, 1e9], [-1, True, "3", float("inf"), [1]]),
        (PersonRequest("a 0", "?", high=5.0), [5, -3.5], [5.1]),
        (PersonRequest("a 0", "?"), ["anything", "3"], [3, None, ["a"], "\udfff"]),
    ],
)
def test_what_is_accepted_is_the_same_for_whoever_answers(request_, good, wrong):
    assert [request_.wrong(value) for value in good] == [""] * len(good)
    for value in wrong:
        assert request_.wrong(value).startswith("found ")


def test_whoever_asks_has_the_option_as_it_was_written():
    request = PersonRequest("a 0", "?", options=(1, True, 0.5))
    assert [(request.as_asked(value), type(request.as_asked(value))) for value in (1.0, True, 0.5)] == [
        (1, int), (True, bool), (0.5, float),
    ]  # fmt: skip
    assert type(PersonRequest("a 0", "?", form="whole").as_asked(3.0)) is int
    assert PersonRequest("a 0", "?", low=0).as_asked(3.5) == 3.5
