"""Social forces: against numbers worked out by hand, against PySocialForce, and as they move people."""

from __future__ import annotations

import logging
from math import atan2, cos, exp, pi, radians, sin, sqrt

import numpy as np
import pytest
from scipy.spatial import cKDTree

from simworld_agents.navigator._forces import (
    Circular,
    Helbing,
    Moussaid,
    Pairs,
    WallPoints,
    WallPotential,
    capped,
    circular,
    drive,
    gathered,
    helbing,
    moussaid,
    summed,
    summed_both,
    walls,
)

ROOM = np.array([[0.0, 0.0, 8.0, 0.0], [8.0, 0.0, 8.0, 6.0], [2.0, 1.0, 4.0, 3.0], [1.0, 1.0, 1.35, 1.2]])


def chance(key):
    return np.random.Generator(np.random.Philox(key=key))


def row(*numbers):
    return np.array([numbers], dtype=float)


def unit(angles):
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def felt(position, velocity, form, pairs=None):
    """What Moussaïd's force does to each, with all pairs unless some are given."""
    pairs = pairs or Pairs.everyone(len(position))
    way = gathered(position, pairs.by) - gathered(position, pairs.of)
    forces = moussaid(way, gathered(velocity, pairs.of), gathered(velocity, pairs.by), form)
    return summed(pairs, forces, len(position))


def walked(position, goal, speed, seconds, dt=0.05):
    """The paths of people who start at their own speed and feel each other, shape (steps, n, 2)."""
    velocity = (goal - position) / np.hypot(*(goal - position).T)[:, None] * speed[:, None]
    path = []
    for _ in range(round(seconds / dt)):
        force = drive(velocity, goal - position, speed, 0.5) + felt(position, velocity, Moussaid())
        velocity = capped(velocity + dt * force, 1.3 * speed)
        position = position + dt * velocity
        path.append(position)
    return np.array(path)


# -- one's own way -------------------------------------------------------------------------------------------------


def test_a_lone_walker_reaches_its_own_speed_and_stops_at_its_goal():
    position, velocity, goal, speed = row(0, 0), row(0, 0), row(8, 6), np.array([1.34])
    reached = []
    for _ in range(400):
        velocity = capped(velocity + 0.05 * drive(velocity, goal - position, speed, 0.5), 1.3 * speed)
        position = position + 0.05 * velocity
        reached.append(np.hypot(*velocity[0]))
    assert reached[9] == pytest.approx(1.34 * (1 - 0.9**10))  # a tenth of what is missing in each step
    assert reached[100] == pytest.approx(1.34, rel=1e-4)
    assert reached[-1] < 1e-6
    assert np.hypot(*(goal - position)[0]) < 0.7  # tau v0 = 0.67 m is what braking takes


def test_who_has_no_way_to_go_brakes():
    assert drive(row(1, 2), row(0, 0), np.array([1.0]), 0.5, near=0.0).tolist() == [[-2.0, -4.0]]
    assert drive(row(1, 2), row(0.1, 0.1), np.array([1.0]), 0.5).tolist() == [[-2.0, -4.0]]
    assert drive(row(1, 2), row(0, 0.3), np.array([1.5]), 0.5).tolist() == [[-2.0, -1.0]]


def test_nobody_runs_faster_than_they_can():
    assert capped(np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]]), np.ones(3)) == pytest.approx(
        np.array([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]])
    )


# -- Moussaïd ------------------------------------------------------------------------------------------------------


def test_two_who_stand_push_each_other_straight_apart():
    """Without relative velocity D is e: B = gamma, theta = 0, and what is left is A exp(-d / gamma)."""
    force = moussaid(row(1, 0), row(0, 0), row(0, 0), Moussaid())
    assert force == pytest.approx(np.array([[-5.1 * exp(-1 / 0.35), 0.0]]))
    assert force[0, 0] == pytest.approx(-0.292907, abs=1e-6)


