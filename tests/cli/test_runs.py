"""Runs beside each other: listed, compared, planned from, exported; and directories that are no runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

STUDY = """
name: NAME
world: {kind: economy, brackets: three, calibration: 0.026, tax_year: 1}
roles:
  worker: {kind: rational, count: 8}
  planner: {kind: fixed, schedule: flat, rate: RATE}
horizon: 3
episodes: 4
arms:
  taxed: {}
  untaxed: {roles.planner.rate: 0.0}
measures: [mean_hours, gini_net]
claims:
  - {name: tax_tires, measure: mean_hours, compare: {untaxed: taxed}, expect: greater}
"""


def simworld(*args, cwd):
    command = [sys.executable, "-c", "from simworld.cli import main; main()", *args]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with two runs, which differ in the rate of one arm."""
    path = tmp_path_factory.mktemp("studies")
    for name, rate in (("low", "0.2"), ("high", "0.6")):
        (path / f"{name}.yaml").write_text(STUDY.replace("NAME", name).replace("RATE", rate))
        done = simworld("run", f"{name}.yaml", "--display", "none", cwd=path)
        assert done.returncode == 0, done.stderr
    return path


def run_of(here: Path, name: str) -> str:
    (found,) = (here / "runs").glob(f"*_{name}_*")
    return str(found.relative_to(here))


def hours(here: Path, name: str, arm: str) -> pd.Series:
    from simworld_analysis import open_run

    run = open_run(here / run_of(here, name))
    frame = run.table("measures", ["episode", "tick", "mean_hours"], arms=True)
    return frame[(frame["arm"] == arm) & (frame["tick"] == 2)].set_index("seed")["mean_hours"]


# -- compare -------------------------------------------------------------------------------------------------------


def test_runs_are_compared_arm_by_arm_and_seed_by_seed(here):
    done = simworld("compare", run_of(here, "low"), run_of(here, "high"), "--json", cwd=here)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {row["key"]: row["values"] for row in told["scenarios"]} == {"roles.planner.rate": ["0.2", "0.6"]}
    found = {(row["measure"], row["variant"]): row for row in told["comparisons"]}
    assert set(found) == {(m, a) for m in ("mean_hours", "gini_net") for a in ("taxed", "untaxed")}
    taxed = found["mean_hours", "taxed"]
    assert taxed["paired"]
    assert taxed["n"] == 4
    by_hand = hours(here, "high", "taxed") - hours(here, "low", "taxed")
    assert taxed["difference"] == pytest.approx(by_hand.mean())
    assert taxed["effect"] == pytest.approx(by_hand.mean() / by_hand.std())
    assert taxed["high"] < 0  # who keeps less works less
    untaxed = found["mean_hours", "untaxed"]
    assert (untaxed["difference"], untaxed["low"], untaxed["high"]) == (0, 0, 0)


def test_the_table_of_a_comparison_says_what_differs_and_how_it_was_paired(here):
    shown = simworld("compare", run_of(here, "low"), run_of(here, "high"), "--measure", "gini_net", cwd=here).stdout
    assert "roles.planner.rate" in shown
    assert "gini_net" in shown
    assert "mean_hours" not in shown
    assert shown.count("paired by seed") == 2


def test_other_seeds_are_compared_as_two_samples(here, tmp_path):
    (tmp_path / "other.yaml").write_text(STUDY.replace("NAME", "other").replace("RATE", "0.6"))
    simworld("run", "other.yaml", "--seed", "100", "--display", "none", cwd=tmp_path)
    told = json.loads(
        simworld("compare", str(here / run_of(here, "low")), run_of(tmp_path, "other"), "--json", cwd=tmp_path).stdout
    )
    assert {row["method"] for row in told["comparisons"]} == {"Welch t"}
    row = told["comparisons"][0]
    assert (row["paired"], row["n"]) == (False, 8)
    gap = hours(tmp_path, "other", "taxed").mean() - hours(here, "low", "taxed").mean()
    assert row["difference"] == pytest.approx(gap)


def test_means_are_of_the_episodes_that_are_compared(here, tmp_path):
    (tmp_path / "short.yaml").write_text(STUDY.replace("NAME", "short").replace("RATE", "0.6"))
    simworld("run", "short.yaml", "--episodes", "2", "--display", "none", cwd=tmp_path)
    done = simworld("compare", str(here / run_of(here, "low")), run_of(tmp_path, "short"), "--json", cwd=tmp_path)
    rows = {(row["measure"], row["variant"]): row for row in json.loads(done.stdout)["comparisons"]}
    row = rows["mean_hours", "taxed"]
    assert (row["paired"], row["n"]) == (True, 2)
    assert row["mean"] == pytest.approx(hours(here, "low", "taxed").loc[[0, 1]].mean())
    assert row["mean_other"] - row["mean"] == pytest.approx(row["difference"])


