"""Casework: ten thousand cases of synthetic teams of three, bare and as a recorded run."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measure import Line
from simworld.execution import Order, execute
from simworld.kernel import Group, Kernel
from simworld.scenario import load
from simworld.worlds.casework import Casework
from simworld_agents.caseworker import SimulatedExpert, TeamMember

CASES, TEAMS, EPISODES = 20, 250, 2
REPEATS = 3
STUDY = f"""
name: bench
world: {{kind: casework, cases: {CASES}}}
roles:
  member: {{kind: team_member, count: {3 * TEAMS}, threshold: 0.8}}
  expert: {{kind: expert, count: {TEAMS}}}
horizon: 200
episodes: {EPISODES}
"""


def bare_seconds() -> float:
    """Process time of as many cases in one episode, learning included, and nothing recorded."""
    teams = TEAMS * EPISODES
    seating = {"member": [Group(TeamMember(), 3 * teams)], "expert": [Group(SimulatedExpert(), teams)]}
    kernel = Kernel(Casework(cases=CASES), seating, seed=1, horizon=200)
    begun = time.process_time()
    kernel.run()
    assert kernel.ended
    return time.process_time() - begun


def run_seconds() -> float:
    """Wall time of a run of as many cases in two processes, every decision recorded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(STUDY, encoding="utf-8")
        scenario = load(path)
        begun = time.perf_counter()
        outcome = execute(Order(scenario, Path(folder) / "runs", jobs=2))
        seconds = time.perf_counter() - begun
        assert outcome.status == "success"
        return seconds


def lines() -> list[Line]:
    cases = CASES * TEAMS * EPISODES
    bare, run = (float(np.median([of() for _ in range(REPEATS)])) for of in (bare_seconds, run_seconds))
    return [
        Line(f"{cases:,} cases of synthetic teams, one process, nothing recorded", cases / bare, "cases/s"),
        Line(f"{cases:,} cases of synthetic teams, recorded, two processes", run, "s", at_most=20.0),
    ]


if __name__ == "__main__":
    for line in lines():
        print(f"{line.what}: {line.value:,.4g} {line.unit} {line.bound}")
