"""A hundred thousand reservoir-governed players on a scale-free graph, recorded: rounds a second, memory, disk.

``python -m benchmarks.bench_crowd --rounds 1000`` runs the whole of it; among the other benchmarks it is 100 rounds.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Line

SIMWORLD = str(Path(sys.executable).with_name("simworld"))
PLAYERS = 100_000
SCENARIO = """\
description: {players:,} players on a scale-free graph
world: {{kind: repeated_game, pairing: scale_free, links: 2, seats: {seats}}}
roles:
  player: {{kind: brg, count: {players}, bodies: 16, precision: single}}
horizon: {rounds}
record:
  player: {{every: 10}}
"""


@dataclass(frozen=True)
class Crowd:
    """What a run took."""

    rounds: int
    seconds: float
    """From the command to its end: reading, drawing the graph, bodies, rounds, sealing."""
    per_second: float
    """Rounds a second while it plays: between the first and the last progress record."""
    memory: float
    """Largest resident set of any of its processes, GiB."""
    disk: float
    """Of the run's folder, GiB."""


def crowd(rounds: int, seats: str = "player", folder: Path | None = None) -> Crowd:
    """Run the scenario as a user would, in a process of its own.

    Args:
        rounds: How many.
        seats: One for every ``player``, who plays the same with all neighbours, or one for every ``partner``: four
            times as many.
        folder: Where the run is kept while it lasts.
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        (place / "crowd.yaml").write_text(SCENARIO.format(players=PLAYERS, rounds=rounds, seats=seats))
        begun = time.perf_counter()
        command = [SIMWORLD, "run", "crowd.yaml", "--out", "runs", "--display", "json"]
        marks = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=place) as process:
            assert process.stdout is not None
            for line in process.stdout:
                record = json.loads(line)
                if record.get("ticks", 0) > 0:
                    marks.append((time.perf_counter(), record["ticks"]))
        seconds = time.perf_counter() - begun
        if process.returncode:
            raise RuntimeError(f"simworld run ended with {process.returncode}")
        disk = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    (first, played), (last, whole) = marks[0], next(mark for mark in marks if mark[1] == marks[-1][1])
    # The kernel counts in KiB, on Linux.
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return Crowd(rounds, seconds, (whole - played) / (last - first), memory / 2**30, disk / 2**30)


def lines(rounds: int = 100, seats: str = "player", folder: Path | None = None) -> list[Line]:
    found = crowd(rounds, seats, folder)
    what = f"{PLAYERS:,} players on a scale-free graph, {rounds:,} rounds, every 10th recorded"
    return [
        Line(what, found.per_second, "rounds/s"),
        Line("the same, from the command to its end", found.seconds, "s"),
        Line("the same, largest resident set", found.memory, "GiB", at_most=4.0),
        Line("the same, on disk", found.disk, "GiB"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seats", choices=("player", "partner"), default="player")
    parser.add_argument("--folder", type=Path, help="where the run is kept while it lasts (default: temporary files)")
    given = parser.parse_args()
    told = lines(given.rounds, given.seats, given.folder)
    for line in told:
        print(f"{line.what}: {line.value:.3g} {line.unit} {line.bound}")
    return 0 if all(line.holds is not False for line in told) else 1


if __name__ == "__main__":
    sys.exit(main())
