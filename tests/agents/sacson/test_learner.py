"""A policy by gradients through a learned model of people: its parts, and that it learns."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from simworld.cli._train import train
from simworld.errors import UserError
from simworld.execution import Order, execute
from simworld.kernel import Group, Kernel
from simworld.learning._school import Classroom
from simworld.learning._stage import Part, Stage
from simworld.scenario import load
from simworld.spaces import ActionVector, Network, NetworkMind, ObservationVector, dense
from simworld.worlds.plaza import Plaza
from simworld_agents.navigator import Costs, SocialForce, Straight
from simworld_agents.sacson import PedNet, SacsonLearner
from simworld_agents.sacson._pednet import STEPS, WIDTHS
from simworld_agents.sacson._walks import Notes
from simworld_analysis import open_run

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'simworld[train]'")
fitting = pytest.importorskip("simworld_agents.sacson._fitting")
objective = pytest.importorskip("simworld_agents.sacson._objective")

SCENARIO = """
name: gradients
world: {kind: plaza, body: BODY, time_limit: 24, collisions: count}
roles: {pedestrian: {kind: social_force, count: 1}, robot: {kind: random}}
horizon: 60
episodes: 6
measures: [success]
train:
  algo: sacson
  learners: [robot]
  sees: [offset, near]
  steps: STEPS
  seeds: 1
  hidden: [32]
  evaluate_every: 1
  settings: {walks: 36, epochs: 4, updates: 250}
