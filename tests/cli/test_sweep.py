"""Sweeps: many values times arms times seeds, of which only what is new is run."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from simworld.cli._sweep import sweep as command
from simworld.errors import UserError
from simworld_analysis import open_run

SMALL = """
name: small
world: {kind: economy, brackets: three, tax_year: 2, start_rate: 0.1}
roles:
  worker: {kind: rational, count: 8}
  planner: {kind: fixed, schedule: flat, rate: 0.1}
horizon: 4
episodes: 1
measures: [mean_hours, mean_income]
arms: {low: {}, high: {roles.planner.rate: 0.6}}
"""
OVER = ("--over", "world.elasticity=0.2,0.8")
SAMPLE = ("--over", "world.elasticity=0.2..0.8", "--over", "roles.worker.count=4..9")


@pytest.fixture
def here(tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path


def sweep(here: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from simworld.cli import main; main()", "sweep", "small.yaml", *more]
    return subprocess.run(command, cwd=here, capture_output=True, text=True, check=False, timeout=120)


def records(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def digests(run: Path) -> dict[str, str]:
    files = [f for f in run.glob("t*/**/*.arrow") if f.parent.name != "telemetry"]
    return {str(f.relative_to(run)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_an_extended_sweep_runs_only_what_is_new_and_is_the_same_as_one_from_scratch(here):
    first = records(sweep(here, *OVER, "--seeds", "2", "--display", "json"))
    assert first[0]["episodes"] == 8
    more = records(sweep(here, *OVER, "--seeds", "3", "--display", "json"))
    assert (more[0]["episodes"], more[0]["done"]) == (12, 8)
    assert sum(r["event"] == "episode" for r in more) == 4
    run = here / str(more[0]["run"])
    manifest = open_run(run).manifest
    assert len(manifest["adopted"]) == 8
    assert set(manifest["adopted"].values()) == {Path(str(first[0]["run"])).name}
    fresh = records(sweep(here, *OVER, "--seeds", "3", "--fresh", "--out", "fresh", "--display", "json"))
    assert sum(r["event"] == "episode" for r in fresh) == 12
    assert digests(run) == digests(here / str(fresh[0]["run"]))
    # A value more, and a value less: those in common are there already.
    other = records(sweep(here, "--over", "world.elasticity=0.8,0.5", "--seeds", "3", "--display", "json"))
    assert (other[0]["episodes"], other[0]["done"]) == (12, 6)


def test_fresh_runs_a_finished_sweep_again_and_goes_on_with_one_that_is_not(here):
    first = records(sweep(here, *OVER, "--display", "json"))
    again = records(sweep(here, *OVER, "--fresh", "--display", "json"))
    assert again[0]["run"] != first[0]["run"]
    assert sum(r["event"] == "episode" for r in again) == 4
    assert digests(here / str(first[0]["run"])) == digests(here / str(again[0]["run"]))


def test_the_same_command_twice_at_once_makes_one_run(here):
    command = [
        sys.executable,
        "-c",
        "from simworld.cli import main; main()",
        "run",
        "small.yaml",
        "--set",
        "horizon=400",
    ]
    both = [subprocess.Popen(command, cwd=here, stderr=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    told = [one.communicate(timeout=120) for one in both]
    assert len(list((here / "runs").iterdir())) == 1
    # The second one is told who works on it, or finds it finished.
    late = next((i for i, one in enumerate(both) if one.returncode), None)
    said = b" in use by process " if late is not None else b"this scenario was run before"
    assert any(said in part for one in told for part in one)


def test_a_repeated_sweep_is_its_own_result(here):
    records(sweep(here, *OVER, "--display", "json"))
    again = sweep(here, *OVER)
    assert "was run before" in again.stdout
    assert len(list((here / "runs").iterdir())) == 1
    assert "elasticity=0.8" in again.stdout


def test_other_code_beside_the_scenario_is_another_episode(here):
    (here / "mine.py").write_text(
        "import numpy as np\nfrom simworld.kernel import Cohort\n\n\nclass Mine(Cohort):\n    does = ('hours',)\n\n"
        "    def act(self, seen, seats):\n        return {'hours': np.full(len(seats.members), 30.0)}\n"
    )
    (here / "small.yaml").write_text(SMALL.replace("kind: rational", "kind: 'mine:Mine'"))
    records(sweep(here, *OVER, "--display", "json"))
    (here / "mine.py").write_text((here / "mine.py").read_text().replace("30.0", "31.0"))
    again = records(sweep(here, *OVER, "--display", "json"))
    assert again[0]["done"] == 0


def test_a_dry_run_tells_what_there_is_to_do_and_writes_nothing(here):
    none = sweep(here, *OVER, "--seeds", "2", "--dry-run")
    assert none.stdout.splitlines()[0] == "2 arms x 2 points x 2 seeds: 8 episodes"
    assert "no earlier run of this scenario tells" in none.stdout
    assert not (here / "runs").exists()
    records(sweep(here, *OVER, "--seeds", "2", "--display", "json"))
    some = sweep(here, *OVER, "--seeds", "4", "--dry-run", "--jobs", "2")
    assert "8 of them are known from earlier runs; 8 would be run" in some.stdout
    assert "by 8 episodes of earlier runs" in some.stdout
    assert len(list((here / "runs").iterdir())) == 1


@pytest.mark.parametrize(("method", "points", "cells"), [("latin", 4, 4), ("random", 3, 3), ("sobol", 4, 16)])
def test_points_are_drawn_alike_every_time_and_within_their_ranges(here, method, points, cells):
    done = records(sweep(here, *SAMPLE, "--sample", method, "--points", str(points), "--display", "json"))
    run = here / str(done[0]["run"])
    rows = open_run(run).table("episodes")
    counts, elasticities = rows["param.roles.worker.count"], rows["param.world.elasticity"]
    assert len(rows) == 2 * cells
    assert counts.dtype.kind == "i"
    assert counts.between(4, 9).all()
    assert elasticities.between(0.2, 0.8).all()
    if method == "latin":
        # One point in each quarter of the range.
        assert sorted(((e - 0.2) / 0.15).astype(int) for e in elasticities.unique()) == [0, 1, 2, 3]
    resolved = yaml.safe_load((run / "resolved.yaml").read_text())["sweep"]
    assert len(resolved["points"]) == cells
    assert resolved["design"]["method"] == method
    again = sweep(here, *SAMPLE, "--sample", method, "--points", str(points))
    assert "was run before" in again.stdout
    command = [sys.executable, "-c", "from simworld.cli import main; main()", "replay", str(run)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("identical")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--over", "world.elasticity"), "accepted: KEY=A,B,..., such as world.elasticity=0.2,0.4"),
        (("--over", "world.elasticitty=0.2,0.4"), "world.elasticitty"),
        (("--over", "world.elasticity=0.2..0.4"), "a range needs --sample"),
        (
            ("--over", "world.elasticity=0.2,0.4", "--sample", "latin", "--points", "4"),
            "accepted with --sample: LOW..HIGH",
        ),
        (("--over", "world.elasticity=0.2..0.4", "--sample", "latin"), "--sample and --points go together"),
        (
            ("--over", "world.elasticity=0.2..0.4", "--sample", "sobol", "--points", "6"),
            "sample.points: found 6; accepted: a power of two, for sobol",
        ),
        (
            ("--over", "world.elasticity=0.4..0.2", "--sample", "latin", "--points", "2"),
            "found 0.4 to 0.2; accepted: a range, low to high",
        ),
        (("--over", "roles.planner.rate=0.2,0.4"), "also set by"),
        (("--over", "world.elasticity=0.2", "--over", "world.elasticity=0.4"), "world.elasticity: given twice"),
        (("--over", "world.elasticity=0.2,0.2"), "found 0.2 again; accepted: values that differ"),
    ],
)
def test_what_cannot_be_swept_is_one_line_and_nothing_is_written(here, monkeypatch, more, why):
    monkeypatch.chdir(here)
    done = CliRunner().invoke(command, ["small.yaml", *more])
    assert isinstance(done.exception, UserError), done.output  # exit code 2
    assert why in str(done.exception)
    assert len(str(done.exception).splitlines()) == 1
    assert not (here / "runs").exists()


def test_points_of_a_scenario_are_run_as_they_are_listed(here):
    listed = "sweep: {points: [{world.elasticity: 0.2, horizon: 4}, {world.elasticity: 0.8, horizon: 6}]}\n"
    (here / "small.yaml").write_text(SMALL + listed)
    done = records(sweep(here, "--display", "json"))
    rows = open_run(here / str(done[0]["run"])).table("episodes")
    assert list(zip(rows["arm"], rows["param.world.elasticity"], rows["ticks"], strict=True)) == [
        ("low", 0.2, 4),
        ("low", 0.8, 6),
        ("high", 0.2, 4),
        ("high", 0.8, 6),
    ]
    (here / "small.yaml").write_text(SMALL + listed.replace("horizon: 6", "world.tax_year: 1"))
    refused = sweep(here)
    assert refused.returncode == 2
    assert "accepted: the keys of the first point, world.elasticity, horizon" in refused.stderr
