"""A person at the terminal from which the run was started: asked in words, beside the dashboard, and never in its midst."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from simworld.errors import StoppedError
from simworld.execution import replay_run
from simworld.kernel import Ask
from simworld.people import PeopleDesk, PersonRequest, Terminal
from simworld_analysis import open_run

PEOPLE = "{default: {kind: terminal}}"
PROGRAM = [sys.executable, "-c", "from simworld.cli import main; main()"]
COMMAND = [*PROGRAM, "run", "study.yaml", "--display", "none"]
LIVE = ("--display", "live")
DRAWN = "0/1 episodes"
"""What the dashboard shows while the only episode is under way."""


def run_of(here: Path):
    return open_run(max((here / "runs").iterdir()))


def done_in(run) -> list[bool]:
    return run.table("decisions.doctor").query("end.isna()")["act.treat"].tolist()


def test_whoever_sits_there_is_asked_in_words_and_the_dashboard_is_taken_up_again(study, sit):
    here = study(PEOPLE)
    sitting = sit(here, *LIVE)
    between = []
    for answer in ("yes", "2", "1", "no", "no", "no", "yes", "1"):
        between.append(sitting.until("asks: Treat?"))
        question = sitting.until("\n> ")
        assert "fever: 37.0" in question or "fever: 38.0" in question
        assert "1) yes" in question
        assert "2) no" in question
        assert "5 seconds left" in question
        sitting.type(f"{answer}\n")
    assert sitting.end() == 0
    assert [part[part.rindex("[") : part.rindex("]") + 1] for part in between[1:3]] == ["[2 of 2]", "[1 of 2]"]
    # Between an answer and the next question it is drawn, and after the last one.
    assert all(DRAWN in part for part in between[1:]), between
    assert DRAWN in sitting.raw[sitting.raw.rindex("\n> ") :]
    assert sitting.sane
    assert sitting.text.count("doctor 0 asks: Treat?") == 4  # each of them once
    run = run_of(here)
    assert done_in(run) == [True, False, True, False, False, False, True, True]
    assert run.table("asks")["source"].tolist() == ["terminal"] * 8
    assert run.table("asks")["fault"].isna().all()
    # Without anybody at a terminal.
    replayed = subprocess.run([*PROGRAM, "replay", str(run.path)], cwd=here, capture_output=True, text=True, check=True)
    assert replayed.stdout.startswith("identical: 1 episode")


def test_an_open_question_is_not_painted_over(study, sit):
    sitting = sit(study(PEOPLE, ", deadline: 60"), *LIVE)
    sitting.until("\n> ")
    sitting.type("y")
    assert sitting.meanwhile(0.8) == "y"  # in which the dashboard would be drawn three times
    assert "\x1b[?25h" in sitting.raw[sitting.raw.rindex("\x1b[?25l") :]  # the cursor is seen
    sitting.type("es\n")
    sitting.until(DRAWN)


def test_a_wrong_answer_is_asked_again_and_who_does_not_know_is_helped(study, sit):
    here = study(PEOPLE, ", deadline: 60")
    sitting = sit(here, *LIVE)
    sitting.until("\n> ")
    for typed, told in (("perhaps", "accepted: 1 yes, 2 no"), ("", "Ctrl-D"), ("?", "Ctrl-C")):
        sitting.type(f"{typed}\n")
        answer = sitting.until("\n> ")
        assert told in answer
        assert "accepted: 1 yes, 2 no" in answer
        assert "seconds left" in answer
    sitting.type("1\n")
    for _ in range(7):
        sitting.until("\n> ")
        sitting.type("1\n")
    assert sitting.end() == 0
    assert done_in(run_of(here)) == [True] * 8


def test_who_ends_the_input_answers_nothing_any_more_and_the_run_goes_on(study, sit):
    here = study(PEOPLE)
    sitting = sit(here, *LIVE)
    sitting.until("\n> ")
    sitting.type("yes\n")
    sitting.until("\n> ")
    sitting.type("\x04")
    assert sitting.end() == 0
    assert sitting.text.count("no more input: from here on nobody answers at this terminal") == 1
    assert sitting.text.count("asks: Treat?") == 2  # and nothing is asked for nobody
    assert sitting.sane
    run = run_of(here)
    asks = run.table("asks")
    assert asks["source"].tolist() == ["terminal"] + ["fallback"] * 7
    assert asks["fault"].astype(object).fillna("").tolist() == [""] + ["timeout"] * 7
    rows = run.table("decisions.doctor").query("end.isna()")
    assert rows["fault"].astype(object).fillna("").tolist() == [""] + ["timeout"] * 7
    assert replay_run(run.path).identical


def test_ctrl_c_at_a_question_stops_and_the_same_command_asks_the_rest(study, sit):
    here = study(PEOPLE, ", deadline: 60")
    sitting = sit(here, *LIVE)
    for answer in ("yes", "2", "1"):
        sitting.until("\n> ")
        sitting.type(f"{answer}\n")
    sitting.until("\n> ")
    sitting.type("ye\x03")  # in the midst of typing
    assert sitting.end() == 130
    assert "stopping: the moment under way" in sitting.text
    assert "(not answered: it is asked again when the run goes on)" in sitting.text
    assert "0 of 1 episodes done; the same command again continues" in sitting.text
    assert sitting.sane
    run = json.loads((run_of(here).path / "run.json").read_text())
    assert run["status"] == "interrupted"

    again = sit(here, *LIVE)
    for number in range(5):
        question = again.until("\n> ")
        assert number or "doctor 1 asks: Treat?" in question
        again.type("no\n")
    assert again.end() == 0
    assert again.text.count("asks: Treat?") == 5
    assert len([*(here / "runs").iterdir()]) == 1
    assert done_in(run_of(here)) == [True, False, True] + [False] * 5
    assert set(run_of(here).table("asks")["source"]) == {"terminal"}
    assert replay_run(run_of(here).path).identical


def test_a_second_ctrl_c_leaves_the_terminal_sane_too(study, sit):
    here = study(PEOPLE, ", deadline: 60")
    sitting = sit(here, *LIVE)
    sitting.until("\n> ")
    sitting.type("\x03\x03")
    assert sitting.end() == 130
    assert sitting.sane
    assert json.loads((run_of(here).path / "run.json").read_text())["status"] == "interrupted"


def test_a_deadline_holds_while_somebody_types(study, sit):
    here = study(PEOPLE, ", deadline: 1.0")
    sitting = sit(here, *LIVE)
    sitting.until("\n> ")
    sitting.type("ye")
    sitting.until("(too late)")
    sitting.until("\n> ")
    sitting.type("s\n")  # what was typed for the first question is no part of the answer to the second
    sitting.until("accepted: 1 yes, 2 no")
    sitting.until("\n> ")
    sitting.type("1\n")
    assert sitting.end() == 0
    run = run_of(here)
    assert run.table("asks")["source"].tolist()[:2] == ["fallback", "terminal"]
    assert done_in(run)[:2] == [False, True]
    assert run.table("decisions.doctor").query("end.isna()")["fault"].tolist()[0] == "timeout"


def test_plain_lines_need_no_dashboard(study, sit):
    here = study(PEOPLE)
    sitting = sit(here, "--display", "plain")
    for _ in range(8):
        sitting.until("\n> ")
        sitting.type("1\n")
    assert sitting.end() == 0
    assert "study: 1 episodes of 4 ticks" in sitting.text
    assert "\x1b[?25l" not in sitting.raw


def test_a_person_who_is_late_is_stood_in_for(study, sit):
    here = study(PEOPLE, ", deadline: 0.2")
    sitting = sit(here, *LIVE)
    assert sitting.end() == 0
    assert sitting.text.count("(too late)") == 8
    assert (run_of(here).table("decisions.doctor").query("end.isna()")["fault"] == "timeout").all()


@pytest.mark.parametrize(("typed", "answered"), [("", 0), ("yes\n2\n", 2), ("yes\n2\n1", 3)])
def test_a_pipe_answers_line_by_line_until_it_ends(study, typed, answered):
    here = study(PEOPLE)
    done = subprocess.run(COMMAND, cwd=here, input=typed, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr.count("no more input") == 1
    rows = run_of(here).table("decisions.doctor").query("end.isna()")
    assert rows["fault"].astype(object).fillna("").tolist() == [""] * answered + ["timeout"] * (8 - answered)
    assert rows["act.treat"].tolist() == [True, False, True][:answered] + [False] * (8 - answered)


def test_without_any_standard_input_nobody_answers(study):
    here = study(PEOPLE)
    closed = "import os, sys; os.close(0); os.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-c", closed, *COMMAND]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no more input") == 1
    assert (run_of(here).table("asks")["fault"] == "timeout").all()


def test_a_terminal_goes_with_one_process(study):
    here = study(PEOPLE)
    done = subprocess.run([*COMMAND, "--jobs", "2"], cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "people.default: a person at the terminal goes with --jobs 1 only" in done.stderr
    assert not (here / "runs").exists()


# -- the contract ----------------------------------------------------------------------------------------------------


@pytest.fixture
def typed():
    """What a terminal reads from, and where to type."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as source:
        yield source, lambda text: os.write(writing, text.encode())
    os.close(writing)


