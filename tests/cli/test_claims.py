"""Claims at the command line: judged when a run ends, again on demand, and never after the fact."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

WORLD = '''
from simworld.kernel import Agent, Field, Role, World


class Dice(World):
    """Everybody throws a die each round."""

    roles = (Role("player", obs=(Field("round"),), act=(Field("throw"),)),)
    measures = (Field("mean_throw", unit="points"),)

    def reset(self, turn):
        turn.wake("player", turn.join("player", turn.seats("player")), 0)

    def observe(self, role, members):
        return {"round": 0.0 * members}

    def step(self, moment, turn):
        acts = moment.acts["player"]
        turn.emit(mean_throw=float(acts["throw"].mean()))
        turn.wake("player", acts.members, turn.tick + 1)


class Thrower(Agent):
    """Throws, and adds a bonus."""

    def __init__(self, bonus: float = 0.0):
        self.bonus = bonus

    def act(self, seen, seat):
        return {"throw": 1 + int(6 * seat.draw("die")) + self.bonus}
'''
STUDY = """
name: dice
world: {kind: "dice:Dice"}
roles: {player: {kind: "dice:Thrower", count: 5}}
horizon: 3
episodes: EPISODES
arms:
  fair: {}
  loaded: {roles.player.bonus: 2}
claims:
  - {name: bonus, says: a bonus pays, measure: mean_throw, compare: {loaded: fair}, expect: greater}
  - {name: fair_die, says: a die is fair, measure: mean_throw, at: mean, arm: fair, expect: "within [2, 5]"}