def test_one_run_or_no_common_measure_is_nothing_to_compare(here):
    alone = simworld("compare", run_of(here, "low"), cwd=here)
    assert (alone.returncode, alone.stderr) == (2, "error: one run is nothing to compare; accepted: two or more\n")
    typo = simworld("compare", run_of(here, "low"), run_of(here, "high"), "--measure", "mean_hour", cwd=here)
    assert typo.returncode == 2
    assert "no measure 'mean_hour'; did you mean 'mean_hours'" in typo.stderr


def test_runs_of_the_same_name_and_arms_of_one_only_are_told_apart(here, tmp_path):
    one, other = tmp_path / "a" / "run", tmp_path / "b" / "run"
    shutil.copytree(here / run_of(here, "low"), one)
    shutil.copytree(here / run_of(here, "high"), other)
    told = json.loads(simworld("compare", str(one), str(other), "--json", cwd=tmp_path).stdout)
    assert {tuple(row["runs"]) for row in told["comparisons"]} == {(str(one), str(other))}
    shown = simworld("compare", str(one), str(one), str(other), "--measure", "gini_net", cwd=tmp_path).stdout
    assert "identical" in shown
    (tmp_path / "single.yaml").write_text(
        STUDY.replace("NAME", "single")
        .replace("  untaxed: {roles.planner.rate: 0.0}\n", "  other: {roles.planner.rate: 0.1}\n")
        .replace("untaxed: taxed", "other: taxed")
        .replace("RATE", "0.2")
    )
    simworld("run", "single.yaml", "--display", "none", cwd=tmp_path)
    shown = simworld("compare", str(one), run_of(tmp_path, "single"), cwd=tmp_path).stdout
    assert "only in run: untaxed" in shown


# -- plan ----------------------------------------------------------------------------------------------------------


def test_a_plan_from_a_run_is_what_its_spread_asks_for(here):
    done = simworld("plan", "low.yaml", "--from", run_of(here, "low"), "--half-width", "0.05", "--json", cwd=here)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    differences = hours(here, "low", "untaxed") - hours(here, "low", "taxed")
    (need,) = told["needs"]
    assert need["spread"] == pytest.approx(differences.std())
    from scipy.stats import t

    n = next(n for n in range(2, 10_000) if t.ppf(0.975, n - 1) * differences.std() / n**0.5 <= 0.05)
    assert n <= told["episodes"] <= n * 1.01 + 1
    assert told["variants"] == 2
    assert told["cost"]["seconds"] > 0


def test_a_plan_runs_a_pilot_and_keeps_it(here, tmp_path):
    (tmp_path / "low.yaml").write_text((here / "low.yaml").read_text())
    done = simworld("plan", "low.yaml", "--pilot", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "a pilot of 3 episodes of each arm" in " ".join(done.stdout.split())
    assert "--set episodes=" in done.stdout
    assert "a spread from so few episodes is rough" in done.stdout
    assert len(list((tmp_path / "runs").glob("*_low_*"))) == 1


def test_a_plan_compares_with_the_arm_that_is_named(here):
    told = simworld("plan", "low.yaml", "--from", run_of(here, "low"), "--baseline", "untaxed", "--json", cwd=here)
    assert [need["what"] for need in json.loads(told.stdout)["needs"]] == ["taxed − untaxed"]
    typo = simworld("plan", "low.yaml", "--from", run_of(here, "low"), "--baseline", "untaxt", cwd=here)
    assert (typo.returncode, typo.stderr) == (2, "error: there is no arm 'untaxt'; accepted: taxed, untaxed\n")
    nowhere = simworld("plan", "nowhere.yaml", "--from", run_of(here, "low"), cwd=here)
    assert nowhere.returncode == 2


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--measure", "revenue", "--baseline", "untaxed"), "is 0: a share of it is no width"),
        (("--half-width", "1e-300"), "it takes more than a billion episodes"),
        (("--half-width", "inf"), "the half width of an interval is a positive number"),
        (("--measure", "action_entropy"), "action_entropy needs the option 'role'"),
    ],
)
def test_a_plan_that_cannot_be_made_is_one_line(here, options, why):
    done = simworld("plan", "low.yaml", "--from", run_of(here, "low"), *options, cwd=here)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert why in done.stderr