def test_a_closed_terminal_waits_for_nobody(typed):
    terminal = Terminal(typed[0], io.StringIO())
    ended = []

    def ask():
        with pytest.raises(StoppedError):
            terminal.reply(PersonRequest("a 0", "?"))
        ended.append(True)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.1)
    terminal.close()
    thread.join(5)
    assert ended == [True]


def test_who_goes_by_two_names_is_one_person_who_hears_how_many_questions_wait(typed):
    source, type_ = typed
    out = io.StringIO()
    terminal = Terminal(source, out)
    desk = PeopleDesk({"default": terminal, "expert": terminal})
    type_("1\n2\n3\n")
    asks = [
        Ask(("doctor", number, 0, 0), "person", {"question": f"Number {number}?", "person": person})
        for number, person in enumerate(("default", "expert", "default"))
    ]
    assert [future.result(20).value for future in desk.post(asks)] == ["1", "2", "3"]
    shown = [line for line in out.getvalue().splitlines() if "asks" in line]
    assert shown == [
        "[1 of 3] doctor 0 asks: Number 0?",
        "[2 of 3] doctor 1 asks expert: Number 1?",
        "[3 of 3] doctor 2 asks: Number 2?",
    ]
    # Then nobody waits, and the next one is alone.
    type_("4\n")
    assert desk.post([Ask(("doctor", 0, 1, 0), "person", {"question": "And now?"})])[0].result(20).value == "4"
    assert "\ndoctor 0 asks: And now?\n" in out.getvalue()
    desk.close()


