"""People and robots who make their way: through scenes, past robots in every manner, and the same in any crowd."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simworld.kernel import Group
from simworld.testing import CohortSuite, play
from simworld.worlds.plaza import MANNERS, Plaza, Ways, from_walls, length
from simworld_agents.navigator import Orca, SocialForce, Still, Straight, Walker
from simworld_agents.navigator._seeing import View

LAWS = ("moussaid", "helbing", "circular")


class OnFoot(CohortSuite):
    role = "pedestrian"
    mind = Straight

    def world(self):
        return Plaza(scene="corridor", size=4.0, reacting=0.5, manners={"scared": 1.0, "impassive": 1.0})

    def cohort(self):
        return self.mind()


class TestStraightOnFoot(OnFoot):
    pass


class TestStillOnFoot(OnFoot):
    mind = Still


class TestOrcaOnFoot(OnFoot):
    def cohort(self):
        return Orca(noise=0.02)


class TestSocialForceOnFoot(OnFoot):
    def cohort(self):
        return SocialForce("helbing", noise=0.02)


class TestOrcaOnWheels(OnFoot):
    role = "robot"
    mind = Orca

    def world(self):
        return Plaza(body="unicycle")


class TestSocialForceAsARobot(OnFoot):
    role = "robot"
    mind = SocialForce


# -- through scenes ------------------------------------------------------------------------------------------------

SCENES = {
    "corridor": {"size": 6.0, "width": 3.0},
    "doorway": {"size": 5.0, "width": 1.6},
    "intersection": {"size": 7.0, "width": 3.0},
}


def walked(world, mind, people=8, horizon=400, seed=2):
    """Where people were, (ticks, people, 2), and where they wanted to go."""
    rows = play(world, {"pedestrian": [Group(mind, people)], "robot": [Group(Still(), 0)]}, seed, horizon).heard.rows
    at = np.array([row["seen"]["position"] for row in rows]).reshape(horizon, people, 2)
    return at, np.array([row["seen"]["goal"] for row in rows[:people]]), rows[0]["seen"]["walls"]


def crossings(before, after, walls):
    """How many steps go through a wall."""

    def side(a, b, c):
        return np.sign(
            (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])
        )

    found = 0
    for wall in walls:
        one, other = wall[:2], wall[2:]
        apart = side(one, other, before) != side(one, other, after)
        found += int((apart & (side(before, after, one) != side(before, after, other))).sum())
    return found


def through(scene, mind, dt, horizon, people=8):
    """Who has come near its goal, and where everybody was; over a few seeds."""
    found = []
    for seed in (1, 2):
        at, goal, walls = walked(Plaza(scene=scene, dt=dt, **SCENES[scene]), mind, people, horizon, seed)
        assert crossings(at[:-1], at[1:], walls) == 0
        found.append((length(at[-1] - goal) < 1.0, at, walls))
    return found


@pytest.mark.parametrize("scene", ["corridor", "intersection"])
@pytest.mark.parametrize("law", LAWS)
def test_social_forces_bring_everybody_through_and_nobody_through_a_wall(scene, law):
    for arrived, _, _ in through(scene, SocialForce(law), 0.1, 300):
        assert arrived.sum() >= 7


@pytest.mark.parametrize("scene", ["corridor", "intersection"])
def test_with_orca_everybody_comes_through_and_touches_nobody_and_nothing(scene):
    for arrived, at, walls in through(scene, Orca(), 0.25, 140, people=5):
        assert arrived.all()
        assert min(length(from_walls(now, walls)[0]).min() for now in at) >= 0.3
        assert closest(at) >= 0.6


def rvo2_walks(start, goal, walls, ticks, aims):
    """The same people in one simulator of RVO2, (ticks, people, 2)."""
    pyrvo = pytest.importorskip("pyrvo", reason="pyrvo, which wraps RVO2, is not installed here")
    sim, found = pyrvo.RVOSimulator(0.25, 10.0, 10, 5.0, 1.0, 0.31, 1.0), []
    for place in start:
        sim.add_agent(tuple(place), 10.0, 10, 5.0, 1.0, 0.31, 1.0, (0.0, 0.0))
    for wall in walls:
        sim.add_obstacle([tuple(wall[:2]), tuple(wall[2:])])
    sim.process_obstacles()
    for _ in range(ticks):
        found.append([sim.get_agent_position(i).to_tuple() for i in range(len(start))])
        aim = aims(np.array(found[-1]), goal, 0.3)
        offset, last = aim - found[-1], (aim == goal).all(axis=1)
        far = np.where(last, np.maximum(length(offset), 1.0), length(offset))
        for i, wish in enumerate(offset / far[:, None]):
            sim.set_agent_pref_velocity(i, tuple(wish))
        sim.do_step()
    return np.array(found)


def closest(at):
    """How near two of them ever come."""
    apart = length(at[:, :, None] - at[:, None])
    apart[:, np.arange(at.shape[1]), np.arange(at.shape[1])] = np.inf
    return apart.min()


@pytest.mark.parametrize(("scene", "seed"), [("corridor", 1), ("corridor", 3), ("intersection", 0), ("doorway", 1)])
def test_where_it_is_too_narrow_they_touch_as_much_as_in_rvo2(scene, seed):
    at, goal, walls = walked(Plaza(scene=scene, **SCENES[scene]), Orca(), horizon=120, seed=seed)
    others = rvo2_walks(at[0], goal, walls, 120, Plaza(scene=scene, **SCENES[scene])._scene.aims)
    assert closest(at) == pytest.approx(closest(others), abs=0.02)
    assert np.array_equal(length(at[-1] - goal) < 1.0, length(others[-1] - goal) < 1.0)


@pytest.mark.parametrize("mind", [Orca(), SocialForce("moussaid"), SocialForce("helbing")], ids=["orca", *LAWS[:2]])
def test_everybody_comes_through_a_door_and_nobody_through_the_wall_beside_it(mind):
    for _, at, _ in through("doorway", mind, 0.125, 320):
        assert (at[0, :, 0] * at[-1, :, 0] < 0).all()


def test_straight_on_is_through_the_door():
    at, goal, walls = walked(Plaza(scene="doorway", **SCENES["doorway"]), Straight(), horizon=80)
    assert crossings(at[:-1], at[1:], walls) == 0
    assert length(at[-1] - goal).max() < 0.3


# -- past a robot, each in its manner ------------------------------------------------------------------------------


class Told(Plaza):
    """A plaza where one person stands where it is told to, and wants to go 50 m to the left; the robot is at (0, -4)."""

    stand: tuple[float, float] = (0.0, 0.0)

    def _placed(self, turn, people, robots):
        start = np.array([self.stand])
        return Ways(start, start - np.array([50.0, 0.0]))


class Going(Walker):
    """Goes on and on at one velocity."""

    def __init__(self, velocity):
        self.velocity = velocity

    def steer(self, view):
        return np.tile(self.velocity, (len(view.position), 1))


def met(manner, stand, robot=(0.0, 0.0), mind=None, ticks=12):
    """Where the person is and what it does, and where the robot is: (ticks, 2) each."""
    world = Told(manners={manner: 1.0}, collisions="count")
    world.stand = stand
    seating = {"pedestrian": [Group(mind or Straight(), 1)], "robot": [Group(Going(robot), 1)]}
    rows = play(world, seating, horizon=ticks).heard.rows
    people, robots = ([row for row in rows if row["role"] == role] for role in ("pedestrian", "robot"))
    return (
        np.array([row["seen"]["position"] for row in people]),
        np.array([row["done"]["velocity"] for row in people]),
        np.array([row["seen"]["position"] for row in robots]),
    )


@pytest.mark.parametrize("manner", ["regular", "impassive"])
def test_the_regular_and_the_impassive_go_on(manner):
    _, does, _ = met(manner, (2.0, -4.0))
    assert does == pytest.approx(np.tile([-1.0, 0.0], (12, 1)))


def test_the_surprised_stand_once_they_notice_it():
    at, does, _ = met("surprised", (5.0, -4.0))
    # 4 m are not yet near enough.
    assert does[:, 0] == pytest.approx([-1.0] * 5 + [0.0] * 7)
    assert at[-1] == pytest.approx([3.75, -4.0])


def test_the_scared_keep_away():
    _, does, _ = met("scared", (2.0, -4.0))
    assert does[0] == pytest.approx([-1.0 + 2.0 * np.exp(-2.0), 0.0])
    _, does, _ = met("scared", (0.5, -4.0))
    assert does[0] == pytest.approx([-1.0 + 2.0 * np.exp(-0.5), 0.0])
    assert does[0, 0] > 0.0
    at, _, robot = met("scared", (2.0, -4.0), ticks=80)
    assert length(at - robot).min() > np.log(2.0) - 0.05  # where both wishes are equally strong


def test_the_curious_go_up_to_it_at_half_their_speed():
    at, does, _ = met("curious", (0.0, -1.0), ticks=20)
    assert does == pytest.approx(np.array([[0.0, -0.5]] * 12 + [[0.0, 0.0]] * 8))
    assert at[-1].tolist() == [0.0, -2.5]


def test_the_threatening_step_in_its_way():
    at, does, robot = met("threatening", (1.5, -2.0), (0.0, 0.5), ticks=20)
    # To one metre ahead of where it drives, keeping up with it: as fast as they can, and near it more slowly.
    way = (robot + np.array([0.0, 1.0]) - at)[1:] + np.array([0.0, 0.5])
    assert does[1:] == pytest.approx(way / np.maximum(length(way), 1.0)[:, None])
    assert np.abs(at[-1, 0]) < 0.1
    assert at[-1, 1] > robot[-1, 1] + 0.3


@pytest.mark.parametrize("mind", [Orca(), SocialForce(), SocialForce("helbing")], ids=["orca", "moussaid", "helbing"])
def test_to_the_impassive_a_robot_is_a_thing_that_stands(mind):
    here = crowd(3)
    n = len(here.own)
    fast = here.bodies.copy()
    fast[FEW:, 2:4] += 0.5
    for manner, same in (("impassive", True), ("regular", False)):
        takes = replace(here, sees=np.ones(n, dtype=np.bool_), manner=np.full(n, MANNERS.index(manner)))
        found, other = mind.steer(takes), mind.steer(replace(takes, bodies=fast))
        assert (found.tobytes() == other.tobytes()) is same


def test_with_orca_the_impassive_do_all_of_the_avoiding_themselves():
    aside = {manner: met(manner, (2.5, -3.9), (0.0, 0.0), Orca(), ticks=2)[1][1, 1] for manner in MANNERS[:2]}
    # Nearly twice the half that others take on: a velocity also has to be no faster than one likes to walk.
    assert aside["impassive"] > 1.5 * aside["regular"] > 0.0


def test_the_threatening_stop_before_a_robot_that_stands():
    at, _, robot = met("threatening", (1.5, -2.0), (0.0, 0.0), ticks=40)
    assert length(at[-1] - robot[-1]) == pytest.approx(1.0, abs=0.05)
    assert length(at - robot).min() > 0.6


@pytest.mark.parametrize("manner", ["surprised", "scared", "curious", "threatening"])
def test_nobody_notices_a_robot_that_is_far_away(manner):
    _, does, _ = met(manner, (0.0, 0.5), ticks=1)
    assert does[0] == pytest.approx([-1.0, 0.0])


# -- in any crowd --------------------------------------------------------------------------------------------------

FEW, FAR, ROBOTS = 60, 80, 3
"""People near each other, and others a kilometre away, with whom it is a crowd: neighbours are found another way."""


def crowd(key, far=0, absent=7):
    """What the few see who are there, among them and robots; others may be far away."""
    draw = np.random.Generator(np.random.Philox(key=key))
    n, robots = FEW + far, ROBOTS
    bodies = np.full((FEW + FAR + robots, 5), 0.3)
    bodies[:, :2] = draw.uniform(0.0, 9.0, (len(bodies), 2))
    bodies[:, 2:4] = draw.normal(0.0, 0.7, (len(bodies), 2))
    bodies[FEW : FEW + FAR, 0] += 1000.0
    bodies[:absent] = np.nan
    bodies = np.concatenate([bodies[:n], bodies[-robots:]])
    own = np.arange(absent, FEW)
    sees, manner = draw.random(FEW) < 0.5, draw.integers(0, len(MANNERS), FEW)
    offset = draw.normal(0.0, 5.0, (FEW, 2))
    return View(
        bodies[own, :2],
        bodies[own, 2:4],
        offset[own],
        np.ones(len(own), dtype=np.bool_),
        np.ones(len(own)),
        np.full(len(own), 0.3),
        own,
        bodies,
        n,
        sees[own],
        manner[own],
        np.array([[0.0, -1.0, 9.0, -1.0]]),
        0.25,
    )


def named(rows, far):
    """Rows of others: robots have the same whether others are far away or not."""
    return np.where(rows >= FEW, rows - far, rows)


@pytest.mark.parametrize("key", range(4))
def test_a_tree_finds_the_same_neighbours_as_a_table(key):
    few, many = crowd(key), crowd(key, far=FAR)
    for within, most in ((3.0, 10), (1.0, 10), (20.0, 4)):
        near, there = few.nearest(within, most)
        others, as_well = many.nearest(within, most)
        assert there.any()
        assert np.array_equal(there, as_well)
        assert np.array_equal(near[there], named(others, FAR)[there])


@pytest.mark.parametrize("key", range(4))
def test_a_tree_finds_the_same_pairs_as_a_table(key):
    few, many = crowd(key), crowd(key, far=FAR)
    for within in (1.0, 3.0):
        of, by = few.pairs(within)
        of_many, by_many = many.pairs(within)
        assert len(of) > 50
        assert np.array_equal(of, of_many)
        assert np.array_equal(by, named(by_many, FAR))
        assert not ((by >= FEW) & ~few.sees[of]).any()


@pytest.mark.parametrize(
    "mind", [Straight(), Orca(), *(SocialForce(law) for law in LAWS)], ids=["straight", "orca", *LAWS]
)
def test_nobodys_velocity_depends_on_who_is_far_away_or_decides_at_the_same_time(mind):
    few, many = crowd(5), crowd(5, far=FAR)
    found = mind.steer(few)
    assert np.isfinite(found).all()
    assert mind.steer(many).tobytes() == found.tobytes()
    one = slice(10, 11)
    alone = replace(
        few,
        **{
            name: getattr(few, name)[one]
            for name in ("position", "velocity", "offset", "last", "speed", "radius", "own")
        },
        sees=few.sees[one],
        manner=few.manner[one],
    )
    assert mind.steer(alone).tobytes() == found[one].tobytes()
    # Somebody near does matter, except to those who walk straight on.
    moved = few.bodies.copy()
    moved[np.setdiff1d(np.arange(FEW), few.own[one]), :2] += 0.1
    assert (mind.steer(replace(few, bodies=moved)).tobytes() == found.tobytes()) == isinstance(mind, Straight)


def test_noise_is_drawn_by_address_and_as_large_as_it_is_told_to_be():
    def wanders(noise, absent=()):
        world = Plaza(scene="open", size=200.0)
        seating = {"pedestrian": [Group(Straight(noise), 300)], "robot": [Group(Still(), 0)]}
        who = {"pedestrian": np.array(absent, dtype=np.int64)}
        rows = play(world, seating, 3, 2, absent=who).heard.rows
        return {row["member"]: row["done"]["velocity"] for row in rows if row["tick"] == 1}

    calm, noisy = wanders(0.0), wanders(0.1)
    apart = np.array([noisy[m] - calm[m] for m in range(300)])
    assert apart.std() == pytest.approx(0.1, abs=0.01)
    fewer = wanders(0.1, absent=range(100, 300))
    assert all(np.array_equal(fewer[m], noisy[m]) for m in range(100))
