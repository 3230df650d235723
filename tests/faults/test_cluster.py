"""A real Ray cluster of two nodes, as separate processes: workers, nodes and drivers die, and nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from simworld_analysis import open_run

FALLS = '''
import os
import signal
import time
from pathlib import Path

import numpy as np
from simworld.kernel import Cohort, Field, Role, World


class Street(World):
    """People who wave with a chance of their own."""

    roles = (Role("person", obs=(Field("x"),), act=(Field("wave", low=0, high=1),)),)
    measures = (Field("waves"),)

    def reset(self, turn):
        turn.wake("person", turn.join("person", turn.seats("person")), 0)

    def observe(self, role, members):
        return {"x": members.astype(np.float64)}

    def step(self, moment, turn):
        turn.emit(waves=float(moment.acts["person"]["wave"].sum()))
        turn.wake("person", moment.acts["person"].members, turn.tick + 1)


class Waves(Cohort):
    """Waves; somewhere, once, something happens to the process that it lives in, or always."""

    does = ("wave",)

    def __init__(self, how: str = "", folder: str = "", pause: float = 0.0):
        self.how, self.folder, self.pause = how, folder, pause

    def act(self, seen, seats):
        time.sleep(self.pause)
        # The first node is the driver's; a worker may die anywhere.
        spared = self.how == "node" and os.environ.get("TEST_NODE", "") == "first"
        if seats.tick == 4 and self.how and not spared:
            once = Path(self.folder) / f"{self.how}"
            with_it = self.how == "always" or _first(once)
            if with_it:
                how = signal.SIGTERM if self.how == "ended" else signal.SIGKILL
                os.kill(os.getppid() if self.how == "node" else os.getpid(), how)
                time.sleep(60)
        return {"wave": seats.draw("wave")}


def _first(path):
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
'''
STREET = """
name: street
world: {kind: "falls:Street"}
roles: {person: {kind: "falls:Waves", folder: "%(folder)s", pause: %(pause)s, count: 3}}
horizon: 8
episodes: %(episodes)s
arms:
  steady: {}
  unlucky: {roles.person.how: %(how)s}
"""


class Cluster:
    """Two nodes of one CPU each: the first is the head, where the driver is."""

    def __init__(self, folder: Path) -> None:
        self.env = os.environ | {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self._ray, self._folder = Path(sys.executable).parent / "ray", folder
        self.nodes: list[subprocess.Popen[bytes]] = []
        with socket.socket() as probe:
            probe.bind(("", 0))
            port = probe.getsockname()[1]
        log = self._start("first", "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder}")
        self.address = self._found(log, re.compile(rf"(\d+\.\d+\.\d+\.\d+:{port})"))
        self.join()

    def join(self) -> None:
        """Add the second node, or one that takes its place."""
        log = self._start("second", f"--address={self.address}")
        self._found(log, re.compile("(Ray runtime started)"))

    def lose(self) -> None:
        """See the second node off."""
        self.nodes.pop().wait(timeout=60)

    def close(self) -> None:
        for node in self.nodes:
            node.send_signal(signal.SIGTERM)
        for node in self.nodes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                node.wait(timeout=30)
            node.kill()

    def _start(self, name: str, *options: str) -> Path:
        log = self._folder / f"{name}-{len(self.nodes)}-{secrets.token_hex(2)}.log"
        command = [str(self._ray), "start", "--block", "--num-cpus=1", "--object-store-memory=100000000", *options]
        with log.open("wb") as out:
            node = subprocess.Popen(command, env=self.env | {"TEST_NODE": name}, stdout=out, stderr=out)
        self.nodes.append(node)
        return log

    @staticmethod
    def _found(log: Path, what: re.Pattern[str]) -> str:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if found := what.search(log.read_text(errors="replace")):
                return found[1]
            time.sleep(0.2)
        raise AssertionError(log.read_text(errors="replace"))


@pytest.fixture(scope="module")
def cluster():
    # Sockets have short names.
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder:
        found = Cluster(Path(folder))
        try:
            yield found
        finally:
            found.close()


@pytest.fixture
def street(tmp_path):
    """A scenario beside its own code; its `unlucky` arm kills what it runs in."""

    def of(how: str, episodes: int = 3, pause: float = 0.0) -> Path:
        (tmp_path / "falls.py").write_text(FALLS)
        path = tmp_path / "street.yaml"
        path.write_text(STREET % {"how": how, "folder": tmp_path, "episodes": episodes, "pause": pause})
        return path

    return of


def simworld(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from simworld.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300)


def driver(cluster: Cluster, scenario: str, anywhere: bool, storage: str = "") -> str:
    """A program that runs a scenario on a cluster, and says where and how it ended."""
    return f"""
