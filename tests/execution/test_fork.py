"""A society is rewound: a fork keeps everything before its tick, shares all chance after it, and pays for what is new."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from simworld.cli._fork import fork
from simworld.errors import UserError
from simworld_analysis import open_run
from simworld_analysis.forks import fork_effects

ASKING = """
name: asking
world: {{kind: economy, brackets: three, tax_year: 3, start_rate: 0.2}}
roles:
  worker: {{kind: llm_worker, count: 4}}
  planner: {{kind: fixed, schedule: flat, rate: 0.2}}
horizon: 9
episodes: 2
models:
  default: {{model: openai/scripted, base_url: "{url}", temperature: 1.0, api_key_env: OPENAI_API_KEY}}
measures: [mean_hours, mean_income]
"""
PLAIN = """
name: plain
world: {kind: economy, brackets: three, tax_year: 4}
roles:
  worker: {kind: rational, count: 12}
  planner: {kind: fixed, schedule: flat, rate: 0.3}
horizon: 12
episodes: 4
measures: [inverse_income_mean, mean_hours]
"""
GAME = """
name: game
world: {kind: repeated_game, pairing: ring, noise: 0.1}
roles: {player: [{kind: tit_for_tat, count: 6}, {kind: grim, count: 2}]}
horizon: 30
episodes: 3
arms: {flips: {}, anything: {world.noise_kind: replace}}
"""


def simworld(here: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from simworld.cli import main; main()", *arguments]
    environment = {**os.environ, "OPENAI_API_KEY": "sk-of-the-test-0123456789"}
    return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False, timeout=120)


def ran(here: Path, text: str, *more: str, status: int = 0) -> Path:
    (here / "it.yaml").write_text(text)
    done = simworld(here, "run", "it.yaml", "--display", "json", *more)
    assert done.returncode == status, done.stderr
    return here / json.loads(done.stdout.splitlines()[0])["run"]


def forked(here: Path, run: Path, *more: str) -> tuple[Path, list[dict]]:
    done = simworld(here, "fork", str(run), *more, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return here / told["run"], told["effects"]


def links(run: Path, arm: str) -> dict[int, list[tuple[int, bytes]]]:
    """The hash chain of each episode of an arm, by seed."""
    opened = open_run(run)
    rows = opened.table("episodes")
    chain = opened.table("chain")
    chosen = rows[rows["arm"] == arm].set_index("seed")["episode"].astype(str)
    return {
        seed: list(zip(own["tick"], own["link"], strict=True))
        for seed, episode in chosen.items()
        for own in [chain[chain["episode"].astype(str) == episode]]
    }


def first_difference(one, other) -> int | None:
    return next((a[0] for a, b in zip(one, other, strict=True) if a != b), None)


@pytest.fixture
def server(serve, said):
    """A model that samples: it never answers alike."""
    hours = itertools.cycle(range(20, 60, 7))
    return serve(lambda body, n: said(json.dumps({"thought": f"{n}", "hours": next(hours)})))


def test_a_fork_that_changes_nothing_asks_nothing_and_has_no_effect_at_all(server, tmp_path):
    run = ran(tmp_path, ASKING.format(url=server.url))
    asked = len(server.requests)
    fork, effects = forked(tmp_path, run, "--at", "3")
    assert len(server.requests) == asked == 2 * 4 * 9
    assert [(e["variant"], e["effect"]["value"], e["effect"]["low"], e["effect"]["high"]) for e in effects] == [
        ("base", 0.0, 0.0, 0.0)
    ] * 2
    assert links(fork, "base") == links(fork, "base-fork")
    assert open_run(run).table("episodes")["chain"].tolist() == [
        *open_run(fork).table("episodes").query("arm == 'base'")["chain"]
    ]


def test_a_fork_pays_only_for_what_is_new_and_differs_from_its_tick_on(server, tmp_path):
    run = ran(tmp_path, ASKING.format(url=server.url))
    asked = len(server.requests)
    fork, effects = forked(tmp_path, run, "--at", "6", "--set", "roles.planner.rate=0.5")
    new = len(server.requests) - asked
    assert new == 2 * 4 * 3  # three periods of four workers in two episodes: what they see is new
    for seed, base in links(fork, "base").items():
        assert first_difference(base, links(fork, "base-fork")[seed]) == 6
    assert {e["effect"]["n"] for e in effects} == {2}
    replayed = simworld(tmp_path, "replay", str(fork))
    assert replayed.stdout.startswith("identical: 4 episodes"), replayed.stdout
    assert len(server.requests) - asked == new


def test_who_forks_again_gets_the_same_run(tmp_path):
    run = ran(tmp_path, PLAIN)
    fork, effects = forked(tmp_path, run, "--at", "4", "--set", "roles.planner.rate=0.6")
    again = forked(tmp_path, run, "--at", "4", "--set", "roles.planner.rate=0.6")
    assert again == (fork, effects)
    assert effects[0]["narrower"] > 1.5
    manifest = open_run(fork).manifest
    assert set(manifest["adopted"].values()) == {run.name}
    assert len(manifest["adopted"]) == 4


def test_a_planned_intervention_is_the_fork(tmp_path):
    run = ran(tmp_path, PLAIN)
    fork, _ = forked(tmp_path, run, "--at", "4", "--replace", "planner=hill_climb", "--without", "worker:0,5")
    planned = PLAIN + (
        "arms:\n  calm: {}\n  changed:\n"
        "    interventions: [{at: 4, set: {roles.planner: {kind: hill_climb}}, without: {worker: [0, 5]}}]\n"
    )
    other = ran(tmp_path, planned)
    assert links(other, "calm") == links(fork, "base")
    assert links(other, "changed") == links(fork, "base-fork")
    assert simworld(tmp_path, "replay", str(other)).stdout.startswith("identical: 8 episodes")
    agents = open_run(other).table("agents", arms=True).query("arm == 'changed' and role == 'worker'")
    left = agents[agents["left"].notna()]
    assert sorted(left["agent"].unique()) == [0, 5]
    assert set(left["left"]) == {4}
    with_rows = open_run(other).table("decisions.worker", arms=True).query("arm == 'changed' and tick >= 4")
    assert set(with_rows[with_rows["end"].isna()]["agent"]) == set(range(12)) - {0, 5}


def test_worlds_change_their_parameters_and_members_leave_a_graph(tmp_path):
    run = ran(tmp_path, GAME)
    fork, _ = forked(tmp_path, run, "--at", "10", "--set", "world.noise=0.0")
    for arm in ("flips", "anything"):
        for seed, base in links(fork, arm).items():
            assert first_difference(base, links(fork, f"{arm}-fork")[seed]) == 10
    players = open_run(fork).table("decisions.player", arms=True)
    late = players[(players["tick"] > 10) & players["end"].isna()]
    # Whom nothing slips from any more, it plays what it decided: what was played is what is seen the tick after.
    assert (late.query("arm == 'flips-fork'")["act.cooperate"].isin([0.0, 1.0])).all()
    one, effects = forked(tmp_path, run, "--at", "10", "--without", "player:0", "--arm", "flips")
    assert {e["variant"] for e in effects} == {"flips"}
    assert set(open_run(one).table("episodes")["arm"]) == {"flips", "flips-fork"}
    assert fork_effects(open_run(one), ["cooperation"])[0].effect.n == 3


def test_a_fork_of_forks_tells_of_the_latest_change_only(tmp_path):
    run = ran(tmp_path, PLAIN)
    first, effects = forked(tmp_path, run, "--at", "4", "--set", "roles.planner.rate=0.6")
    assert effects[0]["effect"]["value"] != 0.0
    _, nothing = forked(tmp_path, first, "--at", "6", "--set", "roles.planner.rate=0.6", "--arm", "base-fork")
    assert [(e["variant"], e["effect"]["value"]) for e in nothing] == [("base-fork", 0.0)] * 2
    second, both = forked(tmp_path, first, "--at", "6", "--set", "roles.planner.rate=0.1")
    assert {e["variant"] for e in both} == {"base", "base-fork"}
    assert set(open_run(second).table("episodes")["arm"]) == {"base", "base-fork", "base-fork2", "base-fork-fork2"}
    for seed, base in links(second, "base-fork").items():
        assert first_difference(base, links(second, "base-fork-fork2")[seed]) == 6


def test_a_fork_keeps_the_interventions_that_an_arm_has_of_its_own(server, tmp_path):
    text = ASKING.format(url=server.url) + (
        "arms:\n  calm: {}\n  reform: {interventions: [{at: 3, set: {roles.planner.rate: 0.5}}]}\n"
    )
    run = ran(tmp_path, text)
    asked = len(server.requests)
    fork, effects = forked(tmp_path, run, "--at", "6", "--set", "roles.planner.rate=0.5", "--arm", "reform")
    assert {e["effect"]["value"] for e in effects} == {0.0}
    # The model samples, so the answers between the two changes must be those of the arm itself.
    assert len(server.requests) == asked
    assert simworld(tmp_path, "replay", str(fork)).stdout.startswith("identical: 4 episodes")


def test_two_arms_that_change_at_the_same_tick_are_not_forks_of_each_other(server, tmp_path):
    arms = "arms:\n" + "".join(
        f"  {name}: {{interventions: [{{at: 3, set: {{roles.planner.rate: {rate}}}}}]}}\n"
        for name, rate in (("low", 0.1), ("high", 0.5), ("higher", 0.6))
    )
    run = ran(tmp_path, ASKING.format(url=server.url) + arms)
    assert set(open_run(run).table("episodes")["arm"]) == {"low", "high", "higher"}
    for seed, own in links(run, "low").items():
        assert first_difference(own, links(run, "high")[seed]) == 3
    assert simworld(tmp_path, "replay", str(run)).stdout.startswith("identical: 6 episodes")


def test_only_a_finished_run_is_forked_and_nothing_is_paid_twice(server, tmp_path):
    run = ran(tmp_path, ASKING.format(url=server.url), "--set", "budget.asks=40", status=1)
    asked = len(server.requests)
    done = simworld(tmp_path, "fork", str(run), "--at", "3", "--set", "roles.planner.rate=0.5")
    assert done.returncode == 2, done.stdout
    assert "cannot be taken over as they were" in done.stderr
    assert len(server.requests) == asked
    assert [path.name for path in run.parent.iterdir()] == [run.name]


def test_who_leaves_must_have_been_there_and_an_emptied_role_has_no_effect_of_zero(tmp_path):
    run = ran(tmp_path, PLAIN)
    done = simworld(tmp_path, "fork", str(run), "--at", "4", "--without", "worker:99")
    assert done.returncode == 1
    assert "worker 99, who was never there; accepted: 0 to 11" in done.stderr
    _, effects = forked(tmp_path, run, "--at", "4", "--without", "worker")
    assert {e["until"] for e in effects} == {3}
    told = simworld(tmp_path, "fork", str(run), "--at", "4", "--without", "worker")
    assert "no sample after tick 3" in told.stdout
    assert "identical" not in told.stdout


def test_a_measure_that_is_not_there_is_noticed_before_anything_is_run(tmp_path):
    run = ran(tmp_path, PLAIN)
    done = simworld(tmp_path, "fork", str(run), "--at", "4", "--without", "worker:1", "--measure", "mean_hour")
    assert done.returncode == 2
    assert "there is no measure 'mean_hour'" in done.stderr
    assert [path.name for path in run.parent.iterdir()] == [run.name]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--at", "12"), "--at 12: found 12; accepted: less than the horizon, which is 12"),
        (("--at", "4", "--set", "world.elasticity=0.2"), "the world's 'elasticity' cannot change in mid-episode"),
        (("--at", "4", "--set", "horizon=20"), "horizon cannot change in mid-episode"),
        (("--at", "4", "--set", "roles.worker.count=3"), "the seats of role 'worker' cannot change in mid-episode"),
        (("--at", "4", "--set", "roles.planner.rates=[0.2]"), "'rate' goes with flat, 'rates' with custom"),
        (("--at", "4", "--set", "roles.planner.ratte=0.2"), "ratte"),
        (("--at", "4", "--replace", "planner"), "accepted: ROLE=KIND, such as planner=saez"),
        (("--at", "4", "--replace", "planner=saetz"), "saetz"),
        (("--at", "4", "--without", "workers"), "there is no such role; did you mean 'worker'?"),
        (("--at", "4", "--without", "worker:a"), "accepted: ROLE, or ROLE:1,2 with numbers of members"),
        (("--at", "4", "--arm", "none"), "no arm 'none'; it has base"),
        (("--at", "4", "--without", "worker:1", "--without", "worker:2"), "worker is given twice"),
        (("--at", "4", "--set", "roles.planner.rate=0.1", "--set", "roles.planner.rate=0.2"), "given twice"),
        (("--at", "4", "--replace", "planner=saez", "--replace", "planner=fixed"), "planner is given twice"),
    ],
)
def test_a_fork_that_cannot_be_made_is_one_line_and_nothing_is_written(tmp_path_factory, more, why):
    here = tmp_path_factory.getbasetemp() / "refused"
    if not here.exists():
        here.mkdir()
        ran(here, PLAIN)
    (run,) = (here / "runs").iterdir()
    done = CliRunner().invoke(fork, [str(run), *more])
    assert isinstance(done.exception, UserError), done.output  # one line, and exit code 2
    assert why in str(done.exception)
    assert list((here / "runs").iterdir()) == [run]
