"""Where people and robots of a plaza start from and go to, in every scene."""

from __future__ import annotations

import numpy as np
import pytest

from simworld.kernel import Group, Kernel
from simworld.testing import RandomMind, WorldSuite
from simworld.worlds.plaza import Plaza, from_walls, length


class TestCrowdNav(WorldSuite):
    def world(self):
        return Plaza(places="crowdnav")


class TestCorridorOfUnicycles(WorldSuite):
    def world(self):
        return Plaza(scene="corridor", size=6.0, body="unicycle", collisions="count")


class TestDoorwayThroughWhichPeopleCome(WorldSuite):
    def world(self):
        return Plaza(scene="doorway", arrivals=4.0, on_arrival="leave")


class TestOpenSquareOfAllManners(WorldSuite):
    def world(self):
        manners = {
            "regular": 1.0,
            "impassive": 1.0,
            "surprised": 1.0,
            "scared": 1.0,
            "curious": 1.0,
            "threatening": 1.0,
        }
        return Plaza(scene="open", size=8.0, manners=manners, reacting=0.5, speed_spread=0.3, on_arrival="return")


ROOMY = {
    "circle": {"size": 6.0},
    "square": {"size": 6.0},
    "corridor": {"size": 30.0},
    "doorway": {"size": 8.0},
    "intersection": {"size": 12.0},
    "perpendicular": {"size": 8.0, "width": 6.0},
    "open": {"size": 10.0},
}
"""All scenes, so large that fourteen people and two robots have their places."""


def begun(world, people=14, robots=2, seed=1, absent=None):
    """What everybody sees at the beginning: people, and robots."""
    missing = {role: np.array(who) for role, who in (absent or {}).items()}
    minds = {"pedestrian": [Group(RandomMind(), people)], "robot": [Group(RandomMind(), robots)]}
    kernel = Kernel(world, minds, seed, 5, missing)
    kernel.begin()
    return tuple(world.observe(role, kernel.roster(role).present()) for role in ("pedestrian", "robot"))


def least_distance(places):
    away = length(places[:, None] - places[None])
    np.fill_diagonal(away, np.inf)
    return away.min()


@pytest.mark.parametrize("kind", ROOMY)
def test_nobody_starts_or_ends_too_near_to_another_or_in_a_wall(kind):
    for seed in range(5):
        people, robots = begun(Plaza(scene=kind, gap=0.9, **ROOMY[kind]), seed=seed)
        starts = np.concatenate([people["position"], robots["position"]])
        goals = np.concatenate([people["goal"], robots["goal"]])
        assert least_distance(starts) >= 0.9
        assert least_distance(goals) >= 0.9
        if len(people["walls"]):
            for places in (starts, goals):
                assert length(from_walls(places, people["walls"])[0]).min() >= 0.3


def test_crowdnavs_starts_keep_clear_of_starts_and_goals():
    for seed in range(1000, 1010):
        people, robots = begun(Plaza(places="crowdnav"), people=5, robots=1, seed=seed)
        for i, start in enumerate(people["position"]):
            before = np.concatenate([robots["position"], people["position"][:i], robots["goal"], people["goal"][:i]])
            assert length(before - start).min() >= 0.8


@pytest.mark.parametrize("kind", ROOMY)
def test_a_start_does_not_depend_on_who_is_left_out(kind):
    def seen(absent=None):
        return begun(Plaza(scene=kind, speed_spread=0.2, reacting=0.5, **ROOMY[kind]), absent=absent)[0]

    whole, rest = seen(), seen({"pedestrian": [0, 3], "robot": [0, 1]})
    stay = np.setdiff1d(np.arange(14), [0, 3])
    for name in ("position", "goal", "speed", "reacts", "manner"):
        assert np.array_equal(whole[name][stay], rest[name])


def test_crowdnavs_starts_do_not_depend_on_who_is_left_out_either():
    whole, _ = begun(Plaza(places="crowdnav"), people=5, robots=1, seed=1004)
    rest, robots = begun(
        Plaza(places="crowdnav"), people=5, robots=1, seed=1004, absent={"pedestrian": [1], "robot": [0]}
    )
    assert not len(robots["position"])
    assert np.array_equal(whole["position"][[0, 2, 3, 4]], rest["position"])