"""
FALSE = "  - {name: free_lunch, says: a bonus costs, measure: mean_throw, compare: {loaded: fair}, expect: less, because: bonus}\n"


@pytest.fixture
def here(tmp_path):
    (tmp_path / "dice.py").write_text(WORLD)

    def write(text=STUDY, episodes=8, name="dice.yaml"):
        (tmp_path / name).write_text(text.replace("EPISODES", str(episodes)))
        return tmp_path

    return write


def simworld(*args, cwd):
    command = [sys.executable, "-c", "from simworld.cli import main; main()", *args]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def run_of(path):
    (found,) = (path / "runs").glob("*_dice_*")
    return str(found.relative_to(path))


def test_a_run_ends_with_its_claims_and_says_them_again(here):
    path = here()
    done = simworld("run", "dice.yaml", cwd=path)
    assert done.returncode == 0, done.stderr
    assert "claims: 2 hold" in done.stdout
    again = simworld("claims", run_of(path), cwd=path)
    assert again.returncode == 0
    assert again.stdout.strip() == done.stdout[done.stdout.index("claims: 2 hold") :].strip()
    verdicts = json.loads(simworld("claims", run_of(path), "--json", cwd=path).stdout)
    assert [(v["name"], v["verdict"], v["n"]) for v in verdicts] == [("bonus", "holds", 8), ("fair_die", "holds", 8)]
    assert verdicts[0]["estimate"] == pytest.approx(2.0)  # paired: both arms throw the same dice


def test_a_false_claim_fails_and_points_to_its_control(here):
    path = here(STUDY + FALSE)
    done = simworld("run", "dice.yaml", cwd=path)
    assert done.returncode == 0  # the run itself is well
    assert "claims: 2 hold, 1 fails" in done.stdout
    assert "why: see bonus" in done.stdout
    assert simworld("claims", run_of(path), cwd=path).returncode == 1


def test_too_few_episodes_leave_a_claim_undecided(here):
    path = here(STUDY.replace("[2, 5]", "[3.4, 3.6]"), episodes=3)
    simworld("run", "dice.yaml", cwd=path)
    judged = simworld("claims", run_of(path), cwd=path)
    assert judged.returncode == 1
    assert "1 holds, 1 undecided" in judged.stdout
    assert "seeds would decide it, if the estimate is right" in " ".join(judged.stdout.split())


def test_a_claim_made_afterwards_never_holds(here):
    path = here()
    simworld("run", "dice.yaml", cwd=path)
    later = "  - {name: higher, says: a loaded die is higher, measure: mean_throw, arm: loaded, expect: above 3}\n"
    here(STUDY + later)
    again = simworld("run", "dice.yaml", cwd=path)
    assert "was run before" in again.stdout  # claims do not change what is simulated
    assert "2 hold, 1 post hoc" in again.stdout
    assert "would be: holds" in again.stdout
    judged = simworld("claims", run_of(path), "--scenario", "dice.yaml", "--json", cwd=path)
    assert [v["verdict"] for v in json.loads(judged.stdout)] == ["holds", "holds", "post hoc"]
    assert len(json.loads(simworld("claims", run_of(path), "--json", cwd=path).stdout)) == 2


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (
            "measure: mean_throw, compare",
            "measure: mean_thrown, compare",
            "no measure 'mean_thrown'; did you mean 'mean_throw'",
        ),
        (
            "measure: mean_throw, compare",
            "measure: action_entropy, of: {rol: player}, compare",
            "no option 'rol'; accepted: role",
        ),
        (
            "measure: mean_throw, compare",
            "measure: action_entropy, of: {role: players, action: throw}, compare",
            "claims.0.of: there is no role 'players'; accepted: player",
        ),
        (
            "measure: mean_throw, compare",
            "measure: action_entropy, of: {role: player, action: thrown}, compare",
            "action_entropy needs the column 'act.thrown'; role 'player' has obs.round, act.throw",
        ),
        (
            "measure: mean_throw, compare",
            "measure: action_entropy, of: {role: player, action: throw, bins: 0}, compare",
            "option 'bins': found 0; accepted: input should be greater than 0",
        ),
        (
            "measure: mean_throw, compare",
            "measure: action_entropy, compare",
            "action_entropy needs the option 'role' under 'of'; accepted: player",
        ),
        (
            "measure: mean_throw, compare",
            "measure: mean_throw, of: {role: player}, compare",
            "claims.0.of: found role; accepted: nothing, as the world emits mean_throw",
        ),
        (
            "measure: mean_throw, compare",
            "measure: effort, at: max, of: {role: player, action: throw}, compare",
            "claims.0.at: found 'max'; accepted: nothing, as effort is one number for each episode",
        ),
        (
            "measure: mean_throw, compare",
            "measure: mean_between, of: {role: player, column: mind.calm}, compare",
            "mean_between needs the column 'mind.calm'; role 'player' has obs.round, act.throw",
        ),
        (
            "compare: {loaded: fair}, expect: greater",
            'correlated_with: mean_thrown, expect: "above 0"',
            "claims.0.correlated_with: there is no measure 'mean_thrown'; did you mean 'mean_throw'",
        ),
        (
            "compare: {loaded: fair}, expect: greater",
            'correlated_with: action_entropy, expect: "above 0"',
            "claims.0.correlated_with: action_entropy needs the option 'role'; accepted: one without",
        ),
    ],
)
@pytest.mark.parametrize("verb", ["run", "validate"])
def test_what_cannot_be_measured_is_found_before_anything_is_run(here, verb, old, new, why):
    path = here(STUDY.replace(old, new))
    done = simworld(verb, "dice.yaml", cwd=path)
    assert done.returncode == 2
    assert "dice.yaml:11:" in done.stderr
    assert why in done.stderr
    assert not (path / "runs").exists()


def test_a_run_without_claims_says_so(here):
    path = here(STUDY[: STUDY.index("claims:")])
    simworld("run", "dice.yaml", cwd=path)
    judged = simworld("claims", run_of(path), cwd=path)
    assert (judged.returncode, judged.stdout) == (0, f"{run_of(path)}: its scenario makes no claims\n")


def test_what_is_no_run_is_one_line(here):
    path = here()
    (path / "empty").mkdir()
    done = simworld("claims", "empty", cwd=path)
    assert (done.returncode, done.stderr) == (2, "error: empty is not a run directory: it has no run.json\n")


def test_to_run_the_same_episodes_once_more_does_not_make_a_claim_a_prediction(here):
    path = here()
    simworld("run", "dice.yaml", cwd=path)
    first = run_of(path).removeprefix("runs/")
    later = "  - {name: higher, says: seen before, measure: mean_throw, arm: loaded, expect: above 3}\n"
    here(STUDY + later)
    again = simworld("run", "dice.yaml", "--new", cwd=path)
    assert "claims: 2 hold, 1 post hoc" in again.stdout
    assert f"the same episodes were seen before, in {first}; would be: holds" in " ".join(again.stdout.split())
    # other seeds are a new study
    fresh = simworld("run", "dice.yaml", "--seed", "100", cwd=path)
    assert "claims: 3 hold" in fresh.stdout


def test_claims_on_a_part_of_the_episodes_are_provisional(here):
    path = here()
    simworld("run", "dice.yaml", cwd=path)
    manifest = path / run_of(path) / "run.json"
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(told | {"episodes": 40}))
    judged = simworld("claims", run_of(path), cwd=path)
    assert judged.returncode == 1
    assert "provisional: 24 of 40 episodes are not over" in judged.stdout
    verdicts = json.loads(simworld("claims", run_of(path), "--json", cwd=path).stdout)
    assert {(v["verdict"], v["complete"]) for v in verdicts} == {("holds", False)}


@pytest.mark.parametrize(
    ("column", "more", "why"),
    [
        ("players.act.throw", (), "there is no role 'players'; accepted: player"),
        ("player.act.thrown", (), "role 'player' has no column 'act.thrown'; it has obs.round, act.throw"),
        ("player.act.throw", ("--set", "record.player=none"), "decisions of role 'player' are not recorded"),
    ],
)
def test_what_cannot_be_watched_is_found_before_anything_is_run(here, column, more, why):
    path = here(STUDY + f"watch: [player.obs.round, {column}]\n")
    done = simworld("run", "dice.yaml", *more, cwd=path)
    assert done.returncode == 2
    assert f"watch.1: {why}" in done.stderr
    assert not (path / "runs").exists()


def test_decisions_that_are_not_recorded_cannot_be_measured(here):
    path = here(
        STUDY.replace(
            "measure: mean_throw, compare", "measure: mean_between, of: {role: player, column: reward}, compare"
        )
    )
    assert simworld("validate", "dice.yaml", cwd=path).returncode == 0
    unseen = simworld("validate", "dice.yaml", "--set", "record.player=none", cwd=path)
    assert unseen.returncode == 2
    assert "decisions of role 'player' are not recorded; accepted: record.player that is not none" in unseen.stderr
