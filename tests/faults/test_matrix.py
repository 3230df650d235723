"""The fault matrix on one machine: whatever happens, nothing is lost, nothing is doubled, and the chain is the same."""

from __future__ import annotations

import hashlib
import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from simworld_analysis import open_run

SOCIETY = """
name: society
world: {kind: economy, brackets: three, tax_year: 4}
roles:
  worker: {kind: %(kind)s, count: 60}
  planner: {kind: hill_climb}
horizon: %(horizon)s
episodes: 3
arms: {plain: {}, more: {world.elasticity: 0.6}}
"""
PROGRAM = [sys.executable, "-c", "from simworld.cli import main; main()"]
RUN = [*PROGRAM, "run", "society.yaml", "--display", "json"]


@pytest.fixture
def here(tmp_path):
    def of(kind: str = "rational", horizon: int = 400) -> Path:
        (tmp_path / "society.yaml").write_text(SOCIETY % {"kind": kind, "horizon": horizon})
        return tmp_path

    return of


def digests(run: Path) -> dict[str, str]:
    """Of all that a scenario and its tape determine."""
    files = [f for f in run.glob("t*/**/*.arrow") if f.parent.name != "telemetry"]
    assert len(files) > 4
    return {str(f.relative_to(run)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def undisturbed(here: Path) -> dict[str, str]:
    done = subprocess.run([*RUN, "--out", "other"], cwd=here, capture_output=True, text=True, check=True)
    return digests(here / json.loads(done.stdout.splitlines()[0])["run"])


def only_run(here: Path) -> Path:
    (run,) = (here / "runs").iterdir()
    return run


def finished(here: Path, *more: str) -> Path:
    """The same command again, to its end."""
    done = subprocess.run([*RUN, *more], cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    run = only_run(here)
    rows = open_run(run).table("episodes")
    assert len(rows) == rows["episode"].nunique() == 6
    assert set(rows["status"]) == {"success"}
    assert not list(run.glob("t*/**/*.arrows"))
    return run


def killed(here: Path, *more: str, when: Callable[[], bool]) -> None:
    """Start the command, and kill it once something is so."""
    with subprocess.Popen([*RUN, *more], cwd=here, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline and not when():
            time.sleep(0.01)
        process.kill()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_driver_that_is_killed_at_random_moments(here, jobs):
    path, chance = here(), np.random.Generator(np.random.Philox(key=int(jobs)))
    for _ in range(5):  # ten, with both numbers of jobs
        until = time.monotonic() + chance.uniform(0.3, 3.0)
        killed(path, "--jobs", jobs, when=lambda until=until: time.monotonic() > until)
    run = finished(path, "--jobs", jobs)
    assert digests(run) == undisturbed(path)


def test_the_same_command_twice_at_once_is_refused_and_disturbs_nothing(here):
    path = here()
    with subprocess.Popen(RUN, cwd=path, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert json.loads(first.stdout.readline())["event"] == "launch"
        second = subprocess.run(RUN, cwd=path, capture_output=True, text=True, check=False)
        first.stdout.read()
    if second.returncode == 0:
        assert json.loads(second.stdout.splitlines()[0])["done"] == 6  # it was over already
    else:
        assert second.returncode == 2
        assert f"is in use by process {first.pid}" in second.stderr
        assert len(second.stderr.splitlines()) == 1
    assert first.returncode == 0
    assert digests(only_run(path)) == undisturbed(path)


def test_a_disk_that_is_full_is_one_line_and_the_same_command_goes_on_when_it_is_not(here):
    path = here()

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))

    full = subprocess.run(RUN, cwd=path, capture_output=True, text=True, check=False, preexec_fn=little_room)
    assert full.returncode == 2, full.stdout
    assert len(full.stderr.splitlines()) == 1
    assert "File too large" in full.stderr
    assert json.loads((only_run(path) / "run.json").read_text())["status"] == "error"
    assert digests(finished(path)) == undisturbed(path)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-5], lambda data: data + data[16:22], lambda data: data + bytes(64)]
)
def test_a_tape_whose_end_cannot_be_read_loses_no_more_than_that_end(here, damage):
    path = here("llm_worker", 12)
    killed(path, when=lambda: len(list((path / "runs").glob("*/tape/*.tape"))) > 1)
    tape = max((only_run(path) / "tape").glob("*.tape"), key=lambda f: f.stat().st_mtime_ns)
    tape.write_bytes(damage(tape.read_bytes()))
    run = finished(path)
    assert digests(run) == undisturbed(path)
    replayed = subprocess.run([*PROGRAM, "replay", str(run)], capture_output=True, text=True, check=True)
    assert replayed.stdout.startswith("identical: 6 episodes")


def test_a_clock_that_jumped_back_does_not_hide_the_run_that_is_to_be_continued(here):
    path = here()
    killed(path, when=lambda: any((path / "runs").glob("*/tables/episodes/*.arrow")))
    run = only_run(path)
    later = run.rename(run.with_name(f"2099{run.name[4:]}"))  # it was begun before the clock was put right
    done = subprocess.run(RUN, cwd=path, capture_output=True, text=True, check=True)
    first = json.loads(done.stdout.splitlines()[0])
    assert first["resumed"]
    assert (path / first["run"]) == later
    assert first["done"] >= 1
    assert digests(only_run(path)) == undisturbed(path)


def test_a_stop_from_the_system_is_a_clean_end(here):
    path = here()
    with subprocess.Popen(RUN, cwd=path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(2):  # it begins, and is under way
            process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    assert process.returncode == 130
    assert json.loads((only_run(path) / "run.json").read_text())["status"] == "interrupted"
    assert digests(finished(path)) == undisturbed(path)
