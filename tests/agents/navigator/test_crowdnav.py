"""CrowdNav's test cases: the robot fares as it does with the C++ library RVO2, case by case and in CrowdNav's row."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from simworld.kernel import Group, Kernel
from simworld.testing import Listener, play
from simworld.worlds.plaza import Plaza, Rewards
from simworld_agents.navigator import Orca

DT, RADIUS, REACH, LIMIT = 0.25, 0.3, 0.3, 24.0
PEOPLE = 5


@pytest.fixture(scope="module")
def pyrvo():
    return pytest.importorskip("pyrvo", reason="pyrvo, which wraps RVO2, is not installed here")


@dataclass(frozen=True)
class Outcome:
    """How a case ends, and when."""

    end: str
    time: float


# -- ours ----------------------------------------------------------------------------------------------------------


class Samples(Listener):
    """Keeps the measures alone: rows of thousands of decisions take time."""

    def decided(self, role, tick, acts):
        pass


def society(visible, margin):
    world = Plaza(places="crowdnav", visible=visible, time_limit=LIMIT, rewards=Rewards(discomfort=0.0))
    return world, {"pedestrian": [Group(Orca(), PEOPLE)], "robot": [Group(Orca(margin=margin), 1)]}


def ours(seed, visible, margin):
    """A case in this project's kernel."""
    heard = Samples()
    kernel = Kernel(*society(visible, margin), seed, 110)
    kernel.attach(heard)
    kernel.run()
    (end,) = [name for name in ("success", "collision", "timeout") if heard.samples[-1][1][name] == 1.0]
    return Outcome(end, len(heard.samples) * DT)


# -- theirs --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Disc:
    """Somebody in CrowdNav."""

    position: tuple[float, float]
    goal: tuple[float, float]
    velocity: tuple[float, float] = (0.0, 0.0)

    @property
    def away(self):
        return float(np.hypot(self.goal[0] - self.position[0], self.goal[1] - self.position[1]))

    @property
    def preferred(self):
        x, y = self.goal[0] - self.position[0], self.goal[1] - self.position[1]
        far = np.hypot(x, y)
        return (x / far, y / far) if far > 1.0 else (x, y)

    def moved(self, velocity):
        x, y = self.position
        return replace(self, position=(x + velocity[0] * DT, y + velocity[1] * DT), velocity=velocity)


def chosen(pyrvo, own, others, margin):
    """What one decides in a simulator of its own, in which the others would like to stand."""
    reach = 10.0, 10, 5.0, 5.0
    sim = pyrvo.RVOSimulator(DT, *reach, RADIUS, 1.0)
    for one in (own, *others):
        sim.add_agent(one.position, *reach, RADIUS + 0.01 + margin, 1.0, one.velocity)
    sim.set_agent_pref_velocity(0, own.preferred)
    sim.do_step()
    return sim.get_agent_velocity(0).to_tuple()


def gap(human, robot, velocity):
    """How near they come within a tick: the human goes on as before, the robot as it has decided now."""
    way = np.subtract(human.position, robot.position)
    moved = np.subtract(human.velocity, velocity) * DT
    size = moved @ moved
    share = np.clip(-(way @ moved) / size, 0.0, 1.0) if size > 0.0 else 0.0
    return np.hypot(*(way + share * moved)) - 2.0 * RADIUS


def generated(seed):
    """``generate_circle_crossing_human`` of CrowdNav; the robot first."""
    chance = np.random.RandomState(seed)
    found = [Disc((0.0, -4.0), (0.0, 4.0))]
    while len(found) <= PEOPLE:
        angle = chance.random_sample() * np.pi * 2.0
        x = 4.0 * np.cos(angle) + (chance.random_sample() - 0.5)
        y = 4.0 * np.sin(angle) + (chance.random_sample() - 0.5)
        taken = [place for one in found for place in (one.position, one.goal)]
        if all(np.hypot(x - u, y - v) >= 2.0 * RADIUS + 0.2 for u, v in taken):
            found.append(Disc((x, y), (-x, -y)))
    return found


def theirs(pyrvo, seed, visible, margin):
    """CrowdNav's loop."""
    robot, *humans = generated(seed)
    time = 0.0
    while True:
        velocity = chosen(pyrvo, robot, humans, margin)
        decided = [chosen(pyrvo, one, [h for h in humans if h is not one] + [robot] * visible, 0.0) for one in humans]
        late, touched = time >= LIMIT, any(gap(one, robot, velocity) < 0.0 for one in humans)
        robot = robot.moved(velocity)
        humans = [one.moved(step) for one, step in zip(humans, decided, strict=True)]
        time += DT
        if late or touched or robot.away < REACH:
            return Outcome("timeout" if late else "collision" if touched else "success", time)


# -- both ----------------------------------------------------------------------------------------------------------


def row(outcomes):
    """CrowdNav's row: shares of success, collision and timeout, and the mean time to the goal."""
    shares = [float(np.mean([o.end == end for o in outcomes])) for end in ("success", "collision", "timeout")]
    return *shares, float(np.mean([o.time for o in outcomes if o.end == "success"]))


def compared(pyrvo, seeds, **how):
    """Outcomes of both, and the seeds whose outcomes differ."""
    own = [ours(seed, **how) for seed in seeds]
    other = [theirs(pyrvo, seed, **how) for seed in seeds]
    pairs = zip(seeds, own, other, strict=True)
    return own, {seed: (a, b) for seed, a, b in pairs if a.end != b.end or abs(a.time - b.time) > 1e-9}


@pytest.mark.parametrize("seed", [1000, 1013, 1499])
def test_everybody_starts_where_crowdnav_has_them(seed):
    rows = play(*society(visible=False, margin=0.0), seed, 1).heard.rows
    robot, *humans = generated(seed)
    seen = [np.concatenate([row["seen"]["position"], row["seen"]["goal"]]) for row in rows]
    assert np.array(seen) == pytest.approx(np.array([(*o.position, *o.goal) for o in (*humans, robot)]))


def test_forty_cases_end_as_with_rvo2(pyrvo):
    outcomes, differ = compared(pyrvo, range(1000, 1040), visible=False, margin=0.0)
    assert {outcome.end for outcome in outcomes} == {"success", "collision"}
    assert len(differ) <= 1, differ


def test_a_robot_that_is_seen_keeps_clear_as_with_rvo2(pyrvo):
    outcomes, differ = compared(pyrvo, range(1000, 1010), visible=True, margin=0.15)
    assert {outcome.end for outcome in outcomes} == {"success"}
    assert len(differ) <= 1, differ


@pytest.mark.study
def test_crowdnavs_row_of_an_invisible_robot(pyrvo):
    outcomes, differ = compared(pyrvo, range(1000, 1500), visible=False, margin=0.0)
    print(f"invisible: {row(outcomes)}, {500 - len(differ)} of 500 as with RVO2; {differ}")
    assert len(differ) <= 10
    assert row(outcomes)[:3] == pytest.approx((0.426, 0.568, 0.006), abs=0.01)
    assert row(outcomes)[3] == pytest.approx(10.86, abs=0.05)


@pytest.mark.study
def test_crowdnavs_row_of_a_visible_robot_with_a_margin(pyrvo):
    outcomes, differ = compared(pyrvo, range(1000, 1500), visible=True, margin=0.15)
    print(f"visible: {row(outcomes)}, {500 - len(differ)} of 500 as with RVO2; {differ}")
    assert len(differ) <= 10
    assert row(outcomes)[:3] == pytest.approx((0.992, 0.0, 0.008), abs=0.01)
    assert row(outcomes)[3] == pytest.approx(12.29, abs=0.05)
