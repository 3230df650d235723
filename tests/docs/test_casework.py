"""The page about casework: its scenario runs, and each of its lines fills the seat of an expert."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simworld.execution import Order, check, execute
from simworld.scenario import load

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "casework.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_scenario_of_the_page_runs(tmp_path):
    outcome = execute(Order(load(ROOT / "docs" / "examples" / "casework" / "capitals.yaml"), tmp_path))
    assert outcome.status == "success"
    assert (outcome.run / "sources" / "capitals.csv").exists()


@pytest.mark.parametrize("line", BLOCKS[1].splitlines())
def test_one_line_puts_somebody_else_into_the_seat(tmp_path, line):
    path = tmp_path / "line.yaml"
    path.write_text(
        "world: {kind: casework}\nroles:\n  member: {kind: team_member, count: 3}\n"
        f"  {line.partition('#')[0]}\nhorizon: 4\nmodels: {{expert: stand-in/in-context}}\n"
        "people: {default: {kind: scripted, answers: [1]}}\n"
    )
    check(load(path))


def test_the_lines_of_pandas_find_the_deferral_rate(tmp_path, capsys):
    (tmp_path / "it.yaml").write_text(
        "world: {kind: casework, cases: 6}\nhorizon: 40\nroles: {member: {kind: team_member, count: 6}, expert: {kind: expert}}\n"
    )
    run = execute(Order(load(tmp_path / "it.yaml"), tmp_path / "runs")).run
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found: dict[str, object] = {}
    exec(code.replace("runs/<id>", str(run)), found)
    assert found["asks"].mean() == found["run"].table("measures")["deferral_rate"].iloc[-1]
    assert "obs.topic" in capsys.readouterr().out


def test_the_scenarios_that_it_names_are_there():
    for name in re.findall(r"scenarios/[\w/]+\.yaml", PAGE):
        assert (ROOT / name).exists(), name