from pathlib import Path
from simworld.execution import Cluster, Order, execute
from simworld.scenario import load
there = Cluster({cluster.address!r}, {storage!r}, anywhere={anywhere})
outcome = execute(Order(load(Path({scenario!r})), cluster=there))
print(outcome.run, outcome.status)
"""


def run_of(done: subprocess.CompletedProcess[str], cwd: Path) -> Path:
    assert done.returncode == 0, done.stderr + done.stdout
    return cwd / json.loads(done.stdout.splitlines()[0])["run"]


def digests(run: Path) -> dict[str, str]:
    """Of all that a scenario and its tape determine."""
    files = [f for f in run.glob("t*/**/*.arrow") if f.parent.name != "telemetry"]
    assert len(files) > 4
    return {str(f.relative_to(run)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def undisturbed(street: Path, how: str) -> dict[str, str]:
    """The same scenario where nothing happens any more: each misfortune happens once."""
    (street.parent / how).touch()
    done = simworld("run", "street.yaml", "--display", "json", "--out", "undisturbed", cwd=street.parent)
    return digests(run_of(done, street.parent))


def complete(run: Path, episodes: int) -> None:
    """Nothing is lost, and nothing doubled."""
    rows = open_run(run).table("episodes")
    assert len(rows) == rows["episode"].nunique() == episodes
    assert set(rows["status"]) == {"success"}
    waves = open_run(run).table("decisions.person")
    assert len(waves) == len(waves.drop_duplicates(["episode", "tick", "agent"])) == episodes * 3 * 9
    assert not list(run.glob("t*/**/*.arrows"))
    assert not list(run.glob(".shared-*"))
    assert json.loads((run / "run.json").read_text())["status"] == "success"


def test_a_cluster_that_is_started_here_gives_the_same_bytes(street):
    path = street("calm")
    done = simworld("run", "street.yaml", "--display", "json", "--address", "local", "--jobs", "4", cwd=path.parent)
    run = run_of(done, path.parent)
    complete(run, 6)
    assert digests(run) == undisturbed(path, "calm")


@pytest.mark.parametrize("anywhere", [False, True], ids=["shared files", "files sent"])
def test_two_nodes_give_the_same_bytes(cluster, street, anywhere):
    path = street("calm", episodes=8, pause=0.02)
    script = driver(cluster, "street.yaml", anywhere)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=path.parent, env=cluster.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    run, status = done.stdout.split()
    assert status == "success"
    complete(path.parent / run, 16)
    assert digests(path.parent / run) == undisturbed(path, "calm")


def test_tables_that_wait_in_a_storage_are_not_lost_with_the_driver(cluster, street, tmp_path):
    path, storage = street("calm", episodes=8, pause=0.1), tmp_path / "storage"
    command = [sys.executable, "-c", driver(cluster, "street.yaml", True, f"file://{storage}")]
    with subprocess.Popen(command, cwd=path.parent, env=cluster.env) as process:
        until(lambda: list(tmp_path.glob("runs/*/tables/episodes/*.arrow")))
        process.send_signal(signal.SIGSTOP)  # it fetches no more, and its workers leave what they have
        until(lambda: list(storage.glob("*/*.tar")))
        process.kill()
    (run,) = (tmp_path / "runs").iterdir()
    assert list(storage.glob("*/*.tar"))
    done = subprocess.run(command, cwd=path.parent, env=cluster.env, capture_output=True, text=True, check=False)
    assert done.stdout.split()[1] == "success", done.stderr
    complete(run, 16)
    assert not list(storage.iterdir())
    telemetry = open_run(run).table("telemetry")
    assert len(telemetry[telemetry["key"] == "seconds"]) == 16
    assert digests(run) == undisturbed(path, "calm")


def test_a_storage_that_cannot_be_used_is_one_line(cluster, street):
    path = street("calm")
    for uri in ("nowhere://bucket/folder", "file:///proc/folder"):
        command = ["run", "street.yaml", "--address", cluster.address, "--storage", uri]
        done = simworld(*command, cwd=path.parent, env=cluster.env)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: storage '{uri}'"), done.stderr
        assert not (path.parent / "runs").exists()
    done = simworld("run", "street.yaml", "--storage", "file:///tmp", cwd=path.parent)
    assert (done.returncode, done.stderr[:16]) == (2, "error: --storage")


@pytest.mark.parametrize("how", ["worker", "ended"])
def test_a_worker_that_is_killed_in_mid_episode_is_replaced(cluster, street, how):
    """By the system, or as Ray does it with those whose driver is gone."""
    path = street(how)
    done = simworld(
        "run", "street.yaml", "--display", "json", "--address", cluster.address, cwd=path.parent, env=cluster.env
    )
    run = run_of(done, path.parent)
    assert (path.parent / how).exists()
    complete(run, 6)
    assert digests(run) == undisturbed(path, how)


def test_a_worker_process_of_this_machine_is_replaced_too(street):
    path = street("worker")
    done = simworld("run", "street.yaml", "--display", "json", "--jobs", "2", cwd=path.parent)
    run = run_of(done, path.parent)
    assert (path.parent / "worker").exists()
    complete(run, 6)
    assert digests(run) == undisturbed(path, "worker")


def test_an_episode_that_kills_every_worker_is_a_failed_row_and_the_rest_goes_on(street):
    path = street("always")
    path.write_text(path.read_text().replace("unlucky: {", "unlucky: {horizon: 7, "))
    done = simworld("run", "street.yaml", "--display", "json", "--jobs", "2", cwd=path.parent)
    assert done.returncode == 1, done.stderr
    run = path.parent / json.loads(done.stdout.splitlines()[0])["run"]
    rows = open_run(run).table("episodes").set_index(["arm", "seed"])
    assert len(rows) == 6
    assert set(rows.loc["steady", "status"]) == {"success"}
    assert set(rows.loc["unlucky", "status"]) == {"failed"}
    assert set(rows.loc["unlucky", "error"]) == {"its worker process died 3 times (out of memory, or killed)"}
    replayed = simworld("replay", str(run), cwd=path.parent)
    assert replayed.stdout.startswith("identical: 6 episodes"), replayed.stdout + replayed.stderr


def test_a_node_that_is_lost_in_mid_sweep_loses_nothing(cluster, street):
    path = street("node", episodes=10, pause=0.05)
    done = simworld(
        "run", "street.yaml", "--display", "json", "--address", cluster.address, cwd=path.parent, env=cluster.env
    )
    try:
        run = run_of(done, path.parent)
        assert (path.parent / "node").exists()  # it happened
        complete(run, 20)
        assert digests(run) == undisturbed(path, "node")
    finally:
        cluster.lose()
        cluster.join()


def test_a_driver_that_is_killed_is_resumed_by_the_same_command(cluster, street):
    path = street("calm", episodes=10, pause=0.05)
    command = [sys.executable, "-c", "from simworld.cli import main; main()", "run", "street.yaml"]
    command += ["--display", "json", "--address", cluster.address]
    with subprocess.Popen(command, cwd=path.parent, env=cluster.env, stdout=subprocess.PIPE, text=True) as driver:
        ended = 0
        for line in driver.stdout:
            ended += json.loads(line)["event"] == "episode"
            if ended == 6:
                driver.kill()
                break
        driver.stdout.read()
    done = simworld(*command[3:], cwd=path.parent, env=cluster.env)
    run = run_of(done, path.parent)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert records[0]["resumed"]
    assert 6 <= records[0]["done"] < 20
    assert sum(r["event"] == "episode" for r in records) == 20 - records[0]["done"]
    complete(run, 20)
    assert digests(run) == undisturbed(path, "calm")


ASKING = """
name: asking
world: {{kind: economy, brackets: three, tax_year: 3, start_rate: 0.2}}
roles:
  worker: {{kind: llm_worker, count: 4}}
  planner: {{kind: fixed, schedule: flat, rate: 0.2}}
