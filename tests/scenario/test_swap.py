"""One YAML line swaps a mind for another: the society around it, and what is recorded of it, stay the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simworld.execution import Order, execute
from simworld.scenario import load
from simworld.spaces import ActionVector, Network, ObservationVector, dense
from simworld.worlds.games import RepeatedGame
from simworld_analysis import open_run

SENTINEL = Path(__file__).parents[2] / "scenarios" / "brg" / "sentinel.yaml"
SMALL = (
    "horizon=40",
    "episodes=1",
    "claims=[]",
    "watch=[player.act.cooperate]",
    "models={default: stand-in/reciprocal, general: stand-in/in-context}",
    "people.default={kind: scripted, answers: [1, 0.5]}",
    # The schedule of the scenario, twenty times shorter.
    "roles.player.1.phases=[{rounds: 10}, {rounds: 5, level: 0}, {rounds: 10}, {rounds: 15, noise: 0.3}]",
)
LINES = {
    "brg": "roles.player.0: {kind: brg, units: 6, epochs: 5, warm_up: 20, calibration: 20}",
    "tit_for_tat": "roles.player.0: {kind: tit_for_tat}",
    "llm_player": "roles.player.0: {kind: llm_player}",
    "axelrod": 'roles.player.0: {kind: "axelrod:TitForTat"}',
    "policy": "roles.player.0: {kind: policy, checkpoint: POLICY}",
    "random": "roles.player.0: {kind: random}",
    "llm_agent": "roles.player.0: {kind: llm_agent, model: general}",
    "person": "roles.player.0: {kind: person}",
}
MINDS = {
    "brg": {"receptivity", "discomfort", "strange_state", "strange_output", "disagreement", "body_action"}
    | {"cognitive_action"},
    "llm_player": {"thought"},
    "llm_agent": {"thought"},
}


def trained(path: Path) -> None:
    """A policy as training leaves it: numbers for the fields of the role, whatever they are worth."""
    role = RepeatedGame.roles[0].sized({"player": 2})
    seen, done = ObservationVector.of(role), ActionVector.of(role)
    weights = [np.full((4, seen.width), 0.1), np.full((2, 4), 0.1)]
    Network(seen, done, dense(weights, [np.zeros(4), np.zeros(2)], "tanh")).save(path)


def played(line: str, runs: Path):
    """The run of the scenario with this line as its arm, and the decisions in it."""
    runs.mkdir(exist_ok=True)
    policy = runs / "policy.npz"
    trained(policy)
    outcome = execute(Order(load(SENTINEL, [*SMALL, f"arms={{it: {{{line.replace('POLICY', str(policy))}}}}}"]), runs))
    run = open_run(outcome.run)
    assert (outcome.status, run.status) == ("success", "success")
    assert run.table("episodes")["status"].tolist() == ["success"]
    assert outcome.reason == ""
    return run, run.table("decisions.player")


def fields(run, *prefixes: str) -> dict[str, str]:
    """Columns of the players' decisions and their types."""
    return {f.name: str(f.type) for f in run.schema("decisions.player") if f.name.partition(".")[0] in prefixes}


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    return played(LINES["brg"], tmp_path_factory.mktemp("before"))


@pytest.mark.parametrize("kind", LINES)
def test_one_line_swaps_a_player_for_another(kind, before, tmp_path):
    if kind == "axelrod":
        pytest.importorskip("axelrod")
    run, rows = played(LINES[kind], tmp_path)
    known, known_rows = before
    assert fields(run, "obs", "act") == fields(known, "obs", "act") != {}
    assert {name.removeprefix("mind.") for name in fields(run, "mind")} == MINDS.get(kind, set())
    assert rows.columns[~rows.columns.str.startswith("mind.")].tolist() == [
        name for name in known_rows.columns if not name.startswith("mind.")
    ]
    # The opponent listens to nobody, and chance is shared: it makes the same mistakes at the same time.
    theirs, knowns = (
        [r.loc[(r["agent"] == 1) & r["end"].isna(), "act.cooperate"].tolist()] for r in (rows, known_rows)
    )
    assert theirs == knowns
    assert set(theirs[0][25:]) == {0.0, 1.0}
    mine = rows[(rows["agent"] == 0) & rows["end"].isna()]
    assert len(mine) == 40
    assert mine["act.cooperate"].between(0, 1).all()
    assert mine["fault"].isna().all()


def test_who_does_as_it_is_done_by_does_so_whoever_it_is(tmp_path):
    """The stand-in's generous tit for tat leaves tit for tat only where it forgives."""
    _, scripted = played(LINES["tit_for_tat"], tmp_path / "one")
    _, asked = played(LINES["llm_player"], tmp_path / "other")
    first, second = (r[(r["agent"] == 0) & r["end"].isna()].reset_index(drop=True) for r in (scripted, asked))
    forgave = second["mind.thought"].str.endswith("I forgive it")
    assert forgave.sum() < 10
    assert (first["act.cooperate"] == second["act.cooperate"])[~forgave].all()
