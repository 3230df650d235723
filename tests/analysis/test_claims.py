"""Claims: what holds, what fails, what is undecided, and what nobody said in time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simworld_analysis import OpenError
from simworld_analysis._values import episode_values
from simworld_analysis.claims import ClaimError, all_hold, evaluate, parse_claim, run_claims
from simworld_analysis.claims._verdict import Sample, judge

SPREAD = (-1.0, -0.5, 0.0, 0.5, 1.0)


@pytest.fixture
def society(hand):
    """``society(a=[...], b=[...])``: arms with the welfare of each of their episodes; seeds count from 0 in each."""

    def write(manifest=None, **arms):
        rows = [
            (f"{arm}-s{seed}", arm, seed, value) for arm, values in arms.items() for seed, value in enumerate(values)
        ]
        names, labels, seeds, values = (list(column) for column in zip(*rows, strict=True))
        return hand(
            manifest=manifest,
            episodes={"episode": names, "arm": labels, "seed": seeds, "status": ["success"] * len(names)},
            measures={
                "episode": [n for n in names for _ in "12"],
                "tick": [0, 1] * len(names),
                "time": [0.0, 1.0] * len(names),
                "welfare": [v for value in values for v in (0.0, float(value))],
            },
        )

    return write


def claim(**more):
    return {"name": "it", "says": "it is so", "measure": "welfare", **more}


def word(run, **more):
    return evaluate(run, [parse_claim(claim(**more))])[0].word


# -- verdicts ------------------------------------------------------------------------------------------------------


def test_a_claim_holds_where_the_whole_interval_lies_where_it_should(society):
    run = society(old=[10 + x for x in SPREAD], new=[12 + 1.2 * x for x in SPREAD])
    verdict = evaluate(run, [parse_claim(claim(compare={"new": "old"}, expect="greater"))])[0]
    assert verdict.word == "holds"
    assert verdict.estimate.value == pytest.approx(2.0)
    # Paired by seed: the spread is that of 0.2 x, a fifth of what two unpaired samples have.
    half = 2.7764451 * 0.2 * math.sqrt(2.5 / 4) / math.sqrt(5)
    assert verdict.estimate.low == pytest.approx(2.0 - half)
    assert verdict.estimate.n == 5


def test_a_false_claim_fails(society):
    run = society(old=[10 + x for x in SPREAD], new=[12 + 1.2 * x for x in SPREAD])
    assert word(run, compare={"new": "old"}, expect="less") == "fails"
    assert word(run, compare={"old": "new"}, expect="greater") == "fails"
    assert word(run, arm="new", expect="within [0, 5]") == "fails"
    assert word(run, arm="new", expect="above 20") == "fails"
    assert word(run, expect="order [new, old]") == "fails"


def test_too_few_episodes_leave_it_undecided_and_say_how_many_more(society):
    run = society(old=[10.0, 10.0, 10.0], new=[11.0, 10.0, 12.0])
    verdict = evaluate(run, [parse_claim(claim(compare={"new": "old"}, expect="greater"))])[0]
    assert verdict.word == "undecided"
    # Differences 1, 0, 2: mean 1, deviation 1. With 7 episodes 2.447 / sqrt(7) < 1; with 6, 2.571 / sqrt(6) > 1.
    assert verdict.more == 4


def test_one_episode_decides_nothing(society):
    run = society(old=[10.0], new=[1000.0])
    verdict = evaluate(run, [parse_claim(claim(compare={"new": "old"}, expect="greater"))])[0]
    assert verdict.word == "undecided"
    assert verdict.more is None


def test_an_interval_across_the_edge_of_a_band_is_undecided(society):
    run = society(a=[10 + x for x in SPREAD])
    assert word(run, arm="a", expect="within [9, 11]") == "holds"
    assert word(run, arm="a", expect="within [9.9, 11]") == "undecided"
    assert word(run, arm="a", expect="below 9.9") == "undecided"


def test_what_never_varies_is_certain(society):
    run = society(a=[0.25] * 4, b=[0.5] * 4)
    assert word(run, arm="a", expect="within [0.25, 0.25]") == "holds"
    assert word(run, compare={"b": "a"}, expect="greater") == "holds"
    assert word(run, compare={"a": "a"}, expect="greater") == "fails"


def test_an_order_is_as_good_as_its_weakest_pair(society):
    wide = [10 + x for x in SPREAD]
    run = society(
        a=wide, b=[x + 5 + 0.1 * y for x, y in zip(wide, SPREAD, strict=True)], c=[x + 5.1 for x in reversed(wide)]
    )
    assert word(run, expect="order [a, b]") == "holds"
    verdict = evaluate(run, [parse_claim(claim(expect="order [a, b, c]"))])[0]
    assert verdict.word == "undecided"
    assert verdict.note == "weakest: c - b"


def test_values_relative_to_another_arm_with_the_same_seed(society):
    run = society(optimum=[10.0, 20.0, 40.0], stay=[8.6, 17.0, 33.6])
    verdict = evaluate(run, [parse_claim(claim(arm="stay", relative_to="optimum", expect="within [0.8, 0.9]"))])[0]
    assert verdict.estimate.value == pytest.approx((0.86 + 0.85 + 0.84) / 3)
    assert verdict.word == "holds"


def test_zeros_and_ones_are_a_rate(society):
    run = society(a=[1.0] * 18 + [0.0] * 2)
    verdict = evaluate(run, [parse_claim(claim(arm="a", expect="above 0.5"))])[0]
    assert verdict.estimate.method == "Jeffreys"
    assert verdict.word == "holds"


@pytest.mark.parametrize(("at", "value"), [("last", 6.0), ("first", 0.0), ("mean", 3.0), ("max", 6.0), ("sum", 6.0)])
def test_the_samples_of_an_episode_become_one_number(society, at, value):
    run = society(a=[6.0, 6.0])
    assert episode_values(run, "welfare", at)["value"].tolist() == [value, value]


def test_a_measure_that_is_a_function_is_the_mean_over_agents(hand, decided):
    run = hand(
        decisions_player=decided([0, 1], [0, 0], act_cooperate=[1, 0]),
        measures={"episode": ["e0"], "tick": [0], "time": [0.0]},
    )
    assert episode_values(run, "cooperation_rate")["value"].tolist() == [0.5]


# -- many at once --------------------------------------------------------------------------------------------------


def test_many_claims_widen_each_others_intervals(society):
    values = [0.65 + x for x in SPREAD]
    run = society(a=values)
    one = claim(arm="a", expect="above 0")
    assert word(run, arm="a", expect="above -0.5") == "holds"
    alone = evaluate(run, [parse_claim(one | {"expect": "above -0.5"})])[0]
    with_others = evaluate(run, [parse_claim(one | {"name": f"n{i}", "expect": "above -0.5"}) for i in range(20)])[0]
    assert alone.estimate.level == pytest.approx(0.95)
    assert with_others.estimate.level == pytest.approx(1 - 0.05 / 20)
    assert with_others.word == "undecided"


def test_a_clear_claim_is_not_punished_for_a_hopeless_one(society):
    run = society(a=[10 + 0.01 * x for x in SPREAD])
    sure, hopeless = claim(arm="a", expect="above 9"), claim(name="no", arm="a", expect="above 11")
    verdicts = evaluate(run, [parse_claim(sure), parse_claim(hopeless)])
    assert [v.word for v in verdicts] == ["holds", "fails"]


def test_of_false_claims_hardly_any_run_bears_out_one():
    """Three claims that noise lies above zero, in 2,000 studies of 10 episodes: some claim holds in at most 5 of 100.

    Judged each for itself, some claim would hold in about 7 of 100: three times the 2.5 of 100 of one side.
    """
    noise = np.random.Generator(np.random.Philox(key=5)).normal(size=(2000, 3, 10))
    claims = [parse_claim(claim(name=f"n{m}", arm="a", expect="above 0")) for m in range(3)]
    together, alone = 0, 0
    for study in noise:
        samples = [[Sample(tuple(values))] for values in study]
        together += any(v.word == "holds" for v in judge(claims, samples))
        alone += any(judge([c], [s])[0].word == "holds" for c, s in zip(claims, samples, strict=True))
    assert together / 2000 < 0.04
    assert 0.05 < alone / 2000 < 0.09


# -- in time -------------------------------------------------------------------------------------------------------


def test_what_nobody_said_before_the_run_is_post_hoc(society):
    said = claim(arm="a", expect="above 1")
    run = society(manifest={"claims": [said]}, a=[10 + x for x in SPREAD])
    later = said | {"name": "late", "expect": "above 9.5"}
    verdicts = run_claims(run, also=[said, later])
    assert [(v.claim.name, v.word, v.note) for v in verdicts] == [
        ("it", "holds", ""),
        ("late", "post hoc", "would be: undecided"),
    ]
    assert all_hold(verdicts), "what was not promised is not broken"


def test_moving_the_goalposts_makes_it_another_claim(society):
    said = claim(arm="a", expect="above 11")
    run = society(manifest={"claims": [said]}, a=[10 + x for x in SPREAD])
    moved = said | {"expect": "above 8"}
    verdicts = run_claims(run, also=[moved])
    assert [v.word for v in verdicts] == ["fails", "post hoc"]
    assert verdicts[1].note == "would be: holds"
    assert not all_hold(verdicts)


def test_better_words_for_the_same_claim_are_the_same_claim(society):
    said = claim(arm="a", expect="above 1")
    run = society(manifest={"claims": [said]}, a=[10 + x for x in SPREAD])
    assert len(run_claims(run, also=[said | {"says": "It certainly is.", "source": "us"}])) == 1


# -- what cannot be tested -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (claim(arm="nobody", expect="above 1"), "there is no arm 'nobody'; the run has a"),
        (
            claim(arm="a", expect="above 1", measure="wellfare"),
            "there is no measure 'wellfare'; did you mean 'welfare'",
        ),
        (claim(measure="gini_of", arm="a", expect="above 1"), "does not apply"),
        (claim(arm="a", expect="above 1", of={"x": 1}), "takes no options"),
    ],
)
def test_what_cannot_be_tested_says_why(society, data, why):
    run = society(a=[1.0, 2.0])
    verdict = evaluate(run, [parse_claim(data)])[0]
    assert verdict.word == "cannot be tested"
    assert why in verdict.note
    assert not all_hold([verdict])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (claim(expect="larger"), "accepted: greater, less, within"),
        (claim(expect="within [2, 1]"), "accepted"),
        (claim(expect="order [a]"), "accepted"),
        (claim(expect="order [a, b, a]"), "accepted"),
        (claim(expect="greater"), "needs two arms to compare"),
        (claim(expect="above 1", compare={"a": "b", "c": "d"}), "compare is one arm"),
        (claim(expect="above 1", compare={"a": "b"}, arm="a"), "found compare and arm; accepted: one of them"),
        (claim(expect="above 1", paired_by="episode"), "accepted: seed"),
        (claim(expect="above 1", measures="x"), "unknown key 'measures'; accepted: name"),
        (claim(expect="above 1", at="median"), "at 'median'; accepted: last"),
        (claim(expect="order [a, b]", arm="a"), "neither arm nor compare"),
        (claim(expect="above 1", alpha=1), "above 0 and below 1"),
        ({"name": "it", "measure": "welfare"}, "found"),
    ],
)
def test_what_cannot_be_read_says_why(data, why):
    with pytest.raises(ClaimError, match=r"claim 'it'") as caught:
        parse_claim(data)
    assert why in str(caught.value)


def test_a_failed_episode_takes_its_seed_out_of_the_pairs(hand):
    names = ["a0", "a1", "b0", "b1"]
    run = hand(
        episodes={
            "episode": names,
            "arm": [*"aabb"],
            "seed": [0, 1, 0, 1],
            "status": ["success", "error", "success", "success"],
        },
        measures={"episode": names, "tick": [0] * 4, "time": [0.0] * 4, "welfare": [1.0, 2.0, 3.0, 4.0]},
    )
    verdict = evaluate(run, [parse_claim(claim(compare={"b": "a"}, expect="greater"))])[0]
    assert verdict.estimate.n == 1


def test_arms_of_a_sweep_are_named_with_their_values(hand):
    names = ["x", "y"]
    run = hand(
        episodes={
            "episode": names,
            "arm": ["a", "a"],
            "seed": [0, 0],
            "status": ["success"] * 2,
            "param.world.size": [1, 2],
        },
        measures={"episode": names, "tick": [0] * 2, "time": [0.0] * 2, "welfare": [1.0, 2.0]},
    )
    assert episode_values(run, "welfare")["variant"].tolist() == ["a size=1", "a size=2"]
    found = evaluate(run, [parse_claim(claim(arm="a", expect="above 0"))])[0]
    assert found.note == "'a' is several variants: a size=1, a size=2; accepted: one of them"
    pair = evaluate(run, [parse_claim(claim(compare={"a size=2": "a size=1"}, expect="greater"))])[0]
    assert pair.estimate.value == 1.0


def test_values_of_a_run_without_such_a_measure(society):
    with pytest.raises(OpenError, match="there is no measure"):
        episode_values(society(a=[1.0]), "happiness")