def test_everybody_crosses_the_circle():
    people, robots = begun(Plaza(size=6.0), robots=1)
    assert np.array_equal(people["goal"], -people["position"])
    assert length(people["position"]) == pytest.approx(np.full(14, 6.0), abs=0.5 * np.sqrt(2.0))
    assert robots["position"].tolist() == [[0.0, -6.0]]
    assert robots["goal"].tolist() == [[0.0, 6.0]]
    assert robots["heading"] == pytest.approx([np.pi / 2.0])


def test_robots_of_a_circle_stand_around_it_and_those_of_a_corridor_in_lanes():
    _, robots = begun(Plaza(size=6.0), people=0, robots=4)
    assert robots["position"] == pytest.approx(np.array([[0.0, -6.0], [6.0, 0.0], [0.0, 6.0], [-6.0, 0.0]]), abs=1e-12)
    assert np.array_equal(robots["goal"], -robots["position"])
    _, robots = begun(Plaza(scene="corridor", size=6.0), people=0, robots=5)
    assert robots["position"].tolist() == [[-6.0, 0.0], [6.0, 0.0], [-6.0, 0.8], [6.0, 0.8], [-6.0, -0.8]]
    assert np.array_equal(robots["goal"], robots["position"] * [-1.0, 1.0])


def in_place(world, robots):
    """Whether so many robots start clear of each other and of the walls."""
    place = begun(world, people=0, robots=robots)[1]["position"]
    apart = length(place[:, None] - place) + np.where(np.eye(robots), np.inf, 0.0)
    walls = world.backdrop
    off = length(from_walls(place, walls)[0]).min(initial=np.inf) if len(walls) else np.inf
    inside = world.scene not in {"corridor", "intersection"} or np.abs(place[:, 1]).max() < world.width / 2.0
    return bool(apart.min() >= 2.0 * world.radius - 1e-9 and off >= world.radius - 1e-9 and inside)


@pytest.mark.parametrize(
    ("world", "most"),
    [
        (Plaza(size=2.0), 20),
        (Plaza(scene="open", size=1.0, radius=0.5), 6),
        (Plaza(scene="corridor", size=6.0, width=2.4), 6),
        (Plaza(scene="corridor", size=6.0, width=2.0, radius=0.45), 2),
        (Plaza(scene="intersection", size=6.0, width=4.0), 10),
    ],
)
def test_as_many_robots_are_taken_as_have_room(world, most):
    world.check({"robot": most})
    assert in_place(world, most)
    assert not in_place(world, most + 1)
    accepted = f"{world.scene}: found {most + 1} robots of radius {world.radius}; accepted: at most {most} with "
    with pytest.raises(ValueError, match=accepted):
        world.check({"robot": most + 1})


def test_a_corridor_narrower_than_a_robot_takes_none():
    with pytest.raises(ValueError, match=r"accepted: at most 0 with width 0\.5, or a greater width"):
        Plaza(scene="corridor", width=0.5).check({"robot": 1})


def test_everybody_goes_to_the_other_half_of_a_square():
    people, _ = begun(Plaza(scene="square", size=6.0))
    start, goal = people["position"], people["goal"]
    assert (start[:, 0] * goal[:, 0] < 0).all()
    assert set(np.sign(start[:, 0])) == {-1.0, 1.0}
    assert np.abs(np.concatenate([start, goal])).max() <= 6.0


def test_both_halves_of_a_square_are_filled_evenly():
    people, _ = begun(Plaza(scene="square", size=6.0, gap=0.0), people=800)
    for places in (people["position"], people["goal"]):
        counts, *_ = np.histogram2d(*places.T, bins=4, range=[[-6.0, 6.0]] * 2)
        assert counts == pytest.approx(np.full((4, 4), 50.0), abs=25.0)


