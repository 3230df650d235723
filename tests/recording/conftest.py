"""A small society: walkers on clocks of their own, who come and go, and a king whose decisions pay late."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def toy():
    """The names of ``toy.py``, which subprocesses run as a program."""
    return runpy.run_path(str(HERE / "toy.py"))


@pytest.fixture(scope="session")
def toy_path() -> Path:
    return HERE / "toy.py"
