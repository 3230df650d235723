"""A robot that may ask: what it looks at, how it chooses, and how it learns from what would have been."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from simworld.cli._train import train as train_command
from simworld.errors import ScenarioError
from simworld.execution import Order, check, execute, replay_run
from simworld.kernel import Group, Individuals, Intervention, Kernel, Silent
from simworld.learning._school import Classroom
from simworld.learning._stage import Part, Stage
from simworld.scenario import load
from simworld.spaces import Watch
from simworld.testing import CohortSuite, Listener, play
from simworld.worlds.plaza import OperatedPlaza, Plaza, Rewards
from simworld_agents.hila_robot import (
    CHOICES,
    CUES,
    SEEN,
    Branches,
    CallPolicy,
    Follow,
    HilaRobot,
    HilaRobotLearner,
    Noted,
    Rule,
    candidates,
)
from simworld_agents.navigator import Costs, PersonRobot, Planner, SocialForce, Still, Straight
from simworld_analysis import open_run

MODELS = Path(__file__).parents[3] / "scenarios" / "plaza" / "models"
NET = Rewards(goal=0.0, collision=0.0, discomfort=0.0, progress=1.0, second=-1.0)
"""In metres: the way that is made good, less the time at 1 m/s."""


def plaza(**more):
    return OperatedPlaza(**{"collisions": "count", "call": -0.2, "rewards": NET} | more)


def seated(robot, operator=None, people=1):
    return {
        "pedestrian": [Group(SocialForce(noise=0.02), people)],
        "robot": [Group(robot, 1)],
        "operator": [Group(operator or Planner(Costs(perturbation=50.0, reference="absent")), 1)],
    }


def rows_of(heard, role="robot"):
    return [row for row in heard.rows if row["role"] == role]


def chosen(heard):
    """What was chosen, second by second."""
    minds = [row["mind"] for row in rows_of(heard) if not np.isnan(row["mind"]["asks"])]
    return [CHOICES[int(mind["yields"] + 2 * mind["asks"])] for mind in minds]


class TestHolonomic(CohortSuite):
    role = "robot"

    def world(self):
        return plaza()

    def counts(self):
        return {"pedestrian": 3, "robot": 2, "operator": 1}

    def cohort(self):
        return HilaRobot(rule=Rule("drawn"))


class TestUnicycle(TestHolonomic):
    def world(self):
        return plaza(body="unicycle")

    def cohort(self):
        return HilaRobot(rule=Rule("lot", asks=0.3, yields=0.2), way="straight")


# -- how it chooses ------------------------------------------------------------------------------------------------


def test_it_chooses_every_second_and_keeps_to_that():
    heard = play(plaza(), seated(HilaRobot(rule=Rule("drawn"))), 3, 20).heard
    rows = rows_of(heard)
    assert [row["tick"] for row in rows if not np.isnan(row["mind"]["asks"])] == [0, 4, 8, 12, 16]
    assert {"go", "yield", "ask"} == set(chosen(play(plaza(), seated(HilaRobot()), 3, 20).heard)) | set(chosen(heard))


@pytest.mark.parametrize("way", ["planner", "straight"])
@pytest.mark.parametrize("body", ["holonomic", "unicycle"])
def test_who_goes_goes_its_usual_way_and_who_yields_stands(way, body):
    usual = Planner() if way == "planner" else Straight()

    def track(mind, world=Plaza):
        seats = {role: groups for role, groups in seated(mind).items() if role != "operator"}
        heard = play(world(collisions="count", body=body), seats, 1, 16).heard
        return np.array([row["seen"]["position"] for row in rows_of(heard)])

    went = track(HilaRobot(rule=Rule("go"), way=way), OperatedPlaza)
    assert np.array_equal(went, track(usual))
    stood = track(HilaRobot(rule=Rule("yield"), way=way), OperatedPlaza)
    assert np.array_equal(stood, track(Still()))


def test_who_asks_is_driven_without_a_gap():
    heard = play(plaza(), seated(HilaRobot(rule=Rule("ask"))), 1, 20).heard
    assert [row["seen"]["driven"] for row in rows_of(heard)] == [0] + [4, 3, 2, 1] * 4 + [4, 3, 2]
    assert [row["tick"] for row in rows_of(heard) if row["done"]["ask"]] == [0, 4, 8, 12, 16]
    assert len(rows_of(heard, "operator")) == 19


def test_without_an_operator_who_asks_goes_its_way():
    def track(rule, operators):
        seats = seated(HilaRobot(rule=Rule(rule)))
        seats["operator"] = [Group(Still(), operators)]
        return np.array([row["seen"]["position"] for row in rows_of(play(plaza(), seats, 1, 20).heard)])

    assert np.array_equal(track("ask", 0), track("go", 0))
    assert not np.array_equal(track("ask", 1), track("go", 1))


def test_a_lot_asks_as_often_as_it_says():
    found = [
        c
        for seed in range(40)
        for c in chosen(play(plaza(), seated(HilaRobot(rule=Rule("lot", 0.5, 0.2))), seed, 20).heard)
    ]
    assert found.count("ask") / len(found) == pytest.approx(0.5, abs=0.1)
    assert found.count("yield") / len(found) == pytest.approx(0.2, abs=0.1)
    with pytest.raises(ValueError, match=r"asks 0.7 and yields 0.6; accepted: together at most 1"):
        Rule("lot", 0.7, 0.6)


def test_a_threshold_asks_where_it_foretells_that_people_are_pushed_aside():
    rows = rows_of(play(plaza(), seated(HilaRobot(rule=Rule("threshold", above=0.05))), 1, 40).heard)
    told = [(row["mind"]["perturbation"] > 0.05, row["done"]["ask"]) for row in rows if row["mind"]["asks"] >= 0.0]
    assert all(above == asks for above, asks in told)
    assert {asks for _, asks in told} == {True, False}


def test_cues_say_what_speaks_against_going():
    cues = candidates(np.array([[0.2, 0.1, 0.5, 4.0]]))
    assert cues.shape == (1, len(CHOICES), len(CUES))
    assert cues[0, 0].tolist() == [0.0] * 10
    assert cues[0, 1].tolist() == pytest.approx([1.0, 2.0, 1.0, 0.5, 0.4] + [0.0] * 5)
    assert cues[0, 2].tolist() == pytest.approx([0.0] * 5 + [1.0, 2.0, 1.0, 0.5, 0.4])


def test_what_it_foretells_goes_with_what_is_true():
    """Of a person in its way it expects more than of one who has passed."""
    rows = rows_of(play(plaza(), seated(HilaRobot(rule=Rule("go"))), 3, 40).heard)
    seen = np.array([[row["mind"][name] for name in SEEN] for row in rows if row["mind"]["asks"] >= 0.0])
    assert seen[:, 0].max() > 0.05
    assert seen[-1, 0] < 0.01
    assert (np.diff(seen[:, 3]) < 0.0).all()
    alone = rows_of(play(plaza(), seated(HilaRobot(rule=Rule("go")), people=0), 1, 8).heard)[0]["mind"]
    assert [alone[name] for name in SEEN] == [0.0, 0.0, 2.0, 8.0]


# -- what choices are worth ----------------------------------------------------------------------------------------


def followed(until=13, operator=None, rule="drawn"):
    """An episode in which all choices were followed, and the same one in which none were."""
    mind, notes = HilaRobot(rule=Rule(rule)), Noted()
    branches = Branches(mind, Follow(weight=10.0))
    kernel, plain = (Kernel(plaza(), seated(one, operator), 3, 60) for one in (mind, HilaRobot(rule=Rule(rule))))
    kernel.attach(notes)
    for tick in range(until):
        kernel.run(tick)
        branches.look(kernel, tick)
    kernel.run(until)
    plain.run(until)
    return branches, notes, kernel, plain


def test_branches_leave_the_society_as_it_is():
    branches, notes, kernel, plain = followed()
    assert kernel.chain == plain.chain
    assert list(branches.worth) == list(notes.seen) == [(0, 0), (4, 0), (8, 0), (12, 0)]


def test_a_choice_is_worth_what_came_of_it():
    """By hand: the same second once more, with a robot that is told to stand, and without it."""
    branches, _, _, _ = followed(5)
    mind = HilaRobot(rule=Rule("drawn"))
    kernel, heard = Kernel(plaza(), seated(mind), 3, 60), Listener()
    kernel.run(4)
    alone = kernel.branch()
    alone.intervene(Intervention(4, without={"robot": None}))
    kernel.intervene(Intervention(4, minds={("robot", 0): mind.told(4, 0, CHOICES.index("yield"))}))
    kernel.attach(heard)
    apart = []
    for tick in range(5, 16):
        kernel.run(tick)
        alone.run(tick)
        places = [k.world.observe("pedestrian", np.array([0]))["position"][0] for k in (kernel, alone)]
        apart.append(np.hypot(*(places[0] - places[1])))
    assert chosen(heard)[0] == "yield"
    paid = sum(amount for role, _, amount in heard.rewards if role == "robot")
    assert branches.moved[4, 0][1] == pytest.approx(np.mean(apart))
    assert branches.worth[4, 0][1] == pytest.approx(paid - 10.0 * np.mean(apart))


def two_robots(one, other, tick, people=1):
    """A plaza on which the second robot is nearly there."""
    seating = seated(one, people=people) | {"robot": [Group(one, 1), Group(other, 1)]}
    world = plaza(size=3.0)
    kernel = Kernel(world, seating, 3, 60)
    kernel.run(tick)
    world._robot_position[1] = world._robot_goal[1] + [0.0, 0.8]
    return kernel


def test_of_two_robots_ticks_are_compared_that_both_branches_have():
    """Without the one, the episode ends when the other arrives: what is nobody's walk is compared with none."""
    mind = HilaRobot(rule=Rule("go"), way="straight")
    kernel = two_robots(mind, Straight(), 8)
    branches = Branches(mind, Follow(weight=10.0))
    branches.look(kernel, 8)
    alone, _ = branches._followed(kernel, 0, Intervention(8, without={"robot": np.array([0])}))
    told = mind.told(8, 0, CHOICES.index("go"))
    walked, _ = branches._followed(kernel, 0, Intervention(8, minds={("robot", 0): told}))
    assert 0 < len(alone) < len(walked) == 11
    apart = np.hypot(*np.moveaxis(walked[: len(alone)] - alone, -1, 0))
    assert branches.moved[8, 0][0] == pytest.approx(apart.sum() / 11)


