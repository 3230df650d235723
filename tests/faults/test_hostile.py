"""Runs in the hands of hostile minds, worlds, files and users: one clear line each, and nothing else is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simworld_analysis import open_run

ODD = '''
import time
import numpy as np
from simworld.kernel import Agent, Field, Role, World


class Place(World):
    """Somebody is there every tick, and says something."""

    roles = (Role("a", act=(Field("x"),), ),)
    measures = (Field("n", unit="[/m]"),)

    def __init__(self, word: str = "", mode: str = "wakes"):
        self.mode = mode

    def reset(self, turn):
        turn.join("a", turn.seats("a"))
        if self.mode == "wakes":
            turn.wake("a", turn.members("a"), 0)
        else:
            turn.call(0, "go")

    def observe(self, role, members):
        return {}

    def on_event(self, name, payload, turn):
        turn.emit(n=turn.tick)
        turn.call(turn.tick + 1, "go")

    def step(self, moment, turn):
        turn.emit(n=turn.tick)
        turn.wake("a", moment.acts["a"].members, turn.tick + 1)


class Odd(Agent):
    """Does something odd at tick 3."""

    def __init__(self, how: str = "", slow: float = 0.0):
        self.how, self.slow = how, slow

    def act(self, seen, seat):
        time.sleep(self.slow)
        if seat.tick == 3:
            if self.how == "open":
                open("/nonexistent/file")
            if self.how == "network":
                raise ConnectionError("the line is dead")
            if self.how == "exit":
                raise SystemExit(0)
            if self.how == "stuck":
                time.sleep(3600)
            if self.how == "object":
                raise ValueError(object())
        return {"x": 0.0}
'''
STUDY = """
world: {kind: "odd:Place"}
roles: {a: {kind: "odd:Odd", count: 2}}
horizon: 8
episodes: 2
"""
MAIN = "from simworld.cli import main; main()"


def simworld(here: Path, *arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", MAIN, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=here, check=False, **more)


@pytest.fixture
def here(tmp_path):
    (tmp_path / "odd.py").write_text(ODD)
    (tmp_path / "odd.yaml").write_text(STUDY)
    return tmp_path


def run_of(here: Path) -> Path:
    return max((here / "runs").iterdir())


def refused(ran: subprocess.CompletedProcess[str]) -> str:
    """One line, exit code 2, no traceback; the line."""
    assert ran.returncode == 2, ran.stderr + ran.stdout
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert ran.stderr.startswith("error: ")
    return ran.stderr


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("open", "FileNotFoundError"),
        ("network", "ConnectionError: the line is dead (odd.py:47 in act; in Odd.act of a 0; seed 0, tick 3)"),
        ("exit", "SystemExit: 0"),
    ],
)
def test_whatever_a_mind_raises_fails_its_episode_and_no_other(here, how, what, jobs):
    (here / "odd.yaml").write_text(STUDY + f"arms: {{bad: {{roles.a.how: {how}}}, good: {{}}}}\n")
    ran = simworld(here, "run", "odd.yaml", "--jobs", jobs)
    assert ran.returncode == 1
    run = open_run(run_of(here))
    assert run.status == "partial"
    assert what in run.manifest["reason"]
    assert run.table("episodes").groupby("arm", observed=True)["status"].first().to_dict() == {
        "bad": "failed",
        "good": "success",
    }


def test_the_tables_of_a_failure_are_the_same_every_time(here):
    found = []
    for out in ("one", "two"):
        simworld(here, "run", "odd.yaml", "--set", "roles.a.how=object", "--out", out)
        run = next((here / out).iterdir())
        found.append({p.relative_to(run): p.read_bytes() for p in run.glob("tables/*/*") if "telemetry" not in str(p)})
        assert simworld(here, "replay", str(run)).stdout.startswith("identical")
    assert found[0] == found[1]


def started(here: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MAIN, "run", "odd.yaml", "--display", "json", *arguments]
    return subprocess.Popen(command, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def wait_for(process: subprocess.Popen[str], event: str, count: int = 1) -> None:
    for line in process.stdout:
        count -= json.loads(line)["event"] == event
        if not count:
            return


def test_a_replay_after_interrupt_resume_and_kill_accuses_nobody(here):
    slow = ("--set", "roles.a.slow=0.03", "--set", "episodes=4")
    with started(here, *slow) as process:
        wait_for(process, "episode")
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    with started(here, *slow) as process:
        wait_for(process, "episode", 2)
        process.kill()
    ran = simworld(here, "replay", str(run_of(here)))
    assert ran.returncode == 0, ran.stdout
    assert ran.stdout.splitlines()[1].startswith("note: its tables were not checked")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_second_interrupt_ends_a_run_whose_mind_is_stuck(here, jobs):
    with started(here, "--set", "roles.a.how=stuck", "--jobs", jobs) as process:
        wait_for(process, "launch")
        time.sleep(2.0)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def test_a_world_without_moments_can_be_interrupted_and_has_its_rows(here):
    (here / "odd.yaml").write_text(STUDY.replace("horizon: 8", "horizon: 100000000"))
    with started(here, "--set", "world.mode=events", "--set", "episodes=1") as process:
        wait_for(process, "launch")
        time.sleep(1.5)
        assert len(open_run(run_of(here)).table("measures")) > 1000
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def test_arms_in_another_order_are_another_run(here):
    digests = []
    for arms in ("{a: {}, b: {roles.a.slow: 0.001}}", "{b: {roles.a.slow: 0.001}, a: {}}"):
        (here / "odd.yaml").write_text(STUDY + f"arms: {arms}\n")
        digests.append(json.loads(simworld(here, "validate", "odd.yaml", "--json").stdout)["digest"])
    (here / "odd.yaml").write_text(STUDY + "sweep: {grid: {world.word: [b]}}\n")
    digests.append(json.loads(simworld(here, "validate", "odd.yaml", "--json").stdout)["digest"])
    (here / "odd.yaml").write_text(STUDY.replace('Place"}', 'Place", word: b}'))
    digests.append(json.loads(simworld(here, "validate", "odd.yaml", "--json").stdout)["digest"])
    assert len(set(digests)) == 4


def test_a_bad_tape_is_one_line_and_a_replay_writes_nothing(here):
    simworld(here, "run", "odd.yaml")
    run = run_of(here)
    episode = open_run(run).table("episodes")["episode"][0]
    tape = run / "tape" / f"{episode}.tape"
    tape.write_text("garbage")
    assert "not a tape of this version" in refused(simworld(here, "replay", str(run)))
    assert tape.read_text() == "garbage"
    tape.unlink()
    tape.mkdir()
    assert "cannot be read" in refused(simworld(here, "replay", str(run)))


def test_what_is_none_of_the_runs_own_is_noticed(here):
    simworld(here, "run", "odd.yaml")
    run = run_of(here)
    part = next((run / "tables" / "decisions.a").glob("*.arrow"))
    shutil.copy(part, part.with_name("zzz.arrow"))
    ran = simworld(here, "replay", str(run))
    assert ran.returncode == 1
    assert "tables/decisions.a/zzz.arrow: is none of those in run.json" in ran.stdout
    part.with_name("zzz.arrow").unlink()
    part.unlink()
    assert "is missing" in simworld(here, "replay", str(run)).stdout


@pytest.mark.parametrize("table", ["tape/chain", "tables/episodes"])
def test_any_flipped_byte_is_a_difference_and_never_a_traceback(here, table):
    simworld(here, "run", "odd.yaml")
    path = next((run_of(here) / table).glob("*.arrow"))
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 12)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        ran = simworld(here, "replay", str(run_of(here)))
        assert ran.returncode == 1
        assert "its digest is not the one in run.json" in ran.stdout
        assert "Traceback" not in ran.stderr


def test_markup_in_names_is_text(here):
    (here / "odd.yaml").write_text(STUDY + 'sweep: {grid: {world.word: ["[/x]", "[red]"]}}\n')
    ran = simworld(here, "run", "odd.yaml", "--out", "o[/b]")
    assert ran.returncode == 0, ran.stderr
    assert "word=[/x]" in ran.stdout
    assert "[/m]" in ran.stdout
    assert "this scenario was run before: o[/b]" in simworld(here, "run", "odd.yaml", "--out", "o[/b]").stdout


def test_small_inputs_are_refused_in_one_line(here):
    simworld(here, "run", "odd.yaml")
    run = str(run_of(here))
    for arguments, words in (
        (("run", "odd.yaml", "--jobs", "0"), "(see simworld run --help)"),
        (("run", "odd.yaml", "--display", "foo"), "'foo' is not one of"),
        (("run", "odd.yaml", "--out", "x" * 300), "File name too long"),
        (("show", run, "--agent", "a:³"), "accepted: ROLE:NUMBER"),
        (("show", run, "--agent", "a:99999999999999999999"), "accepted: ROLE:NUMBER"),
        (("show", run, "--agent", "a:1", "--tick", str(10**30)), "has no decision at tick"),
        (("show", run, "--agent", "b:1"), "has no table 'decisions.b'"),
    ):
        assert words in refused(simworld(here, *arguments)), arguments


def test_a_terminal_that_knows_only_ascii(here):
    ran = simworld(here, "run", "odd.yaml", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert ran.returncode == 0, ran.stderr
    assert "mean ? half" in ran.stdout


def test_a_damaged_manifest_does_not_keep_others_from_running(here):
    simworld(here, "run", "odd.yaml")
    (run_of(here) / "run.json").write_text("{")
    assert simworld(here, "run", "odd.yaml").returncode == 0
    assert len(list((here / "runs").iterdir())) == 2


ECONOMY = """
world: {{kind: economy, brackets: three{world}}}
roles:
  worker: {{kind: rational, count: 3}}
  planner: {planner}
