"""Sealed files: the same bytes whatever the flush times and however many processes; merging survives a crash."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simworld.errors import RunError
from simworld.recording import Sheaf, _sealing, _sheaf, compact, inventory
from simworld.recording._columns import flat, taken
from simworld.recording._sealed import batch_rows, sealed_source
from simworld.recording._sealing import finished_episodes, table_files

EPISODES = [f"e{i}" for i in range(5)]


def digests(run):
    """By path, of the identity tables and the chain."""
    files = [f for f in run.glob("**/*.arrow*") if f.parent.name != "telemetry"]
    return {str(f.relative_to(run)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def rows(path):
    return [row for batch in sealed_source(path).batches() for row in batch.to_pylist()]


@pytest.fixture
def sealed(tmp_path, toy):
    for episode in EPISODES:
        toy["record_episode"](tmp_path, episode, seed=int(episode[1:]))
    return tmp_path


@pytest.mark.parametrize("flush_rows", [1, 7, 64, 1000])
@pytest.mark.parametrize("flush_seconds", [0.0, 1e9])
def test_flush_times_never_show(tmp_path, toy, flush_rows, flush_seconds):
    toy["record_episode"](tmp_path / "a", "e1")
    toy["record_episode"](tmp_path / "b", "e1", flush_rows=flush_rows, flush_seconds=flush_seconds)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_flush_times_never_show_in_canonical_batches(tmp_path, toy, monkeypatch):
    monkeypatch.setattr("simworld.recording._sealed._BATCH_ROWS", 64)
    toy["record_episode"](tmp_path / "a", "e1", horizon=200)
    toy["record_episode"](tmp_path / "b", "e1", horizon=200, flush_rows=20, flush_seconds=0.0)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    path = tmp_path / "b" / "tables" / "decisions.walker" / "e1.arrow"
    sizes = [b.num_rows for b in sealed_source(path).batches()]
    assert set(sizes[:-1]) == {64}
    assert 0 < sizes[-1] <= 64


def test_one_process_or_two(tmp_path, toy_path, monkeypatch):
    monkeypatch.setattr(_sealing, "_PART_EPISODES", 2)
    alone, two = tmp_path / "alone", tmp_path / "two"
    subprocess.run([sys.executable, toy_path, alone, "1000", *EPISODES], check=True)
    halves = [EPISODES[1::2], EPISODES[::2]]
    for process in [subprocess.Popen([sys.executable, toy_path, two, "3", *half]) for half in halves]:
        assert process.wait() == 0
    compact(alone, EPISODES)
    for _ in range(2):
        compact(two, EPISODES, final=False)
    compact(two, EPISODES)
    assert digests(alone) == digests(two)
    assert sorted(p.name for p in (two / "tables" / "agents").iterdir()) == [f"part-0000{i}.arrow" for i in range(3)]


def test_parts_hold_the_same_rows_in_order(sealed):
    before = {e: rows(sealed / "tables" / "decisions.walker" / f"{e}.arrow") for e in EPISODES}
    compact(sealed, EPISODES)
    part = sealed / "tables" / "decisions.walker" / "part-00000.arrow"
    assert rows(part) == [row for e in EPISODES for row in before[e]]
    assert sealed_source(part).episodes == tuple(EPISODES)
    assert sorted(f.name for f in sealed.glob("tables/*/*")) == ["part-00000.arrow"] * 8
    assert (sealed / "tape" / "chain" / "part-00000.arrow").exists()


def test_a_part_closes_by_rows(sealed, monkeypatch):
    monkeypatch.setattr(_sealing, "_PART_ROWS", 150)
    compact(sealed, EPISODES)
    counts = [sealed_source(p).rows for p in sorted(sealed.glob("tables/decisions.walker/part-*"))]
    assert len(counts) > 1
    assert all(c >= 150 for c in counts[:-1])


def test_a_large_episode_is_a_part_by_itself_with_the_bytes_that_it_had(sealed, toy, monkeypatch):
    toy["record_episode"](sealed, "e5", seed=5, horizon=300)
    toy["record_episode"](sealed, "e6", seed=6)
    folder = sealed / "tables" / "decisions.walker"
    large = (folder / "e5.arrow").read_bytes()
    monkeypatch.setattr(_sealing, "_LARGE_ROWS", 200)
    monkeypatch.setattr(_sealing, "_BLOCK_EPISODES", 7)
    monkeypatch.setattr(_sealing, "_MANY_FILES", 0)
    compact(sealed, [*EPISODES, "e5", "e6"], final=False)
    compact(sealed, [*EPISODES, "e5", "e6"])
    parts = sorted(folder.iterdir())
    assert [sealed_source(part).episodes for part in parts] == [tuple(EPISODES), ("e5",), ("e6",)]
    assert parts[1].read_bytes() == large


def test_a_part_closes_where_the_schema_changes(tmp_path, toy):
    for episode, rate in (("e0", 1), ("e1", 2), ("e2", 0.5)):
        toy["EpisodeRecorder"](tmp_path, toy["tables"](episode, parameters={"rate": rate})).finish("success", 0, 0)
    compact(tmp_path, ["e0", "e1", "e2"])
    parts = sorted((tmp_path / "tables" / "episodes").iterdir())
    assert [sealed_source(p).episodes for p in parts] == [("e0", "e1"), ("e2",)]


def test_merging_goes_on_after_a_crash(sealed, tmp_path):
    kept = tmp_path / "kept"
    shutil.copytree(sealed / "tables" / "measures", kept)
    compact(sealed, EPISODES)
    merged = digests(sealed / "tables" / "measures")
    # Killed after the part was in place, before the files of its episodes were removed; and in the middle of a part.
    for name in ("e0.arrow", "e3.arrow"):
        shutil.copy(kept / name, sealed / "tables" / "measures" / name)
    compact(sealed, EPISODES)
    assert digests(sealed / "tables" / "measures") == merged


@pytest.fixture(scope="module")
def thirteen(toy):
    """Ids of episodes, and what they must look like in the end, with parts of at most six."""
    episodes = [f"e{i}" for i in range(13)]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sealing, "_PART_EPISODES", 6)
        for episode in episodes:
            toy["record_episode"](Path(folder), episode, seed=int(episode[1:]), horizon=12)
        compact(Path(folder), episodes)
        yield episodes, digests(Path(folder))


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(13)), cuts=st.sets(st.integers(1, 12)), merges=st.sets(st.integers(0, 12)))
def test_whoever_seals_what_together_the_parts_are_the_same(toy, thirteen, order, cuts, merges):
    """Batches of any size in any order, blocks made while the run goes on, and some that a part's end goes through."""
    episodes, expected = thirteen
    numbers = {episode: number for number, episode in enumerate(episodes)}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sealing, "_PART_EPISODES", 6)
        patch.setattr(_sealing, "_BLOCK_EPISODES", 4)
        patch.setattr(_sealing, "_MANY_FILES", 0)
        patch.setattr(_sheaf, "BLOCKS", (4, 2))
        run = Path(folder)
        for at, (start, stop) in enumerate(pairwise([0, *sorted(cuts), 13])):
            sheaf = Sheaf(run, numbers)
            for number in sorted(order[start:stop]):
                toy["record_episode"](run, episodes[number], seed=number, horizon=12, sheaf=sheaf)
            sheaf.write()
            assert finished_episodes(run) == {episodes[number] for number in order[:stop]}
            if at in merges:
                compact(run, episodes, final=False)
        rows = open_rows(run)
        assert len(rows) == len({row["episode"] for row in rows}) == 13
        compact(run, episodes)
        assert digests(run) == expected


