"""From a JSON schema to a validator, and from what a model wrote to a value that fits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from simworld.errors import ContractError
from simworld.kernel import Json

_BOUNDS = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
    "minLength": "min_length",
    "maxLength": "max_length",
    "pattern": "pattern",
    "minItems": "min_length",
    "maxItems": "max_length",
}
_ABOUT = {"type", "title", "description", "properties", "required", "additionalProperties", "items", "enum", "const"}
_SCALARS: dict[str, Any] = {"number": float, "integer": int, "string": str, "boolean": bool, "null": None}
_THINKING = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```[a-zA-Z]*[ \t]*\n(.*?)```", re.DOTALL)
_AMOUNT = re.compile(
    r"\s*[$€£]?\s*([-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*(?:%|percent|hours?|h|usd|dollars?)?\s*", re.IGNORECASE
)
_DECODER = json.JSONDecoder()


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
    strict, lax = _adapter(canonical, lax=False), _adapter(canonical, lax=True)
    values, mends = _objects(text)
    for value in reversed(values):
        try:
            return _plain(strict.validate_python(value, strict=True)), mends
        except ValidationError:
            continue
    # The last object is what a model ends on: its faults are the ones worth quoting.
    trimmed = _trimmed(values[-1], schema)
    try:
        fitted = _plain(lax.validate_python(trimmed))
    except ValidationError as error:
        raise AnswerError(_why(error)) from error
    mends += ("keys that nobody asked for",) if trimmed != values[-1] else ()
    return fitted, mends + (("a number in text",) if fitted != trimmed else ())


def check_schema(schema: Mapping[str, Json]) -> None:
    """Raise ContractError if answers cannot be checked against this schema."""
    _adapter(json.dumps(schema, sort_keys=True), lax=False)


def _objects(text: str) -> tuple[list[object], tuple[str, ...]]:
    """All JSON objects in a text, and what was put aside to find them."""
    mends: tuple[str, ...] = ()
    bare = _THINKING.sub("", text)
    if bare != text:
        mends += ("a thinking block",)
    fenced = _FENCE.findall(bare)
    if fenced:
        mends += ("a code fence",)
        bare = fenced[-1]
    try:
        return [json.loads(bare)], mends
    except (ValueError, RecursionError):
        pass
    found: list[object] = []
    place = bare.find("{")
    while place >= 0:
        try:
            value, end = _DECODER.raw_decode(bare, place)
            found.append(value)
        except (ValueError, RecursionError):
            end = place + 1
        place = bare.find("{", end)
    if not found:
        raise AnswerError("it holds no JSON object")
    return found, (*mends, "words around it")


@lru_cache(maxsize=256)
def _adapter(text: str, lax: bool) -> TypeAdapter[Any]:
    return TypeAdapter(_type_of(json.loads(text), "answer", lax))


def _type_of(schema: Mapping[str, Any], name: str, lax: bool) -> Any:
    """The pydantic type of a schema; a lax one takes a number in text."""
    unknown = set(schema) - _ABOUT - set(_BOUNDS)
    if unknown:
        raise ContractError(f"schema of {name}: keyword {sorted(unknown)[0]!r} is not supported")
    if "enum" in schema or "const" in schema:
        return Literal[tuple(schema.get("enum", [schema.get("const")]))]
    kind = schema.get("type")
    bounds = {_BOUNDS[key]: schema[key] for key in schema if key in _BOUNDS}
    if isinstance(kind, list):
        made: Any = _type_of({**schema, "type": kind[0]}, name, lax)
        for other in kind[1:]:
            made = made | _type_of({"type": other}, name, lax)
        return made
    if kind == "object":
        return _object_of(schema, name, lax)
    if kind == "array":
        inner = _type_of(schema.get("items", {"type": "number"}), f"{name}.items", lax)
        return Annotated[list[inner], Field(**bounds)]  # type: ignore[valid-type]
    if kind not in _SCALARS:
        known = ", ".join([*_SCALARS, "array", "object"])
        raise ContractError(f"schema of {name}: type {kind!r}; accepted: {known}")
    if kind == "number":
        bounds["allow_inf_nan"] = False
    declared: Any = Annotated[_SCALARS[kind], Field(**bounds)] if bounds else _SCALARS[kind]
    return Annotated[declared, BeforeValidator(_number)] if lax and kind in ("number", "integer") else declared


def _object_of(schema: Mapping[str, Any], name: str, lax: bool) -> type[BaseModel]:
    required = schema.get("required", ())
    fields: dict[str, Any] = {}
    for place, (key, inner) in enumerate(schema.get("properties", {}).items()):
        kind = _type_of(inner, f"{name}.{key}", lax)
        # Fields are numbered: a key may be called `copy` or `json`, a field of a model may not.
        fields[f"f{place}"] = (kind, Field(alias=key)) if key in required else (kind | None, Field(None, alias=key))
    extra: Literal["forbid", "allow"] = "forbid" if schema.get("additionalProperties") is False else "allow"
    return create_model(name, __config__=ConfigDict(extra=extra), **fields)


def _number(value: object) -> object:
    """A number that stands in text, as a number."""
    if isinstance(value, bool):
        raise ValueError("a boolean is not a number")  # noqa: TRY004  pydantic reports value errors
    found = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    return value if found is None else float(found[1].replace(",", ""))


def _trimmed(value: object, schema: Mapping[str, Any]) -> object:
    """A value without the keys that a closed object does not have."""
    if isinstance(value, dict) and schema.get("type") == "object":
        known = schema.get("properties", {})
        closed = schema.get("additionalProperties") is False
        return {k: _trimmed(v, known.get(k, {})) for k, v in value.items() if k in known or not closed}
    if isinstance(value, list):
        return [_trimmed(entry, schema.get("items", {})) for entry in value]
    return value


def _plain(value: object) -> Json:
    if isinstance(value, BaseModel):
        return {key: _plain(inner) for key, inner in value.model_dump(by_alias=True, exclude_unset=True).items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, str):
        # Models do send lone surrogates: no table can hold them.
        return value.encode(errors="replace").decode()
    plain: Json = value  # type: ignore[assignment]  # validated against a JSON schema
    return plain


def _why(error: ValidationError) -> str:
    """The first few problems in one line."""
    words = []
    for problem in error.errors(include_url=False)[:3]:
        key = ".".join(str(part) for part in problem["loc"])
        shown = json.dumps(problem["input"], default=str)[:60] if problem["type"] != "missing" else ""
        words.append(f"{key or 'the answer'}: {problem['msg']}" + (f" (found {shown})" if shown else ""))
    return "; ".join(words)