horizon: 4
"""


@pytest.mark.parametrize(
    ("world", "planner", "words"),
    [
        (", skills: [1, 2]", "{kind: fixed, schedule: free_market}", "skills: found 2 numbers; accepted: one for each of 3 workers"),
        ("", "{kind: fixed, schedule: us_2024}", "this schedule has 7 brackets, the world has 3"),
        ("", "{kind: fixed, schedule: custom, rates: [0.1, 0.2]}", "accepted: one for each of the world's 3 brackets"),
        ("", "{kind: saez, form: point, elasticity: [0.2, 0.3]}", "accepted: one, or one for each of the world's 3 brackets"),
        (", elasticity: 0.005", "{kind: fixed, schedule: free_market}", "found 0.005; accepted: a number from 0.05 to 5"),
    ],
)  # fmt: skip
def test_what_cannot_go_together_is_found_before_the_run(tmp_path, world, planner, words):
    (tmp_path / "e.yaml").write_text(ECONOMY.format(world=world, planner=planner))
    for verb in ("validate", "run"):
        line = refused(simworld(tmp_path, verb, "e.yaml"))
        assert words in line
        assert line.startswith("error: e.yaml:")
    assert os.listdir(tmp_path) == ["e.yaml"]


@pytest.mark.parametrize("more", [", hours_cap: 30", ", elasticity: 0.05", ", elasticity: 5", ", hours_cap: 0.5"])
@pytest.mark.parametrize("form", ["bracket", "linear", "pareto_top", "point"])
def test_the_economy_at_its_ends(tmp_path, more, form):
    (tmp_path / "e.yaml").write_text(ECONOMY.format(world=more, planner=f"{{kind: saez, form: {form}}}"))
    ran = simworld(tmp_path, "run", "e.yaml")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Warning" not in ran.stderr


@pytest.mark.parametrize("skills", ["[0, 0, 0]", "[500, 500, 500]", "[0, 500, 900]"])
@pytest.mark.parametrize("form", ["bracket", "linear", "pareto_top", "point"])
def test_tax_rolls_from_which_little_can_be_learned(tmp_path, skills, form):
    text = ECONOMY.format(world=f", skills: {skills}", planner=f"{{kind: saez, form: {form}}}")
    (tmp_path / "e.yaml").write_text(text)
    ran = simworld(tmp_path, "run", "e.yaml")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Warning" not in ran.stderr