horizon: 6
episodes: 3
models:
  default: {{model: openai/scripted, base_url: "{url}", temperature: 0.7}}
asking: {{timeout: 20, retries: 1, limit: 8}}
"""


def workers() -> list[int]:
    """Processes of this cluster's workers that run a task."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name, environment = (path / "cmdline").read_bytes(), (path / "environ").read_bytes()
            if name.startswith(b"ray::work") and b"TEST_NODE=" in environment:
                found.append(int(path.name))
    return found


@pytest.mark.parametrize("anywhere", [False, True], ids=["shared files", "files sent"])
def test_no_answered_ask_is_asked_again_after_all_workers_died(cluster, serve, said, tmp_path, anywhere):
    stop, died = 25, threading.Event()
    answer = json.dumps({"thought": "fine", "hours": 41})
    # From the 25th on the server answers nobody until all workers are dead: what was answered before has been taped.
    server = serve(lambda body, n: said(hang=True) if n >= stop and not died.is_set() else said(answer))
    (tmp_path / "asking.yaml").write_text(ASKING.format(url=server.url))
    script = driver(cluster, "asking.yaml", anywhere)
    with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, env=cluster.env, stdout=subprocess.PIPE) as run:
        until(lambda: len(server.requests) > stop)
        time.sleep(1.0)
        victims = workers()
        assert victims
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        died.set()
        told, _ = run.communicate(timeout=120)
    where, status = told.decode().split()
    assert status == "success"
    # The server's own log: an ask is known by its prompt and its seed.
    answered = Counter(json.dumps([body["messages"], body["seed"]]) for body in server.answered)
    assert len(answered) == 3 * 6 * 4
    assert set(answered.values()) == {1}
    replayed = simworld("replay", where, cwd=tmp_path)
    assert replayed.stdout.startswith("identical: 3 episodes"), replayed.stdout + replayed.stderr


