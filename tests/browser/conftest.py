"""A real browser, and a line at the end that says how many tests had none."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

ARTEFACTS = Path(__file__).parents[1] / "artefacts"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars"),
)


@pytest.fixture(scope="session")
def command():
    """What starts a headless Chromium that reaches nothing but this machine."""
    found = os.environ.get("CHROME") or next(filter(None, map(shutil.which, _NAMES)), None)
    if not found or not shutil.which(found):
        pytest.skip("no browser: set CHROME, or put one of chromium, chromium-browser, google-chrome on PATH")
    return [found, *_QUIET, "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


@pytest.fixture(scope="session")
def chrome(command, tmp_path_factory):
    """``chrome(page, width, *flags)``: what a headless Chromium prints for a page, with no network."""
    profile = tmp_path_factory.mktemp("profile")

    def look(page: Path, *flags: str, width: int = 1280, height: int = 900) -> str:
        whole = [*command, f"--user-data-dir={profile}", f"--window-size={width},{height}", *flags]
        done = subprocess.run(
            [*whole, page.resolve().as_uri()], capture_output=True, text=True, check=True, timeout=120
        )
        return done.stdout

    return look


@pytest.fixture
def browser(command, tmp_path_factory):
    """Starts browsers that are steered, each with a profile of its own; they end with the test."""
    spec = importlib.util.spec_from_file_location("devtools", Path(__file__).with_name("devtools.py"))
    devtools = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(devtools)
    with ExitStack() as stack:
        yield lambda: stack.enter_context(devtools.Browser(command, tmp_path_factory.mktemp("profile")))


@pytest.fixture(scope="session")
def artefacts():
    """The folder where pictures stay for whoever looks at them."""
    ARTEFACTS.mkdir(exist_ok=True)
    return ARTEFACTS
