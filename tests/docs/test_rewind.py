"""The page about forks shows what its commands print, up to last digits."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "rewind.md").read_text()
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*")
NEAR = 0.05
"""Relative: last bits differ between processors."""


def shell(command: str, cwd: Path) -> str:
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": paths, "COLUMNS": "160"}
    return subprocess.run(
        command, shell=True, cwd=cwd, env=environment, capture_output=True, text=True, check=True
    ).stdout


def table(text: str) -> list[list[str]]:
    """The cells of the rows of effects."""
    return [re.split(r" {2,}", line.strip()) for line in text.splitlines() if line.strip().startswith("us_2024 ")]


def test_the_commands_of_the_page_print_what_it_shows(tmp_path):
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    run, checked = "", 0
    for block in BLOCKS:
        for line in (line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")):
            if line.startswith("simworld run"):
                shell(f"{line} --display none", tmp_path)
                (found,) = (tmp_path / "runs").iterdir()
                run = f"runs/{found.name}"
                continue
            told, shown = table(shell(line.replace("RUN", run), tmp_path)), table(block)
            assert len(told) == len(shown) > 0
            for mine, page in zip(told, shown, strict=True):
                assert [NUMBER.sub("#", cell) for cell in mine] == [NUMBER.sub("#", cell) for cell in page]
                numbers = [
                    [float(n.replace(",", "")) for n in NUMBER.findall(" ".join(row[2:]))] for row in (mine, page)
                ]
                assert numbers[0] == pytest.approx(numbers[1], rel=NEAR, abs=0.002)
                checked += 1
    assert checked == 7


def test_the_intervention_of_the_page_is_valid(tmp_path):
    arms, _ = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    base = (ROOT / "scenarios" / "tax_policy.yaml").read_text()
    head = base[: base.index("arms:")]
    (tmp_path / "it.yaml").write_text(head + arms)
    assert "2 cells" in shell("simworld validate it.yaml", tmp_path)


def test_the_probes_of_the_page_are_valid(tmp_path):
    _, probes = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    roles = "roles: {pedestrian: {kind: orca, count: 2}, robot: {kind: straight}}"
    (tmp_path / "it.yaml").write_text(f"world: {{kind: plaza}}\n{roles}\nhorizon: 5\n{probes}")
    assert "valid, 1 cell" in shell("simworld validate it.yaml", tmp_path)
