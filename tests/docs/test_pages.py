"""The pages of the docs show the files they name, link to what exists, and have pictures of the scenarios as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from simworld.execution import prompts_of
from simworld.scenario import ScenarioFile, load, scenario_digest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHOWN = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


def test_files_are_shown_as_they_are():
    shown = [(page, *found) for page in PAGES for found in SHOWN.findall(page.read_text())]
    mine, brought = (
        {"my_agent.py", "my_world.py", "my_study.yaml"},
        {"forest.py", "forest.yaml", "sheep.py", "flock.yaml"},
    )
    assert {Path(name).name for _, name, _ in shown} == mine | brought | {
        "board.yaml",
        "crossing.yaml",
        "capitals.yaml",
    }
    for page, name, text in shown:
        assert text == (page.parent / name).read_text()


def test_the_scenario_of_the_page_is_valid(tmp_path):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "scenarios.md").read_text(), re.DOTALL)
    path = tmp_path / "page.yaml"
    path.write_text(blocks[0])
    scenario = load(path)
    assert len(scenario.cells) == 4
    assert set(yaml.safe_load(blocks[0])) == set(ScenarioFile.model_fields)  # it shows every key that there is


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "pictures").glob("*.svg")), ids=lambda p: p.name)
def test_pictures_are_of_the_scenarios_as_they_are(picture):
    text = picture.read_text()
    made = re.search(r"made by `make pictures` from (\S+), digest (\w+), prompts (\S+)", text)
    scenario = load(ROOT / made[1])
    assert scenario_digest(scenario) == made[2], "make pictures"
    prompts = ",".join(digest[:8] for digest in prompts_of(scenario).values()) or "none"
    assert prompts == made[3], "make pictures"
    assert "http" not in text.replace("http://www.w3.org", "")
