"""What recording costs: many members who decide every tick, against bare pyarrow, and a single one per moment.

Run it as a program for a table of numbers, or with ``pytest --benchmark-only benchmarks/bench_recording.py``.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.measure import Line
from simworld.kernel import Acts, Array, Field, Role
from simworld.recording import EpisodeKey, EpisodeRecorder, EpisodeTables, RoleTable

MEMBERS, TICKS = 10_000, 200
LINK = bytes(32)
OBS = tuple(Field(n) for n in ("coin", "skill", "labour", "income", "tax"))
WORKER = Role("worker", obs=(*OBS, Field("rates", shape=(7,), shared=True)), act=(Field("hours", "int64"),))
ALONE = Role("alone", obs=(Field("x"), Field("y")), act=(Field("go", "int64"),))


def ticks(count: int, members: Array) -> list[tuple[Acts, Array]]:
    """Decisions and rewards of some ticks, made beforehand: the world's own cost does not belong here."""
    rng = np.random.Generator(np.random.Philox(1))
    coin, skill = rng.exponential(100, len(members)), rng.random(len(members)) * 10
    made = []
    for tick in range(count):
        acts = Acts(WORKER, members, np.full(len(members), tick), tick)
        hours = rng.integers(0, 12, len(members))
        income = np.round(skill * hours, 2)
        coin = coin + income
        seen = {"coin": coin, "skill": skill, "labour": hours * 1.0, "income": income, "tax": income * 0.2}
        acts.seen = seen | {"rates": rng.random(7)}
        acts.done = {"hours": hours}
        made.append((acts, np.log1p(coin)))
    return made


def recorder(run: Path, role: Role) -> EpisodeRecorder:
    run.mkdir(exist_ok=True)
    return EpisodeRecorder(run, EpisodeTables(EpisodeKey("e"), (RoleTable(role, (("m", ()),)),)))


def record_many(run: Path, made: list[tuple[Acts, Array]], members: Array) -> None:
    """Ledger, writer thread and sealing."""
    rec = recorder(run, WORKER)
    rec.joined("worker", 0, members, members * 0, {})
    for tick, (acts, amounts) in enumerate(made):
        rec.decided("worker", tick, acts)
        rec.rewarded("worker", members, amounts, None)
        rec.linked(tick, 0, LINK)
    rec.closed("worker", len(made), members, made[-1][0].seen, "truncated")
    rec.linked(len(made), 0, LINK)
    rec.finish("success", len(made), len(made))


def write_bare(run: Path, batches: list[pa.RecordBatch]) -> None:
    """The same batches, already made, through pyarrow alone into a sealed file."""
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        pa.OSFile(str(run / "bare.arrow"), "wb") as file,
        pa.ipc.new_file(file, batches[0].schema, options=options) as out,
    ):
        for batch in batches:
            out.write_batch(batch)


def sealed_batches(run: Path) -> list[pa.RecordBatch]:
    with pa.OSFile(str(run / "tables/decisions.worker/e.arrow")) as file, pa.ipc.open_file(file) as reader:
        return [reader.get_batch(i) for i in range(reader.num_record_batches)]


def record_one(rec: EpisodeRecorder, moments: int) -> float:
    """Seconds for moments of a single member: decided, rewarded, linked."""
    member, amounts = np.array([0]), np.array([0.5])
    acts = Acts(ALONE, member, np.array([0]), 0)
    acts.seen = {"x": np.array([1.5]), "y": np.array([2.5])}
    acts.done = {"go": np.array([3])}
    rec.joined("alone", 0, member, member, {})
    start = time.perf_counter()
    for tick in range(moments):
        acts.since = tick
        rec.decided("alone", tick, acts)
        rec.rewarded("alone", member, amounts, None)
        rec.linked(tick, 0, LINK)
    seconds = time.perf_counter() - start
    rec.closed("alone", moments, member, acts.seen, "truncated")
    rec.finish("success", moments, moments)
    return seconds


def test_many(benchmark: pytest.FixtureRequest, tmp_path: Path) -> None:
    members = np.arange(MEMBERS)
    made = ticks(TICKS, members)
    runs = iter(range(1_000))
    benchmark.pedantic(lambda: record_many(tmp_path / str(next(runs)), made, members), rounds=3)  # type: ignore[attr-defined]


def test_single(benchmark: pytest.FixtureRequest, tmp_path: Path) -> None:
    runs = iter(range(1_000))
    benchmark.pedantic(lambda: record_one(recorder(tmp_path / str(next(runs)), ALONE), 100_000), rounds=3)  # type: ignore[attr-defined]


def lines() -> list[Line]:
    members = np.arange(MEMBERS)
    made = ticks(TICKS, members)
    rows = MEMBERS * (TICKS + 1)
    rates, ratios, alone = [], [], []
    for _ in range(5):  # in turn, so that a slow spell of the machine hits both
        with TemporaryDirectory() as folder:
            run = Path(folder)
            start = time.perf_counter()
            record_many(run, made, members)
            ours = time.perf_counter() - start
            batches = sealed_batches(run)
            start = time.perf_counter()
            write_bare(run, batches)
            bare = time.perf_counter() - start
            rates.append(rows / ours)
            ratios.append(bare / ours)
    for _ in range(3):
        with TemporaryDirectory() as folder:
            alone.append(record_one(recorder(Path(folder), ALONE), 100_000) / 100_000 * 1e6)
    return [
        Line("recording end to end, 10,000 members, sealed", float(np.median(rates)), "rows/s", at_least=2e6),
        Line("the same / bare pyarrow writing the same batches", float(np.median(ratios)), "x", at_least=0.5),
        Line("recording a moment of a single member", min(alone), "us"),
    ]
