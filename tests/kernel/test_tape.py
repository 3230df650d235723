"""The tape gives back exactly what it was given, survives being torn anywhere, and notices damage."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simworld.errors import TapeError
from simworld.kernel import Answer, Ask, Tape, _tape, read_tape

text = st.text(st.characters(exclude_categories=()), max_size=60) | st.sampled_from(
    ["\0", "\0" + "1,2", "a line of the instructions, which comes again\n" * 3, "lone \ud800 surrogate", "\r\n\n" * 20]
)
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
pairs = st.lists(st.tuples(st.dictionaries(text, json, max_size=3), json, text, text), min_size=1, max_size=8)


def made(given_pairs):
    return [
        (Ask(("r", 0, i, 0), "model", content, i), Answer(value, fault, "", source, {"tokens": i}))
        for i, (content, value, fault, source) in enumerate(given_pairs)
    ]


@settings(max_examples=60)
@given(pairs)
def test_what_is_kept_comes_back(tmp_path_factory, given_pairs):
    path = tmp_path_factory.mktemp("t") / "a.tape"
    entries = made(given_pairs)
    tape = Tape(path)
    for entry in entries:
        tape.put(*entry)
    assert list(read_tape(path)) == entries
    again = Tape(path)
    assert [again.get(ask) for ask, _ in entries] == [answer for _, answer in entries]


@settings(max_examples=60)
@given(pairs, st.data())
def test_a_tape_torn_anywhere_keeps_a_beginning_and_goes_on(tmp_path_factory, given_pairs, data):
    path = tmp_path_factory.mktemp("t") / "a.tape"
    entries = made(given_pairs)
    tape = Tape(path)
    for entry in entries:
        tape.put(*entry)
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    torn = Tape(path)
    assert list(read_tape(path)) == entries[: len(torn)]
    for entry in entries:
        torn.put(*entry)  # those that it still has are not kept twice
    assert list(read_tape(path)) == entries


@settings(max_examples=60)
@given(pairs, st.data())
def test_a_flipped_bit_is_noticed_wherever_it_is(tmp_path_factory, given_pairs, data):
    path = tmp_path_factory.mktemp("t") / "a.tape"
    entries = made(given_pairs)
    tape = Tape(path)
    for entry in entries:
        tape.put(*entry)
    damaged = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(damaged)
    with pytest.raises(TapeError, match=r"damaged before byte|not a tape"):
        list(read_tape(path))
    with pytest.raises(TapeError):
        Tape(path)


@pytest.mark.parametrize("lost", [0, 1, 4, 9, 30])
def test_zeros_at_the_end_are_a_torn_end(tmp_path, lost):
    # a file that was being made longer when the power failed: its length is there, its content is not
    path = tmp_path / "a.tape"
    entries = made([({"q": i}, i, "", "") for i in range(3)])
    tape = Tape(path)
    tape.put(*entries[0])
    kept = path.stat().st_size
    tape.put(*entries[1])
    whole = path.read_bytes()
    path.write_bytes(
        whole[: kept + lost] + bytes(len(whole) - kept - lost + 500 if lost != 30 else len(whole) - kept - lost)
    )
    assert list(read_tape(path)) == entries[:1]
    again = Tape(path)
    for entry in entries:
        again.put(*entry)
    assert list(read_tape(path)) == entries


def test_a_question_that_was_changed_under_its_digest_is_noticed_at_once(tmp_path, monkeypatch):
    path = tmp_path / "a.tape"
    ask = Ask(("r", 0, 0, 0), "model", {"q": 1})
    forged = Ask(("r", 0, 0, 0), "model", {"q": 2})
    object.__setattr__(forged, "digest", ask.digest)
    Tape(path).put(forged, Answer(1))
    with pytest.raises(TapeError, match="not the one that was taped"):
        Tape(path)


def test_repeated_lines_are_stored_once(tmp_path):
    instructions = "\n".join(f"rule {i}: {hash_like(i)}" for i in range(40))
    for number in (1, 200):
        tape = Tape(tmp_path / f"{number}.tape")
        for i in range(number):
            tape.put(Ask(("r", 0, i, 0), "model", {"text": f"{instructions}\nperiod {i}"}), Answer(i))
    one, many = ((tmp_path / f"{n}.tape").stat().st_size for n in (1, 200))
    assert many < one + 200 * 120 < 200 * len(instructions) / 5


def hash_like(number):
    return (number * 2654435761) % 2**32


def test_memory_for_lines_is_bounded_and_streams_begin_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(_tape, "_MOST_LINES", 10)
    entries = [
        (Ask(("r", 0, i, 0), "model", {"text": f"a long enough line about number {i}, and\n{i}"}), Answer(i))
        for i in range(50)
    ]
    tape = Tape(tmp_path / "t.tape")
    for entry in entries:
        tape.put(*entry)
    assert list(read_tape(tmp_path / "t.tape")) == entries


def test_a_file_that_is_no_tape_is_refused(tmp_path):
    (tmp_path / "t.tape").write_bytes(b'{"key": ["a", 0, 0, 0]}\n')
    with pytest.raises(TapeError, match="not a tape of this version"):
        Tape(tmp_path / "t.tape")


def test_an_answer_that_could_not_be_written_is_not_known(tmp_path):
    folder = tmp_path / "tape"
    tape = Tape(folder / "t.tape")
    ask = Ask(("r", 0, 0, 0), "model", {})
    folder.write_text("in the way")
    with pytest.raises(TapeError, match=r"t\.tape: cannot be written: File exists"):
        tape.put(ask, Answer(1))
    assert tape.get(ask) is None
    folder.unlink()
    tape.put(ask, Answer(1))
    assert tape.get(ask) == Answer(1)
