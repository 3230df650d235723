"""Probes: what would be is followed beside what is, and what is stays the same to the bit."""

from __future__ import annotations

import time

import numpy as np
import pytest

from simworld.errors import ScenarioError
from simworld.execution import check, replay_run
from simworld.kernel import Agent, Field, Kernel, Role, World
from simworld.scenario import load
from simworld_analysis import open_run

PLAIN = """
name: hikers
world: {kind: "tests_world:Hikers"}
roles:
  hiker: {kind: "tests_world:Goes", count: 3}
  guide: {kind: "tests_world:Goes", pace: 2.0}
horizon: 10
episodes: 2
seed: 4
"""
PROBES = """
probes:
  alone: {of: hiker.obs.place, every: 2, ticks: 3, without: {guide: all}}
  slower: {of: hiker.obs.place, every: 2, ticks: 3, set: {roles.guide: {kind: "tests_world:Goes", pace: 1.0}}}
  nothing: {of: hiker.obs.place, every: 2, ticks: 3}
  noise: {of: hiker.obs.place, every: 2, ticks: 3, chance: other}
  whole: {of: hiker.obs.place, without: {guide: all}}
"""


class Goes(Agent):
    """Goes on by its pace, or asks a person how far."""

    asks = ()

    def __init__(self, pace: float = 1.0, slow: float = 0.0):
        self.pace, self.slow = pace, slow

    def act(self, seen, seat):
        time.sleep(self.slow)
        return {"step": self.pace}


class Asks(Goes):
    asks = ("person",)

    async def act(self, seen, seat):
        answer = await seat.ask.person({"question": "How far?", "low": 0, "high": 5, "fallback": 1.0})
        return {"step": float(answer.value)}


class Hikers(World):
    """Hikers go their way, and half as far again as the guide goes; noise blows them about."""

    roles = (
        Role("hiker", (Field("place"), Field("name", "str")), (Field("step"),)),
        Role("guide", (Field("place"),), (Field("step"),)),
    )
    measures = (Field("mean"),)

    def __init__(self, noise: float = 0.0, end: int = 0):
        self.noise, self.end = noise, end

    def reset(self, turn):
        self.hikers, self.guide = np.zeros(turn.seats("hiker")), np.zeros(turn.seats("guide"))
        for role in ("hiker", "guide"):
            turn.wake(role, turn.join(role, turn.seats(role)), 0)

    def observe(self, role, members):
        if role == "guide":
            return {"place": self.guide[members]}
        return {"place": self.hikers[members], "name": np.full(len(members), "h", dtype=object)}

    def step(self, moment, turn):
        guide = moment.acts.get("guide")
        pull = 0.0 if guide is None or not len(guide) else 0.5 * float(guide["step"].sum())
        hikers = moment.acts["hiker"]
        blown = self.noise * turn.draw("wind", hikers.members)
        self.hikers[hikers.members] += hikers["step"] + pull + blown
        turn.emit(mean=float(self.hikers.mean()))
        if self.end and turn.tick + 1 == self.end:
            turn.end()
            return
        for role in ("hiker", "guide"):
            turn.wake(role, turn.members(role), turn.tick + 1)


@pytest.fixture
def ran(tmp_path, run):
    def go(text, *overrides, **more):
        path = tmp_path / "it.yaml"
        path.write_text(text.replace("tests_world", __name__))
        return open_run(run(path, *overrides, **more).run)

    return go


def samples(run, name):
    """(tick, value) of a probe in the first episode."""
    table = run.table("measures")
    own = table[table["episode"] == table["episode"].iloc[0]].dropna(subset=[name])
    return list(zip(own["tick"].tolist(), own[name].tolist(), strict=True))


def test_each_branch_is_followed_and_its_mean_distance_told_when_it_is_over(ran):
    run = ran(PLAIN + PROBES)
    # With the guide a hiker gains 1 in every tick: (1 + 2 + 3) / 3 over the three ticks of a branch.
    assert samples(run, "alone") == [(3, 2.0), (5, 2.0), (7, 2.0), (9, 2.0)]
    assert samples(run, "slower") == [(3, 1.0), (5, 1.0), (7, 1.0), (9, 1.0)]
    assert samples(run, "whole") == [(10, 5.5)]
    assert {value for _, value in samples(run, "nothing") + samples(run, "noise")} == {0.0}
    assert run.codebook().query("column == 'alone'")["meaning"].iloc[0].startswith("mean distance of hiker.place")


