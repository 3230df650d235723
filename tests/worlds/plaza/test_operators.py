"""Operators: who asks is driven, from the next tick on and for as long as is said, and nobody else is."""

from __future__ import annotations

import numpy as np
import pytest

import simworld
from simworld.errors import ScenarioError
from simworld.execution import Order, check, execute, replay_run
from simworld.kernel import Cohort, Group, Intervention, Kernel
from simworld.scenario import load
from simworld.testing import Listener, RandomMind, WorldSuite, play
from simworld.worlds.plaza import OperatedPlaza, Plaza, Rewards
from simworld_agents.navigator import Orca, Planner, SocialForce, Still, Straight
from simworld_analysis import open_run


class Asks(Cohort):
    """Goes up, and asks at these ticks: a set for each robot."""

    def __init__(self, *ticks):
        self.ticks = ticks

    def act(self, seen, seats):
        n = len(seats.members)
        ask = np.array([seats.tick in self.ticks[m] for m in seats.members.tolist()])
        return {"velocity": np.tile([0.0, 0.5], (n, 1)), "ask": ask}


class Left(Cohort):
    """Goes left, whatever it drives."""

    def act(self, seen, seats):
        return {"velocity": np.tile([-0.5, 0.0], (len(seats.members), 1))}


def driven(*ticks, operators=1, horizon=12, operator=None, **settings):
    world = OperatedPlaza(size=20.0, operator_ticks=3, **settings)
    seating = {"robot": [Group(Asks(*ticks), len(ticks))], "operator": [Group(operator or Left(), operators)]}
    return play(world, seating, horizon=horizon).heard


def turned_left(heard, robot=0):
    """The ticks in which a robot went left: how it moved shows in the tick after."""
    rows = [r for r in heard.rows if r["role"] == "robot" and r["member"] == robot]
    return [r["tick"] - 1 for r in rows if r["seen"]["velocity"][0] < 0.0]


def test_who_asks_is_driven_from_the_next_tick_on_and_for_as_long_as_is_said():
    heard = driven({2})
    assert turned_left(heard) == [3, 4, 5]
    rows = [row for row in heard.rows if row["role"] == "operator"]
    assert [row["tick"] for row in rows] == [3, 4, 5]  # nobody else is woken, nor at another time
    own = {row["tick"]: row["seen"] for row in heard.rows if row["role"] == "robot"}
    for row in rows:
        assert row["seen"]["robot"] == 0
        assert all(np.array_equal(row["seen"][name], own[row["tick"]][name], equal_nan=True) for name in own[0])
    assert [seen["driven"] for seen in own.values()] == [0, 0, 0, 3, 2, 1, 0, 0, 0, 0, 0, 0]
    assert heard.samples[-1][1] | {"calls": 1.0, "calls_missed": 0.0, "driven": 3 / 12} == heard.samples[-1][1]


def test_who_asks_again_while_it_is_driven_is_driven_on_if_it_asks_in_the_last_tick():
    assert turned_left(driven({2, 3, 4})) == [3, 4, 5]
    assert turned_left(driven({2, 5})) == [3, 4, 5, 6, 7, 8]


def test_who_does_not_ask_drives_itself():
    heard = driven(set())
    assert turned_left(heard) == []
    assert not [row for row in heard.rows if row["role"] == "operator"]


def test_an_operator_has_one_robot_at_a_time_and_whoever_asks_meanwhile_stays_on_its_own():
    heard = driven({1}, {2, 4}, set())
    assert (turned_left(heard, 0), turned_left(heard, 1), turned_left(heard, 2)) == ([2, 3, 4], [5, 6, 7], [])
    assert heard.samples[-1][1]["calls_missed"] == 1.0


def test_of_several_who_ask_at_once_a_lot_says_who_is_driven():
    def first(seed):
        world = OperatedPlaza(size=20.0, operator_ticks=3)
        seating = {"robot": [Group(Asks({1}, {1}), 2)], "operator": [Group(Left(), 1)]}
        heard = play(world, seating, seed, 6).heard
        return [robot for robot in (0, 1) if turned_left(heard, robot)]

    found = [first(seed) for seed in range(12)]
    assert {len(who) for who in found} == {1}
    assert {who[0] for who in found} == {0, 1}
    assert found == [first(seed) for seed in range(12)]


