"""A long episode that asks nobody goes on from its last snapshot, which is trusted only as far as the run itself is."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
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
  worker: {kind: rational, count: 60}
  planner: {kind: hill_climb}
horizon: 4000
interventions:
  - {at: 700, set: {roles.planner: {kind: fixed, schedule: flat, rate: 0.4}}}
"""
OWN = """
name: own
world: {kind: own:Counting}
roles: {counter: {kind: own:Holding}}
horizon: 1000000
"""
OWN_CODE = """
import threading
import time

import numpy as np

from simworld.kernel import Agent, Field, Role, World


class Counting(World):
    '''Counts, slowly at first.'''

    roles = (Role("counter", obs=(Field("n"),), act=(Field("more"),)),)

    def reset(self, turn):
        self.n = 0.0
        turn.wake("counter", turn.join("counter", 1), 0)

    def observe(self, role, members):
        return {"n": np.full(len(members), self.n)}

    def step(self, moment, turn):
        self.n += moment.acts["counter"]["more"][0]
        time.sleep(0.01)
        if self.n >= 150:
            turn.end()
        turn.wake("counter", np.array([0]), turn.tick + 1)


class Holding(Agent):
    '''Holds what no pickle can.'''

    def __init__(self):
        self.lock = threading.Lock()

    def act(self, seen, seat):
        return {"more": 1.0}
"""
PROGRAM = [sys.executable, "-c", "from simworld.cli import main; main()"]
EVERY = ("--snapshot-every", "0.3")


def command(name: str, *more: str) -> list[str]:
    return [*PROGRAM, "run", f"{name}.yaml", "--display", "json", *EVERY, *more]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "long.yaml").write_text(LONG)
    (tmp_path / "own.yaml").write_text(OWN)
    (tmp_path / "own.py").write_text(OWN_CODE)
    return tmp_path


def snapshot(here: Path) -> Path | None:
    return next(iter(here.glob("runs/*/snapshots/*.snapshot")), None)


def going_on_from_streams(here: Path) -> bytes | None:
    """The last snapshot, if it needs what lies beside it: on a slow machine the first comes before the first row."""
    path = snapshot(here)
    if path is None:
        return None
    whole = path.read_bytes()
    streams = pickle.loads(whole.split(b"\n", 1)[1]).kept.streams
    return whole if all(streams[name].batches for name in ("decisions.worker", "measures")) else None


def stopped(here: Path, number: int, *more: str, snapshots: int = 2) -> Path:
    """Signal the run once it has written so many snapshots that need their streams; returns its directory."""
    seen = {None, going_on_from_streams(here)}
    enough = len(seen) + snapshots
    with subprocess.Popen(command("long", *more), cwd=here, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while len(seen) < enough and time.monotonic() < deadline and process.poll() is None:
            seen.add(going_on_from_streams(here))
            time.sleep(0.01)
        assert len(seen) == enough, "there were not so many"
        assert process.poll() is None, "it ended before it was stopped"
        process.send_signal(number)
    (run,) = (here / "runs").iterdir()
    return run


def continued(here: Path, *more: str) -> Path:
    done = subprocess.run(command("long", *more), cwd=here, capture_output=True, text=True, check=True)
    return here / json.loads(done.stdout.splitlines()[0])["run"]


def digests(run: Path) -> dict[str, str]:
    files = [f for f in run.glob("t*/**/*.arrow*") if f.parent.name != "telemetry"]
    return {str(f.relative_to(run)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def told(run: Path, key: str) -> list[object]:
    frame = open_run(run).table("telemetry")
    rows = frame[frame["key"] == key]
    return [*rows["value"].dropna(), *rows["text"].dropna()]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "long.yaml").write_text(LONG)
    return digests(continued(folder, "--snapshot-every", "0"))


@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGKILL, "1"), (signal.SIGKILL, "2"), (signal.SIGINT, "1")])
def test_an_episode_goes_on_where_its_last_snapshot_was(here, undisturbed, number, jobs):
    run = stopped(here, number, "--jobs", jobs)
    assert list((run / "tables").glob("*/*.arrows")), "what it recorded is there, to be read and to be continued"
    assert len(open_run(run).table("decisions.worker", columns=["tick"])) > 60
    assert continued(here, "--jobs", jobs) == run
    (tick,) = told(run, "snapshot.tick")
    assert 0 < tick < 4000
    assert digests(run) == undisturbed
    assert not (run / "snapshots").exists()


