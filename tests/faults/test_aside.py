"""Small hostilities around a run: words on standard output, a directory that is removed, a control file of garbage."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from simworld.errors import RunError
from simworld.execution import run_episode
from simworld.execution._board import Board
from simworld.execution._control import hear
from simworld.execution._plan import specs_of
from simworld.scenario import load

TALKS = '''
import os
import threading

from simworld.kernel import Agent, Field, Role, World


class Place(World):
    """Somebody who acts every tick."""

    roles = (Role("a", act=(Field("x"),)),)

    def reset(self, turn):
        print("the world speaks")
        turn.wake("a", turn.join("a", 1), 0)

    def observe(self, role, members):
        return {}

    def step(self, moment, turn):
        turn.wake("a", moment.acts["a"].members, turn.tick + 1)


class Talks(Agent):
    def act(self, seen, seat):
        print("the mind speaks")
        thread = threading.Thread(target=print, args=("a thread speaks",))
        thread.start()
        thread.join()
        return {"x": 0.0}
'''
SCENARIO = """
world: {kind: "talks:Place"}
roles: {a: {kind: "talks:Talks"}}
horizon: 3
episodes: 2
"""
PROGRAM = [sys.executable, "-c", "from simworld.cli import main; main()"]


@pytest.fixture
def here(tmp_path):
    (tmp_path / "talks.py").write_text(TALKS)
    (tmp_path / "talks.yaml").write_text(SCENARIO)
    return tmp_path


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_minds_and_worlds_print_is_not_among_the_records(here, jobs):
    command = [*PROGRAM, "run", "talks.yaml", "--display", "json", "--jobs", jobs]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["event"] for record in records if record["event"] != "progress"] == [
        "launch",
        "episode",
        "episode",
        "done",
    ]
    for words in ("the mind speaks", "the world speaks", "a thread speaks"):
        assert words in done.stderr
    command = [*PROGRAM, "replay", records[0]["run"], "--json"]
    replayed = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    assert json.loads(replayed.stdout)["identical"]


def test_standard_output_is_what_it_was_after_an_episode(here, capsys):
    out = sys.stdout
    run_episode(specs_of(load(here / "talks.yaml"), here)[0])
    assert sys.stdout is out
    assert capsys.readouterr().out == ""


def test_a_run_directory_that_is_removed_does_not_come_back(here):
    run = here / "run"
    run.mkdir()
    specs = specs_of(load(here / "talks.yaml"), run)
    run_episode(specs[0])
    shutil.rmtree(run)
    with pytest.raises(RunError, match="cannot record in"):
        run_episode(specs[1])
    assert not run.exists()


def test_garbage_in_the_control_file_asks_for_nothing(tmp_path):
    board = Board(1)
    (tmp_path / "control").write_bytes(b"\xff\xfe stop")
    hear(tmp_path, board)
    assert board.wish == "go"


def test_nan_is_not_a_number_of_seconds(here):
    command = [*PROGRAM, "run", "talks.yaml", "--snapshot-every", "nan"]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "nan is not a number of seconds" in done.stderr
    assert not (here / "runs").exists()