def test_people_who_are_not_there_dilute_nothing():
    """Of nine who will come, one is there: the mean is over that one."""
    few, many = (HilaRobot(rule=Rule("go"), way="straight") for _ in range(2))
    moved = []
    for mind, absent in ((few, 0), (many, 8)):
        branches, kernel = Branches(mind, Follow(ticks=4)), Kernel(plaza(), seated(mind, people=1 + absent), 3, 60)
        kernel.intervene(Intervention(0, without={"pedestrian": np.arange(1, 1 + absent)}))
        kernel.run(8)
        branches.look(kernel, 8)
        moved.append(branches.moved[8, 0])
    assert moved[0][0] > 0.0
    assert moved[1] == pytest.approx(moved[0], rel=1e-12)


def test_an_operator_that_drives_as_the_robot_goes_is_worth_its_fee_less():
    branches, _, _, _ = followed(operator=Planner(), rule="go")
    for moment, worth in branches.worth.items():
        assert worth[0] - worth[2] == pytest.approx(0.2)
        assert branches.moved[moment][0] == branches.moved[moment][2]


def test_where_somebody_asks_choices_cannot_be_followed():
    kernel = Kernel(plaza(), seated(HilaRobot(), Individuals(PersonRobot)), 3, 60)
    kernel.run(0)
    with pytest.raises(ValueError, match=r"in branches, where nobody can ask: ask.person of operator 0"):
        Branches(HilaRobot(rule=Rule("go")), Follow()).look(kernel, 0)


