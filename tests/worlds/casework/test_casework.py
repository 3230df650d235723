"""Casework: what a decision is worth, how a round goes, who is asked and when, and that no right answer gets out."""

from __future__ import annotations

import numpy as np
import pytest

from simworld.errors import ScenarioError
from simworld.execution import check
from simworld.kernel import Cohort, Group, Intervention, Kernel
from simworld.scenario import load
from simworld.testing import Listener, WorldSuite, play
from simworld.worlds.casework import CREATE, DEFER, EVAL, STAY, Casework, Stage, agreement, kinds_of, voted, worth
from simworld.worlds.casework._answers import compared, wrong_answers
from simworld_agents.caseworker import SimulatedExpert, TeamMember


class TestTeams(WorldSuite):
    horizon = 30

    def world(self):
        return Casework(cases=4)

    def counts(self):
        return {"member": 6, "expert": 1}


class TestUnshared(TestTeams):
    def world(self):
        return Casework(cases=4, shared=False, keep=True, expert_ticks=2, filled="places")

    def counts(self):
        return {"member": 6, "expert": 2}


class TestNobodyToAsk(TestTeams):
    def counts(self):
        return {"member": 3, "expert": 0}


class Script(Cohort):
    """Does what stands in a table: by round, for each member (move, answer, confidence)."""

    def __init__(self, *rounds):
        self.rounds = rounds

    def act(self, seen, seats):
        rows = [self.rounds[r][m] for r, m in zip(seen["round"].tolist(), seats.members.tolist(), strict=True)]
        move, answer, sure = (list(column) for column in zip(*rows, strict=True))
        return {"move": np.array(move), "answer": np.array(answer), "confidence": np.array(sure, dtype=np.float64)}


def keys(case=0, teams=1, number=0):
    return Stage().deal(number, number, case, np.arange(teams)).key


def played(world, mind, members=3, experts=1, expert=None, *, seed=0, horizon=500, absent=None):
    seating = {"member": [Group(mind, members)], "expert": [Group(expert or SimulatedExpert(accuracy=1.0), experts)]}
    missing = {role: np.array(who) for role, who in (absent or {}).items()}
    return play(world, seating, seed, horizon, absent=missing)


def earned(episode):
    """What each member earned, decision by decision: rewards go to the decision before."""
    rows = {}
    for role, member, amount in episode.heard.rewards:
        assert role == "member"
        rows.setdefault(member, []).append(round(amount, 9))
    return rows


def last(episode):
    return episode.heard.samples[-1][1]


# -- what a decision is worth ----------------------------------------------------------------------------------------


def test_what_decisions_are_worth_by_hand():
    kind = np.array([EVAL, EVAL, CREATE, CREATE, DEFER, DEFER, STAY])
    right = np.array([True, False, True, False, True, False, True])
    assert worth(kind, right, 0.1, 0.3) == pytest.approx([1.0, 0.0, 0.9, -0.1, 0.7, -0.3, 1.0])


def test_a_case_by_hand():
    """Round 1: one copies a wrong answer, one answers anew and is right, one asks. Round 2: two copy, one asks again."""
    key = int(keys()[0])
    wrong, other = (key + 1) % 4, (key + 2) % 4
    mind = Script(
        [(0, wrong, 0.9), (0, other, 0.4), (0, other, 0.5)],
        [(1, key, 0.1), (3, key, 0.8), (4, key, 0.1)],
        [(1, 0, 0.1), (2, 0, 0.1), (4, 0, 0.1)],
    )
    episode = played(Casework(cases=1), mind)
    rows = [row for row in episode.heard.rows if row["role"] == "member"]
    assert rows[3]["seen"]["answers"].tolist() == [wrong, other, other]
    assert [r["seen"]["answer"] for r in rows[6:]] == [other, key, key]  # copied as it was before the round
    assert [r["seen"]["confidence"] for r in rows[6:]] == [0.4, 0.8, 1.0]
    assert [r["seen"]["same"] for r in rows[6:]] == [False, False, False]
    assert earned(episode) == {0: [0.0, 1.0], 1: [0.9, 1.0], 2: [0.7, 0.7]}
    said = last(episode)
    assert said["accuracy"] == said["accuracy_member"] == 1.0
    assert said["accuracy_alone"] == 0.0
    assert said["net_utility"] == pytest.approx(1.0 - (0.1 + 0.3 + 0.3) / 6)
    assert [said[f"{k}_rate"] for k in ("eval", "create", "deferral", "stay")] == pytest.approx(
        [3 / 6, 1 / 6, 2 / 6, 0]
    )
    assert (said["expert_calls"], said["expert_calls_unique"], said["coverage"]) == (2.0, 1.0, 0.0)
    assert episode.kernel.ended


