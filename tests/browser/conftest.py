"""A real browser, and a line at the end that says how many tests had none."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ARTEFACTS = Path(__file__).parents[1] / "artefacts"
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chrome(tmp_path_factory):
    """``chrome(page, width, *flags)``: what a headless Chromium prints for a page, with no network."""
    found = os.environ.get("CHROME") or next(filter(None, map(shutil.which, _NAMES)), None)
    if not found or not shutil.which(found):
        pytest.skip("no browser: set CHROME, or put one of chromium, chromium-browser, google-chrome on PATH")
    profile = tmp_path_factory.mktemp("profile")
    quiet = (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
        *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars"),
        "--host-resolver-rules=MAP * ~NOTFOUND",
    )

    def look(page: Path, *flags: str, width: int = 1280, height: int = 900) -> str:
        command = [found, *quiet, f"--user-data-dir={profile}", f"--window-size={width},{height}", *flags]
        done = subprocess.run(
            [*command, page.resolve().as_uri()], capture_output=True, text=True, check=True, timeout=120
        )
        return done.stdout

    return look


@pytest.fixture(scope="session")
def artefacts():
    """The folder where pictures stay for whoever looks at them."""
    ARTEFACTS.mkdir(exist_ok=True)
    return ARTEFACTS
