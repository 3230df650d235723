"""The page about others' worlds: its commands run as they stand, in order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from simworld_analysis import open_run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "bring-your-own.md").read_text()
COMMANDS = [line[2:] for b in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL) for line in b.splitlines()]


def shell(command: str, cwd: Path) -> str:
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": paths, "COLUMNS": "160", "SDL_VIDEODRIVER": "dummy"}
    done = subprocess.run(
        command, shell=True, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=400
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def here(tmp_path):
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    return tmp_path


def test_the_commands_of_the_page_run_and_give_what_it_says(here):
    runs: list[Path] = []
    for command in COMMANDS:
        if command.startswith("simworld train"):
            continue
        told = shell(command.replace("RUN", str(runs[-1]) if runs else ""), here)
        made = sorted(set((here / "runs").iterdir()) - set(runs)) if (here / "runs").exists() else []
        runs += made
        if command.startswith("simworld replay"):
            assert told.startswith("identical"), told
    assert len(runs) == 4
    forest = open_run(runs[0])
    names = {"run": forest, "path": runs[0], "open_run": open_run}
    (code,) = [b for b in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if b.startswith("run = open_run(path)")]
    exec(code, names)
    assert names["burnt"]["dense"].mean() > 0.9
    assert names["burnt"]["sparse"].mean() < 0.5
    assert names["on_fire"].max() > 10
    assert (here / "pasture" / "my_study.yaml").exists()


def test_the_environment_of_the_page_is_one(here, monkeypatch):
    monkeypatch.chdir(here)
    (code,) = [b for b in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if b.startswith("import simworld")]
    names: dict[str, object] = {}
    exec(code, names)
    assert set(names["truncations"]) == {f"player_{i}" for i in range(8)}  # type: ignore[arg-type]


@pytest.mark.skipif(find_spec("torch") is None, reason="training needs torch: pip install 'simworld[train]'")
def test_the_training_of_the_page_makes_policies_that_a_scenario_names(here):
    first, second = [one for one in COMMANDS if one.startswith("simworld train")]
    assert "needs two trainings" not in shell(second, here)
    told = shell(first, here)
    policy = re.search(r"checkpoint: (\S+)}", told)[1]
    blocks = [
        b
        for b in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
        if b.startswith("roles:\n  player:\n    - {kind: policy")
    ]
    text = re.sub(r"checkpoint: \S+,", f"checkpoint: {policy},", blocks[0])
    (here / "played.yaml").write_text(f"world: {{kind: repeated_game}}\n{text}horizon: 30\nepisodes: 2\n")
    shell("simworld run played.yaml --display none --out played", here)
    (run,) = (here / "played").iterdir()
    assert shell(f"simworld replay {run}", here).startswith("identical: 2 episodes")
