"""Short episodes go together; where those that follow take longer, nobody waits behind them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

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
def test_a_batch_that_takes_longer_than_foreseen_ends_early_and_nothing_is_lost_or_doubled(tmp_path, jobs):
    (tmp_path / "uneven.yaml").write_text(UNEVEN)
    (tmp_path / "slow.py").write_text(SLOW)
    # By the pace of the first arm all of the second would be one batch: 13 seconds without a word.
    told = []
    with subprocess.Popen([*COMMAND, "--jobs", jobs], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            told.append(json.loads(line))
            done = json.loads((tmp_path / told[0]["run"] / "run.json").read_text())["done"]
            told[-1]["done by then"] = done
    ended = [record for record in told if record["event"] == "episode"]
    assert len(ended) == len({record["id"] for record in ended}) == 32
    assert len({record["done by then"] for record in ended[16:]}) > 3  # they come by ones and twos
    rows = open_run(tmp_path / told[0]["run"]).table("episodes")
    assert len(rows) == rows["episode"].nunique() == 32
    assert set(rows["status"]) == {"success"}
