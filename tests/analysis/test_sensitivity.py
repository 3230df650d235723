"""Sobol indices of a sweep whose answer is known, and of runs that are none."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import sobol_indices

from simworld_analysis.sensitivity import _both

WORLD = '''
from dataclasses import dataclass

import numpy as np
from simworld.kernel import Cohort, Field, Role, World


@dataclass
class Sum(World):
    """Emits a number that hangs on two of its parameters, four times as much variance on the first."""

    a: float = 0.0
    b: float = 0.0
    c: float = 0.0

    roles = (Role("one", act=(Field("x"),)),)
    measures = (Field("sum"),)

    def reset(self, turn):
        turn.wake("one", turn.join("one", 1), 0)

    def observe(self, role, members):
        return {}

    def step(self, moment, turn):
        turn.emit(sum=2 * self.a + self.b)


class Idle(Cohort):
    def act(self, seen, seats):
        return {"x": np.zeros(len(seats.members))}
'''
SCENARIO = """
name: sum
world: {kind: "summing:Sum"}
roles: {one: {kind: "summing:Idle"}}
horizon: 1
"""


def simworld(here, *arguments):
    command = [sys.executable, "-c", "from simworld.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=here, capture_output=True, text=True, check=False, timeout=240)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    found = tmp_path_factory.mktemp("sum")
    (found / "summing.py").write_text(WORLD)
    (found / "it.yaml").write_text(SCENARIO)
    return found


def test_the_indices_of_a_sum_are_its_shares_of_variance(here):
    ranges = [part for name in "abc" for part in ("--over", f"world.{name}=0.0..1.0")]
    done = simworld(here, "sweep", "it.yaml", *ranges, "--sample", "sobol", "--points", "64", "--display", "json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout.splitlines()[0])["run"]
    told = simworld(here, "sensitivity", run, "--json")
    found = {one["parameter"]: one for one in json.loads(told.stdout)}
    for name, share in (("world.a", 0.8), ("world.b", 0.2), ("world.c", 0.0)):
        for which in ("first", "total"):
            assert found[name][which]["value"] == pytest.approx(share, abs=0.04)
            assert found[name][which]["low"] - 0.01 <= share <= found[name][which]["high"] + 0.01
            assert found[name][which]["n"] == 64
    shown = simworld(here, "sensitivity", run).stdout
    assert "with interactions" in shown
    assert "rough" not in shown


def test_they_are_those_of_scipy():
    y = np.random.Generator(np.random.Philox(key=1)).random((5, 128)) + np.arange(5)[:, None] * 0.1
    y[:2] -= y[:2].mean()  # scipy centres with this mean
    known = sobol_indices(func={"f_A": y[:1], "f_B": y[1:2], "f_AB": y[2:, None]}, n=128)
    first, total = _both(y)
    assert first == pytest.approx(known.first_order.ravel())
    assert total == pytest.approx(known.total_order.ravel())


def test_what_is_no_sobol_sweep_is_one_line(here):
    done = simworld(here, "sweep", "it.yaml", "--over", "world.a=0.0,1.0", "--display", "json")
    run = json.loads(done.stdout.splitlines()[0])["run"]
    refused = simworld(here, "sensitivity", run)
    assert refused.returncode == 2
    assert refused.stderr.strip().endswith("is no Sobol sweep; accepted: one made with --sample sobol")
