"""Many episodes: the cost of handing one out, two workers beside one, files and memory that remain, resuming half."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Line
from simworld.execution import Cluster, Order, execute, run_episode
from simworld.execution._plan import specs_of
from simworld.execution._ray import connected
from simworld.recording import create_run
from simworld.scenario import load
from simworld_analysis import open_run

SCENARIO = """
name: many
world: {{kind: economy, brackets: three, tax_year: 2}}
roles:
  worker: {{kind: rational, count: {workers}}}
  planner: {{kind: fixed, schedule: flat, rate: 0.3}}
horizon: {horizon}
episodes: {episodes}
"""
SHORT, MANY, HALVED = 400, 10_000, 200
INTERVAL = 10.0
"""Seconds between snapshots."""
_WITH = "import sys; from simworld.cli import main\ntry:\n    main()\nfinally:\n    "
# Not ru_maxrss, which a process inherits from whoever started it.
_WITH += "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0], file=sys.stderr)"


def written(folder: Path, episodes: int, workers: int = 8, horizon: int = 6) -> Path:
    """A scenario file."""
    path = folder / "many.yaml"
    path.write_text(SCENARIO.format(workers=workers, horizon=horizon, episodes=episodes))
    return path


def scheduling(folder: Path) -> tuple[float, float]:
    """Seconds for short episodes on a cluster of two: through the executor, and as bare tasks of the same work."""
    scenario = load(written(folder, SHORT))
    with connected("local", 2, print):
        import ray  # noqa: PLC0415  after its settings

        execute(Order(scenario, folder / "warm", 2, cluster=Cluster()))  # workers are started, and have imported
        begun = time.perf_counter()
        execute(Order(scenario, folder / "ours", 2, cluster=Cluster()))
        ours = time.perf_counter() - begun
        run = create_run(folder / "bare", "bare", "0" * 64, datetime.now(UTC))
        waiting = [replace(spec, run=run.resolve()) for spec in specs_of(scenario, run)]
        task, flying = ray.remote(run_episode).options(num_cpus=1, max_retries=0), []  # type: ignore[var-annotated]
        begun = time.perf_counter()
        while waiting or flying:
            while waiting and len(flying) < 4:
                flying.append(task.remote(waiting.pop()))
            done, flying = ray.wait(flying, num_returns=1)
            ray.get(done)
        return ours, time.perf_counter() - begun


def efficiency(folder: Path) -> tuple[float, float]:
    """What share of the ideal two workers reach with episodes of about a second, starting included on neither side.

    The ideal is half the time that one worker takes. But one worker's run takes more than one processor: its recorder
    and the driver have threads of their own, and Ray its processes. So there is a second share: of what two processors
    could do if both were busy all the time with just what one worker's run needed of them.
    """
    seconds, busy = [], []
    for jobs in (1, 2):
        with connected("local", jobs, print):
            # As long as the others: so each worker gets one, is started, and has imported what it needs.
            execute(Order(load(written(folder, jobs, 400, 1600)), folder / f"warm{jobs}", jobs, cluster=Cluster()))
            scenario = load(written(folder, 32, workers=400, horizon=1600))
            begun, before = time.perf_counter(), processor_seconds()
            execute(Order(scenario, folder / f"jobs{jobs}", jobs, cluster=Cluster()))
            seconds.append(time.perf_counter() - begun)
            busy.append(processor_seconds() - before)
    return seconds[0] / (2 * seconds[1]), max(seconds[0], busy[0]) / (2 * seconds[1])


def processor_seconds() -> float:
    """Seconds of processors that all processes there are have used."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            ticks += sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def command(path: Path, *more: str) -> list[str]:
    """The program, which tells its peak memory at last."""
    return [sys.executable, "-c", _WITH, "run", path.name, "--display", "json", "--jobs", "2", *more]


def peak(path: Path, *more: str) -> float:
    """MiB that the driver of a run needed at most."""
    done = subprocess.run(command(path, *more), cwd=path.parent, capture_output=True, text=True, check=True)
    return int(done.stderr.split()[-1]) / 1024


def resumed(folder: Path) -> float:
    """Seconds to resume a sweep that was killed at half, against half of what it takes whole.

    Starting the program is in both; the episodes take a third of a second each, so that it does not decide.
    """
    path = written(folder, HALVED, workers=200, horizon=600)
    begun = time.perf_counter()
    subprocess.run(command(path, "--out", "whole"), cwd=folder, capture_output=True, check=True)
    whole = time.perf_counter() - begun
    with subprocess.Popen(command(path), cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ended = 0
        for line in process.stdout:
            ended += json.loads(line)["event"] == "episode"
            if ended == HALVED // 2:
                process.kill()
                break
    begun = time.perf_counter()
    done = subprocess.run(command(path), cwd=folder, capture_output=True, text=True, check=True)
    left = HALVED - int(json.loads(done.stdout.splitlines()[0])["done"])
    return (time.perf_counter() - begun) / (whole * left / HALVED)


def long_resumed(folder: Path) -> float:
    """What killing one long episode at half costs, in snapshot intervals; that the program starts twice is in it."""
    path, every = written(folder, 1, workers=2_000, horizon=8_000), ["--snapshot-every", str(INTERVAL)]
    begun = time.perf_counter()
    subprocess.run(command(path, "--out", "undisturbed", *every), cwd=folder, capture_output=True, check=True)
    whole = time.perf_counter() - begun
    begun = time.perf_counter()
    with subprocess.Popen(command(path, *every), cwd=folder, stdout=subprocess.DEVNULL) as process:
        time.sleep(whole / 2)
        process.kill()
    subprocess.run(command(path, *every), cwd=folder, capture_output=True, check=True)
    return (time.perf_counter() - begun - whole) / INTERVAL


def opened(runs: Sequence[Path]) -> tuple[int, float]:
    """Files of a run, and seconds until its index and a mean by seed are there in pandas."""
    (run,) = runs
    begun = time.perf_counter()
    frame = open_run(run).table("measures", ["episode", "mean_income"])
    frame.groupby("episode", observed=True)["mean_income"].mean()
    return sum(path.is_file() for path in run.rglob("*")), time.perf_counter() - begun


def lines() -> list[Line]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours, bare = scheduling(folder)
        share, possible = efficiency(folder)
        again = resumed(folder)
        (folder / "long").mkdir()
        lost = long_resumed(folder / "long")
        few = peak(written(folder, 100), "--out", "few")
        many = peak(written(folder, MANY), "--out", "many")
        files, seconds = opened(list((folder / "many").iterdir()))
    return [
        Line(f"{SHORT} short episodes on Ray, two workers", SHORT / ours, "episodes/s"),
        Line("the same as bare tasks, one each", SHORT / bare, "episodes/s"),
        Line("time through the executor / as bare tasks", ours / bare, "x", at_most=1.2),
        Line("two workers, episodes of about a second: share of the ideal", share, "", at_least=0.9),
        Line("the same, of what two processors can do at all", possible, ""),
        Line(f"{HALVED} episodes killed at half: resuming / the work that is left", again, "x", at_most=1.1),
        Line("one long episode killed at half: time that is lost / snapshot interval", lost, "x", at_most=1.0),
        Line(f"files of {MANY:,} episodes", files, "", at_most=200),
        Line("their measures grouped by episode in pandas", seconds, "s", at_most=5.0),
        Line("memory of the driver, beyond that for 100 episodes", many - few, "MiB", at_most=300.0),
    ]
