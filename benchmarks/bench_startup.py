"""How long a command takes: help, validation, and the first tick of the main job, as a user waits for them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Line

ROOT = Path(__file__).parents[1]
SIMWORLD = str(Path(sys.executable).with_name("simworld"))
SCENARIO = str(ROOT / "scenarios" / "tax_policy.yaml")
REPEATS = 7


def command_seconds(*arguments: str) -> float:
    """Best wall time of a command over a few repeats: a warm file cache, the least disturbed."""
    best = float("inf")
    for _ in range(REPEATS):
        begun = time.perf_counter()
        subprocess.run([SIMWORLD, *arguments], check=True, capture_output=True, cwd=ROOT)
        best = min(best, time.perf_counter() - begun)
    return best


def first_tick_seconds() -> float:
    """Wall time from the command to the first progress record in which a tick is done."""
    best = float("inf")
    for _ in range(3):
        with tempfile.TemporaryDirectory() as out:
            begun = time.perf_counter()
            command = [SIMWORLD, "run", SCENARIO, "--out", out, "--display", "json"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    record = json.loads(line)
                    if record["event"] == "episode" or record.get("ticks", 0) > 0:
                        best = min(best, time.perf_counter() - begun)
                        break
                process.terminate()
                process.stdout.read()
    return best


def lines() -> list[Line]:
    return [
        Line("simworld --help", 1e3 * command_seconds("--help"), "ms", at_most=200),
        Line("simworld validate", 1e3 * command_seconds("validate", SCENARIO), "ms", at_most=600),
        Line("first tick or episode reported after the command", first_tick_seconds(), "s", at_most=2),
    ]
