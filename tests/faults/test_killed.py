"""A run that is killed or interrupted loses at most the batch in flight, says so, and is continued by the same command."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simworld_analysis import open_run

LONG = """
name: long
world: {kind: economy, brackets: three, tax_year: 4}
roles:
  worker: {kind: rational, count: 300}
  planner: {kind: hill_climb}
horizon: 1200
episodes: 4
"""
COMMAND = [sys.executable, "-c", "from simworld.cli import main; main()", "run", "long.yaml", "--display", "json"]
COMMAND += ["--snapshot-every", "0"]  # without them Ctrl-C seals what there is (with them: test_snapshots.py)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "long.yaml").write_text(LONG)
    return tmp_path


def _start_and_signal(here: Path, number: int) -> tuple[int, Path]:
    """Start the run, send a signal after the second episode while the third is under way, and wait."""
    with subprocess.Popen(COMMAND, cwd=here, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ended = 0
        for line in process.stdout:
            ended += json.loads(line)["event"] == "episode"
            if ended == 2:
                break
        run = next((here / "runs").iterdir())
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and _episodes(run) < 3:
            time.sleep(0.01)  # until a whole batch of the third episode is on disk
        os.kill(process.pid, number)
        process.stdout.read()
        return process.wait(), run


def _episodes(run: Path) -> int:
    """Episodes of which rows can be read, finished or not."""
    return len(open_run(run).arrow("decisions.worker", columns=["episode"])["episode"].unique())


def _digests(run: Path) -> dict[str, str]:
    files = [f for f in run.glob("t*/**/*.arrow") if f.parent.name != "telemetry"]
    return {str(f.relative_to(run)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.mark.parametrize(
    ("number", "status", "code"), [(signal.SIGKILL, "running", -9), (signal.SIGINT, "interrupted", 130)]
)
def test_what_was_recorded_is_readable_and_the_same_command_resumes(here, number, status, code):
    returned, run = _start_and_signal(here, number)
    assert returned == code
    assert json.loads((run / "run.json").read_text())["status"] == status
    opened = open_run(run)
    assert opened.status == "interrupted"  # nobody works on it any more
    done = len(opened.table("episodes"))
    assert 2 <= done < 4
    workers = opened.table("decisions.worker", columns=["episode"])["episode"]
    assert workers.nunique() >= 3  # also of the episode that was under way
    assert len(workers) > 2 * 300 * 1201
    streams = list((run / "tables").glob("*/*.arrows"))
    assert bool(streams) == (number == signal.SIGKILL)  # Ctrl-C seals

    resumed = subprocess.run(COMMAND, cwd=here, capture_output=True, text=True, check=True)
    records = [json.loads(line) for line in resumed.stdout.splitlines()]
    assert records[0]["resumed"]
    assert records[0]["done"] == done
    assert sum(r["event"] == "episode" for r in records) == 4 - done
    assert json.loads((run / "run.json").read_text())["status"] == "success"
    assert not list((run / "tables").glob("*/*.arrows"))

    fresh = subprocess.run([*COMMAND, "--out", "other"], cwd=here, capture_output=True, text=True, check=True)
    undisturbed = Path(here / json.loads(fresh.stdout.splitlines()[0])["run"])
    assert _digests(run) == _digests(undisturbed)