# -- learning ------------------------------------------------------------------------------------------------------

SCENARIO = """
name: when_to_call
world: {kind: operated_plaza, time_limit: 15, collisions: count, call: FEE, rewards: {goal: 0, progress: 1, second: -1}}
roles:
  pedestrian: {kind: social_force, count: 1, noise: 0.02}
  robot: {kind: hila_robot, way: straight}
  operator: {kind: planner, costs: {perturbation: 50, reference: absent}}
horizon: 60
episodes: 1
measures: [calls, driven]
train: {algo: hila_robot, learners: [robot], steps: 60, seeds: 1, settings: {way: straight, episodes: 2, follow: {weight: 10}}}
"""


def schooled(tmp_path, fee=-0.2, seed=0, **settings):
    (tmp_path / "it.yaml").write_text(SCENARIO.replace("FEE", str(fee)))
    scenario = load(tmp_path / "it.yaml")
    part = Part(scenario, ["robot"])
    stage = Stage(part)
    stage.reset(0)
    school = Classroom(part, scenario.model.train, seed, 0, {"robot": stage.role("robot")})
    learner = HilaRobotLearner(**{"way": "straight", "episodes": 2, "updates": 20} | settings)
    learner.begin(school)
    return learner


def test_it_learns_to_ask_where_that_costs_nothing_and_not_to_where_it_is_dear(tmp_path):
    told = {}
    for name, fee in (("free", 0.0), ("dear", -3.0)):
        learner = schooled(tmp_path, fee)
        lessons = [learner.iterate() for _ in range(4)]
        assert lessons[-1].told["earned"] > lessons[0].told["earned"]
        told[name] = lessons[-1].told
        first = lessons[0].told
        assert [first[choice] for choice in CHOICES] == pytest.approx([1 / 3] * 3)
    assert told["free"]["ask"] > 0.8
    assert told["dear"]["ask"] < 0.1


