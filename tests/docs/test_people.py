"""The page on people: its scenarios are valid, its commands exist, and the example runs with a script in the person's place."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import yaml

from simworld.scenario import load
from simworld_analysis import open_run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "people.md").read_text()
PROGRAM = [sys.executable, "-c", "from simworld.cli import main; main()"]


def test_the_blocks_of_the_page_are_accepted(tmp_path):
    from simworld.scenario._people import TapeBlock, WebBlock

    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    people = [person for block in blocks for person in block["people"].values()]
    for kind, model in (("web", WebBlock), ("tape", TapeBlock)):
        shown = {key for person in people if person["kind"] == kind for key in person}
        assert shown == set(model.model_fields)  # it shows every key that there is
    for block in blocks:
        name, kind = next((n, p["kind"]) for n, p in block["people"].items() if p["kind"] in {"web", "tape"})
        data = {"world": {"kind": "plaza"}, "horizon": 4, "people": block["people"]}
        data["roles"] = block.get("roles", {"robot": {"kind": "person_robot", "person": name}})
        (tmp_path / "page.yaml").write_text(yaml.safe_dump(data))
        assert load(tmp_path / "page.yaml").cells[0].resolved["people"][name]["kind"] == kind


def test_the_kinds_of_the_page_are_those_that_there_are():
    from simworld.scenario import schema

    table = re.findall(r"^\| `(\w+)` \| .* \| `(\w+)` \|$", PAGE, re.MULTILINE)
    (people,) = schema()["properties"]["people"]["patternProperties"].values()
    assert {kind for kind, _ in table} == set(people["discriminator"]["mapping"])
    assert all(kind == source for kind, source in table)


def test_the_commands_of_the_page_are_there():
    commands = [shlex.split(line, comments=True) for line in PAGE.splitlines() if line.startswith("    simworld ")]
    assert {command[1] for command in commands} == {"run", "human"}
    told = subprocess.run([*PROGRAM, "human", "--help"], capture_output=True, text=True, check=True).stdout
    for option in ("--withdraw", "--host", "--port", "latest"):
        assert option in told


def test_the_example_runs_with_a_script_in_the_persons_place(tmp_path):
    scenario = ROOT / "scenarios" / "plaza" / "person.yaml"
    (command,) = re.findall(r"#   (simworld run \S+ --set .*)", scenario.read_text())
    words = shlex.split(command.replace("scenarios/plaza/person.yaml", str(scenario)))[1:]
    done = subprocess.run(
        [*PROGRAM, *words, "--display", "none"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert set(open_run(next((tmp_path / "runs").iterdir())).table("asks")["source"]) == {"scripted"}
