"""Vectors and networks: what a network sees and decides, and that it decides alike whoever else is there."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.errors import ContractError
from simworld.execution import Order, execute, replay_run
from simworld.kernel import Field, Group, Role
from simworld.scenario import load
from simworld.spaces import ActionVector, Network, NetworkMind, ObservationVector, dense
from simworld.testing import CohortSuite, play
from simworld.worlds.games import RepeatedGame
from simworld_analysis import open_run

ROLE = Role(
    "one",
    obs=(
        Field("colour", "int64", low=2, high=4),
        Field("level", low=0.0, high=10.0),
        Field("wealth"),
        Field("last", low=-1.0, high=1.0, missing=True),
        Field("far", "int64", (2,), low=0, high=1000),
        Field("seen", "bool", (2,)),
        Field("price", shared=True),
        Field("said", "str"),
        Field("may", "bool", (3,), masks="pick"),
    ),
    act=(Field("pick", "int64", low=5, high=7),),
).sized({})


def seen(n: int):
    return {
        "colour": np.arange(n) % 3 + 2,
        "level": np.linspace(0.0, 10.0, n),
        "wealth": np.linspace(-100.0, 1e6, n),
        "last": np.where(np.arange(n) % 2, np.nan, 0.5),
        "far": np.tile([0, 1000], (n, 1)),
        "seen": np.tile([True, False], (n, 1)),
        "price": np.array(3.0),
        "said": np.full(n, "x", dtype=object),
        "may": np.tile([True, True, False], (n, 1)),
    }


def network(role: Role, seed: int = 0, outputs: int | None = None) -> Network:
    chance = np.random.Generator(np.random.Philox(seed))
    a, b = ObservationVector.of(role), ActionVector.of(role)
    wide = sum(b.choices) + 2 * b.amounts if outputs is None else outputs
    weights = [chance.normal(size=(8, a.width)), chance.normal(size=(wide, 8))]
    return Network(a, b, dense(weights, [np.zeros(8), chance.normal(size=wide)], "tanh"))


def test_every_field_is_told_in_its_way():
    vector = ObservationVector.of(ROLE)
    told = vector.told(seen(3), 3)
    assert told.shape == (3, vector.width) == (3, 3 + 1 + 1 + 2 + 2 + 2 + 1)
    assert told.dtype == np.float32
    assert told[:, :3].tolist() == np.eye(3).tolist()
    assert told[:, 3].tolist() == [-1.0, 0.0, 1.0]
    assert told[0, 4] == pytest.approx(-np.log1p(100.0))
    # What is missing is 0, and said to be unknown; beside it stands what 0 would mean.
    assert told[:, 5].tolist() == [0.5, 0.0, 0.5]
    assert told[:, 6].tolist() == [1.0, 0.0, 1.0]
    assert told[0, 7:9].tolist() == [-1.0, 1.0]
    assert np.isfinite(told).all()


@given(st.floats(-1e9, 1e9), st.integers(0, 2))
def test_amounts_are_within_their_bounds_and_choices_are_values(amount, choice):
    role = Role(
        "one",
        obs=(Field("x"),),
        act=(
            Field("share", low=0.1, high=0.3),
            Field("at_least", low=2.0),
            Field("any", "float64", (2,)),
            Field("pick", "int64", low=5, high=7),
            Field("on", "bool", (2,)),
            Field("note", "str", default=""),
            Field("rates", "float64", (3,), low=0.0, high=1.0, default=float("nan")),
        ),
    ).sized({})
    vector = ActionVector.of(role)
    assert (vector.choices, vector.amounts) == ((3, 2, 2), 4)
    done = vector.done(np.array([[choice, 1, 0]]), np.full((1, 4), amount))
    assert 0.1 <= done["share"][0] <= 0.3
    assert done["at_least"][0] >= 2.0
    assert done["any"].tolist() == [[amount, amount]]
    assert done["pick"].tolist() == [5 + choice]
    assert done["on"].tolist() == [[True, False]]
    assert set(done) == {"share", "at_least", "any", "pick", "on"}
    assert ActionVector.from_data(json.loads(json.dumps(vector.as_data()))) == vector


def test_a_network_is_saved_loaded_and_never_does_what_is_not_allowed(tmp_path):
    one = network(ROLE)
    one.save(tmp_path / "one.npz")
    again = Network.load(tmp_path / "one.npz")
    outputs = one.outputs(one.seen.told(seen(50), 50))
    assert np.array_equal(outputs, again.outputs(again.seen.told(seen(50), 50)))
    allowed = np.tile([False, True, False], (50, 1))
    assert set(again.best(outputs, allowed)["pick"]) == {6}
    uniform = np.random.Generator(np.random.Philox(1)).uniform(size=(50, 3))
    assert set(again.drawn(outputs, allowed, uniform, None)["pick"]) == {6}
    assert again.misfit(ROLE) == ""
    # It may see less than the role does.
    assert again.misfit(Role("one", (Field("more"), *ROLE.obs), ROLE.act).sized({})) == ""
    assert "sees" in again.misfit(Role("one", ROLE.obs[1:], ROLE.act).sized({}))
    with pytest.raises(ContractError, match="accepted: bool of shape"):
        Role("one", obs=ROLE.obs, act=(Field("pick", "int64", low=5, high=8),))
    assert "differ" in again.misfit(Role("one", (*ROLE.obs[:1], Field("level"), *ROLE.obs[2:]), ROLE.act).sized({}))


def test_draws_follow_what_the_network_gives():
    role = Role("one", (Field("x"),), (Field("pick", "int64", low=0, high=2), Field("y"))).sized({})
    one = network(role)
    outputs = np.tile(np.array([[0.0, np.log(2.0), np.log(3.0), 1.5, np.log(0.5)]], dtype=np.float32), (40_000, 1))
    chance = np.random.Generator(np.random.Philox(2))
    done = one.drawn(outputs, None, chance.uniform(size=(40_000, 3)), chance.normal(size=(40_000, 1)))
    assert np.bincount(done["pick"]) / 40_000 == pytest.approx([1 / 6, 2 / 6, 3 / 6], abs=0.01)
    assert done["y"].mean() == pytest.approx(1.5, abs=0.01)
    assert done["y"].std() == pytest.approx(0.5, abs=0.01)


class TestNetworkMind(CohortSuite):
    role = "player"
    greedy = False

    def world(self):
        return RepeatedGame(noise=0.1)

    def counts(self):
        return {"player": 6}

    def cohort(self):
        return NetworkMind(network(RepeatedGame.roles[0].sized({"player": 6})), self.greedy)


class TestGreedyNetworkMind(TestNetworkMind):
    greedy = True


@pytest.mark.parametrize("text", ["", "PK", "nothing of the sort"])
def test_a_file_that_holds_no_policy_is_refused(tmp_path, text):
    path = tmp_path / "p.npz"
    path.write_text(text)
    with pytest.raises(ValueError, match="holds no trained policy"):
        Network.load(path)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": None}, "holds no trained policy: it lacks 'format'; found network, weight0, weight1, bias0, ..."),
        ({"format": 2}, "format 2; accepted: 1"),
        ({"activations": ["tanh"]}, "2 layers, with activations tanh"),
        ({"activations": ["sine", "linear"]}, "2 layers, with activations sine, linear"),
    ],
)
def test_a_policy_that_somebody_changed_is_refused(tmp_path, changes, why):
    network(ROLE).save(tmp_path / "one.npz")
    with np.load(tmp_path / "one.npz") as found:
        arrays = dict(found)
    data = {k: v for k, v in (json.loads(str(arrays["network"])) | changes).items() if v is not None}
    np.savez(tmp_path / "other.npz", **arrays | {"network": np.array(json.dumps(data))})
    with pytest.raises(ValueError, match=why):
        Network.load(tmp_path / "other.npz")


def test_a_policy_in_a_scenario_is_part_of_its_run(tmp_path):
    role = RepeatedGame.roles[0].sized({"player": 2})
    network(role).save(tmp_path / "p.npz")
    (tmp_path / "it.yaml").write_text(
        "world: {kind: repeated_game}\nhorizon: 9\n"
        "roles: {player: [{kind: policy, checkpoint: p.npz}, {kind: tit_for_tat}]}\n"
    )
    first = execute(Order(load(tmp_path / "it.yaml"), tmp_path / "runs"))
    assert execute(Order(load(tmp_path / "it.yaml"), tmp_path / "runs")).finished_before
    network(role, seed=1).save(tmp_path / "p.npz")
    second = execute(Order(load(tmp_path / "it.yaml"), tmp_path / "runs"))
    assert second.run != first.run
    played = [open_run(one.run).table("decisions.player")["act.cooperate"].tolist() for one in (first, second)]
    assert played[0] != played[1]
    # The run has a copy of its own policy: it is replayed when the file beside the scenario is another one, or gone.
    (tmp_path / "p.npz").unlink()
    assert replay_run(second.run).identical


def test_a_policy_from_elsewhere_counts_by_its_content(tmp_path):
    role, (here, away) = RepeatedGame.roles[0].sized({"player": 2}), (tmp_path / "here", tmp_path / "away")
    here.mkdir()
    away.mkdir()
    network(role).save(away / "p.npz")
    (here / "it.yaml").write_text(
        "world: {kind: repeated_game}\nhorizon: 9\n"
        f"roles: {{player: [{{kind: policy, checkpoint: {away / 'p.npz'}}}, {{kind: tit_for_tat}}]}}\n"
    )
    first = execute(Order(load(here / "it.yaml"), tmp_path / "runs"))
    assert replay_run(first.run).identical
    network(role, seed=1).save(away / "p.npz")
    assert execute(Order(load(here / "it.yaml"), tmp_path / "runs")).run != first.run
    assert not replay_run(first.run).identical


def test_each_scenario_of_a_process_takes_the_policy_beside_it(tmp_path, monkeypatch):
    role, cooperated = RepeatedGame.roles[0].sized({"player": 2}), []
    text = (
        "world: {kind: repeated_game}\nhorizon: 9\n"
        "roles: {player: [{kind: policy, checkpoint: p.npz}, {kind: tit_for_tat}]}\n"
    )
    for seed, name in enumerate(("one", "two", "here")):
        (tmp_path / name).mkdir()
        network(role, seed=seed).save(tmp_path / name / "p.npz")
        (tmp_path / name / "it.yaml").write_text(text)
    monkeypatch.chdir(tmp_path / "here")  # nor does where it is run from come first
    loaded = [load(tmp_path / name / "it.yaml") for name in ("one", "two")]
    for scenario in loaded:
        run = execute(Order(scenario, tmp_path / "runs")).run
        (own,) = run.glob("sources/*")
        assert own.read_bytes() == (scenario.folder / "p.npz").read_bytes()
        assert replay_run(run).identical
        cooperated.append(open_run(run).table("decisions.player")["act.cooperate"].tolist())
    assert cooperated[0] != cooperated[1]


def test_a_policy_for_another_role_is_refused():
    wrong = network(ROLE)
    with pytest.raises(ValueError, match="trained for something else"):
        NetworkMind(wrong).check(RepeatedGame.roles[0].sized({"player": 2}))
    seating = {"player": [Group(NetworkMind(network(RepeatedGame.roles[0].sized({"player": 2}))), 2)]}
    assert len(play(RepeatedGame(), seating, horizon=3).heard.rows) == 6
