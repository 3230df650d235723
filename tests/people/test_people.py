"""Asking people: one contract for whoever answers, in the moment or later, and a fallback for whoever does not."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from simworld.errors import AskError
from simworld.execution import replay_run
from simworld.kernel import Agent, Ask, Broker, Field, Group, Individuals, Role, Tape, World
from simworld.people import PeopleDesk, PersonRequest, Scripted, Terminal, person_request
from simworld.testing import play
from simworld_analysis import open_run
from simworld_analysis.report import render_report

DESK = '''
from simworld.kernel import Agent, Field, Role, World


class Ward(World):
    """Cases to judge, one each tick."""

    roles = (Role("doctor", obs=(Field("fever"),), act=(Field("treat", "bool"),)),)
    measures = (Field("treated"),)

    def reset(self, turn):
        turn.wake("doctor", turn.join("doctor", turn.seats("doctor")), 0)

    def observe(self, role, members):
        return {"fever": 37.0 + members}

    def step(self, moment, turn):
        acts = moment.acts.get("doctor")
        if acts is not None:
            turn.emit(treated=float(acts["treat"].sum()))
            turn.wake("doctor", acts.members, turn.tick + 1)


class Defers(Agent):
    """Asks a person whether to treat."""

    asks = ("person",)

    def __init__(self, after: int = 0, deadline: float = 5.0, person: str = "default"):
        self.after, self.deadline, self.person = after, deadline, person

    async def act(self, seen, seat):
        answer = await seat.ask.person(
            {
                "question": "Treat?",
                "options": ["yes", "no"],
                "context": {"fever": seen["fever"], "tick": seat.tick},
                "deadline": self.deadline,
                "fallback": "no",
                "person": self.person,
            },
            after=self.after,
        )
        return {"treat": answer.value == "yes"}
'''
STUDY = """
world: {{kind: "desk:Ward"}}
roles: {{doctor: {{kind: "desk:Defers", count: 2{more}}}}}
horizon: 4
people: {people}
faults: {{most: 1.0}}
"""


@pytest.fixture
def study(tmp_path):
    def write(people: str, more: str = "") -> Path:
        (tmp_path / "desk.py").write_text(DESK)
        (tmp_path / "study.yaml").write_text(STUDY.format(people=people, more=more))
        return tmp_path

    return write


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


def test_questions_at_a_terminal_are_not_painted_over(study):
    here = study("{default: {kind: terminal}}")
    code, said = talk(here, ["1"] * 8, display="live")
    assert code == 0, said
    assert "study: 1 episodes of 4 ticks" in said  # plain lines
    assert said.count("doctor 0 asks: Treat?") == 4  # each of them once


def test_an_answer_may_take_simulated_time(study):
    here = study("{default: {kind: scripted, answers: ['yes']}}", ", after: 2")
    assert subprocess.run(COMMAND, cwd=here, check=False).returncode == 0
    rows = run_of(here).table("decisions.doctor").query("end.isna()")
    assert rows[["since", "tick"]].drop_duplicates().to_numpy().tolist() == [[0, 2]]


def talk(here: Path, replies: list[str], display: str = "none") -> tuple[int, str]:
    """Run the study at a real terminal, typing a reply whenever the prompt appears."""
    ours, theirs = pty.openpty()
    command = [*COMMAND, "--display", display]
    process = subprocess.Popen(command, cwd=here, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said, waiting = b"", list(replies)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            data = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        said += data
        if said.endswith(b"> ") and waiting:
            os.write(ours, waiting.pop(0).encode() + b"\n")
            said += b" "
    os.close(ours)
    return process.wait(30), said.decode()


def test_a_person_at_a_terminal_is_asked_in_words(study):
    here = study("{default: {kind: terminal}}")
    code, said = talk(here, ["perhaps", "yes", "2", "1", "no", "no", "no", "yes", "1"])
    assert code == 0, said
    assert "doctor 0 asks: Treat?" in said
    assert "fever: 37.0" in said
    assert "1) yes" in said
    assert "(5 seconds)" in said
    assert "accepted: 1 yes, 2 no" in said
    rows = run_of(here).table("decisions.doctor").query("end.isna()")
    assert rows["act.treat"].tolist() == [True, False, True, False, False, False, True, True]
    assert set(run_of(here).table("asks")["source"]) == {"terminal"}
    assert replay_run(run_of(here).path).identical  # without anybody at a terminal


def test_a_person_who_is_late_is_stood_in_for(study):
    here = study("{default: {kind: terminal}}", ", deadline: 0.2")
    code, said = talk(here, [])
    assert code == 0
    assert said.count("(too late)") == 8
    assert (run_of(here).table("decisions.doctor").query("end.isna()")["fault"] == "timeout").all()


def test_input_that_ends_is_no_answer(study):
    here = study("{default: {kind: terminal}}")
    done = subprocess.run(COMMAND, cwd=here, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "(no more input)" in done.stderr
    assert (run_of(here).table("decisions.doctor").query("end.isna()")["fault"] == "timeout").all()


def test_a_terminal_goes_with_one_process(study):
    here = study("{default: {kind: terminal}}")
    done = subprocess.run([*COMMAND, "--jobs", "2"], cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "people.default: a person at the terminal goes with --jobs 1 only" in done.stderr
    assert not (here / "runs").exists()


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


def test_a_closed_terminal_waits_for_nobody():
    reading, writing = os.pipe()
    with os.fdopen(reading) as source:
        terminal = Terminal(source, io.StringIO())
        replies = []
        thread = threading.Thread(target=lambda: replies.append(terminal.reply(PersonRequest("a 0", "?"))))
        thread.start()
        time.sleep(0.1)
        terminal.close()
        thread.join(5)
        assert replies == [None]
    os.close(writing)


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
        answer = await seat.ask.person({"question": "?", "fallback": -1.0}, after=1)
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
        (PersonRequest("a 0", "?"), ["anything", 3, None], []),
    ],
)
def test_what_is_accepted_is_the_same_for_whoever_answers(request_, good, wrong):
    assert [request_.wrong(value) for value in good] == [""] * len(good)
    for value in wrong:
        assert request_.wrong(value).startswith("found ")