@pytest.mark.parametrize("width", ["0", "-1", "nan"])
def test_a_width_that_is_none_is_refused_before_the_pilot(here, tmp_path, width):
    (tmp_path / "low.yaml").write_text((here / "low.yaml").read_text())
    done = simworld("plan", "low.yaml", "--half-width", width, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: the half width of an interval is a positive number\n")
    assert not (tmp_path / "runs").exists()


# -- runs ----------------------------------------------------------------------------------------------------------


def test_runs_are_listed_with_what_became_of_their_claims(here):
    shown = simworld("runs", cwd=here)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("1 of 1 hold") == 2
    assert shown.stdout.count("8/8") == 2
    (row,) = json.loads(simworld("runs", "--where", "scenario == 'high' and hold == 1", "--json", cwd=here).stdout)
    assert (row["scenario"], row["status"], row["done"], row["claims"]) == ("high", "success", 8, 1)


def test_an_expression_that_makes_no_sense_is_one_line(here):
    done = simworld("runs", "--where", "price > 3", cwd=here)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "name 'price' is not defined; accepted: a condition over run, scenario, changed, status" in done.stderr


@pytest.mark.parametrize("where", ["0", "claims", "@pd", "run", "status.str.upper()"])
def test_what_is_no_condition_selects_nothing(here, where):
    done = simworld("runs", "--where", where, cwd=here)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "accepted: a condition over run, scenario" in done.stderr


def test_one_run_that_cannot_be_read_does_not_hide_the_others(here, tmp_path):
    folder = tmp_path / "all [of] them"
    shutil.copytree(here / "runs", folder)
    bad = next(folder.glob("*_low_*")) / "run.json"
    bad.write_text(json.dumps(json.loads(bad.read_text()) | {"models": None}))
    done = simworld("runs", str(folder), "--json", cwd=tmp_path)
    assert [row["scenario"] for row in json.loads(done.stdout)] == ["high"]
    shown = simworld("runs", str(folder), cwd=tmp_path)
    assert "run.json: models: found None; accepted: dict" in shown.stderr


def test_runs_are_told_apart_by_what_was_set(here, tmp_path):
    (tmp_path / "low.yaml").write_text((here / "low.yaml").read_text())
    simworld("run", "low.yaml", "--set", "world.hours_cap=90", "--episodes", "1", "--display", "none", cwd=tmp_path)
    (row,) = json.loads(simworld("runs", "--json", cwd=tmp_path).stdout)
    assert row["changed"] == "world.hours_cap=90, episodes=1"


def test_a_folder_without_runs_says_so(tmp_path):
    assert simworld("runs", str(tmp_path), cwd=tmp_path).stdout == f"{tmp_path}: no runs yet\n"
    assert json.loads(simworld("runs", str(tmp_path), "--json", cwd=tmp_path).stdout) == []
    assert simworld("runs", "nowhere", cwd=tmp_path).returncode == 2


# -- export --------------------------------------------------------------------------------------------------------


def test_an_export_holds_every_table_with_vectors_entry_by_entry(here, tmp_path):
    done = simworld("export", run_of(here, "low"), "--to", "csv", "--out", str(tmp_path / "out"), cwd=here)
    assert done.returncode == 0, done.stderr
    rates = pd.read_csv(tmp_path / "out" / "decisions.planner.csv").dropna(subset=["act.rates.0"])
    assert {"run", "arm", "seed", "act.rates.0", "act.rates.1", "act.rates.2"} <= set(rates.columns)
    assert rates.groupby("arm")["act.rates.2"].first().to_dict() == {"taxed": 0.2, "untaxed": 0.0}
    again = simworld("export", run_of(here, "low"), "--to", "csv", "--out", str(tmp_path / "out"), cwd=here)
    assert again.returncode == 2
    assert "exists already; nothing is overwritten" in again.stderr


# -- what is no run ------------------------------------------------------------------------------------------------


def _empty(path):
    path.mkdir()


def _foreign(path):
    path.mkdir()
    (path / "run.json").write_text('{"jobs": [1, 2]}')


def _truncated(path):
    path.mkdir()
    (path / "run.json").write_text('{"schema_version": "1", "status"')


@pytest.mark.parametrize("make", [_empty, _foreign, _truncated])
@pytest.mark.parametrize("verb", ["show", "claims", "report", "compare", "export", "replay", "plan"])
def test_what_is_no_run_is_one_line_from_every_verb(here, tmp_path, verb, make):
    make(tmp_path / "it")
    target = str(tmp_path / "it")
    args = {"compare": [run_of(here, "low"), target], "plan": ["low.yaml", "--from", target]}.get(verb, [target])
    done = simworld(verb, *args, cwd=here)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    assert target in done.stderr
    assert sorted(p.name for p in (tmp_path / "it").iterdir()) in ([], ["run.json"])  # and nothing is written into it