def test_it_goes_on_where_it_was_stopped(tmp_path):
    whole, first = schooled(tmp_path), schooled(tmp_path)
    for _ in range(2):
        whole.iterate()
    first.iterate()
    first.save(tmp_path / "kept")
    second = schooled(tmp_path)
    second.restore(tmp_path / "kept")
    second.iterate()
    assert np.array_equal(whole.policies()["robot"].weights, second.policies()["robot"].weights)


def test_a_training_by_the_command_makes_a_policy_that_plays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "it.yaml").write_text(SCENARIO.replace("FEE", "-0.2"))
    result = CliRunner().invoke(train_command, ["it.yaml", "--jobs", "1", "--json"])
    assert result.exit_code == 0, result.output
    file = next(tmp_path.glob("runs/*/policies/robot-seed-000.npz"))
    text = (
        SCENARIO.replace("FEE", "-0.2")
        .split("train:")[0]
        .replace("way: straight", f"way: straight, checkpoint: {file}")
    )
    (tmp_path / "play.yaml").write_text(text)
    run = open_run(execute(Order(load(tmp_path / "play.yaml"), tmp_path / "played")).run)
    assert run.manifest["status"] == "success"
    assert replay_run(run.path).identical
    assert not run.table("decisions.robot")["mind.perturbation"].isna().all()


def trained_at(folder, text):
    (folder / "it.yaml").write_text(text)
    return CliRunner().invoke(train_command, [str(folder / "it.yaml"), "--jobs", "1", "--out", str(folder / "runs")])


