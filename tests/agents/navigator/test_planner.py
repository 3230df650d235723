"""A robot that tries its moves in thought: what it expects of people, what it pays for, and what comes of it."""

from __future__ import annotations

import numpy as np
import pytest

from simworld.kernel import Cohort, Group, Kernel
from simworld.testing import CohortSuite
from simworld.worlds.plaza import Plaza
from simworld_agents.navigator import Costs, Orca, Planner, SocialForce, Still, Straight
from simworld_agents.navigator._predictors import ConstantVelocity, Reacting, Scenery

ONE = {"scene": "circle", "time_limit": 24.0, "collisions": "count"}


class TestPlanner(CohortSuite):
    role = "robot"

    def world(self):
        return Plaza(**ONE)

    def cohort(self):
        return Planner(Costs(perturbation=50.0, personal_space=5.0))

    def others(self):
        return {"pedestrian": (SocialForce(), 3)}


class TestUnicycle(TestPlanner):
    def world(self):
        return Plaza(**ONE, body="unicycle")


def scenery(position, velocity, robot=(0.0, 0.0)):
    position, velocity = np.array(position, dtype=float), np.array(velocity, dtype=float)
    at = np.array(robot, dtype=float)
    return Scenery(position, velocity, position[:, None], at, at[None], 0.25)


def walked(robot: Cohort, people=1, seed=3, **world):
    kernel = Kernel(
        Plaza(**{**ONE, **world}),
        {"pedestrian": [Group(SocialForce(), people)], "robot": [Group(robot, 1)]},
        seed,
        110,
    )
    places = []
    for tick in range(110):
        kernel.run(until=tick)
        if kernel.closed:
            break
        places.append(kernel.world.observe("robot", np.array([0]))["position"][0])
    return np.array(places), kernel.world._tally.numbers()


def test_constant_velocity_knows_no_robot_and_a_reacting_person_steps_aside():
    meeting = scenery([[4.0, 0.1]], [[-1.0, 0.0]])
    towards = np.array([[1.0, 0.0]]) * (0.25 * np.arange(1, 9))[:, None]
    plans = np.stack([towards, np.zeros((8, 2))])
    blind = ConstantVelocity().paths(meeting, plans, 8)
    assert blind.shape == (1, 8, 1, 2)
    assert blind[0, :, 0].tolist() == [[4.0 - 0.25 * k, 0.1] for k in range(1, 9)]
    seeing = Reacting().paths(meeting, plans, 8)
    alone = Reacting().paths(meeting, None, 8)
    aside = np.abs(seeing[:, -1, 0] - alone[0, -1, 0]).sum(axis=1)
    assert aside[0] > aside[1] > 0.0
    assert np.allclose(alone[0, :, 0], blind[0, :, 0])
    # Whoever reacts three times as strongly steps farther aside, and with no gain at all not at all.
    strong, none = (Reacting(gain).paths(meeting, plans[:1], 8)[0, -1, 0] for gain in (3.0, 0.0))
    assert np.abs(strong - alone[0, -1, 0]).sum() > aside[0]
    assert np.array_equal(none, alone[0, -1, 0])


def test_people_push_each_other_in_thought_as_they_do_in_the_world():
    two = scenery([[0.0, 0.0], [2.0, 0.1]], [[0.5, 0.0], [-0.5, 0.0]], robot=(50.0, 50.0))
    found = Reacting().paths(two, None, 6)[0]
    assert found[-1, 0, 1] * found[-1, 1, 1] < 0.0  # each to its side
    assert found[-1, 1, 0] > 2.0 - 0.5 * 6 * 0.25


def test_without_anybody_it_drives_straight_to_its_goal_and_does_not_slow_down_before_it():
    path, numbers = walked(Planner(), people=0)
    assert np.allclose(path[:, 0], 0.0)
    assert np.allclose(np.diff(path[:, 1]), 0.25)
    assert numbers["time_to_goal"] == 7.75 < walked(Straight(), people=0)[1]["time_to_goal"]


