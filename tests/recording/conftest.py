"""A small society: walkers on clocks of their own, who come and go, and a king whose decisions pay late."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def toy():
    """The names of ``toy.py``, which subprocesses run as a program; a module, so that its classes can be pickled."""
    sys.path.append(str(HERE))
    try:
        return vars(importlib.import_module("toy"))
    finally:
        sys.path.remove(str(HERE))


@pytest.fixture(scope="session")
def toy_path() -> Path:
    return HERE / "toy.py"
