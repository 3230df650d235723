"""Claims: what holds, what fails, what is undecided, and what nobody said in time."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from simworld_analysis import OpenError
from simworld_analysis._values import episode_values
from simworld_analysis.claims import ClaimError, all_hold, evaluate, expected, parse_claim, run_claims
from simworld_analysis.claims._cells import Sample
from simworld_analysis.claims._verdict import judge

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


@pytest.fixture
def lives(hand):
    """``lives(a=[(welfare, hours), ...])``: arms with two measures of each of their episodes."""

    def write(**arms):
        rows = [(f"{arm}-s{seed}", arm, seed, *two) for arm, pairs in arms.items() for seed, two in enumerate(pairs)]
        names, labels, seeds, welfare, hours = (list(column) for column in zip(*rows, strict=True))
        told = {"episode": names, "tick": [0] * len(names), "time": [0.0] * len(names)}
        return hand(
            episodes={"episode": names, "arm": labels, "seed": seeds, "status": ["success"] * len(names)},
            measures=told | {"welfare": welfare, "hours": hours},
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
    assert word(society(a=[0.25] * 4, b=[0.25] * 4), compare={"b": "a"}, expect="greater") == "fails"
    with pytest.raises(ClaimError, match="compare names one arm twice"):
        word(run, compare={"a": "a"}, expect="greater")


def test_an_order_is_as_good_as_its_weakest_pair(society):
    wide = [10 + x for x in SPREAD]
    run = society(
        a=wide, b=[x + 5 + 0.1 * y for x, y in zip(wide, SPREAD, strict=True)], c=[x + 5.1 for x in reversed(wide)]
    )
    assert word(run, expect="order [a, b]") == "holds"
    verdict = evaluate(run, [parse_claim(claim(expect="order [a, b, c]"))])[0]
    assert verdict.word == "undecided"
    assert verdict.note == "least certain pair: c − b"


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


# -- two measures --------------------------------------------------------------------------------------------------

UP = [(0.0, 1.0), (1.0, 0.0), (2.0, 3.0), (3.0, 2.0), (4.0, 4.0), (5.0, 6.0), (6.0, 5.0), (7.0, 7.0)]
DOWN = [(welfare, 20.0 - hours) for welfare, hours in UP]


def together(run, **more):
    return evaluate(run, [parse_claim(claim(correlated_with="hours", **more))])[0]


def test_a_correlation_is_that_of_an_arm_or_of_all_episodes_together(lives):
    run = lives(up=UP, down=DOWN)
    one = together(run, arm="up", expect="above 0.3")
    assert (one.word, one.estimate.n) == ("holds", 8)
    assert one.estimate.value == pytest.approx(np.corrcoef(np.array(UP).T)[0, 1])
    assert together(run, arm="down", expect="above 0.3").word == "fails"
    whole = together(run, expect="within [-0.9, 0.9]")
    assert whole.estimate.value == pytest.approx(np.corrcoef(np.array(UP + DOWN).T)[0, 1])
    # Sixteen episodes, and eight seeds.
    assert (whole.word, whole.estimate.n) == ("holds", 8)


def test_whether_one_measure_says_the_same_as_another(lives):
    same = lives(a=[(x, 3.0 * x + 0.01 * y) for x, y in UP])
    assert together(same, expect="within [-0.9, 0.9]").word == "fails"
    assert together(same, expect="above 0.9").word == "holds"
    assert together(same, expect="above 0.9").p < 1e-6
    unsure = together(lives(a=UP), expect="within [-0.9, 0.9]")
    assert unsure.word == "undecided"
    assert unsure.more is not None
    assert unsure.more > 0
    # Of all the cases that there are, the number itself is judged.
    assert together(lives(a=UP), expect="below 0.97", cases="all").word == "holds"


def test_what_a_correlation_says_is_said(lives):
    run = lives(up=UP, down=DOWN)
    assert expected(together(run, expect="above 0").claim) == (
        "correlation of welfare with hours over all episodes: above 0"
    )
    found = together(run, arm="up", at="max", expect="above 0")
    assert expected(found.claim) == "correlation of max of welfare with hours in up: above 0"
    assert found.as_dict()["correlated_with"] == "hours"
    assert "correlated_with" not in evaluate(run, [parse_claim(claim(arm="up", expect="above 0"))])[0].as_dict()
    other = claim(arm="up", expect="above 0")
    assert parse_claim(other).as_data() != parse_claim(other | {"correlated_with": "hours"}).as_data()


def test_with_what_never_varies_nothing_goes_together(lives):
    run = lives(a=[(x, 5.0) for x, _ in UP])
    found = together(run, expect="above 0")
    assert (found.word, found.note) == (
        "cannot be tested",
        "the measure that it is correlated with is 5 in every episode: nothing can go together with it",
    )
    assert together(lives(a=[(1.0, 2.0)]), expect="above 0").word == "undecided"
    assert "there is no measure 'hour'; did you mean 'hours'" in (
        evaluate(run, [parse_claim(claim(correlated_with="hour", expect="above 0"))])[0].note
    )


def test_an_episode_that_lacks_one_of_the_two_does_not_count(lives):
    run = lives(a=[*UP, (100.0, math.nan)], b=[(math.nan, 1.0)] * 9)
    found = together(run, expect="above 0")
    assert found.estimate.value == pytest.approx(np.corrcoef(np.array(UP).T)[0, 1])
    assert found.estimate.n == 8


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
        (claim(expect="above 0", correlated_with="welfare"), "the measure itself; accepted: another measure"),
        (
            claim(expect="less", compare={"a": "b"}, correlated_with="hours"),
            "correlated_with and compare; accepted: with",
        ),
        (
            claim(expect="above 0", relative_to="a", correlated_with="hours"),
            "correlated_with and relative_to; accepted",
        ),
        (
            claim(expect="order [a, b]", correlated_with="hours"),
            "and an order of arms; accepted: within [a, b], above a",
        ),
        (claim(expect="within [-0.9, 9]", correlated_with="hours"), "accepted: bounds from -1 to 1"),
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


@pytest.fixture
def swept(hand):
    """Two arms at two values of a sweep, three seeds: welfare is 100 seed + 10 size + (1 more for size in arm b)."""
    cells = [(arm, size, seed) for arm in "ab" for size in (1, 2) for seed in range(3)]
    names = [f"{arm}{size}s{seed}" for arm, size, seed in cells]
    values = [100.0 * seed + 10.0 * size + (size if arm == "b" else 0.0) for arm, size, seed in cells]
    return hand(
        episodes={
            "episode": names,
            "arm": [arm for arm, _, _ in cells],
            "seed": [seed for _, _, seed in cells],
            "status": ["success"] * len(cells),
            "param.world.size": [size for _, size, _ in cells],
        },
        measures={"episode": names, "tick": [0] * 12, "time": [0.0] * 12, "welfare": values},
    )


def test_in_a_sweep_arms_are_compared_at_the_same_values_and_a_seed_counts_once(swept):
    def found(**more):
        return evaluate(swept, [parse_claim(claim(**more))])[0].estimate

    assert episode_values(swept, "welfare")["variant"].unique().tolist() == [
        "a size=1",
        "a size=2",
        "b size=1",
        "b size=2",
    ]
    # 1 more at size 1, 2 more at size 2: 1.5 in every one of three seeds, which are three, not six
    both = found(compare={"b": "a"}, expect="greater")
    assert (both.value, both.n) == (1.5, 3)
    one = found(compare={"b size=2": "a size=2"}, expect="greater")
    assert (one.value, one.n) == (2.0, 3)
    against = found(compare={"b": "a size=1"}, expect="greater")
    assert (against.value, against.n) == (6.5, 3)
    assert (found(arm="a", expect="above 0").value, found(arm="a", expect="above 0").n) == (115.0, 3)
    # the whole run: over both arms and sizes
    assert (found(expect="above 0").value, found(expect="above 0").n) == (115.75, 3)
    # in seed 0 the shares are 11/10 and 22/20
    share = found(arm="b", relative_to="a", expect="above 1")
    assert share.value == pytest.approx(np.mean([1.1, (111 / 110 + 122 / 120) / 2, (211 / 210 + 222 / 220) / 2]))


def test_a_seed_that_lacks_an_arm_does_not_count_for_the_whole_run(society):
    run = society(a=[1.0, 2.0, 3.0], b=[5.0, 6.0])
    verdict = evaluate(run, [parse_claim(claim(expect="above 0"))])[0]
    assert (verdict.estimate.value, verdict.estimate.n) == (3.5, 2)


def test_values_of_a_run_without_such_a_measure(society):
    with pytest.raises(OpenError, match="there is no measure"):
        episode_values(society(a=[1.0]), "happiness")


# -- what was wrong once -------------------------------------------------------------------------------------------


def test_paired_differences_of_events_are_no_rate(society):
    run = society(a=[0.0] * 20, b=[0.0] * 19 + [1.0])
    # One event more in twenty pairs shows nothing; as a rate its interval would exclude zero.
    verdict = evaluate(run, [parse_claim(claim(compare={"b": "a"}, expect="greater"))])[0]
    assert (verdict.word, verdict.estimate.method) == ("undecided", "t")
    own = evaluate(run, [parse_claim(claim(arm="b", expect="above 0"))])[0]
    assert own.estimate.method == "Jeffreys"


def test_an_event_that_has_not_happened_yet_may_still_happen(society):
    run = society(a=[0.0] * 5, b=[0.0, 1.0, 1.0, 0.0, 1.0])
    verdict = evaluate(run, [parse_claim(claim(arm="a", expect="below 0.05"))])[0]
    assert (verdict.word, verdict.estimate.method) == ("undecided", "Jeffreys")


@pytest.mark.parametrize("expect", ["above 0", "below 0", "greater", "less"])
def test_no_difference_at_all_is_neither_above_nor_below_zero(society, expect):
    run = society(a=[1.0, 2.0, 3.0], b=[1.0, 2.0, 3.0])
    assert word(run, compare={"b": "a"}, expect=expect) == "fails"


def test_a_claim_that_was_altered_in_the_seventh_digit_is_another_one(society):
    written = claim(arm="a", expect="above 1000000.4")
    run = society(a=[1_000_001.0, 1_000_002.0], manifest={"claims": [written]})
    assert [v.word for v in run_claims(run, [written | {"expect": "above 1000000.3"}])][1:] == ["post hoc"]
    assert len(run_claims(run, [written])) == 1
    assert str(parse_claim(written).expect) == "above 1000000.4"
    assert str(parse_claim(written | {"expect": "within [-1e-6, 50]"}).expect) == "within [-1e-06, 50]"


@pytest.mark.parametrize("expect", ["below 1e999", "within [1e999, 1e999]", "below \u0661"])
def test_bounds_that_are_no_numbers_are_refused(expect):
    with pytest.raises(ClaimError, match="accepted: greater, less, within"):
        parse_claim(claim(expect=expect))


def test_claims_are_established_by_the_intervals_that_are_shown():
    """With skewed data a bootstrap interval and a t test disagree: what was not shown to hold must not help others."""
    chance = np.random.Generator(np.random.Philox(key=9))
    claims = [parse_claim(claim(name=f"n{m}", arm="a", expect="above 0")) for m in range(3)]
    for _ in range(60):
        samples = [[Sample(tuple(chance.exponential(1.0, 60) - 0.75))] for _ in claims]
        verdicts = judge(claims, samples)
        held = sum(v.word == "holds" for v in verdicts)
        for verdict in verdicts:
            if verdict.word != "holds":
                assert verdict.estimate.level == pytest.approx(1 - 0.05 / (3 - held))


def test_a_long_order_that_is_true_is_hardly_ever_said_to_fail():
    """Ten arms that rise by next to nothing, in 400 studies; each pair for itself would fail some order in 20 of 100."""
    noise = np.random.Generator(np.random.Philox(key=6)).normal(size=(400, 10, 20))
    order = parse_claim(claim(expect=f"order [{', '.join(f'a{m}' for m in range(10))}]"))
    failed = 0
    for study in noise:
        pairs = [Sample(tuple(study[m + 1] - study[m] + 1e-9)) for m in range(9)]
        failed += judge([order], [pairs])[0].word == "fails"
    assert failed / 400 < 0.06


def test_infinite_numbers_decide_nothing_and_can_be_written_down(society):
    run = society(a=[1.0, math.inf, 3.0])
    verdict = evaluate(run, [parse_claim(claim(arm="a", expect="above 0"))])[0]
    assert (verdict.word, verdict.estimate.method) == ("undecided", "infinite values")
    assert json.loads(json.dumps(verdict.as_dict(), allow_nan=False))["estimate"] is None


def test_an_option_of_the_wrong_kind_cannot_be_tested(society):
    run = society(a=[1.0, 2.0])
    verdict = evaluate(run, [parse_claim(claim(measure="gini_of", of={"column": 3}, arm="a", expect="above 0"))])[0]
    assert verdict.word == "cannot be tested"
    assert "option 'column': found 3; accepted: input should be a valid string" in verdict.note


def test_of_all_the_cases_that_there_are_the_number_itself_is_judged(society):
    run = society(old=[10 + x for x in SPREAD])
    sample = evaluate(run, [parse_claim(claim(expect="within [9.9, 10.1]"))])[0]
    whole = evaluate(run, [parse_claim(claim(expect="within [9.9, 10.1]", cases="all"))])[0]
    assert (sample.word, whole.word) == ("undecided", "holds")
    assert (whole.estimate.low, whole.estimate.high, whole.estimate.method) == (10.0, 10.0, "all cases")
    assert word(run, expect="within [10.1, 11]", cases="all") == "fails"
    with pytest.raises(ClaimError, match="accepted: sample, all"):
        parse_claim(claim(expect="above 0", cases="some"))
