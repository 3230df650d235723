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
        ('Sure! ```\n{"hours": 41.5}\n``` Enjoy.', {"hours": 41.5}, ("a code fence",)),
        ('<think>{"hours": 3}? no</think>{"hours": 41.5}', {"hours": 41.5}, ("a thinking block",)),
        ('I choose {"hours": 41.5}.', {"hours": 41.5}, ("words around it",)),
        ('First {"hours": 10}, no: {"hours": 41.5}', {"hours": 41.5}, ("words around it",)),
        ('{"hours": "41.5"}', {"hours": 41.5}, ("a number in text",)),
        ('{"hours": "41 hours"}', {"hours": 41.0}, ("a number in text",)),
        ('{"hours": 41.5, "mood": "good"}', {"hours": 41.5}, ("keys that nobody asked for",)),
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
        ('{"hours": ', "it holds no JSON object"),
        ('{"hours": NaN}', "hours: Input should be"),
        ('{"hours": Infinity}', "hours: Input should be"),
        ('{"hours": 1e9}', "hours: Input should be less than or equal to 100 (found 1000000000.0)"),
        ('{"hours": -1}', "hours: Input should be greater than or equal to 0 (found -1)"),
        ('{"hours": "many"}', "hours: Input should be a valid number"),
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
    with pytest.raises(AnswerError, match="'C' or 'D'"):
        read_answer('{"move": "c"}', schema)
    with pytest.raises(AnswerError, match="n:"):
        read_answer('{"move": "C", "n": 3.5}', schema)


def test_a_schema_that_cannot_be_checked_is_refused():
    for schema in ({"type": "object", "properties": {"x": {"oneOf": []}}}, {"type": "thing"}, {"$ref": "#/x"}):
        with pytest.raises(ContractError, match=r"is not supported|accepted:"):
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