def test_who_copies_each_other_swaps_answers():
    mind = Script([(0, 0, 0.5), (0, 1, 0.6)], [(1, 0, 0.0), (0, 0, 0.0)], [(2, 3, 0.1), (2, 3, 0.1)])
    rows = played(Casework(cases=1, size=2), mind, members=2).heard.rows
    assert [row["seen"]["answer"] for row in rows if row["seen"]["round"] == 2] == [1, 0]


def test_what_is_not_offered_leaves_the_answer_as_it_is_and_costs_nothing():
    key = int(keys()[0])
    # Its own place, and the expert who is not there.
    mind = Script([(0, key, 0.5), (4, key, 0.5), (1, -1, 0.5)], [(0, 0, 0.1), (4, 0, 0.1), (2, key, 0.1)])
    episode = played(Casework(cases=1, rounds=1), mind, experts=0)
    assert earned(episode) == {0: [1.0], 1: [1.0], 2: [0.0]}
    assert last(episode)["stay_rate"] == 1.0
    assert last(episode)["accuracy_alone"] == pytest.approx(2 / 3)  # no answer is no right one


def test_kinds_of_moves():
    allowed = np.array([[True, True, False, True, True]] * 5)
    move, place = np.array([0, 0, 2, 3, 4]), np.array([0, 1, 1, 1, 1])
    assert kinds_of(move, place, 3, allowed).tolist() == [STAY, EVAL, STAY, CREATE, DEFER]


def test_what_may_be_done():
    mind = Script([(0, 0, 0.5), (0, -1, 0.5), (0, 2, 0.5)], [(3, 0, 0.1)] * 3)
    for world, experts, own in (
        (Casework(cases=1, rounds=1), 1, False),
        (Casework(cases=1, rounds=1, keep=True), 0, True),
    ):
        rows = [r["seen"] for r in played(world, mind, experts=experts).heard.rows]
        assert all(row["moves"].tolist() == [False, False, False, True, False] for row in rows[:3])
        # The second has no answer that could be taken over.
        assert rows[3]["moves"].tolist() == [own, False, True, True, experts == 1]
        assert rows[4]["moves"].tolist() == [True, False, True, True, experts == 1]


# -- the vote --------------------------------------------------------------------------------------------------------


def test_how_far_a_team_agrees():
    found = agreement(np.array([[0, 0, 1], [0, 1, 2], [3, 3, 3], [-1, 2, -1], [-1, -1, -1], [-1, 1, 2]]))
    assert found.support.tolist() == [[2, 2, 1], [1, 1, 1], [3, 3, 3], [0, 1, 0], [0, 0, 0], [0, 1, 1]]
    assert found.distinct.tolist() == [2, 3, 1, 1, 0, 2]
    assert found.margin.tolist() == [1, 0, 3, 1, 0, 0]
    assert found.isolated[:, 2].tolist() == [True, True, False, False, False, True]
    assert found.isolated[3].tolist() == [False] * 3
    words = np.array([["a", "b", "a"], ["", "", "b"]], dtype=object)
    assert agreement(words).support.tolist() == [[2, 1, 2], [0, 0, 1]]