def test_two_operators_drive_two_robots_each_its_own():
    heard = driven({1}, {1}, {3}, operators=2)
    assert [turned_left(heard, robot) for robot in range(3)] == [[2, 3, 4], [2, 3, 4], []]
    assert {(row["member"], row["seen"]["robot"]) for row in heard.rows if row["role"] == "operator"} == {
        (0, 0),
        (1, 1),
    }


def test_an_operator_that_does_not_decide_lets_its_robot_stand():
    """As one whose answer is still to come."""
    world = OperatedPlaza(size=20.0, operator_ticks=3)
    kernel = Kernel(world, {"robot": [Group(Asks({1}), 1)], "operator": [Group(Left(), 1)]}, 0, 12)
    kernel.run(3)
    kernel.agenda.heap[:] = [entry for entry in kernel.agenda.heap if entry[3] != "operator"]
    before = world.observe("robot", np.array([0]))["position"]
    kernel.run(4)
    assert np.array_equal(world.observe("robot", np.array([0]))["position"], before)


@pytest.mark.parametrize("gone", ["operator", "robot"])
def test_nobody_drives_once_one_of_the_two_is_taken_out(gone):
    kernel = Kernel(
        OperatedPlaza(size=20.0, operator_ticks=5),
        {"robot": [Group(Asks({1}, {3}), 2)], "operator": [Group(Left(), 1)]},
        0,
        12,
    )
    heard = Listener()
    kernel.attach(heard)
    kernel.run(3)
    kernel.intervene(Intervention(3, without={gone: np.array([0])}))
    kernel.run()
    assert turned_left(heard, 0) == ([2] if gone == "operator" else [])
    assert turned_left(heard, 1) == ([4, 5, 6, 7, 8] if gone == "robot" else [])


def test_a_call_costs_what_it_costs():
    dear = driven({1, 6}, call=-2.0, rewards=Rewards(goal=0.0))
    assert [amount for _, _, amount in dear.rewards if amount] == [-2.0, -2.0]
    assert dear.samples[-1][1]["value"] == pytest.approx(-2.0 * (0.9**0.25 + 0.9**1.5))


def test_seats_of_operators_that_nobody_asks_change_nothing_about_how_all_move():
    def walks(world, **more):
        seating = {"pedestrian": [Group(SocialForce(noise=0.02), 4)], "robot": [Group(Straight(), 1)], **more}
        heard = play(world, seating, 5, 30).heard
        return np.array([row["seen"]["position"] for row in heard.rows if row["role"] != "operator"])

    plain = walks(Plaza(collisions="count"))
    seats = walks(OperatedPlaza(collisions="count", operator_ticks=4), operator=[Group(Straight(), 2)])
    assert plain.tobytes() == seats.tobytes()


@pytest.mark.parametrize("mind", [Straight(), Orca(), Planner(), Still()], ids=["straight", "orca", "planner", "still"])
@pytest.mark.parametrize("body", ["holonomic", "unicycle"])
def test_whoever_drives_itself_drives_another_in_the_same_way(mind, body):
    """An operator that is asked always moves its robot as the same mind would that sits in the robot itself."""

    class Always(type(mind)):
        def act(self, seen, seats):
            return {**super().act(seen, seats), "ask": np.ones(len(seats.members), dtype=bool)}

    def track(robot, **more):
        world = OperatedPlaza(collisions="count", operator_ticks=1, body=body)
        people = {"pedestrian": [Group(Orca(), 4)]}
        heard = play(world, {**people, "robot": [Group(robot, 1)], **more}, 2, 24).heard
        return np.array([row["seen"]["position"] for row in heard.rows if row["role"] == "robot"])

    alone = track(Always())
    assert np.array_equal(track(Always(), operator=[Group(mind, 1)]), alone)


