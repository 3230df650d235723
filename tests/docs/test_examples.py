"""The newcomer's agent and world run, keep their contracts, and are as short as the docs say."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from simworld.execution import Order, execute, replay_run
from simworld.scenario import load
from simworld.testing import AgentSuite, WorldSuite
from simworld_analysis import open_run

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def _load(name: str):
    sys.path.insert(0, str(EXAMPLES))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(EXAMPLES))


class TestCommons(WorldSuite):
    def world(self):
        return _load("my_world").Commons()


class TestCareful(AgentSuite):
    role = "herder"

    def world(self):
        return _load("my_world").Commons()

    def agent(self):
        return _load("my_agent").Careful()


def test_the_study_runs_and_replays(tmp_path):
    outcome = execute(Order(load(EXAMPLES / "my_study.yaml"), tmp_path))
    assert outcome.status == "success"
    run = open_run(outcome.run)
    stock = run.table("measures").groupby("episode", observed=True)["stock"].last()
    arms = run.table("episodes").set_index("episode")["arm"]
    # taking 2 % each leaves a pasture, taking 8 % each does not
    assert stock[arms == "careful"].min() > 40
    assert stock[arms == "greedy"].max() < 30
    assert run.table("decisions.herder")["mind.worry"].between(0, 1).sum() == 2 * 2 * 10 * 30
    assert replay_run(outcome.run).identical


@pytest.mark.parametrize(("name", "most"), [("my_agent.py", 20), ("my_world.py", 45)])
def test_the_examples_are_short(name, most):
    lines = [line for line in (EXAMPLES / name).read_text().splitlines() if line.strip()]
    assert len(lines) <= most
