"""`simworld report`: one page, never over somebody else's file."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
