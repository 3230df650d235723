"""From what a model wrote to a value that fits its schema: packaging is forgiven and named, the value itself is not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from simworld.gateway._schema import AMOUNT, adapter
from simworld.kernel import Json

_OPEN = re.compile(r"<(think|thinking|reasoning)>", re.IGNORECASE)
_CLOSE = re.compile(r"</(think|thinking|reasoning)>", re.IGNORECASE)
_FENCE = re.compile(r"```[a-zA-Z]*[ \t]*\n(.*?)```", re.DOTALL)
_HALF = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
"""Of a character beyond the first 65,536; alone it is none."""
_BRANCH = re.compile(r"^constrained-|^(float|int|str|bool)$|\[")
_LONGEST = 1_000_000
_MOST_TRIES = 200
"""Braces that may turn out to open no JSON: an answer of nothing but braces must not hold up the others."""


class AnswerError(ValueError):
    """What a model wrote cannot be used; the message says why, in words that may be quoted to it."""


def read_answer(text: str, schema: Mapping[str, Json]) -> tuple[Json, tuple[str, ...]]:
    """The value that a model wrote, and what had to be mended to read it.

    Packaging is forgiven (a thinking block, a code fence, words around the object, a number in text, keys that nobody
    asked for); what the value itself says is not: it must fit the schema.

    Raises:
        AnswerError: There is no JSON that fits the schema.
        ContractError: The schema itself cannot be used.
    """
    canonical = json.dumps(schema, sort_keys=True)
    strict, lax = adapter(canonical, lax=False), adapter(canonical, lax=True)
    if len(text) > _LONGEST:
        raise AnswerError(f"it is longer than {_LONGEST:,} characters")
    try:
        values, mends = _values(text, schema)
        if _HALF.search(text):
            values = [holdable(value) for value in values]
        for value in reversed(values):
            try:
                return _plain(strict.validate_python(value, strict=True)), mends
            except ValidationError:
                continue
        # The last object is what a model ends on: its faults are the ones worth quoting.
        trimmed = _trimmed(values[-1], schema)
        try:
            fitted = _plain(lax.validate_python(trimmed, strict=True))
        except ValidationError as error:
            raise AnswerError(_why(error)) from error
        mends += ("keys that nobody asked for",) if trimmed != values[-1] else ()
        return fitted, mends + (("a number in text",) if fitted != trimmed else ())
    except RecursionError as error:
        raise AnswerError("it is nested too deeply") from error


def holdable(value: Any) -> Any:
    """Plain data without halves of characters: models do send lone surrogates, and no table can hold them."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {str(holdable(key)): holdable(inner) for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [holdable(inner) for inner in value]
    return value


def _values(text: str, schema: Mapping[str, Json]) -> tuple[list[object], tuple[str, ...]]:
    """All values in a text that may be the answer, in their order, and what was put aside to find them."""
    twice: list[str] = []
    decoder = json.JSONDecoder(object_pairs_hook=lambda pairs: _pairs(pairs, twice))
    bare = _without_thinking(text)
    mends: tuple[str, ...] = ()
    for part, said in ((text, ()), (bare, ("a thinking block",))):
        try:
            value = decoder.decode(part)
            return [value], (*said, *(twice[:1]))
        except ValueError:
            twice.clear()
        if bare == text:
            break
        mends = ("a thinking block",)
    around = _FENCE.sub("", bare)
    if around != bare:
        mends += ("a code fence",)
    found = list(_scanned(bare, schema, decoder))
    if around == bare or around.strip():
        mends += ("words around it",)
    return found, (*mends, *twice[:1])


def _scanned(text: str, schema: Mapping[str, Json], decoder: json.JSONDecoder) -> Iterator[object]:
    """The JSON values of the wanted sort in a text of words. Raises AnswerError if there is none."""
    kinds = schema.get("type")
    wanted = kinds if isinstance(kinds, list) else [kinds]
    signs = "".join(sign for kind, sign in (("object", "{"), ("array", "[")) if kind in wanted)
    if not signs:
        yield from _bare_values(text, wanted)
        return
    opening = re.compile(f"[{re.escape(signs)}]")
    found, tries, place, end = 0, 0, opening.search(text), len(text.rstrip())
    while place is not None and tries < _MOST_TRIES:
        try:
            value, after = decoder.raw_decode(text, place.start())
            found += 1
            yield value
        except json.JSONDecodeError as error:
            if error.pos >= end or error.msg.startswith("Unterminated string"):
                # The answer breaks off: what lies inside the piece that is left is no answer.
                break
            after, tries = place.start() + 1, tries + 1
        place = opening.search(text, after)
    if not found:
        broken = place is not None and tries < _MOST_TRIES
        raise AnswerError(f"it holds no {'whole ' if broken else ''}JSON {' or '.join(str(kind) for kind in wanted)}")


def _bare_values(text: str, wanted: Sequence[object]) -> Iterator[object]:
    """A number, a truth value or a text that stands there without being JSON."""
    if "number" in wanted or "integer" in wanted:
        numbers = [found[0].strip() for found in AMOUNT.finditer(text)]
        if numbers:
            yield numbers[-1]
            return
    raise AnswerError(f"it is no JSON {' or '.join(str(kind) for kind in wanted)}")


def _without_thinking(text: str) -> str:
    """The text without thinking: one that is never closed lasts to the end, one never opened from the start."""
    kept, place = [], 0
    first = _CLOSE.search(text)
    begun = _OPEN.search(text)
    if first is not None and (begun is None or begun.start() > first.start()):
        place = first.end()
    while (begun := _OPEN.search(text, place)) is not None:
        kept.append(text[place : begun.start()])
        closed = _CLOSE.search(text, begun.end())
        place = len(text) if closed is None else closed.end()
    return "".join([*kept, text[place:]])


def _pairs(pairs: list[tuple[str, object]], twice: list[str]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice.append("a key given twice")
    return made


def _trimmed(value: object, schema: Mapping[str, Any]) -> object:
    """A value without the keys that a closed object does not have."""
    if isinstance(value, dict) and schema.get("type") == "object":
        known = schema.get("properties", {})
        closed = schema.get("additionalProperties") is False
        return {k: _trimmed(v, known.get(k, {})) for k, v in value.items() if k in known or not closed}
    if isinstance(value, list):
        return [_trimmed(entry, schema.get("items") or {}) for entry in value]
    return value


def _plain(value: object) -> Json:
    if isinstance(value, BaseModel):
        return {key: _plain(inner) for key, inner in value.model_dump(by_alias=True, exclude_unset=True).items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    plain: Json = value  # type: ignore[assignment]  # validated against a JSON schema
    return plain


def _why(error: ValidationError) -> str:
    """The first few problems in one line."""
    words = []
    for problem in error.errors(include_url=False)[:3]:
        # pydantic names the branches of a union, too.
        key = ".".join(str(part) for part in problem["loc"] if not _BRANCH.search(str(part)))
        shown = json.dumps(problem["input"], default=str)[:60] if problem["type"] != "missing" else ""
        said = problem["msg"].removeprefix("Value error, ")
        words.append(f"{key or 'the answer'}: {said}" + (f" (found {shown})" if shown else ""))
    return "; ".join(words)
