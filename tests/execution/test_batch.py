"""Short episodes go together; where those that follow take longer, nobody waits behind them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import deque

import pytest

from simworld.execution import EpisodeResult, run_episode
from simworld.execution._batch import Pace, run_batch
from simworld.execution._plan import specs_of
from simworld.recording._sealing import finished_episodes
from simworld.scenario import load
from simworld_analysis import open_run

UNEVEN = """
name: uneven
world: {kind: "slow:Street"}
roles: {person: {kind: "slow:Waiting"}}
horizon: 2
episodes: 16
arms:
  quick: {}
  slow: {roles.person.pause: 0.4}
"""
SLOW = '''
import time

import numpy as np
from simworld.kernel import Agent, Field, Role, World


class Street(World):
    """Somebody who looks twice."""

    roles = (Role("person", obs=(Field("x"),), act=(Field("look"),)),)

    def reset(self, turn):
        turn.wake("person", turn.join("person", 1), 0)

    def observe(self, role, members):
        return {"x": np.zeros(len(members))}

    def step(self, moment, turn):
        turn.wake("person", moment.acts["person"].members, turn.tick + 1)


class Waiting(Agent):
    """Takes some time."""

    def __init__(self, pause: float = 0.0):
        self.pause = pause

    def act(self, seen, seat):
        time.sleep(self.pause)
        return {"look": 1.0}
'''
COMMAND = [sys.executable, "-c", "from simworld.cli import main; main()", "run", "uneven.yaml", "--display", "json"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_of_batches_that_end_early_nothing_is_lost_or_doubled(tmp_path, jobs):
    (tmp_path / "uneven.yaml").write_text(UNEVEN)
    (tmp_path / "slow.py").write_text(SLOW)
    done = subprocess.run([*COMMAND, "--jobs", jobs], cwd=tmp_path, capture_output=True, text=True, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    ended = [record for record in told if record["event"] == "episode"]
    assert len(ended) == len({record["id"] for record in ended}) == 32
    rows = open_run(tmp_path / told[0]["run"]).table("episodes")
    assert len(rows) == rows["episode"].nunique() == 32
    assert set(rows["status"]) == {"success"}


def test_a_batch_that_takes_longer_than_foreseen_ends_early(tmp_path):
    (tmp_path / "uneven.yaml").write_text(UNEVEN)
    (tmp_path / "slow.py").write_text(SLOW)
    specs = specs_of(load(tmp_path / "uneven.yaml"), tmp_path)
    quick, slow, pace = specs[:16], deque(specs[16:]), Pace()
    pace.took(quick, [EpisodeResult(spec.number, spec.id, "success", seconds=0.01) for spec in quick])
    batch = pace.take(slow, 1)
    assert len(batch) > 3  # as many as if they were like those before
    results, failure = run_batch(batch, lambda spec, sheaf: run_episode(spec, sheaf=sheaf), lambda: "go")
    assert failure is None
    assert 1 <= len(results) < len(batch)  # 0.8 seconds each
    assert pace.took(batch, results) == batch[len(results) :]
    assert finished_episodes(tmp_path) == {result.id for result in results}


def test_a_pause_ends_a_batch_after_an_episode_and_the_next_one_waits(tmp_path):
    (tmp_path / "uneven.yaml").write_text(UNEVEN)
    (tmp_path / "slow.py").write_text(SLOW)
    specs, wishes = specs_of(load(tmp_path / "uneven.yaml"), tmp_path)[:8], ["pause", "pause", "go", "go", "pause"]

    def run(spec, sheaf):
        assert len(wishes) < 4  # the pause was waited for
        return run_episode(spec, sheaf=sheaf)

    results, _ = run_batch(specs, run, lambda: wishes.pop(0))
    assert [result.id for result in results] == [spec.id for spec in specs[:2]]
    assert finished_episodes(tmp_path) == {spec.id for spec in specs[:2]}  # sealed, although it is paused
    wishes[:] = ["pause", "stop"]
    assert run_batch(specs[2:], run, lambda: wishes.pop(0)) == ([], None)
