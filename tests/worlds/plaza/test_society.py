"""Who comes to a plaza and goes, who sees whom, and what a robot changes."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest

from simworld.execution import Order, execute
from simworld.kernel import Agent, Group, Intervention, Kernel
from simworld.scenario import load
from simworld.testing import Listener, play
from simworld.worlds.plaza import Plaza, length
from simworld_agents.navigator import Orca, SocialForce, Still, Straight
from simworld_analysis import open_run


def seated(people=5, walk=None, robot=None, robots=1):
    return {"pedestrian": [Group(walk or Orca(), people)], "robot": [Group(robot or Straight(), robots)]}


EVERY = np.arange(200)


def walks(world, without=(), horizon=30, seed=4, **seats):
    """Where people were, tick by tick: (ticks, people, 2)."""
    missing = {role: np.arange(9) for role in without}
    rows = play(world, seated(**seats), seed, horizon, absent=missing).heard.rows
    at = [row["seen"]["position"] for row in rows if row["role"] == "pedestrian"]
    return np.array(at).reshape(horizon, -1, 2)


# -- what a robot changes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("walk", [Orca, SocialForce])
def test_nobody_heeds_a_robot_that_nobody_sees(walk):
    lonely = walks(Plaza(), without=["robot"], walk=walk())
    ghost = walks(Plaza(visible=False, collisions="count"), walk=walk())
    seen = walks(Plaza(collisions="count"), walk=walk())
    assert ghost.tobytes() == lonely.tobytes()
    assert np.abs(seen - lonely).max() > 0.05


def test_nobody_heeds_a_robot_at_a_dose_of_zero():
    lonely = walks(Plaza(), without=["robot"])
    assert walks(Plaza(reacting=0.0, collisions="count")).tobytes() == lonely.tobytes()
    assert walks(Plaza(reacting=1.0, collisions="count")).tobytes() != lonely.tobytes()


def test_half_a_dose_reaches_half_of_the_people_and_the_others_not_at_all():
    """People who walk straight on heed nobody but a robot that surprises them."""

    def of(reacting, without=()):
        world = Plaza(
            scene="square", manners={"surprised": 1.0}, reacting=reacting, size=3.0, gap=0.0, collisions="count"
        )
        return walks(world, without, people=200, walk=Straight(), robot=Still()), world.observe("pedestrian", EVERY)

    (lonely, _), (half, seen), (full, _) = of(1.0, ["robot"]), of(0.5), of(1.0)
    moved, all_moved = ((walk != lonely).any(axis=(0, 2)) for walk in (half, full))
    assert all_moved.mean() > 0.7
    assert seen["reacts"].mean() == pytest.approx(0.5, abs=0.1)
    assert np.array_equal(moved, all_moved & seen["reacts"])


def test_a_robot_that_becomes_visible_is_heeded_from_then_on():
    world = Plaza(visible=False, collisions="count")
    kernel, heard = Kernel(world, seated(), 4, 30), Listener()
    kernel.attach(heard)
    kernel.run(until=8)
    kernel.intervene(Intervention(8, values={"visible": True}))
    kernel.run()
    at = np.array([row["seen"]["position"] for row in heard.rows if row["role"] == "pedestrian"]).reshape(30, 5, 2)
    lonely = walks(Plaza(), without=["robot"])
    assert at[:9].tobytes() == lonely[:9].tobytes()
    assert np.abs(at[9:] - lonely[9:]).max() > 0.05


def test_when_the_robot_is_taken_out_people_go_on_and_nothing_more_is_judged():
    kernel, heard = Kernel(Plaza(), seated(robot=Still()), 4, 40), Listener()
    kernel.attach(heard)
    kernel.run(until=10)
    kernel.intervene(Intervention(10, without={"robot": None}))
    kernel.run()
    assert len(heard.samples) == 10
    assert max(row["tick"] for row in heard.rows) == 39
    seen = [row["seen"]["robots"] for row in heard.rows if row["role"] == "pedestrian"]
    assert [bool(np.isnan(robots).all()) for robots in seen] == [False] * 50 + [True] * 150


def test_a_robot_that_is_taken_out_while_another_drives_on_counts_no_more():
    kernel, heard = Kernel(Plaza(size=2.0), seated(people=0, robots=2), 1, 40), Listener()
    kernel.attach(heard)
    kernel.run(until=3)
    assert heard.samples[-1][1]["path_length"] == pytest.approx(0.75)
    kernel.intervene(Intervention(3, without={"robot": np.array([1])}))
    kernel.run()
    # Both would have met in the middle.
    assert heard.samples[-1][1]["success"] == 1.0
    assert heard.samples[-1][1]["collision"] == 0.0


def test_people_who_are_taken_out_are_in_nobodys_way():
    def driven(change):
        world = Plaza(scene="square", size=2.0)
        kernel, heard = Kernel(world, seated(12, Still(), Straight()), 4, 60), Listener()
        kernel.attach(heard)
        kernel.run(until=2)
        if change:
            kernel.intervene(Intervention(2, without={"pedestrian": None}))
        kernel.run()
        return heard

    alone, crowd = driven(change=True), driven(change=False)
    assert alone.samples[-1][1]["success"] == 1.0
    least = [sample["minimum_distance"] for _, sample in alone.samples]
    assert len(set(least[2:])) == 1
    assert crowd.samples[-1][1]["collision_person"] == 1.0


def test_a_branch_without_the_robot_is_what_would_have_been_and_survives_a_pickle():
    kernel = Kernel(Plaza(), seated(robot=Orca()), 4, 40)
    kernel.run(until=6)
    branch, pickled = kernel.branch(), pickle.loads(pickle.dumps(kernel))
    for copy in (branch, pickled):
        copy.intervene(Intervention(6, without={"robot": None}))
        copy.run(until=20)
    kernel.run(until=20)
    with_robot, without, again = (
        one.world.observe("pedestrian", np.arange(5))["position"] for one in (kernel, branch, pickled)
    )
    assert without.tobytes() == again.tobytes()
    assert 0.01 < np.abs(with_robot - without).max() < 2.0


# -- who comes and goes --------------------------------------------------------------------------------------------


def test_people_come_as_a_poisson_process_until_all_are_there():
    first = {}

    class Comings(Listener):
        """Keeps who decides first when: all rows of a thousand people are too many."""

        def decided(self, role, tick, acts):
            first.update({member: tick for member in acts.members.tolist() if member not in first})

    world = Plaza(scene="open", size=20.0, dt=0.5, arrivals=4.0, on_arrival="leave")
    kernel, heard = Kernel(world, seated(1000, Straight(), robots=0), 2, 2000), Comings()
    kernel.attach(heard)
    kernel.run()
    ticks = np.array([tick for _, tick, _ in heard.born])
    assert [member for _, _, member in heard.born] == list(range(1000))
    assert ticks.max() * 0.5 == pytest.approx(250.0, rel=0.1)
    in_seconds = np.bincount((ticks * 0.5).astype(int))[:200]
    # As many a second as there should be, and as spread as chance alone makes it.
    assert in_seconds.mean() == pytest.approx(4.0, abs=0.5)
    assert in_seconds.var() == pytest.approx(4.0, abs=1.2)
    assert in_seconds[:100].sum() == pytest.approx(400, abs=60)
    assert [first[member] for member in range(1000)] == ticks.tolist()


def test_whoever_is_not_there_yet_is_not_seen():
    heard = play(Plaza(arrivals=1.0), seated(5, Straight()), 2, 30).heard
    born = {member: tick for role, tick, member in heard.born if role == "pedestrian"}
    assert len(set(born.values())) > 1
    for row in heard.rows:
        if row["role"] == "robot":
            there = ~np.isnan(row["seen"]["people"][:, 0])
            assert there.tolist() == [born.get(m, 99) <= row["tick"] for m in range(5)]


def test_the_time_of_an_arrival_does_not_depend_on_who_is_left_out():
    def come(absent):
        who = {"pedestrian": np.array(absent, dtype=np.int64)}
        heard = play(Plaza(arrivals=2.0), seated(8, Straight()), 2, 60, absent=who).heard
        return {member: tick for role, tick, member in heard.born if role == "pedestrian"}

    whole = come([])
    assert come([2, 5]) == {member: tick for member, tick in whole.items() if member not in {2, 5}}


def test_who_has_arrived_leaves():
    world = Plaza(size=2.0, on_arrival="leave")
    heard = play(world, seated(4, Straight(), robots=0), 3, 60).heard
    assert sorted(member for _, _, member in heard.gone) == [0, 1, 2, 3]
    for _, tick, member in heard.gone:
        row = next(r for r in heard.rows if r["tick"] == tick and r["member"] == member)
        after = row["seen"]["position"] + 0.25 * row["done"]["velocity"]
        assert length(row["seen"]["goal"] - row["seen"]["position"]) >= 0.3 > length(row["seen"]["goal"] - after)
    assert max(row["tick"] for row in heard.rows) == max(tick for _, tick, _ in heard.gone)


def test_who_has_arrived_turns_back_and_comes_again():
    world = Plaza(size=2.0, on_arrival="return")
    rows = [r for r in play(world, seated(1, Straight(), robots=0), 3, 60).heard.rows if r["member"] == 0]
    goals = [tuple(row["seen"]["goal"]) for row in rows]
    turns = [goals[0], *(b for a, b in pairwise(goals) if a != b)]
    start = tuple(rows[0]["seen"]["position"])
    assert turns == [goals[0], start, goals[0], start]


def test_who_has_arrived_stays_and_is_still_in_the_way():
    rows = play(Plaza(size=2.0), seated(1, Straight(), robots=0), 3, 60).heard.rows
    assert rows[-1]["tick"] == 59
    assert rows[-1]["seen"]["position"] == pytest.approx(rows[-1]["seen"]["goal"], abs=1e-4)


class Slow(Agent):
    """Asks a person, whose answer takes a second; until then its robot stands."""

    asks = ("person",)

    async def act(self, seen, seat):
        answer = await seat.ask.person({"question": "Go?", "low": 0, "high": 1, "fallback": 0}, after=4)
        return {"velocity": np.array([0.0, float(answer.value)])}


def test_a_robot_whose_answer_takes_time_stands_until_it_comes(tmp_path):
    (tmp_path / "it.yaml").write_text(
        f"world: {{kind: plaza, time_limit: 24}}\nhorizon: 40\n"
        f"roles: {{pedestrian: {{kind: orca, count: 2}}, robot: {{kind: '{__name__}:Slow'}}}}\n"
        "people: {default: {kind: scripted, answers: [1]}}\n"
    )
    run = open_run(execute(Order(load(tmp_path / "it.yaml"), tmp_path / "runs")).run)
    rows = run.table("decisions.robot").dropna(subset=["decision"])
    acted = rows[rows["end"].isna()]
    assert (acted["tick"] - acted["since"]).tolist() == [4] * len(acted)
    # It drives a quarter of a metre every fifth tick, and is rewarded for nothing before its first decision.
    assert [p[1] for p in rows["obs.position"]][:3] == [-4.0, -3.75, -3.5]
    assert acted["reward"].notna().all()
