from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from simworld.errors import ScenarioError
from simworld.scenario._resolve import _dump
from simworld.scenario._yaml import parse, parse_value, read, scalar

NESTED = "\n".join(f"y{i}: &b{i} [[[[[[[[*b{i - 1}]]]]]]]]" for i in range(1, 20))
LAUGHS = "\n".join(f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 9)}]" for i in range(1, 20))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("off", "off"), ("yes", "yes"), ("y", "y"), ("true", True), ("False", False),
        ("1e3", 1000.0), ("1.", 1.0), (".5", 0.5), ("-1.5E-2", -0.015), ("+1", 1), ("012", 12), ("0o17", 15), ("0x1F", 31),
        ("1:30", "1:30"), ("1_000", "1_000"), ("2024-01-01", "2024-01-01"), ("0b11", "0b11"), ("~", None), ("", None),
        ("NULL", None), ("nan", "nan"), ("1e", "1e"), ("-", "-"), ("'12'", "12"), ('"true"', "true"), ("!!str 12", "12"),
    ],
)  # fmt: skip
def test_scalars_are_yaml_1_2(text, value):
    found = parse_value(text if text != "-" else "'-'", "x")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text", [".inf", "-.INF", ".nan", "1e999", "9223372036854775808", "-" + "9" * 5000, "0x" + "f" * 99]
)
def test_numbers_that_nothing_can_hold_are_refused(text):
    with pytest.raises(ScenarioError, match=r"^x: found .*; accepted: a (finite|whole) number"):
        parse_value(text, "x")


def test_keys_stay_as_written():
    assert parse("no: 1\n012: 2\n2024-01-01: 3\n~: 4", "x").data == {"no": 1, "012": 2, "2024-01-01": 3, "~": 4}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x:1:1: found nothing; accepted: a mapping"),
        ("# only a comment\n", "x:1:1: found nothing"),
        ("- a", "x:1:1: found a list; accepted: a mapping"),
        ("hello", "x:1:1: found 'hello'; accepted: a mapping"),
        ("a: 1\nb: 2\na: 3", "x:3:1: a: found again; it stands in line 1 already"),
        ("a:\n  b: 1\n  'b': 2", "x:3:3: b: found again; it stands in line 2 already"),
        ("a: 1\n---\nb: 1", "x:2:1: found a second document; accepted: one"),
        ("a:\n\tb: 1", "x:2:1: not YAML: found a tab in the indentation; accepted: spaces"),
        ("a: [1\nb: }", "x:2:2: not YAML: while parsing a flow sequence"),
        ("a: \x07", "x: not YAML: "),
        ("a: !!python/object/apply:os.system ['x']", "x:1:4: found the tag '!!python/object/apply:os.system'"),
        ("!!python/object/new:os.system {a: 1}", "x:1:1: found the tag"),
        ("a: !!binary aGk=", "x:1:4: found the tag '!!binary'; accepted: plain values without tags"),
        ("a: !mine {b: 1}", "x:1:4: found the tag '!mine'"),
        ("a: !!set {b}", "x:1:4: found the tag '!!set'"),
        ("? [a]\n: 3", "x:1:3: found a list or mapping as a key; accepted: text"),
        ("a: {<<: {b: 1}}", "x:1:5: found the merge key '<<'"),
        ("a: *b", "x:1:4: alias *b comes before its anchor"),
        ("a: &a [*a]", "x:1:8: alias *a lies inside its own anchor"),
        ("a: " + "[" * 100_000, "x:1:67: found values nested more than 64 deep"),
        ("a: " + "- " * 100_000, "x:1:"),
        ("b0: &b0 [1]\n" + NESTED, "found values nested more than 64 deep"),
        ("b0: &b0 [1]\n" + LAUGHS, "found more than 1,000,000 values with all aliases written out"),
        ("a: &a " + "x" * 1_000_000 + "\nb: [" + "*a, " * 999 + "]", "found more than 1,000,000 values"),
    ],
)
def test_what_is_refused_names_its_place(text, message):
    start = time.perf_counter()
    with pytest.raises(ScenarioError) as caught:
        parse(text, "x")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.perf_counter() - start < 5


def test_aliases_are_values():
    document = parse("a: &a [1, {b: 2}]\nc: *a\nd: {e: *a}", "x")
    assert document.data == {"a": [1, {"b": 2}], "c": [1, {"b": 2}], "d": {"e": [1, {"b": 2}]}}
    assert document.mark(("d", "e", 1, "b")) == (1, 12)


def test_every_key_has_its_line():
    document = parse("a:\n  b:\n    - 1\n    - c: 2\n", "x")
    assert document.mark(()) == (1, 1)
    assert document.mark(("a", "b")) == (2, 3)
    assert document.mark(("a", "b", 1)) == (4, 7)
    assert document.mark(("a", "b", 1, "c")) == (4, 7)
    assert document.mark(("a", "z")) is None


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ScenarioError, match=r"none\.yaml: no such file; accepted: a YAML file"):
        read(tmp_path / "none.yaml")
    with pytest.raises(ScenarioError, match="found a directory"):
        read(tmp_path)
    with pytest.raises(ScenarioError, match="found not a regular file"):
        read("/dev/null")
    with pytest.raises(ScenarioError, match="null byte"):
        read("a\0b")
    (tmp_path / "latin").write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(ScenarioError, match=r"latin:2:7: found byte 0xe9; accepted: UTF-8"):
        read(tmp_path / "latin")
    (tmp_path / "large").write_bytes(b"# \n" * 4_000_000)
    with pytest.raises(ScenarioError, match="found more than 10 MiB"):
        read(tmp_path / "large")


def test_a_byte_order_mark_is_no_key(tmp_path):
    (tmp_path / "bom").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read(tmp_path / "bom").data == {"a": 1}


_SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
_TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.from_regex(
    r"[-+.0-9eExo:_~truefalsnylTY]{0,8}", fullmatch=True
)
_DATA = st.recursive(
    _SCALARS | _TEXT,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(_TEXT.filter(lambda k: k != "<<"), below, max_size=4),
    max_leaves=10,
)


@given(_DATA)
def test_what_is_written_is_read_again(data):
    text = _dump({"data": data})
    found = parse(text, "x").data["data"]
    assert found == data
    assert repr(found) == repr(data)


@given(st.text(max_size=40))
def test_any_text_is_a_value_or_one_clear_line(text):
    try:
        parse_value(text, "x")
    except ScenarioError as error:
        assert str(error).startswith("x: ")  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017


@given(st.text("{}[]:,-*&!|>'\"%@# \nab1", max_size=30))
def test_what_yaml_refuses_is_refused(text):
    try:
        list(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError:
        with pytest.raises(ScenarioError):
            parse(text, "x")


@given(st.from_regex(r"[-+]?[0-9]{1,15}(\.[0-9]{0,5})?([eE][-+]?[0-9]{1,2})?", fullmatch=True))
def test_numbers_are_pythons(text):
    assert scalar(text) == float(text)