def test_walking_past_someone_on_the_left_is_worked_out_by_hand():
    """Own velocity (1, 0), the other stands 2 m to the left: D = (2, 1), e = (0, 1), theta = atan 2."""
    length, theta = sqrt(5.0), atan2(2.0, 1.0)
    b = 0.35 * length
    slow = exp(-2.0 / b - (3.0 * b * theta) ** 2)
    turn = exp(-2.0 / b - (2.0 * b * theta) ** 2)
    t, left = np.array([2.0, 1.0]) / length, np.array([-1.0, 2.0]) / length
    force = moussaid(row(0, 2), row(1, 0), row(0, 0), Moussaid())[0]
    assert force == pytest.approx(-5.1 * (slow * t + turn * left), rel=1e-12)
    assert force[1] < 0.0 < force[0]  # away from them, and on the quicker


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_two_who_come_towards_each_other_turn_away_from_where_the_other_is(side):
    """The other a little to the left: both go right, pass left shoulder to left shoulder; and the mirror image."""
    start = np.array([[0.0, 0.0], [10.0, 0.1 * side]])
    path = walked(start, np.array([[30.0, 0.0], [-20.0, 0.1 * side]]), np.array([1.3, 1.3]), seconds=8.0)
    apart = path[:, 1] - path[:, 0]
    passing = np.abs(apart[:, 0]).argmin()
    assert apart[0, 0] > 0.0 > apart[-1, 0]  # they have passed
    assert side * apart[passing, 1] > 0.5  # each on the side where it was, and farther
    assert side * path[passing, 0, 1] < 0.0


def test_exactly_head_on_nobody_chooses_a_side():
    force = moussaid(row(3, 0), row(1, 0), row(-1, 0), Moussaid())
    assert force[0, 0] < 0.0 == force[0, 1]


def test_the_other_feels_the_opposite_to_the_bit_so_each_pair_is_needed_once():
    rng, n = chance(1), 200
    position, velocity = rng.uniform(0, 15, (n, 2)), rng.normal(size=(n, 2))
    close = cKDTree(position).query_pairs(5.0, output_type="ndarray")
    once, both = Pairs.once(close[::-1, ::-1], n), Pairs.directed(close, n)
    way = gathered(position, once.by) - gathered(position, once.of)
    own, other = gathered(velocity, once.of), gathered(velocity, once.by)
    there, back = moussaid(way, own, other, Moussaid()), moussaid(-way, other, own, Moussaid())
    assert np.array_equal(there, -back)
    assert len(both) == 2 * len(once)
    assert summed_both(once, there, n) == pytest.approx(felt(position, velocity, Moussaid(), both), abs=1e-12)


def test_the_force_turns_with_the_world_unless_bearings_are_subtracted():
    rng, m = chance(2), 2000
    rows = [rng.uniform(-3, 3, (m, 2)), rng.normal(size=(m, 2)), rng.normal(size=(m, 2))]
    off = {}
    for wrapped in (True, False):
        form, gap = Moussaid(wrapped=wrapped), np.zeros(m)
        for angle in (0.5, 2.0, 4.0):
            turn = np.array([[cos(angle), sin(angle)], [-sin(angle), cos(angle)]])
            turned = moussaid(*(rows_ @ turn for rows_ in rows), form)
            gap = np.maximum(gap, np.abs(turned - moussaid(*rows, form) @ turn).max(axis=1))
        off[wrapped] = gap
    assert off[True].max() < 1e-12
    assert off[False].max() > 0.1
    assert 0.0 < (off[False] > 1e-3).mean() < 0.5


def test_beyond_its_reach_no_force_is_as_large_as_the_least():
    form, closing = Moussaid(), 2.6
    rng, m = chance(3), 50_000
    reach = form.reach(closing, 1e-3)
    assert reach == pytest.approx(0.35 * 6.2 * np.log(sqrt(2.0) * 5.1 / 1e-3))
    angle = rng.uniform(0, 2 * pi, m)
    way = unit(angle) * reach
    own = unit(angle + rng.normal(0, 0.02, m)) * closing  # nearly straight on, which is felt the farthest
    size = np.hypot(*moussaid(way, own, np.zeros((m, 2)), form).T)
    assert 0.5e-3 < size.max() < 1e-3


# -- Helbing -------------------------------------------------------------------------------------------------------


def test_whoever_stands_repels_by_distance_and_half_so_much_from_behind():
    ahead = helbing(row(1, 0), row(0, 0), row(1, 0), row(1, 0), Helbing())
    behind = helbing(row(-1, 0), row(0, 0), row(1, 0), row(1, 0), Helbing())
    size = 2.1 / 0.3 * exp(-1.0 / 0.3)
    assert ahead == pytest.approx(np.array([[-size, 0.0]]))
    assert behind == pytest.approx(np.array([[size / 2, 0.0]]))


