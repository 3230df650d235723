"""Caseworkers: what a solver learns, what policies make of cues, and experts of every kind."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from simworld.errors import ScenarioError
from simworld.execution import check
from simworld.kernel import Group
from simworld.scenario import load
from simworld.testing import CohortSuite, play
from simworld.worlds.casework import Casework, Stage, training_set
from simworld_agents.caseworker import (
    CUES,
    Candidates,
    SimulatedExpert,
    TeamMember,
    answered,
    candidates,
    drawn,
    fit,
    named,
    train,
)


class _Teams(CohortSuite):
    role = "member"
    horizon = 14

    def world(self):
        return Casework(cases=4, keep=True)

    def counts(self):
        return {"member": 6, "expert": 1}

    def cohort(self):
        return TeamMember(lessons=20)


class TestThreshold(_Teams):
    pass


class TestRandom(_Teams):
    def cohort(self):
        return TeamMember(policy="random", lessons=20)


class TestExpert(_Teams):
    role = "expert"

    def counts(self):
        return {"member": 6, "expert": 2}

    def cohort(self):
        return SimulatedExpert(fatigue=0.1, refusal=0.2, latency=1)


# -- the solver ------------------------------------------------------------------------------------------------------


def test_a_fit_is_the_least_of_its_loss():
    lessons = training_set(Stage(), 3, 0, 60)
    mine = lessons.topic == 2
    x, y = lessons.features[mine], lessons.key[mine]

    def loss(flat):
        scores = x @ flat.reshape(4, 12).T
        return (np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(60), y]).sum() + 0.15 * (flat @ flat)

    found = minimize(loss, np.zeros(48), method="BFGS")
    assert fit(x, y, 4, 0.3) == pytest.approx(found.x.reshape(4, 12), abs=1e-3)
    assert fit(x[:1], y[:1], 4, 0.3).shape == (4, 12)


def test_a_solver_knows_what_it_was_taught():
    stage = Stage(unseen_from=0)
    solver = train(stage, 11, 2, 150, 0.3)
    cases = [stage.deal(11, 11, case, np.arange(400)) for case in range(5)]
    topic, features, key = (np.concatenate([getattr(c, n) for c in cases]) for n in ("topic", "features", "key"))
    likely = solver.chances(np.zeros(2000, dtype=np.int64), topic, features)
    right = likely.argmax(axis=1) == key
    assert right[topic < 5].mean() > 0.75
    assert right[topic >= 5].mean() < 0.4
    # It knows how little it knows: what it takes to be likely comes about as often.
    sure = likely.max(axis=1)
    assert sure[topic < 5].mean() == pytest.approx(right[topic < 5].mean(), abs=0.07)
    assert sure[topic >= 5].mean() == pytest.approx(right[topic >= 5].mean(), abs=0.15)
    other = solver.chances(np.ones(2000, dtype=np.int64), topic, features)
    assert not np.array_equal(likely, other)


def test_answers_are_drawn_by_temperature():
    likely, n = np.tile([0.5, 0.3, 0.2], (30000, 1)), 30000
    draw = (np.arange(n) + 0.5) / n
    for temperature, wanted in (
        (1.0, [0.5, 0.3, 0.2]),
        (0.5, [0.25 / 0.38, 0.09 / 0.38, 0.04 / 0.38]),
        (1e-3, [1, 0, 0]),
    ):
        classes, sure = answered(likely, np.full(n, temperature), draw)
        assert np.bincount(classes, minlength=3) / n == pytest.approx(wanted, abs=1e-3)
        assert (sure == likely[0][classes]).all()  # how likely it is does not depend on how it was drawn


def test_who_works_on_words_is_told(tmp_path):
    (tmp_path / "q.csv").write_text("question,answer\na,b\n")
    path = tmp_path / "x.yaml"
    path.write_text(
        f"world: {{kind: 'simworld.worlds.casework:Casework', source: csv, file: {tmp_path / 'q.csv'}}}\n"
        "roles: {member: {kind: 'simworld_agents.caseworker:TeamMember', count: 3}}\nhorizon: 2\n"
    )
    with pytest.raises(ScenarioError, match="needs the observation field 'features'"):
        check(load(path))


# -- policies --------------------------------------------------------------------------------------------------------


def options(keep=False, expert=True):
    """One member at place 0 of three who is alone with its answer; the other two agree, and one of them is surer."""
    seen = {
        "place": np.array([0]),
        "round": np.array([1]),
        "moves": np.array([[keep, True, True, True, expert]]),
        "confidence": np.array([0.4]),
        "confidences": np.array([[0.4, 0.7, 0.8]]),
        "support": np.array([[1, 2, 2]]),
        "isolated": np.array([True]),
        "distinct": np.array([2]),
        "margin": np.array([1]),
        "same": np.array([False]),
        "told": np.array([False]),
        "load": np.array([1]),
    }
    return candidates(seen, 2)


CHANCE = np.array([[0.9, 0.1, 0.2, 0.3, 0.4]])


@pytest.mark.parametrize(
    ("policy", "threshold", "keep", "expert", "move"),
    [
        ("always_eval", 0.5, True, True, 2),
        ("always_create", 0.5, False, True, 3),
        ("always_defer", 0.5, False, True, 4),
        ("always_defer", 0.5, False, False, 2),
        ("random", 0.5, False, True, 4),
        ("random", 0.5, True, True, 0),
        ("threshold", 0.5, False, True, 4),
        ("threshold", 0.5, False, False, 2),
        ("threshold", 0.4, False, True, 2),
        ("threshold", 0.0, True, True, 2),
    ],
)
def test_what_policies_do(policy, threshold, keep, expert, move):
    assert named(policy, threshold).choose(options(keep, expert), CHANCE).tolist() == [move]


def test_always_to_copy_is_to_copy_anybody():
    many = options()
    many = Candidates(*(np.repeat(a, 4000, axis=0) for a in (many.allowed, many.cues, many.place, many.confidence)))
    chance = np.random.Generator(np.random.Philox(2)).random((4000, 5))
    moves = named("always_eval", 0.5).choose(many, chance)
    assert np.bincount(moves, minlength=5) / 4000 == pytest.approx([0, 0.5, 0.5, 0, 0], abs=0.03)


def test_cues_by_hand():
    one = options()
    assert one.cues.shape == (1, 5, len(CUES))
    assert one.cue("confidence_in").tolist() == [[0.4, 0.7, 0.8, 0.0, 0.0]]
    assert one.cue("support_of")[0] == pytest.approx([1 / 3, 2 / 3, 2 / 3, 0, 0])
    assert one.cue("stay").tolist() == [[1.0, 0.0, 0.0, 0.0, 0.0]]
    assert one.cue("create").tolist() == [[0.0, 0.0, 0.0, 1.0, 0.0]]
    assert one.cue("defer*confidence").tolist() == [[0.0, 0.0, 0.0, 0.0, 0.4]]
    assert one.cue("create*isolated").tolist() == [[0.0, 0.0, 0.0, 1.0, 0.0]]
    assert one.cue("defer*late")[0, 4] == 0.0
    assert one.cue("defer*load")[0, 4] == 0.5
    assert (one.cues >= 0.0).all()
    assert (one.cues <= 1.0).all()


def test_a_softmax_policy_draws_as_often_as_it_says():
    many = options(expert=False)
    many = Candidates(*(np.repeat(a, 20000, axis=0) for a in (many.allowed, many.cues, many.place, many.confidence)))
    weights = np.zeros(len(CUES))
    weights[CUES.index("support_of")], weights[CUES.index("create")] = 3.0, 1.0
    scores = np.einsum("nmc,c->nm", many.cues, weights)
    chance = np.random.Generator(np.random.Philox(4)).random((20000, 5))
    shares = np.bincount(drawn(scores, many, chance), minlength=5) / 20000
    powers = np.exp([-np.inf, 2.0, 2.0, 1.0, -np.inf])
    assert shares == pytest.approx(powers / powers.sum(), abs=0.01)


def test_who_asks_by_lot_asks_as_often_as_it_is_told():
    many = options()
    many = Candidates(*(np.repeat(a, 20000, axis=0) for a in (many.allowed, many.cues, many.place, many.confidence)))
    moves = named("lot", 0.5, 0.3).choose(many, np.random.Generator(np.random.Philox(5)).random((20000, 5)))
    assert (moves == 4).mean() == pytest.approx(0.3, abs=0.01)
    assert set(moves.tolist()) == {2, 4}


# -- simulated experts -----------------------------------------------------------------------------------------------


def society(expert, count=300, seed=1, policy="always_defer", experts=None, **world):
    mind = TeamMember(policy=policy, lessons=20)
    seating = {"member": [Group(mind, 3 * count)], "expert": [Group(expert, experts or count)]}
    cast = Casework(**({"cases": 4, "rounds": 1} | world))
    heard = play(cast, seating, seed, 5000).heard
    return heard.samples[-1][1], [row for row in heard.rows if row["role"] == "expert"], cast


def test_an_expert_is_right_as_often_as_it_says():
    for accuracy in (0.3, 0.95, 1.0):
        said, rows, _ = society(SimulatedExpert(accuracy=accuracy))
        assert said["expert_accuracy"] == pytest.approx(accuracy, abs=0.03)
        assert {row["done"]["confidence"] for row in rows} == {accuracy}


def test_an_expert_may_know_some_topics():
    said, rows, _ = society(SimulatedExpert(accuracy=[1.0] * 5 + [0.25] * 3))
    assert said["accuracy_known"] == 1.0
    assert said["accuracy_unseen"] == pytest.approx(0.25, abs=0.06)
    assert {row["done"]["confidence"] for row in rows if row["seen"]["topic"] > 4} == {0.25}


def test_an_expert_tires_down_to_guessing():
    said, rows, _ = society(SimulatedExpert(accuracy=0.95, fatigue=0.05), 60, experts=1)
    by_calls = [row["done"]["confidence"] for row in sorted(rows, key=lambda r: r["seen"]["calls"])]
    assert by_calls == pytest.approx(np.maximum(0.95 - 0.05 * np.arange(240), 0.25))
    assert said["expert_accuracy"] < 0.4


def test_an_expert_answers_as_many_requests_as_it_has_agreed_to():
    said, rows, _ = society(SimulatedExpert(budget=3), 1, cases=8)
    assert [row["done"]["answer"] == -1 and np.isnan(row["done"]["knows"]) for row in rows] == [False] * 3 + [True] * 5
    assert said["refusal_rate"] == pytest.approx(5 / 8)
    assert society(SimulatedExpert(refusal=0.25))[0]["refusal_rate"] == pytest.approx(0.25, abs=0.04)


def test_a_biased_expert_is_wrong_in_the_same_way():
    """Where the world says so in full view: a member's answer after it was told."""
    for wrong, most in (("same", 1.0), ("any", 0.5)):
        expert = SimulatedExpert(accuracy=0.0, wrong=wrong)
        mind = TeamMember(policy="always_defer", lessons=20)
        cast = Casework(cases=1, rounds=2)
        play(cast, {"member": [Group(mind, 900)], "expert": [Group(expert, 300)]}, 1, 3)
        told, key = cast._told_answer, cast._key
        assert not (told == key).any()
        assert (told[key != 0] == 0).mean() == pytest.approx(most, abs=0.2)


def test_what_an_expert_draws_is_whose_request_it_is():
    """One expert for all, or one for each: the same answers."""
    by_team = []
    for experts in (1, 40):
        _, _, cast = society(SimulatedExpert(accuracy=0.5), 40, experts=experts, cases=1)
        by_team.append(cast._answer)
    # One expert answers in later ticks: other draws, as often right. With one for each the same once more.
    assert by_team[0].shape == by_team[1].shape
    again = society(SimulatedExpert(accuracy=0.5), 40, experts=80, cases=1)[2]._answer
    assert np.array_equal(again, by_team[1])


def test_accuracies_are_one_for_each_topic(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(
        "world: {kind: 'simworld.worlds.casework:Casework'}\n"
        "roles:\n  member: {kind: 'simworld_agents.caseworker:TeamMember', count: 3}\n"
        "  expert: {kind: 'simworld_agents.caseworker:SimulatedExpert', accuracy: [1, 0.5]}\nhorizon: 2\n"
    )
    with pytest.raises(ScenarioError, match="found 2 numbers; accepted: one, or one for each of 8 topics"):
        check(load(path))
