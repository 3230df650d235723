"""A learner of one's own: a class beside the scenario, which needs neither RLlib nor torch."""

from __future__ import annotations

import json
import textwrap

import numpy as np
import pytest
from click.testing import CliRunner

from simworld.cli._train import train
from simworld.errors import UserError
from simworld.execution import Order, execute
from simworld.scenario import load
from simworld.spaces import Network
from simworld_analysis import open_run

CLIMB = '''
import json
from typing import Annotated

import numpy as np
from annotated_types import Gt

from simworld.kernel import Field, Silent
from simworld.spaces import ActionVector, Layer, Learner, Lesson, Network, NetworkMind, ObservationVector


class Earned(Silent):
    """Adds up what the first player earns."""

    def __init__(self):
        self.total, self.decisions = 0.0, 0

    def decided(self, role, tick, acts):
        self.decisions += int((acts.members == 0).sum())

    def rewarded(self, role, members, amounts, decisions):
        self.total += float(amounts[members == 0].sum())


class Climb(Learner):
    """Tries another bias in every iteration, and keeps the better one."""

    told = (Field("best", unit="reward", meaning="of all tries"),)
    reads = ("start",)
    needs_torch = False

    def __init__(self, stride: Annotated[float, Gt(0)] = 0.25, start: str = "") -> None:
        """How to climb.

        Args:
            stride: From one try to the next.
            start: A file that says where to start.
        """
        self.stride, self.start = stride, start

    def begin(self, school):
        if school.hidden != (4,):
            raise ValueError(f"hidden: found {list(school.hidden)}; accepted by Climb: [4]")
        self.school, self.role = school, school.roles["player"]
        self.seen, self.does = ObservationVector.of(self.role), ActionVector.of(self.role)
        self.bias, self.tried, self.best = -1.0, 0, None

    def network(self, bias):
        zeros = np.zeros((2, self.seen.width), np.float32)
        return Network(self.seen, self.does, (Layer(zeros, np.array([bias, -9.0], np.float32)),))

    def iterate(self):
        bias, notes = -1.0 + self.stride * self.tried, Earned()
        self.school.play({"player": NetworkMind(self.network(bias))}, self.tried, notes)
        self.tried += 1
        if self.best is None or notes.total > self.best:
            self.best, self.bias = notes.total, bias
        return Lesson(notes.decisions, notes.total, {"best": self.best})

    def networks(self):
        return {"player": self.network(self.bias)}

    def save(self, folder):
        folder.mkdir()
        (folder / "state.json").write_text(json.dumps([self.bias, self.tried, self.best]))

    def restore(self, folder):
        self.bias, self.tried, self.best = json.loads((folder / "state.json").read_text())

    def files(self):
        return {"tries.txt": str(self.tried).encode()}
'''
GAME = """
name: climbing
world: {kind: repeated_game, actions: continuous}
roles: {player: [{kind: random}, {kind: always}]}
horizon: 12
episodes: 3
train: {algo: "climb:Climb", learners: [player.0], steps: 96, seeds: 2, hidden: [4], evaluate_every: 2, settings: {stride: 0.25}}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "climb.py").write_text(textwrap.dedent(CLIMB))
    (tmp_path / "it.yaml").write_text(GAME)
    return tmp_path


def told(*arguments):
    done = CliRunner().invoke(train, ["it.yaml", "--json", *arguments], catch_exceptions=False)
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
    assert Network.load(here / found["policies"][0]).about["algorithm"] == "climb:Climb"
    assert [path.read_text() for path in sorted((run.path / "learned").iterdir())] == ["8", "8"]
    # Its code and its defaults are part of what was run.
    assert run.manifest["sources"].keys() == {"climb.py"}
    assert 'start: ""' in (run.path / "resolved.yaml").read_text()


def test_it_goes_on_where_it_was_stopped_and_another_class_is_another_training(here):
    first = told("--jobs", "1", "--set", "train.evaluate_every=1")
    whole = open_run(here / first["run"]).table("training")
    again = told("--jobs", "1", "--set", "train.evaluate_every=1")
    assert again["run"] == first["run"]
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
    (here / "climb.py").write_text((here / "climb.py").read_text() + "# another\n")
    assert told("--jobs", "1", "--set", "train.evaluate_every=1")["run"] != first["run"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("train.algo=climb:Clamb", r"train\.algo: .*no 'Clamb'; did you mean 'Climb'"),
        ("train.algo=climb:Earned", r"train\.algo.*another sort of class; accepted: a Learner"),
        ("train.settings.strid=1.0", r"train\.settings.*strid.*accepted: stride"),
        ("train.settings.stride=0", r"train\.settings: stride: found 0"),
        ("train.settings.start=nowhere.txt", r"train\.settings: .*nowhere\.txt"),
        ("train.policies=separate", r"train\.policies: found separate; accepted by climb:Climb: shared"),
        ("train.hidden=[8]", r"hidden: found \[8\]; accepted by Climb: \[4\]"),
    ],
)
def test_what_it_cannot_do_is_one_line(here, change, says):
    with pytest.raises(UserError, match=says):
        CliRunner().invoke(train, ["it.yaml", "--jobs", "1", "--set", change], catch_exceptions=False)
    assert not [path for path in here.glob("runs/*") if "hidden" not in change]


def test_its_network_gives_what_was_tried_best(here):
    found = told("--jobs", "1", "--seeds", "1")
    network = Network.load(here / found["policies"][0])
    biases = -1.0 + 0.25 * np.arange(8)
    assert network.layers[0].bias[0] in biases
