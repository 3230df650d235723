"""The code beside a scenario belongs to the run: a change of it is another run, and a copy of it stays with the run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAD = '''
from helper import SHARE
from simworld.kernel import Agent, Field, Role, World


class Pad(World):
    """One number that grows."""

    roles = (Role("p", act=(Field("more"),)),)
    measures = (Field("total"),)
    tick_length, tick_unit = 1, "day"

    def reset(self, turn):
        self.total = 0.0
        turn.wake("p", turn.join("p", turn.seats("p")), 0)

    def observe(self, role, members):
        return {}

    def step(self, moment, turn):
        self.total += moment.acts["p"]["more"].sum()
        turn.emit(total=self.total)
        turn.wake("p", moment.acts["p"].members, turn.tick + 1)


class Adds(Agent):
    def act(self, seen, seat):
        return {"more": SHARE}
'''
STUDY = """
world: {kind: "pad:Pad"}
roles: {p: {kind: "pad:Adds", count: 2}}
horizon: 90
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "pad.py").write_text(PAD)
    (folder / "helper.py").write_text("SHARE = 1.0\n")
    (folder / "study.yaml").write_text(STUDY)
    return folder


def simworld(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from simworld.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments], capture_output=True, text=True, cwd=cwd, check=False
    )


def ran(cwd: Path) -> tuple[Path, dict[str, object]]:
    """Run the study; the directory, and what the display said first."""
    done = simworld(cwd, "run", "study.yaml", "--display", "json")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return (cwd / records[0]["run"], records[0]) if records else (Path(), {})


def test_a_change_of_the_code_is_another_run(study):
    first, _ = ran(study)
    assert set(json.loads((first / "run.json").read_text())["sources"]) == {"pad.py", "helper.py"}
    assert ran(study) == (Path(), {})  # nothing changed: finished before
    (study / "helper.py").write_text("SHARE = 3.0\n")
    second, launched = ran(study)
    assert second != first
    assert not launched["resumed"]
    (study / "helper.py").write_text("SHARE = 1.0\n")
    assert (
        "this scenario was run before: " + str(first.relative_to(study)) in simworld(study, "run", "study.yaml").stdout
    )


def test_a_module_that_cannot_be_read_stops_nobody_who_goes_on_without_it(study):
    (study / "pad.py").write_text("try:\n    import broken\nexcept SyntaxError:\n    pass\n" + PAD)
    (study / "broken.py").write_text("SHARE = = 1.0\n")
    first, _ = ran(study)
    assert set(json.loads((first / "run.json").read_text())["sources"]) == {"pad.py", "helper.py", "broken.py"}


def test_a_package_beside_a_scenario_is_read_afresh_too(study):
    (study / "habits").mkdir()
    (study / "habits" / "__init__.py").touch()
    (study / "helper.py").rename(study / "habits" / "helper.py")
    (study / "pad.py").write_text(PAD.replace("from helper", "from habits.helper"))
    ran(study)
    assert not list(study.rglob("*.pyc"))


def test_an_unfinished_run_is_not_continued_with_other_code(study):
    first, _ = ran(study)
    manifest = json.loads((first / "run.json").read_text())
    (first / "run.json").write_text(json.dumps({**manifest, "status": "interrupted"}))
    (study / "pad.py").write_text(PAD + "\n# changed\n")
    second, launched = ran(study)
    assert second != first
    assert not launched["resumed"]


def test_a_run_replays_from_its_own_copy_when_the_folder_is_gone(study, tmp_path):
    run, _ = ran(study)
    moved = tmp_path / "elsewhere"
    shutil.move(run, moved)
    shutil.rmtree(study)
    done = simworld(tmp_path, "replay", str(moved))
    assert (done.returncode, done.stdout) == (0, "identical: 1 episode, 91 moments\n"), done.stderr


def test_a_replay_with_changed_code_says_what_was_changed(study):
    run, _ = ran(study)
    before = (study / "helper.py").stat()
    (study / "helper.py").write_text("SHARE = 3.0\n")
    os.utime(study / "helper.py", ns=(before.st_atime_ns, before.st_mtime_ns))  # a quick hand: the same second
    done = simworld(study, "replay", str(run))
    assert done.returncode == 1
    assert "first difference at moment 0, tick 0" in done.stdout
    assert "note: changed since it was run: helper.py" in done.stdout


def test_a_fork_runs_the_code_of_the_run_and_not_what_became_of_it(study):
    run, _ = ran(study)
    (study / "helper.py").write_text("SHARE = 3.0\n")
    done = simworld(study, "fork", str(run), "--at", "45", "--without", "p:0")
    assert done.returncode == 0, done.stderr
    (fork,) = [path for path in (study / "runs").iterdir() if path != run]
    assert (fork / "sources" / "helper.py").read_text() == "SHARE = 1.0\n"
    assert simworld(study, "replay", str(fork)).returncode == 0


def test_a_module_that_is_called_like_simworld_belongs_to_the_run(study):
    (study / "helper.py").rename(study / "simworld_helper.py")
    (study / "pad.py").write_text(PAD.replace("from helper", "from simworld_helper"))
    run, _ = ran(study)
    assert set(json.loads((run / "run.json").read_text())["sources"]) == {"pad.py", "simworld_helper.py"}


def test_a_whole_number_of_ticks_length_gives_proper_times(study):
    from simworld_analysis import open_run

    run, _ = ran(study)
    frame = open_run(run).table("decisions.p")
    assert (frame["time"] == frame["tick"] * 1.0).all()
    assert frame["time"].max() == 90.0


NOTEBOOK = """
import sys
from pathlib import Path

from simworld.errors import ScenarioError
from simworld.execution import Order, execute
from simworld.scenario import load

first, second = Path(sys.argv[1]), Path(sys.argv[2])
print(execute(Order(load(first / "study.yaml"), Path("runs"))).status)
{change}
try:
    print(execute(Order(load(second / "study.yaml"), Path("runs"))).status)
except ScenarioError as error:
    print(error)
"""


def noted(study: Path, second: Path, change: str = "") -> list[str]:
    """What a process prints that runs one study and then another, or the same."""
    code = NOTEBOOK.format(change=change)
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(study), str(second)],
        capture_output=True,
        text=True,
        cwd=study.parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_process_never_records_code_that_it_did_not_run(study):
    other = study.parent / "other"
    shutil.copytree(study, other)
    assert noted(study, other) == ["success", "success"]  # the same code, wherever it lies
    edit = "(first / 'helper.py').write_text('SHARE = 3.0')"
    told = noted(study, study, edit)[1]
    assert told.startswith(f"{study}/helper.py: it has changed since this process imported it; accepted: a new process")
    (other / "pad.py").write_text(PAD.replace("+= moment", "-= moment"))
    told = noted(study, other)[1]
    assert f"{other}/pad.py: this process has imported {study}/pad.py instead; accepted: a new process" in told