def test_the_answer_of_most_wins_and_ties_are_broken_by_lot():
    chance = np.random.Generator(np.random.Philox(1)).random((6000, 3))
    assert set(voted(np.tile([0, 1, 1], (6000, 1)), chance).tolist()) == {1, 2}
    three = np.bincount(voted(np.tile([0, 1, 2], (6000, 1)), chance)) / 6000
    assert three == pytest.approx(np.full(3, 1 / 3), abs=0.03)
    assert set(voted(np.tile([-1, -1, 2], (6000, 1)), chance).tolist()) == {2}
    four = voted(np.tile([0, 1, 1, 0], (6000, 1)), np.random.Generator(np.random.Philox(2)).random((6000, 4)))
    assert np.isin(four, [0, 3]).mean() == pytest.approx(0.5, abs=0.03)


# -- experts ---------------------------------------------------------------------------------------------------------


def teams(policy, count=200, experts=None, seed=1, expert=None, **world):
    mind = TeamMember(policy=policy)
    cast = Casework(**{"cases": 5} | world)
    return played(cast, mind, 3 * count, count if experts is None else experts, expert, seed=seed, horizon=5000)


def test_three_calls_that_are_voted_on_are_right_more_often_than_one():
    expert = SimulatedExpert(accuracy=0.8)
    one, three = (last(teams("always_defer", expert=expert, shared=shared)) for shared in (True, False))
    assert one["accuracy"] == pytest.approx(0.8, abs=0.03)
    assert three["accuracy"] == pytest.approx(0.8**3 + 3 * 0.8**2 * 0.2, abs=0.04)
    assert one["expert_accuracy"] == pytest.approx(three["expert_accuracy"], abs=0.03)
    assert (one["expert_calls"], one["expert_calls_unique"]) == (6.0, 1.0)
    assert (three["expert_calls"], three["expert_calls_unique"]) == (6.0, 6.0)
    assert one["net_utility"] == pytest.approx(one["accuracy"] - 0.3)  # everybody pays, shared or not


def test_who_waits_holds_nobody_up():
    """Two teams: one asks an expert who takes four rounds, the other never asks."""
    ask, copy = (4, 0, 0.1), (1, 0, 0.1)
    mind = Script([(3, 0, 0.5)] * 6, [ask] * 3 + [copy] * 3, [copy] * 6)
    episode = played(Casework(cases=2), mind, members=6, expert=SimulatedExpert(latency=4))
    when = {0: [], 3: []}
    for row in episode.heard.rows:
        if row["role"] == "member" and row["member"] in when:
            when[row["member"]].append(row["tick"])
    assert when == {0: [0, 1, 6, 7, 8, 13], 3: [0, 1, 2, 3, 4, 5]}
    assert last(episode)["expert_wait"] == 4.0
    assert last(episode)["cases"] == 4.0


def test_the_world_says_how_long_an_expert_takes_who_does_not():
    class Silent(SimulatedExpert):
        def act(self, seen, seats):
            done = dict(super().act(seen, seats))
            del done["takes"]
            return done

    mind = Script([(3, 0, 0.5)] * 3, [(4, 0, 0.1)] * 3)
    world = Casework(cases=1, rounds=1, expert_ticks=3)
    assert last(played(world, mind, expert=Silent()))["expert_wait"] == 3.0
    assert last(played(world, mind))["expert_wait"] == 0.0


def test_an_expert_takes_up_one_request_in_a_tick_and_the_order_is_by_lot():
    mind = Script([(3, 0, 0.5)] * 24, [(4, 0, 0.1)] * 24)
    first = set()
    for seed in range(8):
        episode = played(Casework(cases=1, rounds=1), mind, members=24, seed=seed)
        asked = [row for row in episode.heard.rows if row["role"] == "expert"]
        assert [row["tick"] for row in asked] == list(range(1, 9))
        assert [row["seen"]["load"] for row in asked] == list(range(8, 0, -1))
        assert [row["seen"]["calls"] for row in asked] == list(range(8))
        assert sorted(row["seen"]["team"] for row in asked) == list(range(8))
        first.add(asked[0]["seen"]["team"])
        assert last(episode)["expert_wait"] == 3.5
    assert len(first) > 2