def test_an_episode_is_the_same_with_probes_and_without(ran):
    plain, probed = ran(PLAIN), ran(PLAIN + PROBES)
    assert plain.table("chain")["link"].tolist() == probed.table("chain")["link"].tolist()
    first, second = (run.table("decisions.hiker").drop(columns="episode") for run in (plain, probed))
    assert first.equals(second)
    assert replay_run(probed.path).identical


def test_noise_is_what_other_chance_makes_and_shared_chance_does_not(ran):
    run = ran(PLAIN + PROBES, "world.noise=0.3")
    assert all(value > 0.0 for _, value in samples(run, "noise"))
    assert {value for _, value in samples(run, "nothing")} == {0.0}
    assert [value for _, value in samples(run, "alone")] == pytest.approx([2.0, 2.0, 2.0, 2.0])


def test_the_same_bytes_with_any_number_of_workers(ran, digests):
    text = PLAIN + PROBES
    one = ran(text, "world.noise=0.3", "episodes=4", out="one")
    two = ran(text, "world.noise=0.3", "episodes=4", out="two", jobs=2)
    assert digests(one.path) == digests(two.path)


def test_a_branch_that_the_end_of_an_episode_cuts_short_tells_nothing(ran):
    run = ran(PLAIN + PROBES, "world.end=6")
    assert samples(run, "alone") == [(3, 2.0), (5, 2.0)]
    assert samples(run, "whole") == [(6, 3.5)]


def test_all_branches_that_are_followed_to_the_end_count(ran):
    probe = "probes: {often: {of: hiker.obs.place, every: 4, without: {guide: all}}}\n"
    # Branches of ticks 0, 4 and 8 are 10, 6 and 2 ticks old: (1 + ... + 10) + (1 + ... + 6) + (1 + 2), over 18 ticks.
    assert samples(ran(PLAIN + probe), "often") == [(10, pytest.approx((55 + 21 + 3) / 18))]
    # However many branches are under way at once, each tells its number in turn.
    probe = "probes: {dense: {of: hiker.obs.place, every: 1, ticks: 3, without: {guide: all}}}\n"
    assert samples(ran(PLAIN + probe), "dense") == [(tick, 2.0) for tick in range(3, 11)]


def test_where_nobody_is_to_be_compared_there_is_no_number(ran):
    text = PLAIN + "probes: {guided: {of: guide.obs.place, every: 2, ticks: 3, without: {guide: all}}}\n"
    run = ran(text)
    assert run.manifest["status"] == "success"
    assert "guided" not in run.table("measures").dropna(axis=1, how="all").columns


def test_an_intervention_happens_in_the_branches_too(ran):
    run = ran(PLAIN + PROBES + "interventions: [{at: 4, without: {hiker: [0]}}]\n")
    # Of the branch of tick 2 three hikers are compared twice, and then the two who are left: 3, 6 and 2 x 3 of 8.
    assert samples(run, "alone") == [(3, 2.0), (5, 1.875), (7, 2.0), (9, 2.0)]
    assert {value for _, value in samples(run, "nothing")} == {0.0}
    rows = run.table("agents").query("role == 'hiker' and agent == 0")
    assert rows["left"].tolist() == [4, 4]


def test_where_somebody_asks_in_a_branch_there_are_no_numbers_and_it_says_why(ran):
    asks = PLAIN.replace('Goes", pace: 2.0', 'Asks"') + "people: {default: {kind: scripted, answers: [2.0]}}\n"
    run = ran(asks + PROBES)
    assert samples(run, "alone") == [(3, 2.0), (5, 2.0), (7, 2.0), (9, 2.0)]
    assert samples(run, "nothing") == []
    told = run.table("telemetry")
    assert told[told["key"] == "probe.nothing.impossible"]["text"].str.contains("nobody can answer here").all()


