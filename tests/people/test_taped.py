"""What was answered in an earlier run, in the place of whoever would answer now."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from simworld.errors import AskError
from simworld.execution import replay_run
from simworld.people import PersonReply, PersonRequest, Taped, TapedAnswer, Unanswered, taped_answers
from simworld.recording import RunLock
from simworld_analysis import open_run

PROGRAM = [sys.executable, "-c", "from simworld.cli import main; main()"]
SCRIPT = "{default: {kind: scripted, answers: ['yes', 'no', null]}}"


def simworld(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *words], cwd=cwd, capture_output=True, text=True, check=False)


def run_with(here: Path, *sets: str, out: str = "runs", options: Sequence[str] = ()):
    """The newest run of the study, after one with these overrides."""
    words = [*options, *(word for text in sets for word in ("--set", text))]
    done = simworld("run", "study.yaml", "--display", "none", "--out", out, *words, cwd=here)
    assert done.returncode in {0, 1}, done.stderr
    return open_run(max((here / out).iterdir()))


def doings(run) -> list[tuple[bool, str]]:
    """What was done, and why not as was answered."""
    rows = run.table("decisions.doctor").query("end.isna()")
    return list(zip(rows["act.treat"], rows["fault"].astype(object).fillna(""), strict=True))


def test_who_sits_at_a_terminal_a_script_and_the_tapes_of_both_come_to_the_same(study, sit):
    here = study("{default: {kind: terminal}}", ", deadline: 60")
    sitting = sit(here, "--display", "live")
    for answer in ("yes", "yes", "no", "no", "no", "no", "yes", "yes"):
        sitting.until("\n> ")
        sitting.type(f"{answer}\n")
    assert sitting.end() == 0
    runs = [open_run(next((here / "runs").iterdir()))]
    runs.append(run_with(here, "people.default={kind: scripted, answers: ['yes', 'no', 'no', 'yes']}", out="script"))
    runs += [
        run_with(here, f"people.default={{kind: tape, run: {run.path}}}", out=f"of{i}") for i, run in enumerate(runs)
    ]
    assert [sorted(set(run.table("asks")["source"])) for run in runs] == [
        ["terminal"],
        ["scripted"],
        ["tape"],
        ["tape"],
    ]
    for table in ("decisions.doctor", "measures", "agents", "asks", "episodes"):
        first, *others = (
            run.table(table).drop(columns=["episode", "cell", "source", "answer_digest", "chain"], errors="ignore")
            for run in runs
        )
        assert len(first)
        assert all(first.equals(other) for other in others), table
    assert all(replay_run(run.path).identical for run in runs)


def test_where_nobody_answered_in_time_nobody_does_on_tape(study):
    here = study(SCRIPT)
    first = run_with(here)
    taped = run_with(here, f"people.default={{kind: tape, run: runs/{first.path.name}}}", out="taped")
    assert doings(taped) == doings(first)
    assert taped.table("asks")["source"].tolist() == ["tape"] * 4 + ["fallback"] * 2 + ["tape"] * 2
    assert set(taped.table("faults")["kind"]) == {"timeout"}
    assert replay_run(taped.path).identical


def test_a_tape_answers_workers_on_a_cluster_as_it_does_here(study):
    here = study(SCRIPT)
    first = run_with(here, "episodes=3")
    tape = ("episodes=3", f"people.default={{kind: tape, run: {first.path}}}")
    taped, far = run_with(here, *tape, out="near"), run_with(here, *tape, out="far", options=("--address", "local"))
    assert len(doings(first)) == 24
    assert doings(far) == doings(taped) == doings(first)
    assert far.table("asks").equals(taped.table("asks"))
    assert set(far.table("asks")["source"]) == {"tape", "fallback"}
    assert replay_run(far.path).identical


def test_what_is_not_on_tape_is_stood_in_for_and_flagged_or_fails_its_episode(study):
    here = study(SCRIPT)
    first = run_with(here)
    tape = f"kind: tape, run: runs/{first.path.name}"
    longer = run_with(here, "horizon=6", f"people.default={{{tape}}}", out="longer")
    assert doings(longer)[:8] == doings(first)
    assert doings(longer)[8:] == [(False, "missing")] * 4
    assert longer.table("asks")["source"].tolist()[8:] == ["fallback"] * 4
    assert longer.table("faults")["detail"].tolist()[-1] == "not on the tape that answers"
    stopped = run_with(here, "horizon=6", f"people.default={{{tape}, missing: stop}}", out="stopped")
    (error,) = stopped.table("episodes")["error"]
    assert "doctor 0, decision 4: the tape that answers has no answer to this question" in error
    assert doings(stopped) == doings(first)  # up to there


def test_a_seat_is_answered_as_it_was_whatever_it_asks(study):
    """Another seed and another question: by question the tape has nothing, by seat it has what was answered then."""
    here = study(SCRIPT)
    first = run_with(here)
    words = ("seed=7", "roles.doctor.deadline=3.0")
    by_question, by_seat = (
        run_with(here, *words, f"people.default={{kind: tape, run: runs/{first.path.name}, match: {match}}}", out=match)
        for match in ("question", "seat")
    )
    # The deadline is no part of what is asked: the same question has the same answer.
    assert doings(by_question) == doings(by_seat) == doings(first)
    code = (here / "desk.py").read_text()
    (here / "desk.py").write_text(code.replace("Treat?", "Treat now?"))
    by_question, by_seat = (
        run_with(here, *words, f"people.default={{kind: tape, run: runs/{first.path.name}, match: {match}}}", out=match)
        for match in ("question", "seat")
    )
    assert doings(by_question) == [(False, "missing")] * 8
    assert doings(by_seat) == doings(first)


def test_several_processes_serve_one_tape(study):
    here = study(SCRIPT)
    first = run_with(here)
    people = f"people.default={{kind: tape, run: runs/{first.path.name}}}"
    done = simworld(
        "run", "study.yaml", "--display", "none", "--out", "two", "--jobs", "2", "--set", "episodes=2", "--set", people,
        cwd=here,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = open_run(next((here / "two").iterdir()))
    assert sorted(run.table("asks")["source"]) == ["fallback"] * 4 + ["tape"] * 12


@pytest.mark.parametrize("block", ["run: runs/none", "run: other", "run: alone"])
def test_a_tape_that_is_not_there_is_one_line_and_nothing_is_written(study, block):
    here = study(f"{{default: {{kind: tape, {block}}}}}")
    (here / "other").mkdir()
    (here / "alone.yaml").write_text(
        "world: {kind: repeated_game}\nroles: {player: [{kind: always}, {kind: tit_for_tat}]}\nhorizon: 3\n"
    )
    assert simworld("run", "alone.yaml", "--display", "none", "--out", "elsewhere", cwd=here).returncode == 0
    shutil.move(next((here / "elsewhere").iterdir()), here / "alone")
    why = "nobody has answered a question in it" if "alone" in block else "there is no such run"
    for command in (("run", "study.yaml"), ("validate", "study.yaml")):
        done = simworld(*command, cwd=here)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: study.yaml:5:")
        assert f"people.default.run: found '{block.removeprefix('run: ')}'; {why}" in line
        assert line.endswith("accepted: the directory of a run that is over or stopped, in which people were asked")
    assert not (here / "runs").exists()


def test_a_tape_that_somebody_writes_or_that_is_damaged_is_one_line(study):
    here = study(SCRIPT)
    first = run_with(here)
    words = ("validate", "study.yaml", "--set", f"people.default={{kind: tape, run: runs/{first.path.name}}}")
    with RunLock(first.path):
        busy = simworld(*words, cwd=here)
    (tape,) = (first.path / "tape").glob("*.tape")
    data = bytearray(tape.read_bytes())
    data[40] ^= 1
    tape.write_bytes(data)
    damaged = simworld(*words, cwd=here)
    for done, why in ((busy, "somebody works on it; accepted: "), (damaged, "damaged before byte ")):
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: --set people.default=")
        assert why in line


def test_an_arm_that_names_no_tape_is_named(study):
    here = study(SCRIPT)
    with (here / "study.yaml").open("a") as file:
        file.write("arms: {script: {}, tape: {people.default: {kind: tape, run: nowhere}}}\n")
    done = simworld("run", "study.yaml", cwd=here)
    assert done.returncode == 2
    assert done.stderr.startswith("error: study.yaml:7:")
    assert "arms.tape: people.default.run: found 'nowhere'; there is no such run" in done.stderr


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("", "people.default.run: missing; accepted: text"),
        (", run: x, match: word", "people.default.match: found 'word'; accepted: one of 'question', 'seat'"),
        (", run: x, mising: stop", "people.default.mising: unknown key; did you mean 'missing'?"),
    ],
)
def test_a_block_that_is_wrong_is_told(study, more, told):
    here = study(f"{{default: {{kind: tape{more}}}}}")
    done = simworld("validate", "study.yaml", cwd=here)
    assert done.returncode == 2
    assert told in done.stderr


# -- the contract ----------------------------------------------------------------------------------------------------


def asked(question: str = "?", decision: int = 0, seed: int = 0, **more) -> PersonRequest:
    return PersonRequest("a 0", question, number=decision, episode=f"abc-{seed:06d}", **more)


def given(*answers: TapedAnswer, **how) -> Taped:
    return Taped(taped_answers(answers), **how)


def test_of_several_answers_to_a_question_that_of_the_same_place_counts_else_the_first():
    answers = [TapedAnswer.of(asked(decision=d, seed=s), f"{s}.{d}") for s in (4, 3) for d in (1, 0)]
    tape = given(*answers)
    assert tape.reply(asked(decision=1, seed=4)) == PersonReply("4.1", 0.0, "tape")
    assert tape.reply(asked(decision=9, seed=4)).value == "3.0"
    by_seat = given(*answers, match="seat")
    assert by_seat.reply(asked("other", decision=1, seed=4)).value == "4.1"
    assert by_seat.reply(asked("other", decision=1, seed=9)).value == "3.1"
    assert by_seat.reply(asked(decision=9)) == Unanswered("missing", "not on the tape that answers")


def test_the_same_question_is_what_somebody_is_shown():
    tape = given(TapedAnswer.of(asked(context={"x": 1.5}, deadline=3.0, person="expert"), "go", participant="p-001"))
    for alike in ({"deadline": None}, {"person": "default"}, {"decision": 3}):
        assert tape.reply(asked(context={"x": 1.5}, **alike)) == PersonReply("go", 0.0, "tape", participant="p-001")
    for other in (
        {"context": {"x": 1.6}},
        {"context": {"x": 1.5}, "options": ("go",)},
        {"context": {"x": 1.5}, "cost": 1.0},
    ):
        assert isinstance(tape.reply(asked(**other)), Unanswered)
        with pytest.raises(AskError, match="has no answer to this question"):
            given(missing="stop").reply(asked(**other))


def test_an_answer_comes_before_none_in_time():
    tape = given(TapedAnswer.of(asked(seed=1), None, late=True), TapedAnswer.of(asked(seed=2), 5))
    assert tape.reply(asked(seed=1)) is None
    assert tape.reply(asked(seed=3)).value == 5


def test_a_tape_knows_its_content():
    one, other = (taped_answers([TapedAnswer.of(asked(), value)]) for value in ("go", "wait"))
    assert one.digest != other.digest
    assert one.digest == taped_answers([TapedAnswer.of(asked(), "go")]).digest
    assert json.dumps(one.participants) == "[]"