@pytest.mark.parametrize(("bearing", "share"), [(99.0, 1.0), (101.0, 0.5), (-99.0, 1.0), (-101.0, 0.5)])
def test_two_hundred_degrees_are_seen(bearing, share):
    way = row(cos(radians(bearing)), sin(radians(bearing)))
    force = helbing(way, row(0, 0), row(1, 0), row(1, 0), Helbing())
    assert force == pytest.approx(-share * 2.1 / 0.3 * exp(-1.0 / 0.3) * way)


def test_a_walker_is_given_room_in_front_rather_than_behind():
    """By hand, 1 m ahead of someone who walks towards us at 1 m/s: |d| = 1, |d - y| = 0.6, b = sqrt(0.6)."""
    b = sqrt((1.0 + 0.6) ** 2 - 0.4**2) / 2.0
    force = helbing(row(1, 0), row(-1, 0), row(-1, 0), row(1, 0), Helbing())
    assert b == pytest.approx(sqrt(0.6))
    assert force == pytest.approx(np.array([[-7.0 * exp(-b / 0.3) * 1.6 / (2.0 * b), 0.0]]))
    leaving = helbing(row(1, 0), row(1, 0), row(1, 0), row(1, 0), Helbing())
    assert abs(force[0, 0]) > 2.5 * abs(leaving[0, 0])


def test_the_elliptical_force_is_the_slope_of_its_potential():
    rng, m, h = chance(4), 5000, 1e-6
    way, velocity = rng.uniform(-2, 2, (m, 2)), rng.normal(size=(m, 2))
    toward, look = unit(rng.uniform(0, 2 * pi, m)), unit(rng.uniform(0, 2 * pi, m))

    def potential(dx, dy):
        d = -way + [dx, dy]
        y = 0.4 * np.hypot(*velocity.T)[:, None] * toward
        around = np.hypot(*d.T) + np.hypot(*(d - y).T)
        return 2.1 * np.exp(-np.sqrt(around**2 - (y**2).sum(axis=1)) / 2.0 / 0.3)

    slope = np.stack([potential(h, 0) - potential(-h, 0), potential(0, h) - potential(0, -h)], axis=1) / (2 * h)
    force = helbing(way, velocity, toward, look, Helbing(outside=1.0))
    size = np.hypot(*force.T)
    usual = size < 10.0  # near the ends of a stride the slope itself changes within h
    assert usual.mean() > 0.99
    assert np.abs(force + slope)[usual] == pytest.approx(0.0, abs=1e-6)


# -- the circular force, and walls ---------------------------------------------------------------------------------


def test_bodies_that_touch_are_pushed_with_the_full_strength():
    force = circular(np.array([[0.6, 0.0], [0.0, 1.6]]), np.array([0.6, 0.6]), Circular())
    assert force == pytest.approx(np.array([[-2.0, 0.0], [0.0, -2.0 * exp(-1.0)]]))


def test_a_wall_repels_from_its_nearest_point():
    wall, position = row(0, 0, 4, 0), np.array([[1.0, 1.0], [4.6, -0.8], [2.0, 0.0]])
    size = 50.0 * exp(-1.0 / 0.2)
    expected = np.array([[0.0, size], [0.6 * size, -0.8 * size], [0.0, 0.0]])
    assert walls(position, wall, 0.0, WallPotential()) == pytest.approx(expected)
    assert walls(position[:1], np.vstack([wall, wall]), 0.35, WallPotential()) == pytest.approx(
        np.array([[0.0, 2 * 50.0 * exp(-0.65 / 0.2)]])
    )


def test_points_along_a_wall_add_up():
    """A wall of 0.3 m has three points: 0, 0.15, 0.3 m."""
    found = walls(row(0.15, 0.5), row(0, 0, 0.3, 0), 0.35, WallPoints())
    aside = sqrt(0.15**2 + 0.5**2)
    expected = 10.0 * (exp(-0.15 / 0.2) + 2.0 * exp(-(aside - 0.35) / 0.2) * 0.5 / aside)
    assert found == pytest.approx(np.array([[0.0, expected]]), abs=1e-12)
    assert not walls(row(0.02, 0.3), row(0, 0, 0.05, 0), 0.35, WallPoints()).any()  # too short for a point
    assert not walls(row(2.0, 3.8), row(0, 0, 4, 0), 0.35, WallPoints()).any()  # too far


