"""Ten million decisions: how long it takes, and how much memory, to group them; beside pandas on a Parquet file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import Line

ROWS, EPISODES = 10_000_000, 100
BATCH = 100_000
WAYS = {
    "table": """
from simworld_analysis import open_run
frame = open_run(sys.argv[1]).table("decisions.worker", ["episode", "tick", "act.hours"])
found = frame.groupby(["episode", "tick"], observed=True)["act.hours"].mean()
""",
    "group": """
from simworld_analysis import open_runs
found = open_runs([sys.argv[1]]).dataset("decisions.worker").group(["episode", "tick"], x=("act.hours", "mean"))["x"]
""",
    "parquet": """
import pandas as pd
frame = pd.read_parquet(sys.argv[2], columns=["episode", "tick", "act.hours"])
found = frame.groupby(["episode", "tick"], observed=True)["act.hours"].mean()
""",
}
MEASURED = """
import json, resource, sys, time
begun = time.perf_counter()
{way}
print(json.dumps([time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    len(found), float(found.sum())]))
"""


def episodes() -> Iterator[tuple[list[str], list[pa.RecordBatch]]]:
    """Decisions in batches, an episode at a time: a thousand workers, a hundred ticks."""
    rng = np.random.Generator(np.random.Philox(1))
    for number in range(EPISODES):
        name, each = f"e{number:04}", ROWS // EPISODES
        rows = {
            "episode": pa.array([name] * each).dictionary_encode(),
            "tick": np.repeat(np.arange(100), each // 100),
            "agent": np.tile(np.arange(each // 100), 100),
            **{f"obs.{column}": rng.random(each) for column in ("income", "tax", "rebate", "skill")},
            "act.hours": rng.random(each) * 100,
            "reward": rng.random(each),
        }
        yield [name], pa.table(rows).to_batches(BATCH)


def write(run: Path, parquet: Path) -> None:
    """A run with one table, and the same as one Parquet file."""
    folder = run / "tables" / "decisions.worker"
    folder.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"schema_version": "1", "status": "success", "scenario": "bench"}))
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    other = None
    for names, batches in episodes():
        schema = batches[0].schema
        other = other or pq.ParquetWriter(parquet, schema)
        sealed = {"simworld.episodes": "\n".join(names)}
        with pa.ipc.new_file(folder / f"{names[0]}.arrow", schema, options=options, metadata=sealed) as out:
            for batch in batches:
                out.write_batch(batch)
                other.write_batch(batch)
    assert other is not None
    other.close()


def measured(way: str, *paths: Path) -> tuple[float, float, int, float]:
    """Seconds, GiB at most, groups and their sum, in a process of its own; imports count."""
    command = [sys.executable, "-c", MEASURED.format(way=WAYS[way]), *map(str, paths)]
    seconds, memory, groups, total = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return seconds, memory, groups, total


def lines() -> Iterator[Line]:
    """The figures."""
    with TemporaryDirectory() as folder:
        run, parquet = Path(folder, "run"), Path(folder, "rows.parquet")
        write(run, parquet)
        found = {way: measured(way, run, parquet) for way in WAYS}
    assert len({(groups, round(total, 3)) for _, _, groups, total in found.values()}) == 1
    yield Line("10 M decisions grouped by pandas, from the run", found["table"][0], "s", at_most=5.0)
    yield Line("the same: memory", found["table"][1], "GiB", at_most=2.0)
    yield Line("10 M decisions grouped while they are read", found["group"][0], "s", at_most=5.0)
    yield Line("the same: memory", found["group"][1], "GiB", at_most=2.0)
    yield Line("pandas from Parquet, over pandas from the run", found["parquet"][0] / found["table"][0], "x")