def test_a_model_beside_the_scenario_is_found_from_anywhere_and_counts(tmp_path, monkeypatch):
    study, elsewhere = tmp_path / "study", tmp_path / "elsewhere"
    study.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    shutil.copyfile(MODELS / "people.npz", study / "people.npz")
    text = SCENARIO.replace("FEE", "-0.2").replace("episodes: 2", "episodes: 1, model: people.npz")
    text = text.replace("steps: 60", "steps: 1")
    first = trained_at(study, text)
    assert first.exit_code == 0, first.output
    # The line that it prints says with what the policy was trained; another model makes another training.
    line = first.output.splitlines()[-1].removeprefix("in a scenario: ")
    assert line.endswith("policies/robot-seed-000.npz, way: straight, model: people.npz}")
    played = text.split("train:")[0].replace("{kind: hila_robot, way: straight}", line)
    (study / "played.yaml").write_text(played)
    assert execute(Order(load(study / "played.yaml"), tmp_path / "played")).status == "success"
    shutil.copyfile(MODELS / "people_1_percent.npz", study / "people.npz")
    assert trained_at(study, text).exit_code == 0
    assert len(list((study / "runs").glob("*/run.json"))) == 2
    (study / "played.yaml").write_text(played.replace(", model: people.npz", ""))
    with pytest.raises(ScenarioError, match=r"trained with model: people\.npz; found model: none"):
        check(load(study / "played.yaml"))


def test_who_watches_an_episode_is_shown_every_so_many_ticks_of_it(tmp_path):
    learner = schooled(tmp_path)
    looks = []
    mind = HilaRobot(rule=Rule("go"), way="straight")
    learner._school.play(
        {"robot": mind},
        0,
        Silent(),
        [Intervention(8)],
        Watch(4, lambda kernel, tick: looks.append((tick, kernel.tick))),
    )
    assert [tick for tick, _ in looks][:4] == [0, 4, 8, 12]
    assert all(now <= tick for tick, now in looks)


# -- files, and what does not fit ----------------------------------------------------------------------------------


def test_a_policy_is_kept_in_a_file(tmp_path):
    policy = CallPolicy(np.arange(10.0), "straight").said({"seed": 3})
    policy.save(tmp_path / "it.npz")
    found = CallPolicy.load(tmp_path / "it.npz")
    assert np.array_equal(found.weights, policy.weights)
    assert (found.way, found.model, found.about) == ("straight", "", {"seed": 3})
    with pytest.raises(ValueError, match="trained with way: straight; found way: planner"):
        HilaRobot(str(tmp_path / "it.npz"))
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    with pytest.raises(ValueError, match="holds no policy of hila_robot"):
        CallPolicy.load(tmp_path / "other.npz")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("operated_plaza, time_limit: 15, collisions: count, call: -0.2", "plaza, time_limit: 15", "ask"),
        ("learners: [robot]", "learners: [operator]", "accepted by hila_robot: robot"),
        ("way: straight, episodes: 2", "model: no.npz, episodes: 2", "there is no file 'no.npz'"),
        ("{kind: hila_robot, way: straight}", "[{kind: hila_robot}, {kind: hila_robot}]", "several groups of 'robot'"),
        (
            "episodes: 1\n",
            "episodes: 1\ninterventions: [{at: 8, set: {world.visible: false}}]\n",
            "interventions have no",
        ),
        (
            "operator: {kind: planner",
            "operator: {kind: person_robot} #",
            "models and people who are asked have no part",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(tmp_path, monkeypatch, old, new, message):
    monkeypatch.chdir(tmp_path)
    text = SCENARIO.replace("FEE", "-0.2").replace(old, new)
    if "operated" in old:
        text = "\n".join(line for line in text.splitlines() if "  operator:" not in line).replace(
            "[calls, driven]", "[success]"
        )
    if "person_robot" in new:
        text += "people: {default: {kind: scripted, answers: [go]}}\n"
    (tmp_path / "it.yaml").write_text(text)
    result = CliRunner().invoke(train_command, ["it.yaml", "--jobs", "1"])
    assert isinstance(result.exception, ScenarioError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)
