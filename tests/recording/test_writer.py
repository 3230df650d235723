"""What the writer thread leaves when something goes wrong: a kill, a full disk."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest

from simworld.kernel import Acts, Field, Role
from simworld.recording import EpisodeKey, EpisodeRecorder, EpisodeTables, RoleTable

COMMON = """
import os, runpy, sys
from pathlib import Path
toy = runpy.run_path({toy!r})
run = Path({run!r})
recorder = toy["EpisodeRecorder"](run, toy["tables"]("e1"), flush_rows=1000, flush_seconds=0.0)
kernel = toy["Kernel"](toy["Village"](), toy["SEATING"], 1, 10**9)
kernel.attach(recorder)
"""
KILLED = """
while True:
    kernel.step()
"""
EXITED = """
kernel.run(until=60)
import time
while recorder._writer._queue.qsize():
    time.sleep(0.01)
time.sleep(0.2)
os._exit(3)
"""
FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
from simworld.errors import RunError
try:
    kernel.run(until=1_000_000)
except RunError as error:
    recorder.abandon()
    print(error)
"""


def start(script, toy_path, run, **how):
    code = COMMON.format(toy=str(toy_path), run=str(run)) + script
    return subprocess.Popen([sys.executable, "-c", code], **how)


def complete_batches(path):
    found = []
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
        while True:
            try:
                found.append(reader.read_next_batch())
            except (StopIteration, pa.ArrowInvalid, OSError):
                return found


def test_a_killed_episode_is_readable_to_its_last_complete_batch(tmp_path, toy_path):
    stream = tmp_path / "tables" / "decisions.walker" / "e1.arrows"
    process = start(KILLED, toy_path, tmp_path)
    deadline = time.monotonic() + 60
    while not (stream.exists() and stream.stat().st_size > 200_000) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    frame = pa.Table.from_batches(complete_batches(stream)).to_pandas()
    assert len(frame) > 100
    # Whoever decided again has a row for every decision before.
    for _, mine in frame.groupby("agent"):
        assert sorted(mine["decision"]) == list(range(len(mine)))


def test_what_was_flushed_survives_a_sudden_exit(tmp_path, toy_path, toy):
    assert start(EXITED, toy_path, tmp_path).wait() == 3
    found = pa.Table.from_batches(complete_batches(tmp_path / "tables" / "decisions.walker" / "e1.arrows"))
    toy["record_episode"](tmp_path / "whole", "e1", horizon=60)
    path = tmp_path / "whole" / "tables" / "decisions.walker" / "e1.arrow"
    with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
        whole = reader.read_all()
    ordinary = [r for r in whole.to_pylist() if r["end"] is None or r["end"] == "left"]
    key = ("tick", "agent", "decision")
    kept = sorted(found.to_pylist(), key=lambda r: [r[k] for k in key])
    # Only each member's last decision was still open.
    assert [r for r in ordinary if r in kept] == kept
    assert len(ordinary) - len(kept) <= 8


def test_an_episode_that_was_cut_short_can_be_recorded_again(tmp_path, toy_path, toy):
    start(EXITED, toy_path, tmp_path).wait()
    toy["record_episode"](tmp_path, "e1")
    assert not list(tmp_path.glob("**/*.arrows"))
    assert not list(tmp_path.glob("**/*.tmp"))


def test_a_full_disk_surfaces_in_the_simulation(tmp_path, toy_path):
    process = start(FULL, toy_path, tmp_path, stdout=subprocess.PIPE, text=True)
    out, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    assert "cannot record" in out
    assert "File too large" in out


def test_an_abandoned_episode_stays_readable(tmp_path, toy):
    recorder = EpisodeRecorder(tmp_path, toy["tables"]("e1"))
    kernel = toy["Kernel"](toy["Village"](), toy["SEATING"], 1, 40)
    kernel.attach(recorder)
    kernel.run(until=20)
    recorder.abandon()
    frame = pa.Table.from_batches(complete_batches(tmp_path / "tables" / "decisions.walker" / "e1.arrows")).to_pandas()
    assert len(frame)
    assert not list(tmp_path.glob("**/*.arrow"))
    assert not list(tmp_path.glob("**/*.tmp"))


@pytest.mark.parametrize("fault_at", [None, 40])
def test_rows_in_order_are_sealed_along_the_way(tmp_path, fault_at):
    """The dense case: everybody decides at every tick. A new kind of fault makes it start over from the stream."""
    role = Role("worker", obs=(Field("x"),), act=(Field("go", "int64"),))
    members = np.arange(10)

    def record(run, rows, seconds):
        run.mkdir()
        recorder = EpisodeRecorder(
            run, EpisodeTables(EpisodeKey("e1"), (RoleTable(role, (("m", ()),)),)), rows, seconds
        )
        recorder.joined("worker", 0, members, members * 0, {})
        for tick in range(100):
            acts = Acts(role, members, np.full(10, tick), tick)
            acts.seen, acts.done = {"x": members * 1.0}, {"go": members + tick}
            acts.faults = {3: ("late", "")} if tick == fault_at else {}
            recorder.decided("worker", tick, acts)
            recorder.rewarded("worker", members, np.ones(10), None)
            recorder.linked(tick, 0, bytes(32))
        recorder.closed("worker", 100, members, {"x": members * 1.0}, "truncated")
        ahead = recorder._streams["decisions.worker"]
        recorder._flush(everything=True)
        recorder._writer.close()
        was_ahead = ahead.ahead is not None
        recorder.finish("success", 100, 100)
        return was_ahead, (run / "tables" / "decisions.worker" / "e1.arrow").read_bytes()

    many, one = record(tmp_path / "a", 50, 0.0), record(tmp_path / "b", 10_000, 1e9)
    assert many[0] == (fault_at is None)
    assert many[1] == one[1]
