"""Training with RLlib: it learns, is stopped and goes on, and what it learned plays without it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from simworld.cli._train import train
from simworld.errors import UserError
from simworld_analysis import open_run
from simworld_analysis.learning import improvement, learning_curve

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'simworld[train]'")

# What RLlib says of itself when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore")

GAME = """
world: {{kind: repeated_game, actions: {actions}}}
roles: {{player: [{{kind: random, count: 4}}, {{kind: tit_for_tat, count: 4}}]}}
horizon: 12
episodes: 3
train:
  learners: [player.0]
  steps: {steps}
  seeds: 2
  hidden: [16]
  evaluate_every: 1
  environments: 2
  settings: {{lr: 0.01, gamma: 0.9, train_batch_size_per_learner: 120, minibatch_size: 120, num_epochs: 4}}
"""
BOARD = """
world: {kind: pettingzoo, env: pettingzoo.classic.tictactoe_v3}
roles: {player: [{kind: random}, {kind: random}]}
horizon: 12
episodes: 2
train: {learners: [player.0], steps: 60, seeds: 1, hidden: [16], settings: {train_batch_size_per_learner: 60, minibatch_size: 30}}
"""
CHASE = """
world: {kind: pettingzoo, env: mpe2.simple_tag_v3}
roles: {adversary: {kind: random, count: 3}, agent: {kind: random}}
horizon: 12
episodes: 2
train: {learners: [adversary], steps: 60, seeds: 1, hidden: [16]}
"""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from simworld.cli import main; main()", *arguments]


def trained(here: Path, *more: str) -> dict:
    done = subprocess.run(
        command("train", "it.yaml", "--json", *more), cwd=here, capture_output=True, text=True, check=False, timeout=400
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_learns_is_stopped_goes_on_and_plays_without_the_library(tmp_path):
    (tmp_path / "it.yaml").write_text(GAME.format(actions="continuous", steps=5_000))
    first = subprocess.Popen(command("train", "it.yaml", "--jobs", "2"), cwd=tmp_path, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("runs/*/checkpoints/seed-000/steps")):
        assert time.monotonic() < deadline, first.poll()
        time.sleep(0.2)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=120)
    (run,) = (tmp_path / "runs").iterdir()
    assert open_run(run).manifest["status"] == "interrupted"
    before = open_run(run).table("training")
    told = trained(tmp_path, "--jobs", "2")
    assert Path(told["run"]).name == run.name
    after = open_run(run).table("training")
    # Nothing that was done before the last checkpoint is done again, and no iteration is there twice.
    assert not after.duplicated(["training_seed", "iteration"]).any()
    assert len(after) > len(before)
    assert told["difference"]["value"] > 0.0
    curve = learning_curve(open_run(run))
    assert curve["steps"].iloc[0] == 0
    assert improvement(open_run(run)).trainings == 2
    (tmp_path / "play.yaml").write_text(
        "world: {kind: repeated_game}\nhorizon: 12\nepisodes: 3\n"
        f"roles: {{player: [{{kind: policy, checkpoint: {told['policies'][0]}, count: 4}}, {{kind: tit_for_tat, count: 4}}]}}\n"
    )
    played = subprocess.run(
        [*command("run", "play.yaml", "--display", "json", "--out", "played")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    there = tmp_path / json.loads(played.stdout.splitlines()[0])["run"]
    # The very return that the training noted: the kernel played it there, too.
    decisions = open_run(there).table("decisions.player").query("agent < 4")
    noted = open_run(run).table("evaluation").query("training_seed == 0")
    noted = noted[noted["iteration"] == noted["iteration"].max()]["return"].mean()
    assert decisions["reward"].sum() / 4 / 3 == pytest.approx(noted)
    assert "torch" not in loaded(there)
    again = trained(tmp_path)
    assert again["policies"] == told["policies"]


def loaded(run: Path) -> set[str]:
    """Modules that are there when a run is executed again."""
    code = (
        "import sys; from pathlib import Path; from simworld.execution import replay_run;"
        f"assert replay_run(Path({str(run)!r})).identical; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    return set(done.stdout.split())


@pytest.mark.study
def test_samples_may_be_taken_by_further_processes(tmp_path):
    (tmp_path / "it.yaml").write_text(GAME.format(actions="continuous", steps=1_000))
    told = trained(tmp_path, "--set", "train.workers=1", "--seeds", "1", "--jobs", "2")
    assert told["status"] == "success"


@pytest.mark.study
@pytest.mark.parametrize(
    ("algo", "actions"),
    [("PPO", "board"), ("DQN", "chase"), ("SAC", "continuous"), ("APPO", "continuous")],
)
def test_other_algorithms_of_the_library_train_too(tmp_path, algo, actions):
    text = {"board": BOARD, "chase": CHASE}.get(actions) or GAME.format(actions=actions, steps=200)
    settings = {"DQN": "{}", "SAC": "{}", "APPO": "{}"}.get(algo)
    (tmp_path / "it.yaml").write_text(text)
    more = [] if settings is None else ["--set", f"train.settings={settings}"]
    told = trained(tmp_path, "--algo", algo, "--seeds", "1", "--steps", "100", *more)
    assert told["status"] == "success"
    assert len(told["policies"]) == 1


@pytest.mark.parametrize(
    ("text", "more", "why"),
    [
        (
            "world: {kind: repeated_game}\nhorizon: 5\nroles: {player: {kind: random, count: 2}}\n",
            (),
            "no block 'train'",
        ),
        (GAME, ("--set", "train.learners=[players]"), "found 'players'; accepted: player, player.0, player.1"),
        (GAME, ("--algo", "PPPO"), "PPPO"),
        (GAME, ("--algo", "DQN"), "role 'player' decides 0 choices and 1 amounts; accepted: one choice"),
        (BOARD, ("--algo", "DQN"), "role 'player' may not always do everything; accepted: PPO"),
        (GAME, ("--set", "train.settings={lrr: 0.1}"), "lrr"),
    ],
)
def test_what_cannot_be_trained_is_one_line(tmp_path, text, more, why):
    path = tmp_path / "it.yaml"
    path.write_text(text.format(actions="continuous", steps=100) if "{{" in text else text)
    done = CliRunner().invoke(train, [str(path), "--out", str(tmp_path / "runs"), *more])
    assert isinstance(done.exception, UserError), done.output
    assert why in str(done.exception)
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())
