"""What an episode leaves in its tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from simworld.errors import ContractError, RunError
from simworld.kernel import Answer, Ask, Field, Role
from simworld.recording import EpisodeKey, EpisodeRecorder, EpisodeTables, RoleTable, parameter_types


def read(run, table, episode="e1"):
    folder = run / "tape" / "chain" if table == "chain" else run / "tables" / table
    with pa.memory_map(str(folder / f"{episode}.arrow")) as file, pa.ipc.open_file(file) as reader:
        return reader.read_all()


@pytest.fixture
def run(tmp_path, toy):
    toy["record_episode"](tmp_path, "e1")
    return tmp_path


def test_every_member_ends_with_one_closing_row(run):
    frame = read(run, "decisions.walker").to_pandas()
    ends = frame[frame["end"].notna()].set_index("agent")["end"]
    assert ends.index.is_unique
    assert ends[2] == "left"
    assert set(ends.drop(2)) == {"truncated"}
    closing = frame[frame["end"].notna()]
    for column in ("reward", "act.step", "act.call", "act.up", "mind.mood", "mind.thought", "fault"):
        assert closing[column].isna().all()
    assert closing["obs.x"].notna().all()


def test_rows_are_in_canonical_order_with_time_in_units(run):
    frame = read(run, "decisions.walker").to_pandas()
    keys = frame[["tick", "agent", "decision"]]
    assert keys.equals(keys.sort_values(["tick", "agent", "decision"], ignore_index=True))
    assert (frame["time"] == frame["tick"] * 0.5).all()


def test_rewards_belong_to_the_decision_that_earned_them(run):
    walkers = read(run, "decisions.walker").to_pandas().query("end.isna()")
    assert (walkers["reward"] == walkers["act.step"]).all()
    king = read(run, "decisions.king").to_pandas().query("end.isna()")
    # Explicit credit: what came at tick t was for the decision of tick t - 4.
    assert king["reward"].tolist() == [*(king["tick"].iloc[1:].tolist()), 0.0]
    episode = read(run, "episodes").to_pylist()[0]
    assert episode["return.walker"] == walkers["reward"].sum()
    assert episode["return.king"] == king["reward"].sum()


def test_a_newcomer_and_one_who_left_are_in_agents(run):
    agents = read(run, "agents").to_pandas()
    walkers = agents[agents["role"] == "walker"].set_index("agent")
    assert walkers.loc[7, "born"] == 5
    assert walkers.loc[2, "left"] >= 8
    assert walkers["left"].notna().sum() == 1
    assert walkers["mind"].tolist() == ["stroller"] * 4 + ["plodder"] * 4
    assert walkers.loc[7, "trait.size"] == 1.5
    assert agents[agents["role"] == "king"]["trait.size"].isna().all()


def test_a_mind_field_is_null_for_minds_that_do_not_declare_it(run):
    frame = read(run, "decisions.walker").to_pandas().query("end.isna()")
    stroller = frame["agent"] < 4
    assert frame.loc[stroller, "mind.thought"].eq("on").all()
    assert frame.loc[~stroller, "mind.thought"].isna().all()
    assert frame.loc[~stroller, "mind.mood"].isna().all()


def test_shaped_fields_are_fixed_size_lists(run):
    table = read(run, "decisions.walker")
    assert table.schema.field("obs.map").type == pa.list_(pa.list_(pa.float64(), 3), 2)
    row = table.to_pylist()[5]
    assert row["obs.map"] == [[row["agent"] + c for c in (0.0, 1.0, 2.0)], [row["agent"] + c for c in (3.0, 4.0, 5.0)]]
    assert len(row["obs.wind"]) == 2


def test_measures_faults_and_chain(run, toy):
    kernel = toy["record_episode"](run, "e2")
    measures = read(run, "measures").to_pandas()
    assert measures["mean_x"].isna().sum() + measures["crowd"].isna().sum() == len(measures)
    fault = {"episode": "e1", "role": "walker", "agent": 1, "decision": 2, "kind": "tired", "detail": "sat down"}
    assert [{k: row[k] for k in fault} for row in read(run, "faults").to_pylist()] == [fault]
    walkers = read(run, "decisions.walker").to_pandas()
    assert walkers.query("fault == 'tired'")[["agent", "decision"]].to_numpy().tolist() == [[1, 2]]
    chain = read(run, "chain", "e2")
    assert chain["moment"].to_pylist() == list(range(kernel.moments + 1))
    assert chain["link"][-1].as_py() == kernel.chain
    assert read(run, "episodes", "e2")["chain"][0].as_py() == kernel.chain.hex()


def test_the_schema_is_the_codebook(run):
    schema = read(run, "decisions.walker").schema
    assert schema.metadata[b"simworld.schema_version"] == b"1"
    assert schema.metadata[b"simworld.table"] == b"decisions.walker"
    assert schema.field("obs.x").metadata == {b"unit": b"m", b"meaning": b"place on the road"}
    assert schema.field("mind.mood").metadata == {b"unit": b"points", b"meaning": b"how it feels"}
    assert schema.field("time").metadata[b"unit"] == b"h"
    for table in ("agents", "asks", "chain", "episodes", "faults", "measures", "telemetry"):
        for field in read(run, table).schema:
            assert b"unit" in field.metadata
            assert b"meaning" in field.metadata
    assert read(run, "measures").schema.field("mean_x").metadata[b"meaning"] == b"mean place"
    assert read(run, "agents").schema.field("trait.size").metadata[b"unit"] == b"m"


def test_what_stands_still_goes_with_decisions_and_nothing_is_noted_where_nothing_does(toy):
    class Hedged(toy["Village"]):
        backdrop = ((0, 0, 1, 0.5),)

    def schemas(world):
        return EpisodeTables.of(EpisodeKey("e1"), world, toy["SEATING"]).schemas()

    noted = {name: schema.metadata.get(b"simworld.backdrop") for name, schema in schemas(Hedged()).items()}
    lines = b"[[0.0, 0.0, 1.0, 0.5]]"
    assert {n: v for n, v in noted.items() if v} == {"decisions.walker": lines, "decisions.king": lines}
    assert all(b"simworld.backdrop" not in schema.metadata for schema in schemas(toy["Village"]()).values())
    for wrong in ([(0.0, 1.0, 2.0)], [(0.0, 0.0, 1.0, float("nan"))], [None], "here", (0.0, 1.0)):
        Hedged.backdrop = wrong
        with pytest.raises(ContractError, match=r"Hedged: backdrop: .* accepted: segments of four finite numbers each"):
            schemas(Hedged())


def test_record_policies(tmp_path, toy):
    full = toy["record_episode"](tmp_path, "e1")
    some = toy["record_episode"](tmp_path, "e2", record={"walker": {"every": 3}})
    none = toy["record_episode"](tmp_path, "e3", record={"walker": "none", "king": "none"})
    assert full.chain == some.chain == none.chain
    rows, kept = (read(tmp_path, "decisions.walker", e).drop_columns(["episode"]).to_pylist() for e in ("e1", "e2"))
    assert kept == [r for r in rows if r["decision"] % 3 == 0 or r["end"]]
    assert read(tmp_path, "decisions.walker", "e3").num_rows == 0
    returns = [read(tmp_path, "episodes", e)["return.walker"][0].as_py() for e in ("e1", "e2", "e3")]
    assert len(set(returns)) == 1


def test_asks_and_telemetry(tmp_path, toy):
    recorder = EpisodeRecorder(tmp_path, toy["tables"]("e1"))
    ask = Ask(("walker", 3, 1, 0), "model", {"q": "?"}, 2)
    answer = Answer(
        "yes", source="m-1", telemetry={"seconds": 0.25, "model": "m", "cost": {"usd": 1}, "tries": [1, None]}
    )
    recorder.asked(6, ask, answer, 4)
    recorder.asked(7, Ask(("walker", 4, 0, 1), "person", {"q": 1}), None, 5)
    recorder.telemetry("pid", 17)
    recorder.finish("failed", 2, 7, "Traceback ...")
    first, second = read(tmp_path, "asks").to_pylist()
    assert (first["since"], first["tick"], first["after"], first["kind"]) == (4, 6, 2, "model")
    assert first["digest"] == ask.digest
    assert len(first["answer_digest"]) == 64
    assert (first["source"], first["fault"]) == ("m-1", None)
    assert second["answer_digest"] is second["source"] is None
    notes = read(tmp_path, "telemetry").to_pylist()
    assert {n["key"]: n["value"] if n["text"] is None else n["text"] for n in notes} == {
        "seconds": 0.25, "model": "m", "cost.usd": 1.0, "tries.0": 1.0, "tries.1": None, "pid": 17.0,
    }  # fmt: skip
    assert notes[0]["agent"] == 3
    assert notes[-1]["agent"] is None
    assert read(tmp_path, "episodes")["error"].to_pylist() == ["Traceback ..."]


def test_parameters_keep_their_types(tmp_path, toy):
    cells = [
        {"a.rate": 1, "b": "x", "c": True, "d": 1, "e": 2**64},
        {"a.rate": 0.5, "b": "y", "c": False, "d": "auto", "e": 1},
    ]
    kinds = parameter_types(cells)
    key = EpisodeKey("e1", parameters=cells[0])
    recorder = EpisodeRecorder(tmp_path, EpisodeTables(key, (), kinds=kinds))
    recorder.finish("success", 0, 0)
    row = read(tmp_path, "episodes")
    assert row.schema.field("param.a.rate").type == pa.float64()
    assert row.select([f"param.{k}" for k in cells[0]]).to_pylist() == [
        {"param.a.rate": 1.0, "param.b": "x", "param.c": True, "param.d": "1", "param.e": "18446744073709551616"}
    ]


def test_a_world_without_rows_leaves_tables_that_open(tmp_path):
    recorder = EpisodeRecorder(tmp_path, EpisodeTables(EpisodeKey("e1"), (RoleTable(Role("nobody")),)))
    recorder.finish("success", 0, 0)
    for table in ("decisions.nobody", "measures", "asks", "faults", "agents", "telemetry", "chain"):
        assert read(tmp_path, table).num_rows == 0


def test_leftovers_of_a_crash_go_and_finished_episodes_stay(tmp_path, toy):
    stale = tmp_path / "tables" / "measures" / "e1.arrows"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"torn")
    toy["record_episode"](tmp_path, "e1")
    assert not stale.exists()
    with pytest.raises(RunError, match="'e1' is already recorded"):
        EpisodeRecorder(tmp_path, toy["tables"]("e1"))


@pytest.mark.parametrize(
    ("roles", "why"),
    [
        (
            [RoleTable(Role("a"), (("m", (Field("k"),)), ("n", (Field("k", "str"),))))],
            "minds of role 'a': 'k' is declared",
        ),
        (
            [RoleTable(Role("a", traits=(Field("t"),))), RoleTable(Role("b", traits=(Field("t", unit="m"),)))],
            "traits: 't'",
        ),
        ([RoleTable(Role("a", obs=(Field("x", shape=("b",)),)))], "dimension 'b' is not a number"),
    ],
)
def test_what_cannot_be_a_column_is_refused(tmp_path, roles, why):
    with pytest.raises(ContractError, match=why):
        EpisodeRecorder(tmp_path, EpisodeTables(EpisodeKey("e1"), tuple(roles)))


def test_unknown_policies_are_refused(toy):
    for policy in ("some", {"every": 0}, {"each": 2}):
        with pytest.raises(ContractError, match="accepted: every, none"):
            toy["tables"]("e1", record={"walker": policy})
    with pytest.raises(ContractError, match="no role"):
        toy["tables"]("e1", record={"wlker": "none"})


def test_arrays_are_copied_before_the_call_returns(tmp_path):
    role = Role("a", traits=(Field("size"),))
    recorder = EpisodeRecorder(tmp_path, EpisodeTables(EpisodeKey("e1"), (RoleTable(role, (("m", ()),)),)))
    members, size = np.arange(3), np.ones(3)
    recorder.joined("a", 0, members, members * 0, {"size": size})
    members += 10
    size *= 0
    recorder.finish("success", 0, 0)
    agents = read(tmp_path, "agents").to_pandas()
    assert agents["agent"].tolist() == [0, 1, 2]
    assert agents["trait.size"].tolist() == [1.0, 1.0, 1.0]