def until(true, seconds=90.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


FORKED = """
from pathlib import Path
from simworld.execution import Change, Cluster, Order, execute, forked
with forked(Path({run!r}), Change(3, {{"roles.planner.rate": {rate}}})) as scenario:
    print(execute(Order(scenario, reuse=True, cluster=Cluster({address!r}, anywhere=True))).run)
"""


def test_a_fork_on_nodes_without_the_files_pays_only_for_what_is_new(cluster, serve, said, tmp_path):
    server = serve(lambda body, n: said(json.dumps({"thought": f"the {n}th", "hours": 38 + n % 5})))
    (tmp_path / "asking.yaml").write_text(ASKING.format(url=server.url))
    base = simworld("run", "asking.yaml", "--display", "json", cwd=tmp_path)
    run = run_of(base, tmp_path)
    paid = len(server.requests)
    assert paid == 3 * 6 * 4
    for rate, new in ((0.2, 0), (0.4, 3 * 3 * 4)):  # the same rate changes nothing; another one from tick 3 on
        script = FORKED.format(run=str(run), rate=rate, address=cluster.address)
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env=cluster.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert len(server.requests) - paid <= new
        assert bool(len(server.requests) - paid) == bool(new)
        replayed = simworld("replay", done.stdout.strip(), cwd=tmp_path)
        assert replayed.stdout.startswith("identical: 6 episodes"), replayed.stdout + replayed.stderr
        paid = len(server.requests)


def test_no_cluster_is_one_line_and_nothing_is_written(street):
    path = street("calm")
    done = simworld("run", "street.yaml", "--address", "127.0.0.1:1", cwd=path.parent)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no Ray cluster at '127.0.0.1:1'"), done.stderr
    assert not (path.parent / "runs").exists()
