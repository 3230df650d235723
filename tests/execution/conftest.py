from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from simworld.execution import Order, Outcome, execute
from simworld.scenario import load

TINY = """
name: tiny
world: {kind: economy, brackets: three, tax_year: 4}
roles:
  worker: {kind: rational, count: 12}
  planner: {kind: fixed, schedule: flat, rate: 0.3}
horizon: 12
episodes: 3
arms:
  flat: {roles.planner: {kind: fixed, schedule: flat, rate: 0.3}}
  climb: {roles.planner: {kind: hill_climb, explore: 2}}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A scenario of two arms and three seeds that takes a fraction of a second."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Outcome]:
    """Runs a scenario below the test's own folder."""

    def go(path: Path, *overrides: str, out: str = "runs", jobs: int = 1, new: bool = False) -> Outcome:
        return execute(Order(load(path, overrides), tmp_path / out, jobs, new))

    return go


@pytest.fixture
def digests() -> Callable[[Path], dict[str, str]]:
    """SHA-256 of every identity table and chain file of a run, by path."""

    def of(run: Path) -> dict[str, str]:
        files = [*(run / "tables").glob("*/*"), *(run / "tape").glob("**/*.arrow")]
        return {
            str(f.relative_to(run)): hashlib.sha256(f.read_bytes()).hexdigest()
            for f in sorted(files)
            if f.parent.name != "telemetry"
        }

    return of
