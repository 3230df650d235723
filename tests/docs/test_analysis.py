"""The worked study runs as the page tells it, and shows what the page shows: two minutes on two cores."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "analysis.md").read_text()
CONSOLES = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
SESSION = "\n".join(re.findall(r"```pycon\n(.*?)```", PAGE, re.DOTALL))
RUNS = [line.strip("$ ") for line in PAGE.splitlines() if line.strip("$ ").startswith("simworld run ")]
NAMES = ("RUN", "CAP", "FRESH")
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?![\w.]*\w)")
NEAR = 0.02
"""Relative: numpy's last bits differ between processors, and workers at a kink of the schedule make more of them."""


def alike(told, shown):
    """Whether two texts are the same but for spaces and for last digits of numbers."""
    words = [" ".join(NUMBER.sub("#", text).split()) for text in (told, shown)]
    numbers = [[float(n.replace(",", "")) for n in NUMBER.findall(text)] for text in (told, shown)]
    return words[0] == words[1] and numbers[0] == pytest.approx(numbers[1], rel=NEAR, abs=0.0002)


class Alike(doctest.OutputChecker):
    """Takes what differs in last digits."""

    def check_output(self, want, got, optionflags):
        return alike(got, want) or super().check_output(want, got, optionflags)


def shell(command, cwd):
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, shell=True, cwd=cwd, env={**os.environ, "PATH": paths}, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    here = tmp_path_factory.mktemp("study")
    shutil.copytree(ROOT / "scenarios", here / "scenarios")
    for command in RUNS:
        shell(f"{command} --display none", here)
    return here


def runs_of(study):
    """The folders by the page's names for them, in the order in which the page makes them."""
    found = sorted((study / "runs").iterdir())
    assert len(RUNS) == len(found) == len(NAMES)
    return dict(zip(NAMES, (f"runs/{run.name}" for run in found), strict=True))


def shown_by(block, study):
    """A console's text as it comes out: every command, and what it prints."""
    runs, told = runs_of(study), ""
    for line in block.splitlines():
        if line.startswith("$ "):
            told += f"{line}\n"
            if not line.startswith("$ simworld run "):
                filled = re.sub(r"\b(RUN|CAP|FRESH)\b", lambda name: runs[name[0]], line.removeprefix("$ "))
                told += shell(filled, study)
    for name, run in runs.items():
        told = told.replace(run.removeprefix("runs/"), name)
    return re.sub(r"\n\s*\n+", "\n\n", told).rstrip() + "\n"


@pytest.mark.study
@pytest.mark.parametrize("block", CONSOLES, ids=["claims", "compare", "fresh"])
def test_commands_print_what_the_page_shows(block, study):
    told = shown_by(block, study)
    assert alike(told, block), told


def test_other_words_and_other_numbers_are_noticed():
    shown = "greater  holds  0.3847  +1,204"
    assert alike("greater  holds  0.3849 +1,205", shown)
    assert not alike("greater  fails  0.3847  +1,204", shown)
    assert not alike("greater  holds  0.3947  +1,204", shown)
    assert not alike("greater  holds  0.3847  +1,304", shown)
    assert not alike("greater  holds  0.3847", shown)


@pytest.mark.study
def test_the_python_session_gives_what_the_page_shows(study, monkeypatch):
    monkeypatch.chdir(study)
    test = doctest.DocTestParser().get_doctest(SESSION, runs_of(study), "analysis.md", None, 0)
    said = []
    assert len(test.examples) > 10
    found = doctest.DocTestRunner(Alike(), optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=said.append)
    assert not found.failed, "".join(said)


def test_the_claim_on_the_page_is_the_scenarios():
    (claim,) = re.findall(r"```yaml\nclaims:\n(.*?)```", PAGE, re.DOTALL)
    assert claim in (ROOT / "scenarios" / "tax_elasticity.yaml").read_text()
