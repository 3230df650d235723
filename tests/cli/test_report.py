"""`simworld report`: one page, never over somebody else's file."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

STUDY = """
name: short
world: {kind: economy, brackets: three, tax_year: 1}
roles:
  worker: {kind: rational, count: 5}
  planner: {kind: fixed, schedule: flat, rate: 0.5}
horizon: 3
episodes: 2
arms:
  half: {}
  nothing: {roles.planner: {kind: fixed, schedule: free_market}}
measures: [gini_net, mean_hours]
claims:
  - {name: hours, says: people work, measure: mean_hours, expect: above 0}
"""


def simworld(*args, cwd):
    command = [sys.executable, "-c", "from simworld.cli import main; main()", *args]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    path = tmp_path_factory.mktemp("study")
    (path / "short.yaml").write_text(STUDY)
    done = simworld("run", "short.yaml", "--display", "none", cwd=path)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def run(here):
    (found,) = (here / "runs").glob("*_short_*")
    return str(found.relative_to(here))


def test_it_writes_where_it_says_and_replaces_only_reports(here, run):
    done = simworld("report", run, cwd=here)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"written: {run}/report.html\n", "")
    first = (here / run / "report.html").read_bytes()
    assert str(here).encode() not in first
    assert b"people work" in first.lower()
    assert simworld("report", run, cwd=here).returncode == 0
    assert (here / run / "report.html").read_bytes() == first
    assert simworld("replay", run, cwd=here).returncode == 0  # a report does no harm to its run


def test_the_command_that_it_gives_makes_the_same_run_again(tmp_path):
    # A scenario with code of its own and an override, which is no longer where it was.
    study = tmp_path / "study"
    study.mkdir()
    for name in ("my_agent.py", "my_world.py", "my_study.yaml"):
        (study / name).write_bytes((EXAMPLES / name).read_bytes())
    simworld("run", "my_study.yaml", "--set", "episodes=2", "--display", "none", cwd=study)
    (study / "runs").rename(tmp_path / "runs")
    shutil.rmtree(study)
    (run,) = (tmp_path / "runs").iterdir()
    assert simworld("report", str(run), cwd=tmp_path).returncode == 0
    command = html.unescape(
        re.search(r"(?:PYTHONPATH=\S+ )?simworld run [^<#]*--new", (run / "report.html").read_text())[0]
    )
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    again = [*shlex.split(f"env {command}"), "--out", str(tmp_path / "again"), "--display", "none"]
    done = subprocess.run(again, cwd=run.parent, env=os.environ | path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (copy,) = (tmp_path / "again").iterdir()
    told = [json.loads((folder / "run.json").read_text())["tables"] for folder in (run, copy)]
    assert {name for name in told[0] if told[0][name] != told[1][name]} == {"telemetry"}


def test_the_file_of_somebody_else_is_left_as_it_is(here, run):
    (here / "notes.html").write_text("<p>mine")
    done = simworld("report", run, "--out", "notes.html", cwd=here)
    assert done.returncode == 2
    assert done.stderr.startswith("error: notes.html: there already is something that is not a report")
    assert done.stderr.count("\n") == 1
    assert (here / "notes.html").read_text() == "<p>mine"


@pytest.mark.parametrize("where", ["nowhere/there.html", "short.yaml/there.html", "runs"])
def test_where_nothing_can_be_written_is_one_line(here, run, where):
    done = simworld("report", run, "--out", where, cwd=here)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


@pytest.mark.parametrize("content", [None, "{}", "not json", '{"schema_version": "99"}'])
def test_what_is_no_run_is_one_line(here, tmp_path, content):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    done = simworld("report", str(tmp_path), cwd=here)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert not (tmp_path / "report.html").exists()
