"""The page about the plaza: its scenario runs, and each of its lines fills the seat of a robot."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simworld.execution import Order, check, execute
from simworld.scenario import load
from simworld_analysis import open_run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "plaza.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_scenario_of_the_page_runs_and_tells_who_disturbs_whom(tmp_path):
    path = tmp_path / "page.yaml"
    path.write_text(BLOCKS[0])
    run = open_run(execute(Order(load(path, ["episodes=1"]), tmp_path / "runs")).run)
    assert run.manifest["status"] == "success"
    table = run.table("measures", arms=True)
    disturbed = table.groupby("arm", observed=True)["perturbation"].mean()
    assert disturbed.pop("nobody") == 0.0
    assert set(disturbed.index) == {"straight", "orca", "goal_only", "minds_people"}
    assert (disturbed > 0.0).all()


@pytest.mark.parametrize("line", [line for line in BLOCKS[1].splitlines() if "<id>" not in line])
def test_one_line_puts_somebody_else_into_the_robot(tmp_path, line):
    path = tmp_path / "line.yaml"
    robot = line.partition("#")[0].replace("models/", f"{ROOT}/scenarios/plaza/models/")
    people = "people: {default: {kind: scripted, answers: [go]}}\n"
    path.write_text(
        f"world: {{kind: plaza}}\nroles:\n  pedestrian: {{kind: orca, count: 2}}\n  {robot}\nhorizon: 4\n{people}"
    )
    check(load(path))


def test_the_scenarios_that_it_names_are_there():
    for name in re.findall(r"scenarios/[\w/]+\.yaml", PAGE):
        assert (ROOT / name).exists(), name
