"""Many runs at once: one table that says where each row comes from, and files for other programs."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simworld_analysis import OpenError, open_runs
from simworld_analysis.export import export_run


@pytest.fixture
def two(hand):
    """Two sweeps of one scenario over another parameter each."""

    def write(size, **more):
        return hand(
            episodes={"episode": ["a", "b"], "arm": ["low", "high"], "seed": [3, 4], "status": ["success"] * 2, **more},
            measures={"episode": ["a", "a", "b"], "tick": [0, 1, 0], "time": [0.0, 1.0, 0.0], "x": [size, 2.0, 6.0]},
        )

    return write(1.0, **{"param.size": [10, 20]}), write(5.0, **{"param.rate": [0.5, 0.1]})


def test_rows_say_run_arm_seed_and_parameters(two):
    runs = open_runs(two[0].path.parent / "run*")
    frame = runs.table("measures", ["tick", "x"])
    assert frame.columns.tolist() == ["run", "arm", "seed", "param.size", "param.rate", "tick", "x"]
    assert frame["run"].tolist() == ["run0"] * 3 + ["run1"] * 3
    assert frame["arm"].tolist() == ["low", "low", "high"] * 2
    assert frame["seed"].tolist() == [3, 3, 4] * 2
    assert frame["param.size"].tolist()[:3] == [10, 10, 20]
    assert frame["param.size"].isna().tolist() == [False] * 3 + [True] * 3
    assert frame["x"].tolist() == [1, 2, 6, 5, 2, 6]
    assert runs.table("episodes")["param.rate"].tolist()[2:] == [0.5, 0.1]


def test_groups_are_those_of_pandas(two):
    data = open_runs([run.path for run in two]).dataset("measures")
    grouped = data.group(["run", "arm"], total=("x", "sum"), n=("tick", "count"))
    assert grouped.to_dict("list") == {
        "run": ["run0", "run0", "run1", "run1"],
        "arm": ["high", "low"] * 2,
        "total": [6.0, 3.0, 6.0, 7.0],
        "n": [1, 2, 1, 2],
    }
    spread = data.group(["run", "arm"], x=("x", "std"), n=("x", "nunique"))
    by_hand = data.pandas().astype({"run": str, "arm": str}).groupby(["run", "arm"])["x"].agg(["std", "nunique"])
    assert spread["x"].tolist() == pytest.approx(by_hand["std"].tolist(), nan_ok=True)
    assert spread["n"].tolist() == by_hand["nunique"].tolist()
    by_hand = data.pandas().groupby("param.size")["x"].mean()
    with pytest.warns(UserWarning, match="share arms and seeds"):
        grouped = data.group("param.size", x=("x", "mean"))
    assert grouped["x"].tolist()[:2] == by_hand.tolist()


def test_runs_of_the_same_seeds_are_not_grouped_as_one_larger_sample(two):
    data = open_runs([run.path for run in two]).dataset("measures")
    with pytest.warns(UserWarning, match="run0 and run1 share arms and seeds: group by 'run', too, or open one"):
        data.group("arm", x=("x", "mean"))
    data.group(["run", "arm"], x=("x", "mean"))


def test_episodes_of_a_run_that_goes_on_have_no_label_yet(hand):
    run = hand(
        episodes={"episode": ["a"], "arm": ["low"], "seed": [3], "status": ["success"]},
        measures={"episode": ["a", "z"], "tick": [0, 0], "time": [0.0, 0.0], "x": [1.0, 2.0]},
    )
    frame = open_runs([run.path]).table("measures")
    assert frame["arm"].isna().tolist() == [False, True]
    assert frame["x"].tolist() == [1.0, 2.0]


def test_what_is_no_run_is_passed_over_by_a_pattern_and_refused_in_a_list(two, tmp_path):
    (tmp_path / "run_notes").mkdir()
    (tmp_path / "run.txt").write_text("a file")
    runs = open_runs(f"{tmp_path}/run*")
    assert [run.path.name for run in runs] == ["run0", "run1"]
    assert list(runs.skipped) == ["run_notes"]
    with pytest.raises(OpenError, match="run_notes is not a run directory"):
        open_runs([tmp_path / "run_notes"])
    with pytest.raises(OpenError, match=r"no run directory matches .*; .*run_notes is not a run directory"):
        open_runs(f"{tmp_path}/run_n*")


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        (lambda runs: runs.dataset("nothing"), "no run has rows of a table 'nothing'; they have episodes, measures"),
        (lambda runs: runs.table("measures", ["y"]), "no column 'y'; it has episode, tick, time, x"),
        (lambda runs: runs.dataset("measures").group("arms", n=("x", "count")), "no column 'arms'"),
        (lambda runs: runs.dataset("measures").group("arm", n=("x", "middle")), "cannot be grouped so: .*hash_middle"),
    ],
)
def test_what_is_not_there_is_named(two, ask, why):
    with pytest.raises(OpenError, match=why):
        ask(open_runs([run.path for run in two]))


def test_csv_has_an_entry_per_column_and_a_codebook(hand, tmp_path):
    run = hand(
        measures={"episode": ["e0", "e0"], "tick": [0, 1], "time": [0.0, 0.5], "x": [1.5, float("nan")]},
        decisions_player={"episode": ["e0"], "tick": [0], "agent": [2], "act.rates": [[0.1, float("nan")]]},
    )
    said = []
    folder = export_run(run, "csv", tmp_path / "out", told=said.append)
    assert said == ["decisions.player: 1 rows", "episodes: 1 rows", "measures: 2 rows"]
    measures = pd.read_csv(folder / "measures.csv")
    assert measures.columns.tolist() == ["run", "arm", "seed", "episode", "tick", "time", "x"]
    assert measures["tick"].tolist() == [0, 1]
    assert pd.read_csv(folder / "decisions.player.csv")["act.rates"].tolist() == ["[0.1, null]"]
    codebook = pd.read_csv(folder / "codebook.csv", keep_default_na=False)
    assert codebook.query("table == 'measures'")["column"].tolist() == measures.columns.tolist()
    assert codebook["meaning"][0] == "name of the run's directory"


def test_parquet_keeps_types_and_meanings(two, tmp_path):
    folder = export_run(two[0], "parquet", tmp_path / "out", ["measures"], told=str)
    assert sorted(path.name for path in folder.iterdir()) == ["codebook.csv", "measures.parquet"]
    table = pq.read_table(folder / "measures.parquet")
    assert pa.types.is_dictionary(table.schema.field("arm").type)
    assert table["x"].to_pylist() == [1.0, 2.0, 6.0]


def test_an_export_overwrites_nothing_and_leaves_nothing_half_done(two, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(OpenError, match="exists already"):
        export_run(two[0], "csv", tmp_path / "out", told=str)
    with pytest.raises(OpenError, match="no table 'agents'"):
        export_run(two[0], "csv", tmp_path / "new", ["agents"], told=str)
    assert not (tmp_path / "new").exists()


def test_an_export_touches_nothing_but_its_own_folder(two, tmp_path):
    beside = tmp_path / "out.unfinished"
    beside.mkdir()
    (beside / "thesis.txt").write_text("data")
    export_run(two[0], "csv", tmp_path / "out", told=lambda _: None)
    assert (beside / "thesis.txt").read_text() == "data"
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OpenError, match="exists already"):
        export_run(two[0], "csv", tmp_path / "dangling", told=lambda _: None)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ZeroDivisionError):
        export_run(two[0], "csv", tmp_path / "broken", told=lambda _: 1 / 0)
    assert sorted(tmp_path.iterdir()) == before


def test_links_of_the_chain_are_written_as_text(hand, tmp_path):
    run = hand(chain={"episode": ["a", "a"], "tick": [0, 1], "link": [b"\x00\xff", None]})
    export_run(run, "csv", tmp_path / "out", ["chain"], told=lambda _: None)
    assert pd.read_csv(tmp_path / "out" / "chain.csv")["link"].fillna("").tolist() == ["00ff", ""]