# -- batches -------------------------------------------------------------------------------------------------------


def test_the_force_of_a_pair_has_the_same_bits_whoever_else_is_there():
    rng, m = chance(5), 20_000
    way, own, other = rng.uniform(-6, 6, (m, 2)), rng.normal(size=(m, 2)), rng.normal(size=(m, 2))
    toward, look, touching = unit(rng.uniform(0, 6, m)), unit(rng.uniform(0, 6, m)), rng.uniform(0.4, 0.8, m)
    kinds = [
        lambda at: moussaid(way[at], own[at], other[at], Moussaid()),
        lambda at: moussaid(*(np.asfortranarray(rows[at]) for rows in (way, own, other)), Moussaid()),
        lambda at: helbing(way[at], other[at], toward[at], look[at], Helbing()),
        lambda at: circular(way[at], touching[at], Circular()),
        lambda at: drive(own[at], way[at], touching[at], 0.5),
        lambda at: capped(own[at], touching[at]),
        lambda at: walls(way[at], ROOM, 0.35, WallPotential()),
        lambda at: walls(way[at], ROOM, 0.35, WallPoints()),
        lambda at: walls(np.asfortranarray(way[at]), ROOM, 0.35, WallPoints()),
    ]
    everybody = np.arange(m)
    for force in kinds:
        together = force(everybody)
        for count in (1, 2, 3, 4, 5, 7, 8, 9, 31, 1000):
            for _ in range(3):
                some = rng.choice(m, count, replace=False)
                assert np.array_equal(force(some), together[some])


def test_what_one_feels_in_all_has_the_same_bits_when_strangers_far_away_join():
    rng, n = chance(6), 60
    position, velocity = rng.uniform(0, 12, (n, 2)), rng.normal(size=(n, 2))
    far = np.vstack([position, rng.uniform(50, 60, (37, 2))])
    alone = Pairs.directed(cKDTree(position).query_pairs(5.0, output_type="ndarray"), n)
    crowd = Pairs.directed(cKDTree(far).query_pairs(5.0, output_type="ndarray"), len(far))
    before = felt(position, velocity, Moussaid(), alone)
    after = felt(far, np.vstack([velocity, rng.normal(size=(37, 2))]), Moussaid(), crowd)
    assert np.array_equal(before, after[:n])


def test_pairs_are_sorted_however_they_were_found():
    close = np.array([[3, 0], [1, 2], [0, 1]])
    directed, once, everyone = Pairs.directed(close, 4), Pairs.once(close, 4), Pairs.everyone(3)
    assert list(zip(directed.of, directed.by, strict=True)) == [(0, 1), (0, 3), (1, 0), (1, 2), (2, 1), (3, 0)]
    assert list(zip(once.of, once.by, strict=True)) == [(0, 1), (0, 3), (1, 2)]
    assert list(zip(everyone.of, everyone.by, strict=True)) == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_whoever_is_alone_feels_nothing(n):
    none, nobody = np.empty((0, 2), dtype=np.int64), np.empty((0, 2))
    for pairs in (Pairs.directed(none, n), Pairs.once(none, n)):
        assert len(pairs) == 0
        assert gathered(np.zeros((n, 2)), pairs.by).shape == (0, 2)
        for force in (
            moussaid(nobody, nobody, nobody, Moussaid()),
            helbing(nobody, nobody, nobody, nobody, Helbing()),
            circular(nobody, np.empty(0), Circular()),
        ):
            assert force.shape == (0, 2)
            assert summed(pairs, force, n).tolist() == summed_both(pairs, force, n).tolist() == [[0.0, 0.0]] * n
    for form in (WallPotential(), WallPoints()):
        assert walls(nobody, ROOM, 0.35, form).shape == (0, 2)
        assert not walls(np.zeros((n, 2)), np.empty((0, 4)), 0.35, form).any()
    assert drive(nobody, nobody, np.empty(0), 0.5).shape == capped(nobody, np.empty(0)).shape == (0, 2)