def test_killed_again_and_again(here, undisturbed):
    for _ in range(3):
        run = stopped(here, signal.SIGKILL, snapshots=1)
    assert continued(here) == run
    assert digests(run) == undisturbed


@pytest.fixture(scope="module")
def broken_off(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken-off")
    (folder / "long.yaml").write_text(LONG)
    stopped(folder, signal.SIGKILL, snapshots=1)
    return folder


class Evil:
    """Would leave a file behind if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.path}",)


def _bits(path: Path, mark: Path) -> None:
    state = bytearray(path.read_bytes())
    state[-100] ^= 1
    path.write_bytes(state)


def _foreign(path: Path, mark: Path) -> None:
    head, _ = path.read_bytes().split(b"\n", 1)
    path.write_bytes(head + b"\n" + pickle.dumps(Evil(mark)))


def _elsewhere(path: Path, mark: Path) -> None:
    other = mark.parent / "other.snapshot"
    path.rename(other)
    path.symlink_to(other)


def _another_run(path: Path, mark: Path) -> None:
    head, _ = path.read_bytes().split(b"\n", 1)
    _, origin = json.loads(head)
    state = pickle.dumps(Evil(mark))
    wrong = json.dumps([hashlib.sha256(state).hexdigest(), origin[::-1]])
    path.write_bytes(wrong.encode() + b"\n" + state)


def _a_stream(path: Path, mark: Path) -> None:
    (stream,) = path.parents[1].glob("tables/decisions.worker/*.arrows")
    data = bytearray(stream.read_bytes())
    data[len(data) // 4 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 4)
    stream.write_bytes(data)


def _no_stream(path: Path, mark: Path) -> None:
    (stream,) = path.parents[1].glob("tables/measures/*.arrows")
    stream.unlink()


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (_bits, "digest is another"),
        (_foreign, "digest is another"),
        (_elsewhere, "not a file of the run itself"),
        (_another_run, "of another run"),
        (lambda path, _: path.write_bytes(b""), "not a snapshot"),
        (_a_stream, "not the stream of this snapshot"),
        (_no_stream, "not the stream of this snapshot"),
    ],
)
def test_a_snapshot_that_cannot_be_trusted_is_not_even_read(here, broken_off, undisturbed, harm, why):
    shutil.copytree(broken_off, here, dirs_exist_ok=True)
    (run,) = (here / "runs").iterdir()
    path = snapshot(here)
    assert path is not None
    harm(path, here / "mark")
    assert continued(here) == run
    assert not (here / "mark").exists()
    (reason,) = told(run, "snapshot.refused")
    assert why in reason
    assert digests(run) == undisturbed


def test_an_attempt_without_snapshots_leaves_none_beside_streams_that_are_not_its_own(here, broken_off, undisturbed):
    shutil.copytree(broken_off, here, dirs_exist_ok=True)
    (run,) = (here / "runs").iterdir()
    path = snapshot(here)
    assert path is not None
    before = len(next(run.glob("tables/decisions.worker/*.arrows")).read_bytes())
    with subprocess.Popen(command("long", "--snapshot-every", "0"), cwd=here, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            sizes = [stream.stat().st_size for stream in run.glob("tables/decisions.worker/*.arrows")]
            if not path.exists() and sizes and sizes[0] > 0.5 * before:
                break
            time.sleep(0.01)
        assert process.poll() is None, "it ended before it was killed"
        process.kill()
    assert continued(here) == run
    assert told(run, "snapshot.tick") == []
    assert digests(run) == undisturbed


def test_what_cannot_be_pickled_has_no_snapshots_and_says_so(here):
    done = subprocess.run(command("own"), cwd=here, capture_output=True, text=True, check=True)
    run = here / json.loads(done.stdout.splitlines()[0])["run"]
    (why,) = told(run, "snapshot.impossible")
    assert "pickle" in why
    assert not (run / "snapshots").exists()
