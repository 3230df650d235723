"""The summary: pairs that belong together, and a table that fits."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from simworld.dashboard import number, render_summary, summarise
from simworld.execution import Order, execute
from simworld.scenario import load
from simworld_analysis import open_run
from simworld_analysis.claims import run_claims
from simworld_analysis.report import render_report

BASE = """
name: small
world: {kind: economy, brackets: three, tax_year: 2, start_rate: 0.1}
roles:
  worker: {kind: rational, count: 8}
  planner: {kind: fixed, schedule: flat, rate: 0.1}
horizon: 4
episodes: 3
measures: [mean_hours, mean_income, revenue]
"""
ARMS = "arms: {low: {}, high: {roles.planner.rate: 0.6}}\n"
SWEEP = "sweep: {grid: {world.elasticity: [0.2, 0.8]}}\n"


@pytest.fixture
def summary(tmp_path):
    def make(text, **more):
        path = tmp_path / "small.yaml"
        path.write_text(text)
        return summarise(execute(Order(load(path), tmp_path / "runs")).run, **more)

    return make


def shown(summary, width=120):
    console = Console(file=io.StringIO(), width=width)
    console.print(render_summary(summary, width))
    return console.file.getvalue()


def test_two_arms_have_their_paired_difference(summary):
    found = summary(BASE + ARMS)
    assert list(found.differences) == ["high"]
    difference = found.differences["high"]
    assert (difference.baseline, difference.estimate.n) == ("low", 3)
    assert difference.estimate.value == pytest.approx(
        found.values["high"]["mean_hours"].value - found.values["low"]["mean_hours"].value
    )
    assert "mean hours: difference to low, paired by seed" in shown(found)
    assert found.as_dict()["differences"]["high"]["measure"] == "mean_hours"


def test_arms_are_compared_at_the_same_values_of_the_sweep(summary):
    found = summary(BASE + ARMS + SWEEP)
    assert {v: d.baseline for v, d in found.differences.items()} == {
        "high elasticity=0.2": "low elasticity=0.2",
        "high elasticity=0.8": "low elasticity=0.8",
    }
    text = shown(found)
    assert "difference to the first arm at the same values" in text
    assert "compared with" in text


def test_a_sweep_without_arms_is_compared_with_its_first_cell(summary):
    found = summary(BASE + SWEEP)
    assert {v: d.baseline for v, d in found.differences.items()} == {"elasticity=0.8": "elasticity=0.2"}


GAME = """
name: taking_turns
world: {kind: repeated_game}
roles:
  player:
    - {kind: scheduled, phases: [{rounds: 1, level: 0.0}, {rounds: 3}]}
    - {kind: always}
horizon: 4
episodes: 2
claims:
  - {name: on_average, says: over the whole episode, measure: cooperation, expect: "within [0.874, 0.876]"}
  - {name: at_last, says: in the last round, measure: cooperation, at: last, expect: "within [0.999, 1.001]"}
"""


def test_the_number_of_a_flow_is_its_mean_over_the_episode(summary):
    found = summary(GAME)
    assert found.flows == ("cooperation", "payoff", "disagreement")
    assert found.values[""]["cooperation"].value == 7 / 8  # one of eight actions was to defect
    assert "mean over each episode: mean ±" in shown(found)
    assert {v.claim.name: (v.claim.at, v.estimate.value) for v in run_claims(open_run(found.run))} == {
        "on_average": ("mean", 7 / 8),
        "at_last": ("last", 1.0),
    }
    assert "Mean over each episode, averaged" in render_report(open_run(found.run))


def test_parameters_of_one_name_keep_their_path(summary):
    roles = "roles:\n  worker: [{kind: rational, count: 3}, {kind: rational, count: 5}]\n  planner: {kind: fixed, schedule: flat, rate: 0.1}\n"
    text = BASE.replace(BASE[BASE.index("roles:") : BASE.index("horizon")], roles)
    found = summary(text + "sweep: {grid: {roles.worker.0.count: [3], roles.worker.1.count: [5, 6]}}\n")
    assert "roles.worker.0.count=3 roles.worker.1.count=5" in found.variants


@pytest.mark.parametrize("width", [60, 80, 120])
def test_nothing_is_cut_short_at_any_width(summary, width):
    found = summary(BASE + ARMS)
    text = shown(found, width)
    assert "…" not in text
    for word in ("income", "revenue", "hours/week", "USD/year"):
        assert word in text
    assert max(map(len, text.splitlines())) <= width


def test_measures_can_be_chosen_afterwards(summary):
    found = summary(BASE, measures=["gini_net"])
    assert found.measures == ("gini_net",)


def test_a_measure_that_was_never_emitted_is_said(summary, tmp_path):
    (tmp_path / "mute.py").write_text(
        "from simworld.worlds.economy import Economy\nfrom simworld.kernel import Field\n"
        "class Mute(Economy):\n    measures = (*Economy.measures, Field('silence'))\n"
    )
    found = summary(BASE.replace("kind: economy", 'kind: "mute:Mute"').replace("revenue]", "silence]"))
    assert "never emitted: silence" in shown(found)


def test_a_run_in_which_no_episode_has_ended_has_a_summary(summary, tmp_path):
    run = summary(BASE).run
    for file in (*run.glob("tables/episodes/*"), *run.glob("tables/measures/*")):
        file.unlink()
    found = summarise(run)
    assert found.episodes_done == 0
    assert "0/3 episodes" in shown(found)


def test_a_stand_in_is_called_one(summary):
    found = summary(BASE.replace("kind: rational", "kind: llm_worker"))
    assert found.stand_ins == ("stand-in/in-context",)
    text = shown(found)
    assert "stand-in/in-context is a stand-in, not a language model" in text
    assert "tokens" in text
    assert json.loads(json.dumps(found.as_dict()))["stand_ins"] == ["stand-in/in-context"]
    assert isinstance(found.run, Path)


def test_faults_are_told_by_kind_with_an_example(summary, tmp_path):
    (tmp_path / "faulty.py").write_text(
        "from simworld.kernel import Agent\n\n\n"
        "class Moody(Agent):\n"
        "    def act(self, seen, seat):\n"
        "        if seat.member < 3:\n"
        "            seat.fault('mood' if seat.member else 'nerves', f'{seat.member} has no mind to')\n"
        "        return {'hours': 10.0}\n"
    )
    found = summary(BASE.replace("kind: rational", 'kind: "faulty:Moody"') + "faults: {most: 1.0}\n")
    kinds = found.as_dict()["fault_kinds"]
    assert list(kinds) == ["mood", "nerves"]
    assert kinds["mood"]["count"] == 2 * kinds["nerves"]["count"] == found.faults * 2 // 3 > 0
    assert kinds["nerves"]["example"] == "worker 0 at tick 0: 0 has no mind to"
    assert "x mood, the first: worker 1 at tick 0: 1 has no mind to" in shown(found)


@pytest.mark.parametrize(
    ("value", "half", "shown"),
    [
        (0.399268, 0.000586, "0.39927"),
        (20_100.4, 2_854.0, "20,100"),
        (0.5, None, "0.5"),
        (1234.5, None, "1,234"),
        (-0.0001, 0.02, "0.000"),
        (3.0, 0.0, "3"),
        (float("nan"), 1.0, "–"),
        (1.5, float("nan"), "1.5"),
    ],
)
def test_a_number_is_as_exact_as_its_uncertainty_warrants(value, half, shown):
    assert number(value, like=half) == shown
