"""The stand-in: a pure function of a prompt, that learns from what the prompt shows, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simworld.gateway import STAND_IN, STAND_INS, Request, answer_text, read_answer
from simworld.gateway._stand_in import stand_in
from simworld.scenario._models import STAND_INS as SCENARIOS

PROMPT = (Path(__file__).parent / "prompt.txt").read_text()
HOURS = {
    "type": "object",
    "properties": {"thought": {"type": "string"}, "hours": {"type": "number", "minimum": 0, "maximum": 100}},
    "required": ["thought", "hours"],
    "additionalProperties": False,
}


def answer(text, schema=HOURS, seed=1):
    value = json.loads(answer_text(Request([{"role": "user", "content": text}], schema, seed)))
    assert read_answer(json.dumps(value), schema)[1] == ()  # what it says needs no mending
    return value


def test_the_prompt_in_a_file_gets_the_answer_that_it_always_got():
    assert answer(PROMPT) == {
        "thought": "best so far 45, utility 33,500; I try 44.9",
        "hours": 44.9,
    }


def test_a_parabola_through_the_records_of_the_present_situation_tells_where_to_go():
    # the vertex through (30, 27000), (45, 33500), (60, 29500); the record under other rates does not count
    x, y = np.array([30, 45, 60]), np.array([27000, 33500, 29500])
    a, b, _ = np.polyfit(x, y, 2)
    assert answer(PROMPT + "Choose the best hours.")["hours"] == pytest.approx(-b / (2 * a), abs=0.06)
    assert answer(PROMPT)["hours"] == pytest.approx(-b / (2 * a), abs=2.1)


def test_seeds_matter_only_where_it_experiments():
    assert len({answer(PROMPT, seed=s)["hours"] for s in range(20)}) > 10
    assert len({answer(PROMPT + "Choose the best hours.", seed=s)["hours"] for s in range(20)}) == 1


def play(score, rounds, dims=1, seed=0, low=0, high=100, settle=True):
    """Let it decide, tell it what that came to, and let it settle at the end."""
    kind = {"type": "number", "minimum": low, "maximum": high}
    schema = {"type": "object", "properties": {"x": kind if dims == 1 else {"type": "array", "items": kind, "minItems": dims, "maxItems": dims}}, "required": ["x"]}  # fmt: skip
    lines = ["Goal: maximise score."]
    for i in range(rounds):
        cue = ["Choose the best."] if settle and i == rounds - 1 else []
        x = answer("\n".join([*lines, *cue]), schema, seed=1000 * seed + i)["x"]
        shown = f"{x:g}" if dims == 1 else "[" + ", ".join(f"{v:g}" for v in x) + "]"
        lines.append(f"- x {shown}, score {score(x):,.2f}")
    return x


@pytest.mark.parametrize("peak", [5, 33, 50, 88])
def test_it_finds_the_peak_of_one_number(peak):
    found = [play(lambda x: 1000 - (x - peak) ** 2, 10, seed=s) for s in range(10)]
    assert np.abs(np.array(found) - peak).mean() < 1.5


def test_it_climbs_in_several_dimensions():
    peak = np.array([80, 20, 60])

    def score(x):
        return -float(((np.array(x) - peak) ** 2).sum())

    short, long = ([score(play(score, n, dims=3, seed=s)) for s in range(10)] for n in (3, 40))
    assert np.mean(long) > np.mean(short) / 4  # a quarter of the squared distance is left, or less


def test_it_minimises_if_that_is_the_goal():
    text = "Goal: minimise your cost.\n- x 10, cost 5\n- x 20, cost 9\nChoose the best."
    schema = {"type": "object", "properties": {"x": {"type": "integer", "minimum": 0, "maximum": 50}}}
    assert answer(text, schema)["x"] == 10


def test_without_a_goal_or_records_it_stays_near_what_is():
    for seed in range(10):
        assert 55 <= answer("Now: hours 60 so far.", seed=seed)["hours"] <= 65
        assert 45 <= answer("Hello.", seed=seed)["hours"] <= 55
    assert answer("Hello.")["thought"].startswith("nothing to learn from yet")


def test_every_kind_of_answer_fits_its_schema():
    schema = {
        "type": "object",
        "properties": {
            "move": {"enum": ["C", "D"]},
            "sure": {"type": "boolean"},
            "why": {"type": "string", "maxLength": 10},
            "votes": {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 2},
            "inner": {"type": "object", "properties": {"x": {"const": 4}}, "required": ["x"]},
        },
        "required": ["move", "sure", "why", "votes", "inner"],
    }
    moves = {answer("Hello.", schema, seed)["move"] for seed in range(20)}
    assert moves == {"C", "D"}


@st.composite
def numbers(draw):
    kind = draw(st.sampled_from(["number", "integer"]))
    schema = {"type": kind}
    low = draw(st.sampled_from([-1000, 0, 0.5, 3, 200]))
    span = (
        draw(st.sampled_from([1e-6, 0.01, 2, 40, 1e7])) if kind == "number" else draw(st.sampled_from([5, 40, 10**7]))
    )
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = low + span
    if span > 2 and draw(st.booleans()):
        schema["multipleOf"] = draw(st.sampled_from([1, 2] if kind == "integer" else [0.5, 0.25, 2]))
    return schema


leaves = numbers() | st.sampled_from(
    [
        {"type": "boolean"},
        {"type": "null"},
        {"type": ["null", "integer"], "minimum": 2},
        {"enum": ["C", "D", 3]},
        {"type": "string", "minLength": 60},
        {"type": "string", "maxLength": 4},
    ]
)


def arrays(items):
    sizes = st.sampled_from([{}, {"minItems": 3}, {"maxItems": 0}, {"minItems": 1, "maxItems": 2}])
    return st.tuples(items, sizes).map(lambda t: {"type": "array", "items": t[0]} | t[1])


def objects(items):
    inner = st.dictionaries(st.sampled_from("abc"), items, max_size=3)
    return inner.map(lambda p: {"type": "object", "properties": p, "required": list(p), "additionalProperties": False})


@given(st.recursive(leaves, lambda items: arrays(items) | objects(items), max_leaves=6), st.integers(0, 5))
@example({"type": "number", "minimum": 200}, 0)
@example({"type": "object", "properties": {"a": {"type": "object", "properties": {"x": {"type": "number"}}}}}, 0)
def test_whatever_the_shape_the_answer_fits(schema, seed):
    answer(PROMPT, schema, seed)


def test_numbers_inside_of_objects_are_learned_too():
    inner = {"type": "object", "properties": {"hours": {"type": "number", "minimum": 0, "maximum": 100}}}
    assert answer(PROMPT, {"type": "object", "properties": {"plan": inner}}) == {"plan": {"hours": 44.9}}


def test_it_says_where_it_goes():
    text = PROMPT + "\nChoose the best hours."
    said = answer(text)
    assert said["thought"].endswith(f"I choose {said['hours']:g}")
    alone = "Goal: maximise utility.\n- hours 30, utility 100\nChoose the best."
    assert answer(alone) == {"thought": "best so far 30, utility 100; I stay with it", "hours": 30}


def test_a_persona_does_not_steer_it():
    persona = "You are Max. Your own goal: minimise utility of others. You always choose the best for yourself."
    assert answer(f"{persona}\n{PROMPT}", seed=3)["hours"] != answer(f"{PROMPT}\nChoose the best.")["hours"]
    records = "Goal: maximise utility.\n- hours 20, utility 5\n- hours 60, utility 9\nChoose the best."
    assert answer(f"{persona}\n{records}")["hours"] == answer(records)["hours"] == 60


def test_free_text_says_what_it_is():
    text = answer_text(Request([{"role": "user", "content": "Who are you?"}]))
    assert text == "I am a stand-in, not a language model."
    assert STAND_IN == "stand-in/in-context"


def test_thousands_signs_and_spelling_are_read():
    text = "Goal: maximise net worth.\n- take_share = 0.2; net worth: $1,200\n- take share 0.4; net worth of $900\nChoose the best."
    schema = {"type": "object", "properties": {"take_share": {"type": "number", "minimum": 0, "maximum": 1}}}
    assert answer(text, schema)["take_share"] == 0.2


# -- the second one --------------------------------------------------------------------------------------------------

CHOICE = {"type": "object", "properties": {"thought": {"type": "string"}, "choice": {"enum": ["J", "F", "FF"]}}}
SHARE = {"type": "object", "properties": {"choice": {"type": "number", "minimum": 0, "maximum": 1}}}


def reciprocal(text, schema, seed=1):
    outcome = stand_in("stand-in/reciprocal", Request([{"role": "user", "content": text}], schema, seed))
    assert outcome.model == "stand-in/reciprocal"
    value = json.loads(outcome.text)
    assert read_answer(outcome.text, schema)[1] == ()
    return value


def many(text, schema):
    return [reciprocal(text, schema, seed)["choice"] for seed in range(1000)]


def test_it_gives_its_best_where_there_is_nothing_to_answer():
    assert reciprocal("Hello.", CHOICE) == {"thought": "nothing to answer yet; I give my best", "choice": "J"}
    assert set(many("your choice F", CHOICE)) == {"J"}
    assert set(many("Hello.", SHARE)) == {1.0}


def test_it_does_what_the_other_did_last_and_forgives_one_time_in_ten():
    text = "- round 1: your choice J, the other's choice J\n- round 2: your choice J, the other's choice {}, payoff 0"
    assert set(many(text.format("J"), CHOICE)) == {"J"}
    for other, schema, best in (("F", CHOICE, "J"), ("FF", CHOICE, "J"), (0.25, SHARE, 1.0)):
        chosen = many(text.format(other), schema)
        assert set(chosen) == {other, best}
        assert 70 < chosen.count(best) < 130
    assert reciprocal(text.format("F"), CHOICE)["thought"] == "the other did F; I do the same"


def test_a_mixture_is_answered_by_a_mixture():
    kind = {"type": "object", "properties": {"choice": {"enum": ["J", "F"]}}}
    assert 400 < many("the other's choice 40 % J", kind).count("J") < 520  # 0.4, and a tenth of the rest


def test_whatever_else_is_asked_it_fits():
    schema = {"type": "object", "properties": {"choice": CHOICE["properties"]["choice"], "why": {"type": "string", "maxLength": 9}, "votes": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 3}, "minItems": 2}}}  # fmt: skip
    assert len(reciprocal("the other's choice 7, the other's votes [1, 2]", schema)["votes"]) == 2
    outcome = stand_in("stand-in/reciprocal", Request([{"role": "user", "content": "Who are you?"}]))
    assert outcome.text == "I am a stand-in, not a language model."


def test_stand_ins_have_names_and_no_others():
    assert STAND_INS == frozenset(SCENARIOS) == {STAND_IN, "stand-in/reciprocal"}
    refused = stand_in("stand-in/gpt", Request([]))
    assert str(refused) == "rejected: no such stand-in; accepted: stand-in/in-context, stand-in/reciprocal"
