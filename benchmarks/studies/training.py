"""Trainings of studies: each by ``simworld train``, under ``runs/``, and not done again where it is done."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
from rich.progress import track

ROOT = Path(__file__).parents[2]


def trained(scenario: Path, block: Mapping[str, object], sets: Sequence[str] = ()) -> Path:
    """The run of one training.

    Args:
        scenario: With a ``train`` block.
        block: What of that block is set to what.
        sets: What else is set, as ``key=value``.
    """
    texts = [*sets, *(f"train.{key}={json.dumps(value)}" for key, value in block.items())]
    options = [part for text in texts for part in ("--set", text)]
    command = [sys.executable, "-c", "from simworld.cli import main; main()", "train", str(scenario)]
    done = subprocess.run(
        [*command, "--jobs", "1", "--json", *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{scenario.name} {' '.join(texts)}: {done.stderr}")
    return ROOT / str(json.loads(done.stdout)["run"])


def first_and_last(run: Path) -> tuple[dict[str, float], dict[str, float]]:
    """What the first and the last iteration of a training told, by column."""
    with pa.ipc.open_stream(run / "tables" / "training" / "seed-000.arrows") as file:
        rows = file.read_all().to_pylist()
    return rows[0], rows[-1]


def named(policies: Iterable[str], about: str | None) -> list[str]:
    """Those of these policies that the command line names, or all of them."""
    known = list(policies)
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(known)}")
    told = parser.parse_args().names
    unknown = [name for name in told if name not in known]
    if unknown:
        parser.error(f"found {unknown[0]!r}; accepted: {', '.join(known)}")
    return [name for name in known if not told or name in told]


def side_by_side(names: Sequence[str], do: Callable[[str], Path]) -> dict[str, Path]:
    """Trainings, two at a time: their runs by name."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(names, track(pool.map(do, names), "training", total=len(names)), strict=True))
