"""How robots on a plaza are judged, paid and measured: by hand, with people and robots that do as they are told."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simworld.errors import ScenarioError
from simworld.kernel import Cohort, Group
from simworld.scenario import load
from simworld.testing import play
from simworld.worlds.plaza import Plaza, Rewards, Ways

ROBOT = (0.0, -0.5)
"""Where the robot of a plaza of half a metre starts: one metre below its goal."""


class Told(Plaza):
    """A plaza where people stand where they are told to, and want to be 50 m to the left."""

    stand: tuple[tuple[float, float], ...] = ()

    def _placed(self, turn, people, robots):
        start = np.array(self.stand, dtype=np.float64).reshape(-1, 2)
        return Ways(start, start - np.array([50.0, 0.0]))


class Script(Cohort):
    """Acts by a list: one entry per tick, the last one again and again, for each of them or for all alike."""

    def __init__(self, *ticks, fields=("velocity",)):
        self.ticks, self.fields = ticks, fields

    def act(self, seen, seats):
        now = np.asarray(self.ticks[min(seats.tick, len(self.ticks) - 1)], dtype=np.float64)
        if self.fields == ("velocity",):
            now = now[seats.members] if now.ndim == 2 else np.broadcast_to(now, (len(seats.members), 2))
            return {"velocity": now.copy()}
        return {name: np.full(len(seats.members), value) for name, value in zip(self.fields, now, strict=True)}


STAY = Script((0.0, 0.0))
UP = Script((0.0, 1.0))


def walked(people=(), robot=UP, walk=STAY, robots=1, horizon=40, absent=None, **settings):
    """An episode with people at these places, who walk by one script, and robots that drive by another."""
    world = Told(**{"size": 0.5, "gap": 0.0} | settings)
    world.stand = tuple(people)
    seating = {"pedestrian": [Group(walk, len(people))], "robot": [Group(robot, robots)]}
    missing = {role: np.array(who) for role, who in (absent or {}).items()}
    return play(world, seating, horizon=horizon, absent=missing).heard


def numbers(heard):
    """The measures of an episode: its last sample."""
    return heard.samples[-1][1]


def fate(heard):
    """How a robot ended, and the tick in which it did."""
    last = numbers(heard)
    found = [name for name in ("success", "collision", "timeout") if last[name] == 1.0]
    return (*found, heard.samples[-1][0])


# -- the end of a robot --------------------------------------------------------------------------------------------

FREE, IN_THE_WAY = (9.0, 9.0), (0.55, 0.4)
"""Somebody far away, and somebody whom the robot touches in the tick in which it arrives: the third."""


@pytest.mark.parametrize(
    ("person", "limit", "expected"),
    [
        (FREE, None, ("success", 2)),
        (FREE, 0.75, ("success", 2)),
        (FREE, 0.5, ("timeout", 2)),
        (IN_THE_WAY, None, ("collision", 2)),
        (IN_THE_WAY, 0.75, ("collision", 2)),
        (IN_THE_WAY, 0.5, ("timeout", 2)),
        (IN_THE_WAY, 0.25, ("timeout", 1)),
    ],
)
def test_time_that_is_up_comes_before_contact_and_contact_before_arrival(person, limit, expected):
    heard = walked([person], time_limit=limit)
    assert fate(heard) == expected
    last = numbers(heard)
    assert last["success"] + last["collision"] + last["timeout"] == 1.0
    ends = {role: end for role, _, _, end in heard.closings}
    assert ends["robot"] == ("truncated" if expected[0] == "timeout" else "terminated")
    paid = {"success": 1.0, "collision": -0.25, "timeout": 0.0}[expected[0]]
    assert heard.rewards[-1] == ("robot", 0, paid)


def test_time_is_up_in_the_tick_that_begins_then_also_where_seconds_are_no_round_numbers():
    # 3 times 0.3 is a little less than 0.9.
    assert fate(walked([], STAY, dt=0.3, time_limit=0.9)) == ("timeout", 3)


def test_who_is_passed_within_a_tick_is_touched():
    """Two metres in one tick, past somebody who is 1.12 m away before and after."""
    fast = Script((0.0, 8.0))
    assert fate(walked([(0.5, -3.0)], fast, size=4.0, robot_speed=8.0)) == ("collision", 0)
    assert fate(walked([(0.61, -3.0)], fast, size=4.0, robot_speed=8.0))[0] == "success"


def test_a_person_is_judged_by_how_it_moved_before():
    # It stands, and steps up to the robot in this very tick: nothing is held against the robot before the next one.
    steps = Script((-2.0, 0.0), (0.0, 0.0))
    heard = walked([(1.0, -0.5)], STAY, steps, horizon=2)
    assert [sample["collision"] for _, sample in heard.samples] == [0.0, 1.0]
    assert [sample["minimum_distance"] for _, sample in heard.samples] == pytest.approx([0.4, -0.6])
    # It comes, and turns away in the very tick in which it would have touched.
    turns = Script((-2.0, 0.0), (3.0, 0.0))
    heard = walked([(1.5, -0.5)], STAY, turns, horizon=2)
    assert [sample["minimum_distance"] for _, sample in heard.samples] == pytest.approx([0.9, -0.1])
    assert fate(heard) == ("collision", 1)


def test_the_robot_is_judged_by_how_it_moves_now():
    turned = Script((1.0, 0.0), (-1.0, 0.0))
    heard = walked([(1.0, -0.5)], turned, horizon=3)
    # 0.15 m after the first tick, from which it goes back at once: with the velocity of before, 0.1 m would be too far.
    assert [sample["minimum_distance"] for _, sample in heard.samples] == pytest.approx([0.15, 0.15, 0.15])
    assert numbers(heard)["collision"] == 0.0


def test_a_contact_that_is_only_counted_ends_nothing():
    assert fate(walked([(0.5, 0.0)])) == ("collision", 0)
    heard = walked([(0.5, 0.0)], collisions="count")
    last = numbers(heard)
    assert (last["success"], last["collision"], last["collision_person"]) == (1.0, 1.0, 1.0)
    assert [amount for _, _, amount in heard.rewards] == [-0.25, -0.25, 0.75]


def test_walls_are_touched_by_whoever_is_nearer_than_its_radius():
    up = Script((0.0, 1.0))
    heard = walked([], up, scene="corridor", size=4.0, width=3.0, horizon=9)
    # From the middle, 1.5 m from the wall: 1.25 m after four ticks remain free, 0.25 m after the fifth do not.
    assert fate(heard)[0] == "collision"
    assert heard.samples[-1][0] == 4
    assert (numbers(heard)["collision_wall"], numbers(heard)["collision_person"]) == (1.0, 0.0)


# -- several robots ------------------------------------------------------------------------------------------------


def test_robots_that_meet_head_on_both_are_out():
    ahead = Script([(1.0, 0.0), (-1.0, 0.0)])
    heard = walked([], ahead, robots=2, scene="corridor", size=1.0)
    last = numbers(heard)
    # Two metres apart, and half a metre nearer in each tick: within 0.6 m in the third.
    assert (last["collision"], last["collision_robot"], last["collision_person"]) == (1.0, 1.0, 0.0)
    assert heard.samples[-1][0] == 2
    assert [amount for _, _, amount in heard.rewards] == [0.0, 0.0, 0.0, 0.0, -0.25, -0.25]


def test_robots_leave_one_by_one_and_the_episode_ends_with_the_last():
    # Robots 0 and 2 drive to the right in lanes of their own; 1 is absent.
    ahead = Script([(1.0, 0.0), (0.0, 0.0), (0.5, 0.0)])
    heard = walked([(0.0, 9.0)], ahead, robots=3, absent={"robot": [1]}, scene="corridor", size=1.0)
    # 2 m less 0.3 m take seven ticks at 1 m/s and fourteen at 0.5 m/s.
    assert heard.gone == [("robot", 6, 0)]
    assert ("robot", 13, 2, "terminated") in heard.closings
    assert [sample["success"] for _, sample in heard.samples] == [0.0] * 6 + [0.5] * 7 + [1.0]
    assert numbers(heard)["time_to_goal"] == pytest.approx((1.75 + 3.5) / 2.0)
    seen = [row["seen"]["robots"] for row in heard.rows if row["role"] == "pedestrian"]
    assert [bool(np.isnan(robots[0, 0])) for robots in seen] == [False] * 7 + [True] * 7
    assert np.isnan(np.array(seen)[:, 1]).all()


def test_a_robot_that_has_left_is_in_nobodys_way():
    # Robot 1 steps aside until 0 has arrived at (0.75, 0), comes back to (1, 0), and drives where 0 would stand.
    ticks = [[(1, 0), (0, 1)]] * 7 + [[(0, 0), (0, -1)]] * 7 + [[(0, 0), (-1, 0)]]
    heard = walked([], Script(*ticks), robots=2, scene="corridor", size=1.0, width=9.0)
    assert (numbers(heard)["success"], numbers(heard)["collision"]) == (1.0, 0.0)
    # One that stops just short of it is still there.
    ticks = [[(0.9, 0), (0, 1)]] * 7 + ticks[7:]
    heard = walked([], Script(*ticks), robots=2, scene="corridor", size=1.0, width=9.0)
    assert (numbers(heard)["success"], numbers(heard)["collision_robot"]) == (0.0, 1.0)


# -- what it earns -------------------------------------------------------------------------------------------------


def test_nearness_costs_by_the_metre_and_the_second():
    heard = walked([(0.7, 0.0)])
    # 0.6 m of the distance are bodies; the first tick comes as near as its end, the second as (0.7, 0).
    near = -0.5 * (0.2 - (math.hypot(0.7, 0.25) - 0.6)) * 0.25
    assert [amount for _, _, amount in heard.rewards] == pytest.approx([near, -0.5 * 0.1 * 0.25, 1.0])


def test_all_rewards_together():
    pay = Rewards(goal=10.0, collision=-20.0, discomfort=-4.0, discomfort_distance=0.5, progress=2.0, second=-0.4)
    heard = walked([(0.7, 0.0)], rewards=pay)
    first = 2.0 * 0.25 - 0.4 * 0.25 - 4.0 * (0.5 - (math.hypot(0.7, 0.25) - 0.6)) * 0.25
    # On arrival nearness costs nothing more.
    expected = [first, 0.5 - 0.1 - 4.0 * 0.4 * 0.25, 0.5 - 0.1 + 10.0]
    assert [amount for _, _, amount in heard.rewards] == pytest.approx(expected)
    hit = walked([(0.5, 0.0)], rewards=pay)
    assert [amount for _, _, amount in hit.rewards] == pytest.approx([0.5 - 0.1 - 20.0])


def test_what_is_earned_later_counts_less():
    heard = walked([(0.7, 0.0)], discount=0.8, robot_speed=2.0, dt=0.25)
    amounts = [amount for _, _, amount in heard.rewards]
    # By seconds times greatest speed: 0, 0.5 and 1 m.
    assert numbers(heard)["value"] == pytest.approx(amounts[0] + 0.8**0.5 * amounts[1] + 0.8 * amounts[2])


# -- what is measured of it ----------------------------------------------------------------------------------------

DETOUR = Script(*[(0, 0)] * 2, *[(1, 0)] * 2, *[(0, 1)] * 8, *[(-1, 0)] * 2)
"""Two metres up, by way of half a metre to the right, after half a second of rest: 14 ticks, 3 m."""


def test_the_measures_of_a_detour_by_hand():
    heard = walked([(1.5, 0.0)], DETOUR, size=1.0, within=0.1)
    last = numbers(heard)
    assert last["success"] == 1.0
    assert last["time_to_goal"] == 3.5
    assert last["path_length"] == 3.0
    assert last["spl"] == pytest.approx(2.0 / 3.0)
    assert last["stalled_time"] == 0.5
    assert last["minimum_distance"] == pytest.approx(0.4)
    # From y = -0.25 to 0.25 the surfaces are within 0.45 m; only from (0, -1) and (0, 1) are they not within 1.2 m.
    assert last["personal_space_time"] == 0.75
    assert last["personal_space"] == pytest.approx(3.0 / 14.0)
    assert last["personal_space_wide"] == pytest.approx(11.0 / 14.0)
    # Accelerations of (4, 0), (-4, 4) and (-4, -4) m/s2, each from nought and back, in 12 changes after it set out.
    assert last["jerk"] == pytest.approx((2.0 * 16.0 + 4.0 * 16.0 * math.sqrt(2.0)) / 12.0)
    # It never heads for the person.
    assert math.isnan(last["time_to_collision"])


def test_speed_acceleration_and_jerk_of_a_robot_that_drives_straight_and_stops_by_hand():
    slow_fast_stop = Script(*[(0.0, 0.5)] * 2, *[(0.0, 1.0)] * 2, *[(0.0, 0.0)] * 2)
    heard = walked([], slow_fast_stop, size=4.0, horizon=6)
    last = numbers(heard)
    # 0.5, 0.5, 1, 1, 0 and 0 m/s, in ticks of a quarter of a second.
    assert [last["speed"], last["speed_min"], last["speed_max"]] == pytest.approx([0.5, 0.0, 1.0])
    # From one to the next 0, 2, 0, -4 and 0 m/s2: that it set out from rest does not count.
    found = [last["acceleration"], last["acceleration_min"], last["acceleration_max"]]
    assert found == pytest.approx([6.0 / 5.0, 0.0, 4.0])
    # And from one of these to the next 8, -8, -16 and 16 m/s3.
    assert [last["jerk"], last["jerk_min"], last["jerk_max"]] == pytest.approx([12.0, 8.0, 16.0])
    # What needs two ticks, or three, is not known before.
    known = [[name for name in ("speed", "acceleration", "jerk") if sample[name] >= 0.0] for _, sample in heard.samples]
    assert known == [["speed"], ["speed", "acceleration"], *[["speed", "acceleration", "jerk"]] * 4]
    assert heard.samples[2][1]["acceleration_max"] == pytest.approx(2.0)


def test_speed_and_acceleration_are_those_of_all_ticks_of_all_robots():
    # The one on the left goes at 1 m/s for two ticks and stands for two; the other stands, and the third is not there.
    robots = [[(1.0, 0.0), (0.0, 0.0), (0.0, 0.0)]] * 2 + [[(0.0, 0.0)] * 3]
    heard = walked([], Script(*robots), robots=3, absent={"robot": [2]}, scene="corridor", size=4.0, horizon=4)
    last = numbers(heard)
    assert [last["speed"], last["speed_min"], last["speed_max"]] == pytest.approx([2.0 / 8.0, 0.0, 1.0])
    # Three changes of either: 0, 4 and 0 m/s2 of the one, none of the other.
    assert [last["acceleration"], last["acceleration_max"]] == pytest.approx([4.0 / 6.0, 4.0])


def test_the_time_that_people_lose_by_hand():
    # They like to walk at 1 m/s to the left. One does; one stands; one walks away at half a metre per second.
    steps = [[(-1.0, 0.0), (0.0, 0.0), (0.5, 0.0)]]
    heard = walked([(9.0, 2.0), (9.0, 4.0), (9.0, 6.0)], STAY, Script(*steps), horizon=4)
    found = [sample["people_delay"] for _, sample in heard.samples]
    assert found == pytest.approx([k * 0.25 * (0.0 + 1.0 + 1.5) / 3.0 for k in (1, 2, 3, 4)])
    # Who is pushed on loses less than nothing, and who is within a second of its goal loses nothing more.
    pushed = walked([(9.0, 2.0)], STAY, Script((-1.2, 0.0)), horizon=4)
    assert numbers(pushed)["people_delay"] == pytest.approx(-0.2)
    there = walked([(9.0, 2.0)], STAY, Script(*[(-3.0, 0.0)] * 66, (0.0, 0.0)), horizon=80)
    assert numbers(there)["people_delay"] == pytest.approx(66 * 0.25 * (1.0 - 3.0))  # from 50 m to half a metre
    assert math.isnan(numbers(walked())["people_delay"])


def test_whose_way_leads_through_a_door_loses_no_time_on_the_way_to_it():
    # From (2, 3) to 50 m to the left: the straight way leads through the wall, the door is at most 0.94 m up.
    door = np.array([0.0, 1.3 - 0.36]) - np.array([2.0, 3.0])
    step = tuple(door / np.hypot(*door))
    heard = walked([(2.0, 3.0)], STAY, Script(step), scene="doorway", size=4.0, width=2.6, horizon=4)
    assert numbers(heard)["people_delay"] == pytest.approx(0.0, abs=1e-12)


def test_time_to_collision_is_the_least_there_ever_was():
    heard = walked([(0.0, 3.0)], size=1.0, within=0.1)
    found = [sample["time_to_collision"] for _, sample in heard.samples]
    # From (0, -0.75) on, 3.15 m lie between the surfaces, and it drives at 1 m/s.
    assert found == pytest.approx([3.15 - 0.25 * k for k in range(8)])
    away = walked([(0.0, 3.0)], Script((0.0, 1.0), (0.0, -1.0)), size=1.0, horizon=4)
    assert numbers(away)["time_to_collision"] == pytest.approx(3.15)
    # Where they overlap there is no time left, also for a robot that stands.
    assert numbers(walked([(0.5, -0.5)], STAY))["time_to_collision"] == 0.0


def test_nothing_is_known_of_people_where_there_are_none():
    last = numbers(walked())
    assert math.isnan(last["minimum_distance"])
    assert math.isnan(last["time_to_collision"])
    assert (last["personal_space"], last["success"], last["spl"]) == (0.0, 1.0, 1.0)


def test_who_does_not_arrive_has_no_time_to_the_goal_and_no_spl():
    last = numbers(walked([(0.55, 0.0)]))
    assert math.isnan(last["time_to_goal"])
    assert last["spl"] == 0.0


def test_measures_are_means_over_robots():
    # One of them stands all the time, next to a person; the other drives to its goal, far from anybody.
    both = Script([(1.0, 0.0), (0.0, 0.0), (0.0, 0.0)])
    heard = walked([(-1.0, 1.8)], both, robots=3, absent={"robot": [1]}, scene="corridor", size=1.0, time_limit=3.75)
    last = numbers(heard)
    assert (last["success"], last["timeout"], last["spl"]) == (0.5, 0.5, 0.5)
    assert last["path_length"] == pytest.approx(1.75 / 2.0)
    # 16 ticks of the one, 7 of the other; 0.4 m between surfaces are within 0.45 m.
    assert last["personal_space_time"] == pytest.approx(16 * 0.25 / 2.0)
    assert last["personal_space"] == pytest.approx(16.0 / 23.0)
    assert last["stalled_time"] == pytest.approx(16 * 0.25 / 2.0)


# -- how bodies move -----------------------------------------------------------------------------------------------


def test_a_unicycle_drives_along_an_arc():
    heard = walked([], Script((0.5, 0.8), fields=("forward", "turn")), body="unicycle", size=4.0, horizon=60)
    seen = [row["seen"] for row in heard.rows]
    angle = 0.8 * 0.25 * np.arange(60)
    arc = 0.5 / 0.8 * np.stack([np.cos(angle) - 1.0, np.sin(angle)], axis=1)  # it begins upwards and turns to the left
    assert np.array([s["position"] for s in seen]) == pytest.approx(arc - np.array([0.0, 4.0]), abs=1e-12)
    heading = np.array([s["heading"] for s in seen])
    assert np.exp(1j * heading) == pytest.approx(np.exp(1j * (angle + np.pi / 2.0)), abs=1e-12)
    assert (np.abs(heading) <= np.pi).all()


def test_a_unicycle_that_does_not_turn_drives_straight_on_and_backwards_it_cannot():
    heard = walked([], Script((1.0, 0.0), fields=("forward", "turn")), body="unicycle")
    assert fate(heard) == ("success", 2)
    role = Plaza(body="unicycle").roles[1]
    assert [(f.name, f.low, f.high) for f in role.act] == [("forward", 0.0, 1.0), ("turn", -1.0, 1.0)]


def test_a_robot_is_no_faster_than_it_can_be_also_at_a_slant():
    heard = walked([], Script((1.0, 1.0)), size=4.0, horizon=2)
    velocity = heard.rows[-1]["seen"]["velocity"]
    assert velocity == pytest.approx([math.sqrt(0.5)] * 2)


def test_a_robot_sees_the_nearest_first_from_where_it_is():
    heard = walked([(3.0, -0.5), (0.0, 0.5), (-2.0, -0.5)], STAY, Script((0.0, 0.5)), horizon=2, near=2)
    first, second = (row["seen"]["near"] for row in heard.rows if row["role"] == "robot")
    assert first.tolist() == [[0.0, 1.0, 0.0, 0.0, 0.3], [-2.0, 0.0, 0.0, 0.0, 0.3]]
    assert second.tolist() == [[0.0, 1.125, 0.0, 0.5, 0.3], [-2.0, 0.125, 0.0, 0.5, 0.3]]
    alone = walked([(3.0, -0.5)], STAY, horizon=1, near=2)
    near = next(row["seen"]["near"] for row in alone.rows if row["role"] == "robot")
    assert np.isnan(near).tolist() == [[False] * 5, [True] * 5]


@pytest.mark.parametrize(
    ("world", "says"),
    [
        (
            "rewards: {gold: 1.0}",
            r"it\.yaml:1:\d+: world\.rewards\.gold: unknown key; did you mean 'goal'\? accepted: goal",
        ),
        (
            "manners: {frightened: 1}",
            r"world\.manners\.frightened: found the key 'frightened'; accepted: regular, impassive",
        ),
    ],
)
def test_a_word_that_it_does_not_know_is_told_with_those_that_it_does(tmp_path, world, says):
    path = tmp_path / "it.yaml"
    path.write_text(f"world: {{kind: plaza, {world}}}\nroles: {{robot: {{kind: straight}}}}\nhorizon: 3\n")
    with pytest.raises(ScenarioError, match=says):
        load(path)