def test_a_question_is_shown_in_full(typed):
    source, type_ = typed
    out = io.StringIO()
    type_("?\n7\n")
    request = PersonRequest(
        "robot 0",
        "How fast?\nAnd why?",
        context={"case": {"topic": "maps", "said": "one\ntwo"}, "past": [1.5, True], "peer": "\x1b[2Jgo\there"},
        low=0,
        high=10,
        cost=0.3,
        deadline=60.0,
    )
    assert Terminal(source, out).reply(request).value == 7.0
    shown, help_, _ = out.getvalue().split("\n> ", 1)[0], *out.getvalue().split("\n> ", 1)[1].split("\n> ")
    assert shown.splitlines() == [
        "",
        "robot 0 asks: How fast?",
        "  And why?",
        "  case:",
        "    topic: maps",
        "    said: one",
        "      two",
        "  past: [1.5, true]",
        "  peer: \ufffd[2Jgo here",  # what others have said steers no terminal
        "  (a number from 0 to 10)",
        "  (an answer costs 0.3)",
        "  (? says what is accepted; 60 seconds left)",
    ]
    assert help_.startswith("accepted: a number from 0 to 10; 60 seconds left\nCtrl-C stops the run")


def test_where_an_empty_text_is_an_option_it_is_one(typed):
    source, type_ = typed
    type_("\n")
    assert Terminal(source, io.StringIO()).reply(PersonRequest("a 0", "?", options=("", "go"))).value == ""
