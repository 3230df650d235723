"""What a model wrote is read with forgiveness for its packaging, and none for what it says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.errors import ContractError
from simworld.gateway import AnswerError, check_schema, read_answer

HOURS = {
    "type": "object",
    "properties": {"thought": {"type": "string"}, "hours": {"type": "number", "minimum": 0, "maximum": 100}},
    "required": ["hours"],
    "additionalProperties": False,
}
RATES = {
    "type": "object",
    "properties": {
        "rates": {
            "type": "array",
            "items": {"type": "number", "minimum": 0, "maximum": 100},
            "minItems": 3,
            "maxItems": 3,
        }
    },
    "required": ["rates"],
}


@pytest.mark.parametrize(
    ("text", "value", "mends"),
    [
        ('{"hours": 41.5}', {"hours": 41.5}, ()),
        ('{"thought": "more", "hours": 40}', {"thought": "more", "hours": 40.0}, ()),
        ('```json\n{"hours": 41.5}\n```', {"hours": 41.5}, ("a code fence",)),
        ('Sure! ```\n{"hours": 41.5}\n``` Enjoy.', {"hours": 41.5}, ("a code fence", "words around it")),
        ('<think>{"hours": 3}? no</think>{"hours": 41.5}', {"hours": 41.5}, ("a thinking block",)),
        ('I choose {"hours": 41.5}.', {"hours": 41.5}, ("words around it",)),
        ('First {"hours": 10}, no: {"hours": 41.5}', {"hours": 41.5}, ("words around it",)),
        ('{"hours": "41.5"}', {"hours": 41.5}, ("a number in text",)),
        ('{"hours": "41 hours"}', {"hours": 41.0}, ("a number in text",)),
        ('{"hours": 41.5, "mood": "good"}', {"hours": 41.5}, ("keys that nobody asked for",)),
        ('hm, {"hours": 3}?</think>{"hours": 41.5}', {"hours": 41.5}, ("a thinking block",)),
        ('```json\n{"hours": 41.5}\n```\n```python\nprint(1)\n```', {"hours": 41.5}, ("a code fence",)),
        ('```python\nx = 1\n```\nSo {"hours": 41.5}', {"hours": 41.5}, ("a code fence", "words around it")),
        ('{"hours": 1, "hours": 41.5}', {"hours": 41.5}, ("a key given twice",)),
        ('{"thought": "<think>no</think>", "hours": 41.5}', {"thought": "<think>no</think>", "hours": 41.5}, ()),
        ('{"hours": "$41.5"}', {"hours": 41.5}, ("a number in text",)),
        ('<think>x</think> so {"hours": "40", "x": 1}', {"hours": 40.0},
         ("a thinking block", "words around it", "keys that nobody asked for", "a number in text")),
    ],
)  # fmt: skip
def test_packaging_is_forgiven_and_named(text, value, mends):
    assert read_answer(text, HOURS) == (value, mends)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("I will not defect from work: forty hours.", "it holds no JSON object"),
        ("", "it holds no JSON object"),
        ('{"hours": ', "it holds no whole JSON object"),
        ('{"options": {"hours": 99}, "hours": 5', "it holds no whole JSON object"),
        ('<think>Maybe {"hours": 99}? No, much too', "it holds no JSON object"),
        ('{"hours": "4,5"}', 'hours: should be a number (found "4,5")'),
        ('{"hours": "1,2,3"}', "hours: should be a number"),
        ('{"hours": "1_0"}', "hours: should be a number"),
        ("{" * 1_000_000, "it holds no JSON object"),
        ("<think>" * 100_000, "it holds no JSON object"),
        ('{"x":' * 10_000, "nested too deeply"),
        (" " * 1_000_001, "it is longer than 1,000,000 characters"),
        ('{"hours": NaN}', "hours: Input should be"),
        ('{"hours": Infinity}', "hours: Input should be"),
        ('{"hours": 1e9}', "hours: Input should be less than or equal to 100 (found 1000000000.0)"),
        ('{"hours": -1}', "hours: Input should be greater than or equal to 0 (found -1)"),
        ('{"hours": "many"}', "hours: should be a number"),
        ('{"hours": true}', "hours"),
        ('{"hours": null}', "hours"),
        ('{"thought": "none"}', "hours: Field required"),
        ("[40]", "answer"),
        ("40", "answer"),
    ],
)
def test_what_it_says_must_fit(text, why):
    with pytest.raises(AnswerError) as caught:
        read_answer(text, HOURS)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lists_have_their_length_and_bounds():
    assert read_answer('{"rates": [10, "20 %", 30.5]}', RATES) == ({"rates": [10.0, 20.0, 30.5]}, ("a number in text",))
    for bad in ("[10, 20]", "[10, 20, 30, 40]", "[10, 20, 130]", '"10, 20, 30"'):
        with pytest.raises(AnswerError, match="rates"):
            read_answer(f'{{"rates": {bad}}}', RATES)


def test_words_and_numbers_to_choose_from():
    schema = {
        "type": "object",
        "properties": {"move": {"enum": ["C", "D"]}, "n": {"type": "integer"}},
        "required": ["move"],
    }
    assert read_answer('{"move": "C"}', schema)[0] == {"move": "C"}
    assert read_answer('{"move": "D", "n": 3.0}', schema)[0]["n"] == 3
    with pytest.raises(AnswerError, match='should be one of "C", "D"'):
        read_answer('{"move": "c"}', schema)
    with pytest.raises(AnswerError, match="n:"):
        read_answer('{"move": "C", "n": 3.5}', schema)


def test_what_is_not_an_object_may_stand_among_words():
    numbers = {"type": "array", "items": {"type": "number"}}
    assert read_answer("I say [1, 2].", numbers) == ([1.0, 2.0], ("words around it",))
    assert read_answer("about 1,200 dollars", {"type": "number"})[0] == 1200.0
    with pytest.raises(AnswerError, match="it is no JSON boolean"):
        read_answer("perhaps", {"type": "boolean"})


def test_percent_of_a_share_are_hundredths_and_elsewhere_the_unit():
    share = {"type": "object", "properties": {"p": {"type": "number", "minimum": 0, "maximum": 1}}}
    assert read_answer('{"p": "25 %"}', share)[0] == {"p": 0.25}
    assert read_answer('{"p": "0.5%"}', share)[0] == {"p": 0.005}
    percent = {"type": "object", "properties": {"p": {"type": "number", "minimum": 0, "maximum": 100}}}
    assert read_answer('{"p": "25 %"}', percent)[0] == {"p": 25.0}


@pytest.mark.parametrize(
    ("schema", "text", "why"),
    [
        ({"type": "boolean"}, "1", "should be a valid boolean"),
        ({"type": "boolean"}, '"no"', "should be a valid boolean"),
        ({"enum": [1, 2]}, "true", "should be one of 1, 2"),
        (
            {"type": "object", "properties": {"x": {"type": "number"}}},
            '{"x": null}',
            "x: Input should be a valid number",
        ),
        ({"type": "object", "required": ["x"]}, "{}", "x: Field required"),
        ({"type": ["integer", "number"], "minimum": 0}, "-5.5", "greater than or equal to 0"),
        ({"type": ["null", "number"], "minimum": 0}, "-1", "greater than or equal to 0"),
        ({"type": "integer", "minimum": 0.5}, "0", "greater than or equal to 1"),
    ],
)
def test_every_keyword_counts(schema, text, why):
    with pytest.raises(AnswerError, match=why):
        read_answer(text, schema)


def _nested(depth):
    return {"type": "array", "items": _nested(depth - 1)} if depth else {"type": "number"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"x": {"oneOf": []}}},
        {"type": "thing"},
        {"$ref": "#/x"},
        {"enum": []},
        {"type": []},
        {"type": "number", "minLength": 3},
        {"type": "string", "pattern": "(?=a)"},
        {"type": "number", "minimum": "0"},
        {"type": "array", "items": True},
        {"type": "object", "properties": {"x": True}},
        {"type": "object", "properties": None},
        {"type": "object", "additionalProperties": {"type": "number"}},
        _nested(40),
        _nested(750),
    ],
)
def test_a_schema_that_cannot_be_checked_is_refused(schema):
    with pytest.raises(ContractError, match=r"^schema of "):
        check_schema(schema)


@given(st.text(max_size=200))
def test_no_text_whatever_breaks_it(text):
    try:
        value, _ = read_answer(text, HOURS)
    except AnswerError:
        return
    assert 0 <= value["hours"] <= 100


@given(st.floats(0, 100), st.text(max_size=30))
def test_what_fits_comes_back_as_it_is(hours, thought):
    value = {"thought": thought, "hours": hours}
    assert read_answer(json.dumps(value), HOURS) == (value, ())