def test_everybody_goes_along_a_corridor_and_keeps_half_a_metre_from_its_walls():
    people, _ = begun(Plaza(scene="corridor", size=12.0, width=3.0))
    start, goal = people["position"], people["goal"]
    assert people["walls"].tolist() == [[-12.0, -1.5, 12.0, -1.5], [-12.0, 1.5, 12.0, 1.5]]
    assert (start[:, 0] == -goal[:, 0]).all()
    assert set(np.sign(start[:, 0])) == {-1.0, 1.0}
    assert np.abs(start[:, 0]).min() >= 6.0
    assert np.abs(np.concatenate([start, goal])[:, 1]).max() <= 1.0


def test_everybody_goes_through_the_door():
    people, robots = begun(Plaza(scene="doorway", size=8.0, width=1.5), robots=1)
    assert people["walls"].tolist() == [[0.0, -8.0, 0.0, -0.75], [0.0, 0.75, 0.0, 8.0]]
    assert (people["position"][:, 0] * people["goal"][:, 0] < 0).all()
    assert np.abs(people["position"][:, 0]).min() >= 2.4
    assert robots["position"].tolist() == [[-8.0, 0.0]]


def test_an_intersection_is_crossed_straight_on_along_both_ways():
    people, _ = begun(Plaza(scene="intersection", size=12.0, width=3.0))
    assert people["walls"].shape == (8, 4)
    flat = np.abs(people["position"]) <= 1.0
    assert (flat.sum(axis=1) == 1).all()
    assert np.array_equal(flat, np.abs(people["goal"]) <= 1.0)
    assert flat.any(axis=0).all()
    way = people["goal"] - people["position"]
    assert (np.abs(way[~flat]) >= 12.0).all()


def test_a_stream_goes_from_the_left_to_the_right_across_the_robots_way():
    people, robots = begun(Plaza(scene="perpendicular", size=8.0, width=6.0), robots=1)
    assert (people["position"][:, 0] <= -2.0).all()
    assert (people["goal"][:, 0] - people["position"][:, 0] >= 16.0).all()
    assert np.abs(people["position"][:, 1]).max() <= 3.0
    assert robots["position"].tolist() == [[0.0, -8.0]]


def test_on_an_open_square_people_go_from_one_side_to_another():
    people, _ = begun(Plaza(scene="open", size=10.0), people=40)

    def side(places):
        edges = np.stack([places[:, 0] == -10, places[:, 0] == 10, places[:, 1] == -10, places[:, 1] == 10])
        assert edges.any(axis=0).all()
        return edges.argmax(axis=0)

    begins, ends = side(people["position"]), side(people["goal"])
    assert (begins != ends).all()
    assert len({*zip(begins.tolist(), ends.tolist(), strict=True)}) == 12


def test_who_finds_no_free_place_takes_one_that_is_not():
    people, _ = begun(Plaza(scene="corridor", size=2.0), people=40)
    assert least_distance(people["position"]) < 0.8


def test_crowdnavs_circle_can_be_full():
    with pytest.raises(ValueError, match="the circle is full; accepted: fewer people than 60, or more size"):
        begun(Plaza(places="crowdnav"), people=60, robots=1, seed=1000)


def test_speeds_differ_as_much_as_they_are_told_to_and_no_more():
    people, _ = begun(Plaza(scene="open", size=60.0, speed=1.3, speed_spread=0.26), people=500)
    assert people["speed"].mean() == pytest.approx(1.3, abs=0.05)
    assert people["speed"].std() == pytest.approx(0.25, abs=0.03)
    assert people["speed"].min() == pytest.approx(0.6 * 1.3)
    assert people["speed"].max() == pytest.approx(1.4 * 1.3)


def test_manners_come_as_often_as_they_weigh():
    people, _ = begun(Plaza(scene="open", size=60.0, manners={"surprised": 1.0, "threatening": 3.0}), people=500)
    assert set(people["manner"].tolist()) == {2, 5}
    assert (people["manner"] == 5).mean() == pytest.approx(0.75, abs=0.06)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"places": "crowdnav", "scene": "square"},
            "places: crowdnav; accepted: with scene circle and without arrivals",
        ),
        ({"places": "crowdnav", "arrivals": 1.0}, "places: crowdnav; accepted: with scene circle and without arrivals"),
        ({"manners": {"scared": 0.0}}, "manners: they weigh nothing; accepted: at least one weight above 0"),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Plaza(**settings)