def open_rows(run):
    return [row for path in table_files(run / "tables" / "episodes") for row in rows(path)]


def test_few_files_are_left_until_the_end(sealed, monkeypatch):
    monkeypatch.setattr(_sealing, "_BLOCK_EPISODES", 4)
    before = digests(sealed)
    compact(sealed, EPISODES, final=False)
    assert digests(sealed) == before


def test_a_part_that_ends_within_a_block_has_the_bytes_of_one_that_was_never_a_block(
    sealed, tmp_path_factory, monkeypatch
):
    never = shutil.copytree(sealed, tmp_path_factory.mktemp("never") / "run")
    monkeypatch.setattr(_sealing, "_PART_EPISODES", 2)
    monkeypatch.setattr(_sealing, "_BLOCK_EPISODES", 4)
    monkeypatch.setattr(_sealing, "_MANY_FILES", 0)
    compact(sealed, EPISODES, final=False)
    compact(sealed, EPISODES)
    compact(never, EPISODES)
    assert digests(sealed) == digests(never)


def test_a_crash_between_a_block_and_the_files_that_are_in_it_doubles_nothing(sealed, monkeypatch):
    monkeypatch.setattr(_sealing, "_BLOCK_EPISODES", 4)
    monkeypatch.setattr(_sealing, "_MANY_FILES", 0)
    folder = sealed / "tables" / "episodes"
    kept = (folder / "e1.arrow").read_bytes()
    compact(sealed, EPISODES, final=False)
    assert sorted(path.name for path in folder.iterdir()) == ["block-0000000-4.arrow", "e4.arrow"]
    (folder / "e1.arrow").write_bytes(kept)
    assert len(open_rows(sealed)) == 5
    compact(sealed, EPISODES, final=False)
    compact(sealed, EPISODES)
    assert [path.name for path in folder.iterdir()] == ["part-00000.arrow"]
    assert len(open_rows(sealed)) == 5


