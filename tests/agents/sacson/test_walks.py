"""Walks that are learned from: what is noted, which moments count, and who drives while they are gathered."""

from __future__ import annotations

import numpy as np
import pytest

from simworld.kernel import Group, Intervention, Kernel
from simworld.worlds.plaza import Plaza
from simworld_agents.navigator import SocialForce, Still, Straight
from simworld_agents.sacson._objective import States
from simworld_agents.sacson._pednet import STEPS
from simworld_agents.sacson._walks import Notes, Seeker, Wanderer, changes_of, drivers, encounters


def walked(mind, seed=0, people=1, changes=(), horizon=40, robots=1, **world):
    plaza = Plaza(collisions="count", **world)
    seating = {"pedestrian": [Group(SocialForce(), people)], "robot": [Group(mind, robots)]}
    kernel = Kernel(plaza, seating, seed, horizon)
    sizes = {"pedestrian": people, "robot": robots}
    notes = Notes(next(role for role in plaza.roles if role.name == "robot").sized(sizes))
    kernel.attach(notes, None)
    for change in changes:
        kernel.run(until=change.at)
        kernel.intervene(change)
    kernel.run()
    return notes.walk(), notes


def test_a_walk_is_what_was_seen_tick_by_tick():
    walk, notes = walked(Straight(), people=2)
    assert notes.decisions == len(walk.robot)
    assert walk.people.shape == (len(walk.robot), 2, 5)
    # Straight on from the south, at one metre in a second.
    assert np.allclose(walk.robot[:5, 1], -4.0 + 0.25 * np.arange(5))
    assert np.allclose(walk.aim, [0.0, 4.0])
    assert not np.isnan(walk.vector).any()
    assert walk.dt == 0.25


def test_a_moment_has_eight_ticks_behind_it_and_eight_ahead():
    walk, _ = walked(Straight())
    moments, future = encounters([walk])
    assert len(moments) == len(walk.people) - STEPS - 1
    third = 2
    now = third + 1
    assert np.array_equal(moments.past[third, 0], walk.people[now, 0, :2])
    assert np.array_equal(moments.past[third, now], walk.people[0, 0, :2])
    assert np.array_equal(moments.plan[third], walk.robot[now + 1 : now + 9, :2])
    assert np.array_equal(future[third], walk.people[now + 1 : now + 9, 0, :2])
    assert moments.there.all()


def test_of_a_robot_that_is_taken_out_its_last_place_is_told_once():
    walk, _ = walked(Straight(), changes=[Intervention(10, without={"robot": None})])
    moments, _ = encounters([walk])
    # With a robot: those whose eight ticks end before it is gone, tick 1 alone. Without: from tick 10 on.
    assert moments.there.sum() == 1
    gone = np.flatnonzero(moments.there == 0.0)
    seen = ~np.isnan(moments.robot_past[gone, 0, 0])
    assert seen.tolist() == [True] + [False] * (len(gone) - 1)
    # Where it would have been seen next: a quarter of a metre on.
    assert np.allclose(moments.robot_past[gone[0], 0], walk.robot[9, :2] + [0.0, 0.25])
    assert np.isnan(moments.robot_past[gone[1:]]).all()
    weighed, _ = encounters([walk], to_fit=True)
    assert len(weighed) == len(moments) + 9


def test_states_are_the_moments_in_which_the_robot_decides():
    walk, _ = walked(Straight(), people=3, changes=[Intervention(10, without={"robot": None})])
    states = States.of(walk)
    assert len(states) == 10
    assert np.array_equal(states.robot[4, :2], walk.robot[4, :2])
    assert np.array_equal(states.past[4, 1, :5], walk.people[4::-1, 1, :2])
    assert len(States.joined([states, states])) == 20


def test_who_seeks_people_comes_nearer_to_them_than_who_goes_straight_on():
    near = {}
    for mind in (Seeker(), Straight()):
        walks = [walked(mind, seed)[0] for seed in range(6)]
        away = [np.sqrt(((w.people[:, 0, :2] - w.robot[:, :2]) ** 2).sum(axis=1)) for w in walks]
        near[type(mind).__name__] = np.mean([distance.mean() for distance in away])
    assert near["Seeker"] < 0.6 * near["Straight"]
    alone, _ = walked(Seeker(), people=0)
    assert np.allclose(alone.robot[-1, :2], [0.0, 4.0], atol=0.6)


def test_who_wanders_keeps_a_move_for_two_seconds():
    walk, _ = walked(Wanderer(), body="unicycle")
    pace = np.sqrt((np.diff(walk.robot[:, :2], axis=0) ** 2).sum(axis=1))
    changes = np.flatnonzero(np.abs(np.diff(pace)) > 1e-3) + 1
    assert set(changes.tolist()) <= set(range(8, 40, 8))
    assert len(changes) >= 2


def test_drivers_take_turns_and_the_own_policy_every_other():
    own = Straight()
    assert [mind for mind, _ in drivers("goal", own)][1] is own
    assert len(drivers("varied", own)) == 2 * len(drivers("varied", None))
    assert [type(mind).__name__ for mind, _ in drivers("seeking", None)] == ["Seeker"]
    endings = [ending for _, ending in drivers("varied", None)]
    assert (endings.count("gone"), endings.count("stops"), endings.count("")) == (6, 5, 5)


@pytest.mark.parametrize("ending", ["gone", "stops"])
def test_what_becomes_of_a_robot_is_drawn_by_address(ending):
    first, again, other = (changes_of(ending, number, 3)[0].at for number in (5, 5, 6))
    assert first == again != other
    assert changes_of("", 5, 3) == []


def test_moments_in_which_a_robot_has_just_stopped_are_learned_from_more_often():
    walk, _ = walked(Straight(), changes=[Intervention(10, minds={("robot", 0): Still()})])
    moments, _ = encounters([walk])
    weighed, _ = encounters([walk], to_fit=True)
    stands = np.abs(moments.plan - moments.robot_past[:, :1]).max(axis=(1, 2)) < 1e-9
    moved = np.abs(moments.robot_past[:, 0] - moments.robot_past[:, 1]).max(axis=1) > 0.1
    assert np.flatnonzero(stands & moved).tolist() == [9]  # tick 10: moments begin with tick 1
    often = [(np.abs(weighed.plan - one).max(axis=(1, 2)) < 1e-12).sum() for one in moments.plan[[0, 9]]]
    assert often[1] >= often[0] + 9


def test_a_robot_that_nobody_sees_is_noted_where_it_is():
    walk, _ = walked(Straight(), visible=False)
    assert np.allclose(walk.robot[:5, 1], -4.0 + 0.25 * np.arange(5))
    with pytest.raises(ValueError, match="found 2 robots; accepted by sacson: one"):
        walked(Straight(), robots=2)
