"""The page on models shows commands that work: the one for any OpenAI-compatible server is run as it stands."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import yaml

from simworld.execution import Order, execute
from simworld.scenario import load
from simworld_analysis import open_run

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
COMMANDS = [line.strip() for line in PAGE.splitlines() if line.startswith("    simworld run")]
TWO = "roles.worker: {kind: llm_worker, count: 2}"


def test_the_command_for_any_server_runs_as_it_stands(llama, tmp_path):
    (command,) = [c for c in COMMANDS if "PORT" in c]
    command = command.replace("http://127.0.0.1:PORT/v1", llama).replace("NAME", "tiny")
    words = shlex.split(command)[1:]
    # smaller than the page's, and with answers that are nonsense: those of random weights
    smaller = ["horizon=1", "roles.worker.count=4", "faults.most=1", "asking.limit=2", "models.default.max_tokens=32"]
    smaller += [
        f"arms.us_2024_llm_workers={{{TWO}}}",
        f"arms.llm_society={{{TWO}, roles.planner: {{kind: llm_planner}}}}",
    ]
    small = ["--episodes", "1", *(word for override in smaller for word in ("--set", override))]
    done = subprocess.run(
        [sys.executable, "-c", "from simworld.cli import main; main()", *words, *small],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    run = open_run(next((tmp_path / "runs").iterdir()))
    assert run.manifest["models"] == {"default": ["openai/tiny"]}
    # one period of two workers in two arms, and the one move of two planners
    assert len(run.table("asks")) == 2 * 2 + 2


def test_every_command_names_a_model_that_a_scenario_accepts(tmp_path):
    given = [shlex.split(command) for command in COMMANDS]
    overrides = [words[words.index("--set") + 1].replace("PORT", "8000") for words in given if "--set" in words]
    assert len(overrides) == 5
    for override in overrides:
        scenario = load("tax_policy", [override])
        (model,) = {c.resolved["models"]["default"]["model"] for c in scenario.cells if "models" in c.resolved}
        assert model.partition("/")[0] in {"openai", "anthropic"}


def test_the_arms_of_the_page_put_a_player_who_asks_where_another_one_sat(tmp_path):
    (block,) = [b for b in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "llm_player" in b]
    arms = yaml.safe_load(block)["arms"]
    small = ["horizon=12", "episodes=1", "claims=[]", "models.default=stand-in/reciprocal"]
    small += [f"roles.player.0.{key}" for key in ("units=6", "epochs=5", "warm_up=20", "calibration=20")]
    scenario = load("brg/sentinel", [*small, f"arms={json.dumps(arms)}"])
    run = open_run(execute(Order(scenario, tmp_path)).run)
    asked = run.table("decisions.player", arms=True).query("arm == 'talks' and agent == 0 and end.isna()")
    assert asked["act.cooperate"].tolist() == [1.0] * 12  # the other cooperates, too
    assert len(run.table("asks")) == 12


def test_the_page_shows_every_key_of_a_model():
    from simworld.scenario._models import AskingBlock, BudgetBlock, ModelBlock

    (block,) = [b for b in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "temperature" in b]
    shown = yaml.safe_load(block)
    assert set(shown["models"]["default"]) == {f.alias or n for n, f in ModelBlock.model_fields.items()}
    assert set(shown["asking"]) == set(AskingBlock.model_fields)
    assert set(shown["budget"]) == set(BudgetBlock.model_fields)