SCENARIO = """
name: driven
world: {kind: operated_plaza, time_limit: 10, operator_ticks: 4, collisions: count}
roles:
  pedestrian: {kind: orca, count: 3}
  robot: {kind: random, count: 2}
  operator: OPERATOR
people: {default: {kind: scripted, answers: [go, left, wait]}}
horizon: 30
measures: [success, calls, driven]
faults: {most: 1}
"""


@pytest.mark.parametrize(
    "operator",
    ["straight", "orca", "social_force", "planner", "llm_robot", "person_robot", "random", "llm_agent"],
)
def test_one_line_fills_the_seat_of_an_operator(tmp_path, operator):
    (tmp_path / "it.yaml").write_text(SCENARIO.replace("OPERATOR", f"{{kind: {operator}}}"))
    run = open_run(execute(Order(load(tmp_path / "it.yaml"), tmp_path / "runs")).run)
    assert run.manifest["status"] == "success"
    assert run.table("measures")["driven"].iloc[-1] > 0.3
    assert replay_run(run.path).identical


def test_a_person_in_the_seat_is_asked_only_while_it_drives(tmp_path):
    (tmp_path / "it.yaml").write_text(SCENARIO.replace("OPERATOR", "{kind: person_robot}"))
    run = open_run(execute(Order(load(tmp_path / "it.yaml"), tmp_path / "runs")).run)
    rows = run.table("decisions.operator").dropna(subset=["mind.move"])
    assert len(run.table("asks")) == len(rows) > 0
    assert set(rows["mind.move"]) == {"go", "left", "wait"}


def test_a_move_is_kept_to_for_one_robot_and_not_for_the_next(tmp_path):
    """Nobody was asked about the other robot, nor about this one at a later call."""
    (tmp_path / "it.yaml").write_text(SCENARIO.replace("OPERATOR", "{kind: person_robot, seconds: 2}"))
    run = open_run(execute(Order(load(tmp_path / "it.yaml"), tmp_path / "runs")).run)
    rows = run.table("decisions.operator").dropna(subset=["mind.move"])
    drives, kept = [], 8  # ticks
    for tick, robot in zip(rows["tick"], rows["obs.robot"], strict=True):
        if drives and drives[-1][:2] == [robot, tick - 1]:
            drives[-1][1:] = [tick, drives[-1][2] + 1]
        else:
            drives.append([robot, tick, 1])
    assert {robot for robot, _, _ in drives} == {0, 1}
    assert len(run.table("asks")) == sum(-(-ticks // kept) for _, _, ticks in drives)


def test_robots_that_may_ask_are_an_environment(tmp_path):
    from pettingzoo.test import parallel_api_test

    (tmp_path / "it.yaml").write_text(SCENARIO.replace("OPERATOR", "{kind: orca}"))
    env = simworld.env(tmp_path / "it.yaml", ["robot"], api="parallel")
    parallel_api_test(env, num_cycles=40)
    assert "ask" in env.action_space("robot_0").spaces


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("operated_plaza, time_limit: 10, operator_ticks: 4", "plaza", "operator"),
        ("operator_ticks: 4", "operator_ticks: 0", "operator_ticks"),
        ("{kind: random, count: 2}", "{kind: random, count: 0}", "operators without a robot"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(tmp_path, old, new, message):
    (tmp_path / "it.yaml").write_text(SCENARIO.replace("OPERATOR", "{kind: orca}").replace(old, new))
    with pytest.raises(ScenarioError, match=message) as caught:
        check(load(tmp_path / "it.yaml"))
    assert "\n" not in str(caught.value)


class TestOperatorsOfUnicycles(WorldSuite):
    horizon = 15

    def world(self):
        return OperatedPlaza(body="unicycle", operator_ticks=2, collisions="count")

    def counts(self):
        return {"pedestrian": 3, "robot": 2, "operator": 1}

    def seating(self):
        return {role: [Group(RandomMind(), count)] for role, count in self.counts().items()}