def test_teams_are_dealt_to_experts_in_turn():
    mind = Script([(3, 0, 0.5)] * 12, [(4, 0, 0.1)] * 12)
    for absent, wanted in (({}, [0, 1, 0, 1]), ({"expert": [0]}, [1, 1, 1, 1])):
        rows = played(Casework(cases=1, rounds=1), mind, 12, 2, absent=absent).heard.rows
        whose = {row["seen"]["team"]: row["member"] for row in rows if row["role"] == "expert"}
        assert [whose[team] for team in range(4)] == wanted


def test_who_is_refused_keeps_the_answer_and_has_paid():
    key = int(keys()[0])
    mind = Script([(3, key, 0.7), (3, key, 0.7), (3, -1, 0.0)], [(4, 0, 0.1)] * 3, [(4, 0, 0.1)] * 3)
    episode = played(Casework(cases=1), mind, expert=SimulatedExpert(refusal=1.0))
    assert earned(episode) == {0: [0.7, 0.7], 1: [0.7, 0.7], 2: [-0.3, -0.3]}
    said = last(episode)
    assert said["refusal_rate"] == 1.0
    assert said["expert_calls_unique"] == 2.0  # what was refused is asked again
    assert np.isnan(said["expert_accuracy"])


def test_when_an_expert_goes_another_takes_over_or_nobody_does():
    for experts, calls, refused in ((2, 1, 0.0), (1, 0, 1.0)):
        mind = Script([(3, 0, 0.5)] * 3, [(4, 0, 0.1)] * 3, [(3, 0, 0.1)] * 3)
        expert = SimulatedExpert(accuracy=1.0, latency=5)
        seating = {"member": [Group(mind, 3)], "expert": [Group(expert, experts)]}
        kernel = Kernel(Casework(cases=1), seating, 0, 100)
        heard = Listener()
        kernel.attach(heard)
        kernel.run(until=3)
        kernel.intervene(Intervention(3, {}, {}, {"expert": np.array([0])}))
        kernel.run()
        assert kernel.ended
        asked = [row["member"] for row in heard.rows if row["role"] == "expert"]
        assert asked == [0, 1][: 1 + calls]
        said = heard.samples[-1][1]
        assert said["refusal_rate"] == refused
        assert said["cases"] == 1.0


def test_when_all_who_asked_are_gone_the_answer_is_nobodys():
    """A late answer to a case that is over must not become the answer to the next one."""
    one, none = (4, 0, 0.1), (1, 0, 0.1)
    mind = Script([(3, 0, 0.5)] * 3, [one, (2, 0, 0.1), none], [none, (2, 0, 0.1), none])
    seating = {"member": [Group(mind, 3)], "expert": [Group(SimulatedExpert(latency=9), 1)]}
    kernel = Kernel(Casework(cases=2, rounds=2), seating, 0, 100)
    heard = Listener()
    kernel.attach(heard)
    kernel.run(until=4)
    kernel.intervene(Intervention(4, {}, {}, {"member": np.array([0])}))
    kernel.run()
    assert kernel.ended
    rows = [row for row in heard.rows if row["role"] == "member" and row["tick"] > 4]
    assert [row["tick"] for row in rows if row["member"] == 1] == [5, 6, 7, 8]
    assert not any(row["seen"]["told"] for row in rows)
    assert rows[-1]["seen"]["answers"][0] == -1  # who has gone has no answer


# -- chance, and what gets out ---------------------------------------------------------------------------------------


def deciding(episode, team, fields=("features", "topic", "answers", "confidences")):
    rows = [row for row in episode.heard.rows if row["role"] == "member" and row["seen"]["team"] == team]
    return [([np.asarray(r["seen"][f]).tolist() for f in fields], r["done"]) for r in rows]