def test_a_pickle_keeps_branches_under_way(tmp_path):
    from simworld.execution._probes import Probes, build_probes

    path = tmp_path / "it.yaml"
    path.write_text((PLAIN + PROBES).replace("tests_world", __name__))
    import pickle

    from simworld.execution import build_society

    resolved = load(path).cells[0].resolved
    found = []
    for copied in (False, True):
        world, groups = build_society(resolved, str(tmp_path))
        probes, kernel = Probes(build_probes(resolved, world)), Kernel(world, groups, 4, 10)
        told = []
        for tick in range(11):
            kernel.run(until=tick)
            told.append(probes.compare(kernel, tick))
            probes.begin(kernel, tick)
            if copied and tick == 5:
                kernel, probes = pickle.loads(pickle.dumps((kernel, probes)))
        found.append(told)
    assert found[0] == found[1]
    assert any(found[0])


@pytest.mark.parametrize(
    ("probe", "why"),
    [
        ("{of: hiker.obs.name}", "accepted: hiker.obs.place, guide.obs.place"),
        ("{of: hiker.obs.height}", "accepted: hiker.obs.place, guide.obs.place"),
        ("{of: hiker.obs.place, without: {dog: all}}", "there is no such role"),
        ("{of: hiker.obs.place, set: {world.noise: 1}}", "'noise' cannot change in mid-episode"),
        ("{of: hiker.obs.place, every: 0}", "every"),
        ('{of: hiker.obs.place, set: {roles.guide: {kind: "tests_world:Asks"}}}', "asks, and in a branch nobody can"),
    ],
)
def test_what_cannot_be_probed_is_said_in_a_line(tmp_path, probe, why):
    path = tmp_path / "it.yaml"
    text = PLAIN + f"probes: {{it: {probe}}}\npeople: {{default: {{kind: scripted, answers: [1]}}}}\n"
    path.write_text(text.replace("tests_world", __name__))
    with pytest.raises(ScenarioError) as caught:
        check(load(path))
    assert why in str(caught.value), caught.value
    assert "probes.it" in str(caught.value)


def test_where_somebody_asks_in_a_branch_that_pays_the_episode_fails_and_says_why(ran):
    asks = PLAIN.replace('Goes", pace: 2.0', 'Asks"') + "people: {default: {kind: scripted, answers: [2.0]}}\n"
    run = ran(asks + "probes: {nothing: {of: hiker.obs.place, every: 2, ticks: 2, reward: {guide: -10}}}\n")
    rows = run.table("episodes")
    assert set(rows["status"]) == {"failed"}
    assert rows["error"].str.contains("probe 'nothing' pays, and its branch cannot be followed: ").all()


def test_a_probe_with_the_name_of_a_measure_is_refused(tmp_path):
    path = tmp_path / "it.yaml"
    path.write_text((PLAIN + "probes: {mean: {of: hiker.obs.place}}\n").replace("tests_world", __name__))
    with pytest.raises(ScenarioError, match="a measure of that name"):
        check(load(path))


PAYING = """
probes:
  alone: {of: hiker.obs.place, every: 2, ticks: 2, without: {guide: all}, reward: {guide: -10}}
"""


def test_a_probe_that_pays_is_part_of_the_episode_also_when_it_is_replayed(ran):
    plain, paid = ran(PLAIN), ran(PLAIN + PAYING)
    assert plain.table("chain")["link"].tolist() != paid.table("chain")["link"].tolist()
    rows = paid.table("decisions.guide")
    own = rows[rows["episode"] == rows["episode"].iloc[0]].dropna(subset=["reward"])
    # A branch of two ticks is 1.5 away on average: that is for the decision before the tick at which it is over.
    assert own["reward"].tolist() == [0.0, -15.0] * 5
    assert replay_run(paid.path).identical


def test_learners_are_paid_what_the_same_mind_is_paid_in_a_run(ran, tmp_path):
    import simworld

    run = ran(PLAIN + PAYING)
    rows = run.table("decisions.guide")
    inside = rows[rows["episode"] == rows["episode"].iloc[0]]["reward"].dropna().tolist()
    env = simworld.env(tmp_path / "it.yaml", ["guide"])
    env.reset(seed=4)
    outside = []
    while env.agents:
        _, rewards, _, _, _ = env.step({"guide_0": np.array([2.0], dtype=np.float32)})
        outside.append(rewards["guide_0"])
    assert outside == inside
    assert sum(outside) < 0.0


def test_only_roles_that_are_there_are_paid(tmp_path):
    path = tmp_path / "it.yaml"
    path.write_text((PLAIN + PAYING.replace("{guide: -10}", "{dog: 1}")).replace("tests_world", __name__))
    with pytest.raises(ScenarioError, match="there is no such role"):
        check(load(path))