def test_bodies_on_one_spot_feel_something_finite():
    """Warnings are errors here: nothing is divided by zero."""
    still, moves = row(0, 0), row(1, 0)
    for wrapped in (True, False):
        assert not moussaid(still, moves, moves, Moussaid(wrapped=wrapped)).any()
    assert moussaid(still, moves, still, Moussaid()) == pytest.approx(np.array([[-5.1, 0.0]]))
    assert not moussaid(row(3, 0), row(-0.5, 0), still, Moussaid()).any()  # D = 0: it goes just as fast as it may
    assert not helbing(still, moves, moves, moves, Helbing()).any()
    assert not helbing(row(-0.4, 0), moves, moves, moves, Helbing()).any()  # at the end of the other's stride
    assert not helbing(row(-0.25, 0), moves, moves, moves, Helbing()).any()  # and in its middle
    assert not circular(still, np.array([0.6]), Circular()).any()
    assert not walls(still, row(0, 0, 0, 0), 0.0, WallPotential()).any()


# -- PySocialForce -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pysocialforce(tmp_path_factory):
    """PySocialForce, whose import opens a log file where one stands and turns up everybody's logging."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("pysocialforce"))
        found = pytest.importorskip("pysocialforce")
    for handler in [h for h in root.handlers if h not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    return found


def theirs(library, position, velocity, goal):
    """Its forces by name; its walls are given as x1, x2, y1, y2."""
    lines = [(x1, x2, y1, y2) for x1, y1, x2, y2 in ROOM.tolist()]
    simulator = library.Simulator(np.hstack([position, velocity, goal]), obstacles=lines)
    return {type(force).__name__: force.get_force() for force in simulator.forces[:3]}


def test_thirty_people_feel_what_they_feel_in_pysocialforce(pysocialforce):
    for key in range(20):
        rng, n = chance(100 + key), 30
        position, velocity = rng.uniform(0, 3 + key / 2, (n, 2)), rng.normal(size=(n, 2))
        goal = np.vstack([position[:3] + 0.05, rng.uniform(0, 12, (n - 3, 2))])
        other = theirs(pysocialforce, position, velocity, goal)
        speed = 1.3 * np.hypot(*velocity.T)  # it wants to walk as fast as it may
        assert drive(velocity, goal - position, speed, 0.5) == pytest.approx(other["DesiredForce"], abs=1e-9)
        assert felt(position, velocity, Moussaid(wrapped=False)) == pytest.approx(other["SocialForce"], abs=1e-9)
        assert walls(position, ROOM, 0.35, WallPoints()) == pytest.approx(other["ObstacleForce"], abs=1e-9)


def test_a_pair_feels_what_pysocialforce_says_in_the_compass_direction_where_its_angle_is_right(pysocialforce):
    """Its D along the x axis: there, the difference of bearings lies between -pi and pi; for the other of the two, whose
    D is the opposite, it need not, and the two forces are not opposite.
    """
    rng, goal = chance(7), np.zeros((2, 2))
    for _ in range(100):
        position, velocity = rng.uniform(0, 4, (2, 2)), rng.normal(size=(2, 2))
        way, closing = position[1] - position[0], velocity[0] - velocity[1]
        angle = np.arctan2(*(2.0 * closing + way / np.hypot(*way))[::-1]) - pi
        turn = np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])
        other = theirs(pysocialforce, position @ turn, velocity @ turn, goal)["SocialForce"]
        assert felt(position, velocity, Moussaid())[0] == pytest.approx(turn @ other[0], abs=1e-9)


def test_the_elliptical_force_is_the_slope_of_pysocialforces_potential(pysocialforce):
    rng, n, h = chance(8), 30, 1e-6
    position, speed, toward = rng.uniform(0, 6, (n, 2)), rng.uniform(0, 2, n), unit(rng.uniform(0, 2 * pi, n))
    potential = pysocialforce.PedPedPotential(0.4)
    apart = position[:, None] - position[None]

    def slope(axis):
        step = np.zeros(2)
        step[axis] = h
        up, down = (potential.value_r_ab(apart + sign * step, speed, toward) for sign in (1.0, -1.0))
        return (up - down) / (2 * h)

    pairs = Pairs.everyone(n)
    way = gathered(position, pairs.by) - gathered(position, pairs.of)
    ahead = gathered(toward, pairs.by)
    velocity = gathered(speed[:, None] * toward, pairs.by)
    force = helbing(way, velocity, ahead, gathered(toward, pairs.of), Helbing(outside=1.0))
    expected = -np.stack([slope(axis)[pairs.of, pairs.by] for axis in (0, 1)], axis=1)
    assert force == pytest.approx(expected, abs=1e-5)
