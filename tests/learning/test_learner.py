"""A learner of one's own: a class beside the scenario, which needs neither RLlib nor torch."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from simworld.cli._train import train
from simworld.errors import UserError
from simworld.execution import Order, execute
from simworld.scenario import load
from simworld.spaces import Network
from simworld_analysis import open_run

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "learner"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in EXAMPLES.glob("climb.*"):
        (tmp_path / path.name).write_text(path.read_text())
    yield tmp_path
    sys.modules.pop("climb", None)


def edited(here, old, new):
    """Another learner, as a process finds it that begins now."""
    code = (here / "climb.py").read_text()
    assert old in code
    (here / "climb.py").write_text(code.replace(old, new))
    sys.modules.pop("climb", None)


def told(*arguments):
    done = CliRunner().invoke(train, ["climb.yaml", "--json", *arguments], catch_exceptions=False)
    return json.loads(done.stdout)


def test_it_learns_and_what_it_learned_plays(here):
    found = told("--jobs", "2")
    run = open_run(here / found["run"])
    training = run.table("training")
    assert training.groupby("training_seed")["steps"].max().tolist() == [96, 96]
    assert (training["told.best"].diff().dropna()[training["iteration"].diff() > 0] >= 0.0).all()
    assert training["return"].max() == training["told.best"].max()
    # What is evaluated is what is kept: the very numbers, from another process, by the kind `policy`.
    last = run.table("evaluation").query("iteration == 8 and training_seed == 0")
    (here / "play.yaml").write_text(
        "world: {kind: repeated_game, actions: continuous}\nhorizon: 12\nepisodes: 3\n"
        f"roles: {{player: [{{kind: policy, checkpoint: {found['policies'][0]}}}, {{kind: always}}]}}\n"
    )
    played = open_run(execute(Order(load("play.yaml"), here / "played")).run).table("decisions.player")
    assert played.query("agent == 0").groupby("episode")["reward"].sum().tolist() == last["return"].tolist()
    network = Network.load(here / found["policies"][0])
    assert network.about["algorithm"] == "climb:Climb"
    assert network.layers[0].bias[0] in -1.0 + 0.25 * np.arange(8)
    assert [path.read_text() for path in sorted((run.path / "learned").iterdir())] == ["8", "8"]
    # Its code and its defaults are part of what was run.
    assert run.manifest["sources"].keys() == {"climb.py"}
    assert (
        "hidden: [64, 64]" in (run.path / "resolved.yaml").read_text()
        or "hidden:\n" in (run.path / "resolved.yaml").read_text()
    )


def test_it_goes_on_where_it_was_stopped_and_another_class_is_another_training(here):
    first = told("--jobs", "1", "--set", "train.evaluate_every=1")
    whole = open_run(here / first["run"]).table("training")
    # As if it had been stopped after its third iteration.
    run = here / first["run"]
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    checkpoint = run / "checkpoints" / "seed-000"
    (checkpoint / "state.json").write_text(json.dumps([-1.0, 3, float(whole["told.best"][:3].max())]))
    (checkpoint / "steps").write_text("3 36\n")
    resumed = told("--jobs", "1", "--set", "train.evaluate_every=1")
    assert resumed["run"] == first["run"]
    after = open_run(run).table("training")
    same = ["training_seed", "iteration", "steps", "return", "told.best"]
    assert after[same].equals(whole[same])
    edited(here, "class Climb", "# another\nclass Climb")
    assert told("--jobs", "1", "--set", "train.evaluate_every=1")["run"] != first["run"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("train.algo=climb:Clamb", r"train\.algo: .*no 'Clamb'; did you mean 'Climb'"),
        ("train.algo=climb:Earned", r"train\.algo.*another sort of class; accepted: a Learner"),
        ("train.settings.strid=1.0", r"train\.settings.*strid.*accepted: stride"),
        ("train.settings.stride=0", r"train\.settings: stride: found 0"),
        ("train.policies=separate", r"train\.policies: found separate; accepted by climb:Climb: shared"),
    ],
)
def test_what_it_cannot_do_is_one_line(here, change, says):
    with pytest.raises(UserError, match=says):
        CliRunner().invoke(train, ["climb.yaml", "--jobs", "1", "--set", change], catch_exceptions=False)
    assert not (here / "runs").exists()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ("return Lesson(notes.decisions,", "return Lesson(0,"),
        ("return {self.policy: self._network(self.kept)}", "return {'nobody': self._network(self.kept)}"),
        ("self.school.play(", "self.school.play({}, -1, notes); self.school.play("),
        ('{"best": self.best}', '{"worst": self.best}'),
    ],
    ids=["no decisions", "another policy", "an evaluation's episode", "an undeclared number"],
)
def test_a_learner_that_breaks_its_contract_is_a_failed_training_with_its_reason(here, spoil, says):
    edited(here, spoil, says)
    reason = {
        "return Lesson(0,": "climb:Climb: an iteration of 0 decisions; accepted: at least one",
        "return {'nobody': self._network(self.kept)}": "nothing learned for the policy 'player': found nobody",
        '{"worst": self.best}': "it tells 'worst'; declared in told: best",
    }.get(says, "episode -1; accepted: from 0 to 999,999")
    with pytest.raises(UserError, match=reason):
        told("--jobs", "1", "--seeds", "1")
