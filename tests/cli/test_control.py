"""A run is watched, paused, continued and stopped from another terminal."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simworld_analysis import open_run

SLOW = """
name: slow
world: {kind: economy, brackets: three, tax_year: 4}
roles:
  worker: {kind: rational, count: 100}
  planner: {kind: fixed, schedule: flat, rate: 0.3}
horizon: 4000
episodes: 2
"""
SHORT = """
world: {kind: economy, brackets: three, tax_year: 4}
roles:
  worker: {kind: rational, count: 3}
  planner: {kind: fixed, schedule: flat, rate: 0.3}
horizon: 4
episodes: 3000
"""
PROGRAM = [sys.executable, "-c", "from simworld.cli import main; main()"]


@pytest.fixture
def slow(tmp_path):
    """A run that takes some seconds, under way in another process; ends with the test."""
    (tmp_path / "slow.yaml").write_text(SLOW)
    command = [*PROGRAM, "run", "slow.yaml", "--display", "none"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        _until(lambda: any((tmp_path / "runs").glob("*/board.json")))
        yield process, next((tmp_path / "runs").iterdir())
        process.kill()


def simworld(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


def _until(true, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _posted(run):
    return json.loads((run / "board.json").read_text())


def _ticks(run):
    return dict(_posted(run)["running"])


def test_a_run_pauses_goes_on_and_stops_and_the_same_command_continues_it(slow):
    process, run = slow
    assert simworld("pause", str(run), cwd=run).returncode == 0
    _until(lambda: _posted(run)["wish"] == "pause")
    time.sleep(1.5)
    before = _ticks(run)
    time.sleep(2.0)
    assert _ticks(run) == before  # it stands still
    assert process.poll() is None
    assert simworld("continue", str(run), cwd=run).returncode == 0
    _until(lambda: _ticks(run) != before)  # and goes on
    stopped = simworld("stop", str(run), cwd=run)
    assert stopped.returncode == 0
    assert "interrupted" in stopped.stdout
    assert process.wait(timeout=30) == 130
    # What is not sealed goes on from a snapshot.
    assert {path.stem for path in run.glob("t*/**/*.arrows")} == {path.stem for path in run.glob("snapshots/*")}
    assert not (run / "board.json").exists()
    where = run.parent.parent
    resumed = simworld("run", "slow.yaml", "--display", "json", cwd=where)
    assert json.loads(resumed.stdout.splitlines()[0])["resumed"]
    assert json.loads(resumed.stdout.splitlines()[-1])["status"] == "success"
    fresh = simworld("run", "slow.yaml", "--display", "none", "--out", "fresh", cwd=where)
    assert fresh.returncode == 0
    chains = [sorted(open_run(r).table("episodes")["chain"]) for r in (run, next((where / "fresh").iterdir()))]
    assert chains[0] == chains[1]  # a pause changes nothing


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_run_of_short_episodes_pauses_too(tmp_path, jobs):
    (tmp_path / "short.yaml").write_text(SHORT)
    command = [*PROGRAM, "run", "short.yaml", "--display", "none", "--jobs", jobs]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _until(lambda: any((tmp_path / "runs").glob("*/tables/episodes/*.arrow")))
            (run,) = (tmp_path / "runs").iterdir()
            assert simworld("pause", str(run), cwd=run).returncode == 0
            _until(lambda: _posted(run)["wish"] == "pause")
            time.sleep(1.0)
            before = len(open_run(run).table("episodes"))
            assert 0 < before < 3000
            time.sleep(1.0)
            assert len(open_run(run).table("episodes")) == before
            assert process.poll() is None
            assert simworld("continue", str(run), cwd=run).returncode == 0
            _until(lambda: len(open_run(run).table("episodes")) > before)
        finally:
            process.kill()


def test_a_run_is_watched_to_its_end(slow):
    process, run = slow
    watched = simworld("watch", str(run), "--display", "json", cwd=run)
    assert process.wait(timeout=60) == 0
    records = [json.loads(line) for line in watched.stdout.splitlines()]
    assert records[0]["event"] == "launch"
    assert records[-1] == {"event": "done", "run": str(run), "status": "success", "reason": ""}
    assert [r["event"] for r in records].count("episode") == 2 - records[0]["done"]
    assert watched.returncode == 0
    # One that is over is looked at.
    again = simworld("watch", str(run), cwd=run)
    assert again.returncode == 0
    assert "2/2 episodes" in again.stdout


def test_a_run_that_was_killed_is_told_to_be_interrupted(slow):
    process, run = slow
    process.kill()
    process.wait()
    watched = simworld("watch", str(run), "--display", "json", cwd=run)
    assert watched.returncode == 1
    assert json.loads(watched.stdout.splitlines()[-1])["status"] == "interrupted"
    for verb in ("stop", "pause", "continue"):
        refused = simworld(verb, str(run), cwd=run)
        assert refused.returncode == 2
        assert "nobody works on it; its status is running" in refused.stderr


def test_what_is_no_run_is_one_line(tmp_path):
    for verb in ("watch", "stop", "pause", "continue"):
        refused = simworld(verb, str(tmp_path), cwd=tmp_path)
        assert refused.returncode == 2
        assert refused.stderr == f"error: {tmp_path} is not a run directory: it has no run.json\n"