@pytest.mark.parametrize("body", ["holonomic", "unicycle"])
def test_it_arrives_without_touching_anybody(body):
    for seed in range(4):
        _, numbers = walked(Planner(), people=3, seed=seed, body=body)
        assert (numbers["success"], numbers["collision_person"]) == (1.0, 0.0)


def test_personal_space_is_kept_where_it_costs():
    near = [walked(Planner(), seed=seed)[1]["minimum_distance"] for seed in range(6)]
    wide = [
        walked(Planner(Costs(personal_space=50.0, kept=1.2)), seed=seed)[1]["minimum_distance"] for seed in range(6)
    ]
    assert np.mean(wide) > np.mean(near) + 0.1


def test_a_model_that_is_blind_to_the_robot_changes_nothing():
    for reference in ("stopped", "absent"):
        costs = Costs(perturbation=500.0, reference=reference)
        assert np.array_equal(walked(Planner(costs, "constant"))[0], walked(Planner())[0])
        assert not np.array_equal(walked(Planner(costs))[0], walked(Planner())[0])


def test_a_heavy_weight_against_standing_still_is_standing_still_until_everybody_has_passed():
    _, numbers = walked(Planner(Costs(perturbation=1e7)))
    assert numbers["stalled_time"] > 2.0
    assert walked(Planner())[1]["stalled_time"] == 0.0
    _, stood = walked(Still())
    assert stood["success"] == 0.0


def test_what_it_expects_is_told_and_the_courteous_are_not_charged_for_helping():
    planner = Planner(Costs(perturbation=1.0, reference="absent"))
    kind = Planner(Costs(perturbation=1.0, reference="absent", courteous=True))
    # A person walks away from a robot behind: it is pushed on, which holds nobody up.
    pushed = scenery([[1.0, 0.0]], [[0.5, 0.0]], robot=(0.0, 0.0))
    plans = (np.array([[0.25, 0.0]]) * np.arange(1, 9)[:, None])[None]
    charged = planner._for_people(pushed, plans, np.array([0.6]))["perturbation"]
    spared = kind._for_people(pushed, plans, np.array([0.6]))["perturbation"]
    assert charged[0] > 0.0
    assert spared[0] == 0.0


def test_who_makes_way_is_charged_by_squared_perturbation_and_not_by_the_courteous_hinge():
    def charged(robot, courteous):
        """What it costs to go up from there for two seconds, with a person on her way from the left along y = 0."""
        met = scenery([[-1.5, 0.0]], [[1.0, 0.0]], robot=robot)
        plans = (np.array(robot) + np.array([[0.0, 0.25]]) * np.arange(1, 9)[:, None])[None]
        planner = Planner(Costs(perturbation=1.0, courteous=courteous))
        return planner._for_people(met, plans, np.array([0.6]))["perturbation"][0]

    # Standing in her way it would hold her up: going on, it lets her pass.
    assert charged((0.0, 0.1), courteous=False) > 0.1
    assert charged((0.0, 0.1), courteous=True) == 0.0
    # From below her way it goes into it, and holds her up: that costs either way.
    assert charged((0.0, -1.2), courteous=False) >= charged((0.0, -1.2), courteous=True) > 0.1


def test_walls_bar_the_way_in_thought_too():
    path, numbers = walked(Planner(), people=0, scene="doorway", size=5.0, width=1.6)
    assert numbers["success"] == 1.0
    assert numbers["collision_wall"] == 0.0
    assert np.abs(path[np.argmin(np.abs(path[:, 0])), 1]) < 0.8


def test_a_planner_and_orca_both_come_through_a_corridor():
    for robot in (Planner(), Orca()):
        _, numbers = walked(robot, people=4, scene="corridor", size=6.0, width=4.0)
        assert numbers["success"] == 1.0