"""


def untrained(seed=0):
    draw = np.random.Generator(np.random.Philox(seed))
    return PedNet(tuple((draw.normal(0.0, 0.3, (b, a)), draw.normal(0.0, 0.1, b)) for a, b in WIDTHS))


def society(mind, body="holonomic", people=2, horizon=30, seed=0):
    plaza = Plaza(body=body, collisions="count")
    seating = {"pedestrian": [Group(SocialForce(), people)], "robot": [Group(mind, 1)]}
    kernel = Kernel(plaza, seating, seed, horizon)
    role = next(r for r in plaza.roles if r.name == "robot").sized({"pedestrian": people, "robot": 1})
    notes = Notes(role)
    kernel.attach(notes, None)
    return kernel, notes, role


def prepared(role, walk, costs=None, net=None):
    inner = fitting.Net(torch, torch.Generator().manual_seed(0), net or untrained())
    for parameter in inner.parameters:
        parameter.requires_grad_(False)
    return objective.Objective(torch, objective.States.of(walk), role, inner, costs or Costs(), walk.dt)


@pytest.mark.parametrize("body", ["holonomic", "unicycle"])
def test_the_robot_moves_as_it_does_in_the_world(body):
    # One network for eight ticks, whatever it sees: the plan of the first tick is where the robot then is.
    _, _, role = society(Straight(), body)
    seen, does = ObservationVector.of(role), ActionVector.of(role)
    bias = np.array([0.4, 0.2])
    layers = dense([np.zeros((4, seen.width))], [np.array([*bias, -9.0, -9.0])], "tanh")
    kernel, notes, _ = society(NetworkMind(Network(seen, does, layers, {}, squashed=True)), body)
    kernel.run()
    walk = notes.walk()
    terms = prepared(role, walk)
    outputs = torch.tensor(np.tile(bias, STEPS), dtype=torch.float32).expand(1, -1)
    path = terms._driven(torch.tensor([0]), torch.tanh(outputs).reshape(1, STEPS, 2))
    assert np.allclose(path[0].numpy(), walk.robot[1 : STEPS + 1, :2], atol=1e-4)


def test_the_terms_are_those_of_the_planner_by_the_same_model():
    kernel, notes, role = society(Straight())
    kernel.run()
    walk, net = notes.walk(), untrained()
    costs = Costs(perturbation=2.0, personal_space=3.0, kept=1.2)
    terms = prepared(role, walk, costs, net)
    rows = torch.tensor([9])
    outputs = torch.full((1, STEPS * 2), 0.3)
    found = terms.terms(rows, outputs)
    path = terms._driven(rows, torch.tanh(outputs).reshape(1, STEPS, 2)).numpy().astype(np.float64)
    from simworld_agents.navigator import Scenery

    back = np.maximum(9 - np.arange(STEPS), 0)
    scenery = Scenery(
        walk.people[9, :, :2], walk.people[9, :, 2:4], walk.people[back][..., :2].transpose(1, 0, 2), walk.robot[9, :2],
        walk.robot[back, :2], walk.dt,
    )  # fmt: skip
    would = net.paths(scenery, path, STEPS)
    stays = net.paths(scenery, np.broadcast_to(walk.robot[9, :2], (1, STEPS, 2)), STEPS)
    assert float(found["perturbation"]) == pytest.approx(((would - stays) ** 2).sum(axis=3).mean(), rel=1e-3)
    gap = np.sqrt(((path[:, :, None] - would) ** 2).sum(axis=3)) - 0.6
    assert float(found["personal_space"]) == pytest.approx((np.maximum(1.2 - gap, 0.0) ** 2).mean(), rel=1e-3)
    far = np.sqrt(((path - walk.aim[9]) ** 2).sum(axis=2)).mean()
    assert float(found["navigation"]) == pytest.approx(far, rel=1e-4)
    whole = far + 100.0 * float(found["contact"]) + 2.0 * float(found["perturbation"])
    assert float(terms.total(found)) == pytest.approx(whole + 3.0 * float(found["personal_space"]), rel=1e-3)


def test_who_stands_is_charged_nothing_against_a_robot_that_stands():
    kernel, notes, role = society(Straight())
    kernel.run()
    still = torch.zeros((1, STEPS * 2))
    charged = {}
    for reference in ("stopped", "absent"):
        terms = prepared(role, notes.walk(), Costs(reference=reference))
        charged[reference] = float(terms.terms(torch.tensor([5]), still)["perturbation"])
    assert charged["stopped"] == pytest.approx(0.0, abs=1e-10)
    assert charged["absent"] > 1e-4


def test_courteous_costs_are_never_more_than_squared_ones():
    kernel, notes, role = society(Straight())
    kernel.run()
    outputs = torch.full((10, STEPS * 2), 0.5)
    whole, hinged = (
        float(prepared(role, notes.walk(), Costs(courteous=c)).terms(torch.arange(10), outputs)["perturbation"])
        for c in (False, True)
    )
    assert 0.0 < hinged < whole


def trained(here, body, steps, *more):
    (here / "it.yaml").write_text(SCENARIO.replace("BODY", body).replace("STEPS", str(steps)))
    done = CliRunner().invoke(train, ["it.yaml", "--json", "--jobs", "1", *more], catch_exceptions=False)
    return json.loads(done.stdout)


def test_it_learns_to_arrive_and_its_policy_and_its_model_drive_robots(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = trained(tmp_path, "holonomic", 3000)
    run = open_run(tmp_path / told["run"])
    curve = run.table("evaluation").groupby("iteration")["measure.success"].mean()
    assert curve.iloc[0] == 0.0
    assert curve.iloc[-1] > 0.5
    told_of = run.table("training")[["told.people", "told.navigation", "told.perturbation"]]
    assert told_of["told.people"].isna().tolist() == [True, *[False] * (len(told_of) - 1)]
    assert told_of["told.navigation"].iloc[-1] < told_of["told.navigation"].iloc[0]
    (tmp_path / "play.yaml").write_text(
        "world: {kind: plaza, time_limit: 24, collisions: count}\nhorizon: 60\nepisodes: 2\n"
        "roles: {pedestrian: {kind: social_force, count: 3}, robot: {kind: straight}}\nmeasures: [success]\n"
        f"arms:\n  policy: {{roles.robot: {{kind: policy, checkpoint: {told['policies'][0]}}}}}\n"
        f"  planner: {{roles.robot: {{kind: sacson, model: {run.path}/learned/people-seed-000.npz}}}}\n"
    )
    played = open_run(execute(Order(load("play.yaml"), tmp_path / "played")).run)
    assert played.manifest["status"] == "success"


def test_it_goes_on_from_what_it_kept_as_if_it_had_not_been_stopped(tmp_path):
    (tmp_path / "it.yaml").write_text(SCENARIO.replace("BODY", "unicycle").replace("STEPS", "1"))
    scenario = load(tmp_path / "it.yaml")
    block = scenario.model.train
    part = Part(scenario, block.learners, block.arm, block.sees)
    stage = Stage(part)
    stage.reset(0)
    school = Classroom(part, block, 3, 0, {"robot": part.seen_role(stage.role("robot"))})

    def fresh():
        learner = SacsonLearner(walks=12, epochs=2, updates=20)
        learner.begin(school)
        return learner

    whole, stopped, resumed = fresh(), fresh(), fresh()
    first, second = whole.iterate(), whole.iterate()
    assert np.isnan(first.told.get("people", np.nan))
    assert stopped.iterate().told == first.told
    stopped.save(tmp_path / "kept")
    resumed.restore(tmp_path / "kept")
    assert resumed.iterate() == second
    for one, other in zip(whole.policies()["robot"].layers, resumed.policies()["robot"].layers, strict=True):
        assert np.array_equal(one.weight, other.weight)
    assert whole.files() == resumed.files()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("train.settings.collect=often", r"train\.settings: collect: found 'often'; accepted: .*varied"),
        ("train.settings.model=nowhere.npz", r"train\.settings: .*nowhere\.npz"),
        ("train.settings.costs={perturbation: -1}", r"train\.settings: costs\.perturbation: found -1"),
    ],
)
def test_what_it_cannot_do_is_one_line(tmp_path, monkeypatch, change, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=says):
        trained(tmp_path, "holonomic", 100, "--set", change)
    assert not (tmp_path / "runs").exists()


def test_it_trains_robots_and_nobody_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"train\.algo: sacson: learners: found pedestrian; accepted by sacson: robot"):
        trained(tmp_path, "holonomic", 100, "--set", "train.learners=[pedestrian]", "--set", "train.sees=[]")
