"""A workspace of one's own runs at once: the study, its tests, its notebook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from simworld.cli._init import init
from simworld.errors import RunError


def python(here: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=here,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_workspace_runs_at_once(tmp_path):
    made = CliRunner().invoke(init, [str(tmp_path / "pasture")])
    assert made.exit_code == 0, made.output
    here = tmp_path / "pasture"
    ran = python(here, "-c", "from simworld.cli import main; main()", "run", "my_study.yaml", "--display", "none")
    assert ran.returncode == 0, ran.stderr
    tested = python(here, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "passed" in tested.stdout, tested.stdout
    assert "failed" not in tested.stdout
    cells = json.loads((here / "notebook.ipynb").read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    noted = python(here, "-c", code)
    assert noted.returncode == 0, noted.stderr


def test_nothing_that_is_there_is_overwritten(tmp_path):
    (tmp_path / "my_agent.py").write_text("mine")
    refused = CliRunner().invoke(init, [str(tmp_path)])
    assert isinstance(refused.exception, RunError)
    assert "my_agent.py is there already" in str(refused.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["my_agent.py"]
