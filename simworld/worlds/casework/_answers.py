"""Answers: classes by number or texts, what is none, and when two are the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from simworld.kernel import Array

FloatArray: TypeAlias = npt.NDArray[np.float64]
"""An array of float64."""
IntArray: TypeAlias = npt.NDArray[np.int64]
"""An array of int64."""
BoolArray: TypeAlias = npt.NDArray[np.bool_]
"""An array of truth values."""

NO_CLASS, NO_TEXT = -1, ""
"""What stands where there is no answer."""
UNKNOWN = "unknown"
"""A wrong answer in words, where none is at hand."""

_LONGEST = 1000
"""Digits of a number of which others are nearby."""
_NUMBER = re.compile(r"[-+]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?")


def blank(count: tuple[int, ...], texts: bool) -> Array:
    """No answers, of this shape."""
    return np.full(count, NO_TEXT, dtype=object) if texts else np.full(count, NO_CLASS, dtype=np.int64)


def is_given(answers: Array) -> BoolArray:
    """Where there is an answer."""
    given: BoolArray = answers != NO_TEXT if answers.dtype == object else answers != NO_CLASS
    return given


def plain(text: str) -> str:
    """A text as it is compared: without capitals, spare spaces, a closing stop; numbers by their value.

    ``1,000.0`` is ``1000``. Nothing is computed: what somebody answers is text, and stays text.
    """
    short = " ".join(text.casefold().split()).rstrip(". ")
    if not _NUMBER.fullmatch(short):
        return short
    whole, _, rest = short.replace(",", "").removeprefix("+").partition(".")
    sign, digits, rest = "-" if whole.startswith("-") else "", whole.lstrip("-").lstrip("0") or "0", rest.rstrip("0")
    return ("" if digits == "0" and not rest else sign) + digits + (f".{rest}" if rest else "")


def compared(answers: Array) -> Array:
    """Answers as they are compared."""
    return texts_of((plain(text) for text in answers.flat), answers.shape) if answers.dtype == object else answers


def texts_of(texts: Iterable[str], shape: tuple[int, ...]) -> Array:
    """Texts as an array."""
    array = np.full(shape, NO_TEXT, dtype=object)
    array.reshape(-1)[:] = list(texts)
    return array


def wrong_answers(proposed: Array, keys: Array, chance: FloatArray, classes: int) -> Array:
    """Wrong answers: what is proposed where that is wrong, else another.

    Args:
        proposed: What somebody would say, or nothing.
        keys: The right answers, as they are compared.
        chance: A number from 0 to 1 for each, by which it is drawn where nothing is proposed.
        classes: How many there are; 0: answers are texts.
    """
    given = is_given(proposed)
    stands, hit = given & (compared(proposed) != keys), given & (compared(proposed) == keys)
    if classes:
        other = (keys + np.where(hit, 1, 1 + (chance * (classes - 1)).astype(np.int64))) % classes
    else:
        nearby = (_nearby(key, number) for key, number in zip(keys.tolist(), chance.tolist(), strict=True))
        other = np.where(hit, texts_of(map(_unlike, keys.tolist()), keys.shape), texts_of(nearby, keys.shape))
    wrong: Array = np.where(stands, proposed, other)
    return wrong


def _nearby(key: str, number: float) -> str:
    """Another number for a number, else words that say nothing."""
    if not _NUMBER.fullmatch(key) or len(key) > _LONGEST:
        return _unlike(key)
    return str(int(key.partition(".")[0]) + 1 + int(9 * number))


def _unlike(key: str) -> str:
    """Words that say nothing, and are not the right answer."""
    return UNKNOWN if key != UNKNOWN else "something else"