def test_a_broken_attempt_is_never_merged(sealed, toy, monkeypatch):
    monkeypatch.setattr(_sealing, "_PART_EPISODES", 1)
    for folder in sealed.glob("tables/*"):
        if folder.name != "episodes":
            (folder / "e0.arrow").replace(folder / "e5.arrow")
    (sealed / "tables" / "episodes" / "e0.arrow").unlink()
    compact(sealed, ["e5", *EPISODES], final=False)
    assert not list(sealed.glob("tables/*/part-*"))


def test_a_run_is_completed_only_with_all_its_episodes(sealed):
    with pytest.raises(RunError, match="'e9' is not finished"):
        compact(sealed, [*EPISODES, "e9"])
    compact(sealed, EPISODES)
    with pytest.raises(RunError, match="in another order"):
        compact(sealed, EPISODES[::-1])


def test_a_truncated_sealed_file_is_one_line(sealed):
    path = sealed / "tables" / "agents" / "e1.arrow"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(RunError, match=r"e1\.arrow: not a sealed table, or damaged"):
        compact(sealed, EPISODES)


def test_the_inventory_counts_and_digests(sealed):
    found = inventory(sealed)
    assert found["episodes"].rows == 5
    file = sealed / "tables" / "episodes" / "e2.arrow"
    assert found["episodes"].files["tables/episodes/e2.arrow"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "tape/chain/e0.arrow" in found["chain"].files


def test_batches_of_wide_rows_are_smaller():
    narrow = pa.schema([("x", pa.float64())])
    wide = pa.schema([("x", pa.list_(pa.float64(), 10_000))])
    assert batch_rows(narrow) == 65_536
    assert batch_rows(wide) == 192


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=1), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_reordered_columns_equal_columns_built_in_that_order(cells, random):
    order = np.array(random.sample(range(len(cells)), len(cells)))
    values, valid = np.array([v if ok else 0 for v, ok in cells]), np.array([ok for _, ok in cells])
    texts = np.array([f"t{v}" if ok else "" for v, ok in cells], dtype=object)
    cube = np.repeat(values, 6).reshape(-1, 2, 3) * 0.5
    for array, kind in (
        (values, pa.int64()),
        (values > 0, pa.bool_()),
        (texts, pa.string()),
        (cube, pa.list_(pa.list_(pa.float64(), 3), 2)),
        (np.stack([texts, texts], axis=1), pa.list_(pa.string(), 2)),
        (values[:, None][:, :0], pa.list_(pa.int64(), 0)),
    ):
        moved = taken(flat(array, kind, valid), order)
        built = flat(array[order], kind, valid[order])
        assert ipc(moved) == ipc(built)


def ipc(column):
    """The bytes that end up in a file."""
    sink = pa.BufferOutputStream()
    batch = pa.record_batch({"x": column})
    with pa.ipc.new_stream(sink, batch.schema) as out:
        out.write_batch(batch)
    return sink.getvalue().to_pybytes()
