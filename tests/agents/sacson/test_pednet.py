"""The learned model of people: what it is told, what it keeps, and that it can learn what a robot does."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from simworld.errors import ScenarioError
from simworld.execution import Order, check, execute, replay_run
from simworld.scenario import load
from simworld_agents.navigator import Scenery
from simworld_agents.sacson import Encounters, PedNet, fit
from simworld_agents.sacson._pednet import STEPS, WIDTHS
from simworld_analysis import open_run


def untrained(seed=0):
    draw = np.random.Generator(np.random.Philox(seed))
    return PedNet(tuple((draw.normal(0.0, 0.3, (b, a)), draw.normal(0.0, 0.1, b)) for a, b in WIDTHS))


def moments(n=40, seed=1):
    draw = np.random.Generator(np.random.Philox(seed))
    past = np.cumsum(draw.normal(0.2, 0.05, (n, STEPS, 2)), axis=1)[:, ::-1].copy()
    return Encounters(
        past, draw.normal(0.0, 2.0, (n, STEPS, 2)), draw.normal(0.0, 2.0, (n, STEPS, 2)), np.ones(n), 0.25
    )


def turned(vectors, angle, shift):
    cos, sin = np.cos(angle), np.sin(angle)
    return vectors @ np.array([[cos, sin], [-sin, cos]]) + shift


def test_equal_encounters_look_equal_wherever_and_in_whatever_direction():
    here, shift = moments(), np.array([3.0, -1.0])
    there = replace(here, **{name: turned(getattr(here, name), 0.7, shift) for name in ("past", "robot_past", "plan")})
    net = untrained()
    assert np.allclose(turned(net.ahead(here), 0.7, shift), net.ahead(there))


def test_without_a_robot_its_place_does_not_matter():
    here = replace(moments(), there=np.zeros(40))
    elsewhere = replace(here, plan=np.full_like(here.plan, np.nan))
    net = untrained()
    assert np.array_equal(net.ahead(here), net.ahead(elsewhere))
    assert not np.allclose(net.ahead(here), net.ahead(moments()))
    # Where it was is told as long as it was seen, and then it is as far away as can be.
    never = replace(here, robot_past=np.full_like(here.robot_past, np.nan))
    assert not np.allclose(net.ahead(here), net.ahead(never))
    assert np.array_equal(never.inputs()[0][:, 2 * STEPS : 4 * STEPS : 2], np.ones((40, STEPS)))


def test_left_and_right_are_changed_over_and_back():
    here = moments()
    assert np.array_equal(here.mirrored().mirrored().inputs()[0], here.inputs()[0])
    sides = here.inputs()[0][:, 1 : 4 * STEPS : 2]
    assert np.allclose(here.mirrored().inputs()[0][:, 1 : 4 * STEPS : 2], -sides)


def test_nobody_differs_from_going_on_as_now_by_more_than_one_and_a_half_metres_in_a_second():
    past, found = moments().past, untrained().ahead(moments())
    steps = np.diff(np.concatenate([past[:, :1], found], axis=1), axis=1) - (past[:, :1] - past[:, 1:2])
    assert 0.1 < np.sqrt((steps**2).sum(axis=2)).max() <= 1.5 * 0.25 * 2**0.5 + 1e-9


def test_a_network_that_says_nothing_says_that_all_go_on_as_now():
    silent = PedNet(tuple((np.zeros((b, a)), np.zeros(b)) for a, b in WIDTHS))
    past = moments().past
    on = past[:, :1] + np.arange(1, STEPS + 1)[:, None] * (past[:, :1] - past[:, 1:2])
    assert np.allclose(silent.ahead(moments()), on)
    assert np.array_equal(moments().straight_on(), on)


def test_a_row_has_the_same_bits_whatever_the_others_are():
    here, net = moments(), untrained()
    one = replace(here, **{name: getattr(here, name)[7:8] for name in ("past", "robot_past", "plan", "there")})
    assert net.ahead(one)[0].tobytes() == net.ahead(here)[7].tobytes()


def test_it_is_kept_and_read_again_and_nothing_else_is_taken_for_it(tmp_path):
    net, path = untrained(), tmp_path / "net.npz"
    net.save(path)
    assert np.allclose(PedNet.load(path).ahead(moments()), net.ahead(moments()), atol=1e-6)
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match="holds no model of people"):
        PedNet.load(tmp_path / "other.npz")
    with pytest.raises(ValueError, match="holds no model of people"):
        PedNet.load(tmp_path / "nothing.npz")


def test_it_says_where_several_people_will_be_for_as_long_as_is_asked():
    two = Scenery(
        np.array([[0.0, 0.0], [2.0, 1.0]]),
        np.array([[1.0, 0.0], [0.0, 0.0]]),
        np.array([[[0.0, 0.0], [-0.25, 0.0]], [[2.0, 1.0], [2.0, 1.0]]]),
        np.array([4.0, 0.0]),
        np.array([[4.0, 0.0]]),
        0.25,
    )
    plans = np.stack([np.full((12, 2), 4.0), np.zeros((12, 2))])
    found = untrained().paths(two, plans, 12)
    assert found.shape == (2, 12, 2, 2)
    assert np.allclose(np.diff(found[:, 7:], axis=1), (found[:, 7] - found[:, 6])[:, None])
    assert untrained().paths(two, None, 5).shape == (1, 5, 2, 2)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed here: simworld[train]")
def test_it_learns_that_a_person_goes_straight_on_and_aside_where_a_robot_will_be():
    draw = np.random.Generator(np.random.Philox(3))
    n = 1500
    angle = draw.uniform(-np.pi, np.pi, n)
    ahead = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    past = -0.25 * np.arange(STEPS)[:, None] * ahead[:, None]
    there = (draw.random(n) < 0.5).astype(float)
    # Whoever meets a robot on the left goes to the right, and the other way round.
    side = np.where(draw.random(n) < 0.5, 1.0, -1.0)[:, None]
    left = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    plan = np.tile((ahead * draw.uniform(1.0, 2.0, n)[:, None] + 0.5 * side * left)[:, None], (1, STEPS, 1))
    aside = -side * left
    steps = np.arange(1, STEPS + 1)[:, None]
    future = 0.25 * steps * ahead[:, None] + 0.05 * steps * aside[:, None] * there[:, None, None]
    known = Encounters(past, plan, plan, there, 0.25)
    net = fit(known, future, epochs=60)
    assert np.sqrt(((net.ahead(known) - future) ** 2).sum(axis=2)).mean() < 0.05
    gone = replace(known, there=np.zeros(n))
    pushed = np.sqrt(((net.ahead(known) - net.ahead(gone))[there > 0][:, -1] ** 2).sum(axis=1))
    assert pushed.mean() == pytest.approx(0.4, abs=0.05)
    again = fit(known, future, epochs=2)
    assert np.array_equal(again.ahead(known), fit(known, future, epochs=2).ahead(known))


def test_a_robot_with_a_learned_model_plays_and_replays(tmp_path):
    untrained().save(tmp_path / "net.npz")
    path = tmp_path / "it.yaml"
    path.write_text(
        "world: {kind: plaza, time_limit: 24}\nhorizon: 60\n"
        "roles: {pedestrian: {kind: orca, count: 2}, robot: {kind: sacson, model: net.npz}}\n"
    )
    run = open_run(execute(Order(load(path), tmp_path / "runs")).run)
    assert run.manifest["status"] == "success"
    assert run.table("decisions.robot")["mind.perturbation"].max() > 0.0
    assert replay_run(run.path).identical
    path.write_text(path.read_text().replace("net.npz", "none.npz"))
    with pytest.raises(ScenarioError, match=r"none\.npz"):
        check(load(path))


@pytest.mark.parametrize("spoilt", ["weight", "bias", "nan", "npy"])
def test_a_file_that_only_looks_like_a_model_is_refused_by_name(tmp_path, spoilt):
    path = tmp_path / "net.npz"
    untrained().save(path)
    arrays = dict(np.load(path))
    if spoilt == "weight":
        arrays["past1.weight"] = arrays["past1.weight"][:, :5]
    elif spoilt == "bias":
        arrays["past1.bias"] = np.array(0.0)
    else:
        arrays["past1.bias"][3] = np.nan
    np.savez(path, **arrays)
    if spoilt == "npy":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    says = {"nan": "layer past1 holds numbers that are not finite", "npy": "holds no model of people"}
    with pytest.raises(ValueError, match=says.get(spoilt, "layer past1 has shapes")):
        PedNet.load(path)


def test_costs_that_are_left_out_are_the_papers_both(tmp_path):
    untrained().save(tmp_path / "net.npz")
    path = tmp_path / "it.yaml"
    path.write_text(
        "world: {kind: plaza}\nhorizon: 4\n"
        "roles: {pedestrian: {kind: orca, count: 2}, robot: {kind: sacson, model: net.npz, costs: {reference: absent}}}\n"
    )
    (seating,) = (s for s in load(path).cells[0].seatings if s.role == "robot")
    assert seating.parameters["costs"] == {
        "perturbation": 50.0, "personal_space": 10.0, "kept": 0.45, "reference": "absent", "courteous": False,
    }  # fmt: skip
