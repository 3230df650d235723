from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest


def _load(name: str):
    """A module beside these tests: they are no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


_load("scripted_server")


@pytest.fixture
def said():
    """What a scripted server does with one request."""
    return _load("scripted_server").Said


@pytest.fixture
def serve():
    """Starts a scripted server that ends with the test."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(script):
            return stack.enter_context(_load("scripted_server").ScriptedServer(script))

        yield start
