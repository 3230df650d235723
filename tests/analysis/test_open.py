"""Opening runs: finished, going on, killed, damaged, foreign."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from simworld.kernel import Acts, Field, Role
from simworld.recording import EpisodeKey, EpisodeRecorder, EpisodeTables, Manifest, RoleTable, RunLock, compact
from simworld_analysis import OpenError, open_run


def roles(width=2, mood=True):
    mind = (Field("mood"),) if mood else ()
    worker = Role(
        "worker",
        obs=(Field("coin", unit="USD", meaning="what it owns"), Field("near", shape=(width,))),
        act=(Field("hours", "int64", unit="h"),),
    )
    return (RoleTable(worker, (("m", mind),)),)


class Episode:
    """Records by hand what a kernel would tell."""

    def __init__(self, run, name, ticks=5, tables=None, parameters=None, flush=False):
        self.tables = tables or roles()
        self.role = self.tables[0].role
        self.recorder = EpisodeRecorder(
            run,
            EpisodeTables(EpisodeKey(name, parameters=parameters or {}), self.tables, (Field("total", unit="USD"),)),
            flush_seconds=0.0 if flush else 1e9,
        )
        self.members, self.ticks = np.arange(3), ticks
        self.recorder.joined("worker", 0, self.members, self.members * 0, {})
        for tick in range(ticks):
            self.tick(tick)

    def seen(self):
        return {"coin": self.members * 1.0, "near": np.ones((3, self.role.obs[1].shape[0]))}

    def tick(self, tick):
        acts = Acts(self.role, self.members, np.full(3, tick), tick)
        acts.seen, acts.done = self.seen(), {"hours": self.members + tick}
        acts.mind = {"mood": np.ones(3)} if self.tables[0].mind else {}
        self.recorder.decided("worker", tick, acts)
        self.recorder.rewarded("worker", self.members, np.ones(3), None)
        self.recorder.sampled(tick, {"total": tick * 1.0})
        self.recorder.linked(tick, 0, bytes(32))

    def finish(self):
        self.recorder.closed("worker", self.ticks, self.members, self.seen(), "truncated")
        self.recorder.finish("success", self.ticks, self.ticks)


@pytest.fixture
def run(tmp_path):
    Manifest("success", "village", "ab" * 32).write(tmp_path)
    for name in ("e0", "e1", "e2"):
        Episode(tmp_path, name).finish()
    return tmp_path


def test_tables_as_frames(run):
    opened = open_run(run)
    assert opened.status == "success"
    assert opened.manifest["scenario"] == "village"
    assert opened.tables == sorted(
        ["agents", "asks", "chain", "decisions.worker", "episodes", "faults", "measures", "telemetry"]
    )
    frame = opened.table("decisions.worker")
    assert len(frame) == 3 * (3 * 5 + 3)
    assert frame["episode"].cat.categories.tolist() == ["e0", "e1", "e2"]
    assert opened.table("measures", columns=["total", "tick"]).columns.tolist() == ["total", "tick"]
    assert opened.arrow("faults").num_rows == 0
    assert opened.schema("measures").field("total").metadata[b"unit"] == b"USD"


def test_rows_say_which_arm_and_seed_they_are_of_also_without_the_episodes_name(run):
    opened = open_run(run)
    every = opened.table("decisions.worker", arms=True)
    known = opened.table("episodes").astype({"episode": str}).set_index("episode")
    for label in ("arm", "seed"):
        assert every[label].tolist() == [known.loc[episode, label] for episode in every["episode"]]
    narrow = opened.table("decisions.worker", ["tick", "obs.coin"], arms=True)
    assert narrow.columns.tolist() == ["tick", "obs.coin", "arm", "seed"]
    assert narrow["seed"].tolist() == every["seed"].tolist()
    # An episode that is not over is of an arm that nobody knows yet.
    (run / "tables" / "episodes" / "e1.arrow").unlink()
    going = open_run(run).table("decisions.worker", arms=True)
    assert going["seed"].isna().tolist() == (going["episode"] == "e1").tolist()


def test_the_codebook(run):
    book = open_run(run).codebook()
    assert book.columns.tolist() == ["table", "column", "type", "unit", "meaning"]
    coin = book.query("table == 'decisions.worker' and column == 'obs.coin'").iloc[0]
    assert (coin["type"], coin["unit"], coin["meaning"]) == ("double", "USD", "what it owns")
    assert len(book.query("table == 'episodes'")) >= 9


def test_merged_runs_read_the_same(run):
    before = open_run(run).arrow("decisions.worker")
    shutil.copytree(run / "tables" / "decisions.worker", run / "kept")
    compact(run, ["e0", "e1", "e2"])
    assert open_run(run).arrow("decisions.worker").equals(before)
    # A crash after the part was in place, before its episodes were removed: nothing is doubled.
    shutil.copy(run / "kept" / "e1.arrow", run / "tables" / "decisions.worker" / "e1.arrow")
    assert open_run(run).arrow("decisions.worker").equals(before)


def test_a_sealed_episode_hides_its_stream(run):
    (run / "tables" / "measures" / "e1.arrows").write_bytes(b"left behind")
    assert open_run(run).arrow("measures").num_rows == 15


def test_batches_have_one_schema(run):
    opened = open_run(run)
    batches = list(opened.batches("decisions.worker", columns=["tick", "obs.near"]))
    assert {b.schema for b in batches} == {batches[0].schema}
    assert sum(b.num_rows for b in batches) == 54
    assert batches[0].schema.names == ["tick", "obs.near"]


def test_a_run_that_is_going_on_and_one_that_was_killed(run):
    Manifest("running", "village", "ab" * 32).write(run)
    episode = Episode(run, "e3", flush=True)
    with RunLock(run):
        assert open_run(run).status == "running"
    assert open_run(run).status == "interrupted"
    episode.recorder._flush()
    episode.recorder._writer.close()
    opened = open_run(run)
    assert opened.arrow("measures").num_rows == 20
    assert opened.arrow("faults").num_rows == 0
    # The last decisions are still open: their rewards are not complete.
    assert opened.arrow("decisions.worker").num_rows == 54 + 3 * 4
    assert opened.table("agents").query("episode == 'e3'")["agent"].tolist() == [0, 1, 2]
    # Killed in the middle of a batch.
    stream = run / "tables" / "measures" / "e3.arrows"
    stream.write_bytes(stream.read_bytes()[:-100])
    assert 15 <= open_run(run).arrow("measures").num_rows < 20
    stream.write_bytes(b"")
    assert open_run(run).arrow("measures").num_rows == 15


def test_episodes_of_other_shapes_minds_and_parameters_fit_into_one_table(tmp_path):
    Manifest("success", "village", "ab" * 32).write(tmp_path)
    Episode(tmp_path, "e0", parameters={"n": 1}).finish()
    Episode(tmp_path, "e1", tables=roles(width=3, mood=False), parameters={"n": 0.5}).finish()
    opened = open_run(tmp_path)
    frame = opened.table("decisions.worker")
    assert frame.groupby("episode", observed=True)["obs.near"].apply(lambda c: {len(v) for v in c}).tolist() == [
        {2},
        {3},
    ]
    assert frame[frame["episode"] == "e1"]["mind.mood"].isna().all()
    assert opened.table("episodes")["param.n"].tolist() == [1.0, 0.5]
    assert opened.schema("decisions.worker").field("obs.near").type == pa.list_(pa.float64())


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda r: r.table("measure"), "has no table 'measure'; did you mean 'measures'"),
        (lambda r: r.table("zzz"), "has no table 'zzz'; it has agents, asks"),
        (lambda r: r.table("measures", columns=["totl"]), "no column 'totl'; did you mean 'total'"),
        (lambda r: list(r.batches("measures", columns=["q"])), "no column 'q'; it has episode, tick"),
    ],
)
def test_what_is_not_there_is_one_line(run, call, why):
    with pytest.raises(OpenError, match=why):
        call(open_run(run))


def test_foreign_directories_are_one_line(tmp_path):
    with pytest.raises(OpenError, match=r"it has no run\.json$"):
        open_run(tmp_path)
    with pytest.raises(OpenError, match=r"there is no such folder$"):
        open_run(tmp_path / "nowhere")
    (tmp_path / "run.json").write_text('{"schema_version": "7"}')
    with pytest.raises(OpenError, match="schema version '7'; accepted: '1'"):
        open_run(str(tmp_path))
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(OpenError, match="not readable"):
        open_run(tmp_path)


@pytest.mark.parametrize("cut", [10, 300])
def test_a_truncated_sealed_file_is_one_line(run, cut):
    path = run / "tables" / "measures" / "e1.arrow"
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(OpenError, match=r"e1\.arrow: damaged") as caught:
        open_run(run).table("measures")
    assert "\n" not in str(caught.value)


def test_importing_the_analysis_is_cheap():
    code = "import sys, simworld_analysis; print([m for m in ('pandas', 'pyarrow', 'simworld') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("key", ["models", "spent", "done", "claims", "episodes", "status", "scenario", "environment"])
def test_a_manifest_with_a_value_of_the_wrong_kind_is_one_line(run, key):
    told = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(
        json.dumps(told | {key: "text" if key != "status" else 3} | ({"scenario": 4} if key == "scenario" else {}))
    )
    with pytest.raises(OpenError, match=rf"run.json: {key}: found .*; accepted: "):
        open_run(run)


def test_a_run_that_may_be_meant_is_named(run):
    with pytest.raises(OpenError, match=rf"did you mean {re.escape(str(run))}\?"):
        open_run(run.parent / f"{run.name[:-1]}")
    with pytest.raises(OpenError, match="for patterns there is open_runs"):
        open_run(run.parent / "*")


def test_the_newest_rows_are_whole_batches_from_the_end(run):
    """Three members decide five times, the last decisions are open; each tick of one that goes on is a batch."""
    episode = Episode(run, "e3", flush=True)
    episode.recorder._flush()
    episode.recorder._writer.close()
    opened = open_run(run)
    for rows, ticks in ((1, [3]), (3, [3]), (4, [2, 3]), (99, [0, 1, 2, 3])):
        found = opened.latest("decisions.worker", "e3", ["tick", "agent"], rows)
        assert found["tick"].to_pylist() == [tick for tick in ticks for _ in range(3)]
    assert opened.latest("decisions.worker", "e0", ["tick"], 4).num_rows == 5 * 3 + 3
    assert opened.latest("decisions.worker", "e9", ["tick"], 4) is None