def test_leaving_a_team_out_changes_nothing_for_another():
    whole = teams("threshold", 4, seed=3)
    for absent in ({"member": [0, 1, 2]}, {"member": [9, 10, 11]}, {"member": [1], "expert": [3]}):
        less = played(Casework(cases=5), TeamMember(), 12, 4, seed=3, absent=absent)
        for team in (1, 2):
            assert repr(deciding(less, team)) == repr(deciding(whole, team))


def test_cases_are_the_same_however_many_teams_and_cases_there_are():
    few, many = Stage().deal(9, 9, 3, np.arange(2)), Stage().deal(9, 9, 3, np.arange(50))
    assert np.array_equal(few.features, many.features[:2])
    assert np.array_equal(few.key, many.key[:2])


class Relabelled(Stage):
    """The same cases with other right answers."""

    def deal(self, number, seed, case, teams):
        cases = super().deal(number, seed, case, teams)
        return type(cases)(cases.topic, cases.features, (cases.key + 1) % self.classes)


@pytest.mark.parametrize("policy", ["always_eval", "always_create", "random", "threshold"])
def test_with_other_right_answers_members_see_and_do_the_same(policy):
    """Until an expert has spoken; only what they earn is another thing."""

    def one(stage, experts):
        return played(Casework(cases=4, stage=stage), TeamMember(policy=policy), 30, experts, seed=5)

    true, false = one(Stage(), 0), one(Relabelled(), 0)
    assert repr(true.heard.rows) == repr(false.heard.rows)
    assert earned(true) != earned(false)
    asked = [one(stage, 10).heard.rows for stage in (Stage(), Relabelled())]
    before = [[r for r in rows if r["seen"]["round"] < 2 and r["seen"]["case"] == 0] for rows in asked]
    assert repr(before[0]) == repr(before[1])
    # What experts see is the same, too: it is the world that knows.
    seen = [[r["seen"]["features"] for r in rows if r["role"] == "expert"][:5] for rows in asked]
    assert np.array_equal(seen[0], seen[1])


def test_a_training_set_covers_what_is_known_and_is_never_dealt():
    from simworld.worlds.casework import training_set

    stage = Stage()
    first, other = (training_set(stage, 4, block, 30) for block in (0, 1))
    assert set(first.topic.tolist()) == set(range(5))
    assert not np.array_equal(first.features, other.features)
    assert np.array_equal(training_set(stage, 4, 0, 10).features[:10], first.features[:10])
    dealt = np.concatenate([stage.deal(4, 4, case, np.arange(50)).features for case in range(20)])
    lessons = {tuple(row) for row in first.features.tolist()}
    assert not lessons & {tuple(row) for row in dealt.tolist()}
    with pytest.raises(ValueError, match="those that a training set covers, 0 to 4"):
        stage.lessons(4, 0, 5, 10)


def test_a_stage_is_fair_and_linear():
    stage = Stage(noise=0.0)
    cases = [stage.deal(2, 2, case, np.arange(500)) for case in range(8)]
    key, topic = (np.concatenate([getattr(c, name) for c in cases]) for name in ("key", "topic"))
    assert np.bincount(key) / len(key) == pytest.approx(np.full(4, 0.25), abs=0.03)
    assert np.bincount(topic) / len(topic) == pytest.approx(np.full(8, 1 / 8), abs=0.03)
    scores = np.einsum("nf,nkf->nk", cases[0].features, stage.rules(2)[cases[0].topic])
    assert np.array_equal(scores.argmax(axis=1), cases[0].key)
    late = Stage(unseen_from=4)
    assert [late.deal(2, 2, case, np.arange(500)).topic.max() for case in (0, 3, 4)] == [4, 4, 7]


def test_a_stage_may_be_the_same_in_all_episodes():
    fixed = Stage(number=7)
    one, other = (fixed.deal(7, seed, 0, np.arange(200)) for seed in (1, 2))
    assert not np.array_equal(one.features, other.features)
    stages = set()
    for seed in (1, 2):
        rows = played(Casework(cases=1, stage=fixed), TeamMember(lessons=5), 3, 1, seed=seed).heard.rows
        stages.add(int(rows[0]["seen"]["stage"]))
    assert stages == {7}


def test_groups_fill_teams_or_places():
    for filled, wanted in (("teams", [0, 0, 0, 0, 1, 1]), ("places", [0, 0, 1, 0, 0, 1])):
        one = Script(*[[(3, 0, 0.5)] * 6] * 2)
        other = Script(*[[(3, 1, 0.5)] * 6] * 2)
        seating = {"member": [Group(one, 4), Group(other, 2)], "expert": []}
        rows = play(Casework(cases=1, rounds=1, filled=filled), seating, 0, 10).heard.rows
        assert [row["done"]["answer"] for row in rows[:6]] == wanted


# -- what is measured ------------------------------------------------------------------------------------------------


def test_calibration_by_hand():
    """Four first answers of confidence .85, of which half are right: an error of .35."""
    key = keys(teams=2)
    mind = Script([(3, int(key[m // 2]) if m % 2 else -1, 0.85) for m in range(4)])
    said = last(played(Casework(cases=1, rounds=0, size=2), mind, members=4))
    assert said["calibration_error"] == pytest.approx(0.35)
    assert said["accuracy_alone"] == 0.5
    assert said["accuracy"] == 1.0  # who has no answer has no vote
    assert said["deferral_rate"] == 0.0


def test_lately_is_about_the_last_cases_alone():
    """Two teams who copy for ten cases and then ask: with a window of eight cases nothing is left of the time before."""

    class Late(Cohort):
        def act(self, seen, seats):
            move = np.where(seen["case"] < 10, (seen["place"] + 1) % 3, 4)
            return {"move": move, "answer": np.zeros(len(move), np.int64), "confidence": np.full(len(move), np.nan)}

    samples = [said for _, said in played(Casework(cases=20, window=8), Late(), members=6, experts=2).heard.samples]
    at = {said["cases"]: (said["deferral_rate"], said["deferral_rate_lately"]) for said in samples}
    assert at[20.0] == (0.0, 0.0)
    assert at[24.0] == (pytest.approx(4 / 24), pytest.approx(4 / 8))
    assert at[40.0] == (0.5, 1.0)
    assert samples[-1]["accuracy_lately"] == 1.0  # an expert who is always right
    assert samples[-1]["gain"] == pytest.approx(samples[-1]["accuracy"] - samples[-1]["accuracy_alone"])


@pytest.mark.parametrize("key", ["unknown", "9007199254740993", "100000000000000000001", "-0.5", "9" * 400, "9" * 5000])
def test_a_wrong_answer_is_never_the_right_one(key):
    keys = np.array([key] * 20, dtype=object)
    for proposed in ("", key):
        wrong = wrong_answers(np.array([proposed] * 20, dtype=object), keys, np.arange(20) / 20, 0)
        assert key not in compared(wrong)
        assert all(wrong)


def test_unseen_topics_are_told_from_known_ones():
    said = last(teams("always_create", 200, seed=2, cases=10))
    assert said["accuracy_known"] > 0.75
    assert said["accuracy_unseen"] < 0.45
    alone = last(played(Casework(cases=1), TeamMember(policy="random"), 6, 2))
    assert alone["cases"] == 2.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("", "7 members; accepted: a multiple of size, which is 3"),
        (", stage: {known: 9}", "stage.known: found 9; accepted: up to the number of topics, which is 8"),
        (", stage: {known: 0, unseen_from: 2}", "stage.unseen_from: found 2; accepted: 0, as no topic is known"),
        (", source: csv", "file: missing; accepted: a CSV with the columns question and answer"),
        (", source: csv, file: nowhere.csv", "there is no file 'nowhere.csv'"),
    ],
)
def test_what_cannot_be_worked_on_is_refused_before_it_starts(settings, message, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(
        f"world: {{kind: 'simworld.worlds.casework:Casework'{settings}}}\n"
        "roles: {member: {kind: random, count: 7}}\nhorizon: 2\n"
    )
    with pytest.raises(ScenarioError) as found:
        check(load(path))
    assert message in str(found.value)
