"""From the JSON schema of an answer to a validator: a subset of the standard, and nothing in it is passed over."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, TypeAdapter, create_model

from simworld.errors import ContractError
from simworld.kernel import Json

_NUMBERS = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
}
_BOUNDS = {
    "number": _NUMBERS,
    "integer": _NUMBERS,
    "string": {"minLength": "min_length", "maxLength": "max_length", "pattern": "pattern"},
    "array": {"minItems": "min_length", "maxItems": "max_length"},
}
_PARTS = {"object": {"properties", "required", "additionalProperties"}, "array": {"items"}}
_ABOUT = {"type", "title", "description", "enum", "const"}
_SCALARS: dict[str, Any] = {"number": float, "integer": int, "string": str, "boolean": bool, "null": None}
_DEEPEST = 30
AMOUNT = re.compile(
    r"\s*[$€£]?\s*([-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*"
    r"(%|percent)?\s*(?:hours?|h|usd|dollars?|€|£)?\s*",
    re.IGNORECASE,
)
"""A number as people write it; a comma separates thousands, and nothing else."""


@lru_cache(maxsize=256)
def adapter(text: str, lax: bool) -> TypeAdapter[Any]:
    """The validator of a schema in JSON; a lax one takes a number in text.

    Raises:
        ContractError: The schema says something that is not supported, or makes no sense.
    """
    try:
        return TypeAdapter(_type_of(json.loads(text), "answer", lax, 0))
    except ContractError:
        raise
    except Exception as error:  # pydantic raises a dozen kinds
        raise ContractError(f"schema of the answer: cannot be used ({type(error).__name__}: {error})") from error


def check_schema(schema: Mapping[str, Json]) -> None:
    """Raise ContractError if answers cannot be checked against this schema."""
    adapter(json.dumps(schema, sort_keys=True), lax=True)


def _type_of(schema: Any, name: str, lax: bool, depth: int) -> Any:
    """The pydantic type of a schema."""
    if not isinstance(schema, Mapping):
        raise ContractError(f"schema of {name}: found {json.dumps(schema)}; accepted: a JSON schema")
    if depth > _DEEPEST:
        raise ContractError(f"schema of {name}: nested too deeply")
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    _check_keywords(schema, kinds, name)
    if "enum" in schema or "const" in schema:
        options = schema.get("enum", [schema.get("const")])
        if not isinstance(options, list) or not options:
            raise ContractError(f"schema of {name}: enum {options!r}; accepted: a list of values")
        return Annotated[Any, PlainValidator(partial(_one_of, options))]
    made = [_type_of_kind(schema, kind, name, lax, depth) for kind in kinds]
    whole = made[0]
    for other in made[1:]:
        whole |= other
    return whole


def _check_keywords(schema: Mapping[str, Any], kinds: Sequence[Any], name: str) -> None:
    known = set(_ABOUT)
    if not kinds:
        raise ContractError(f"schema of {name}: type []; accepted: one or more types")
    for kind in kinds:
        if kind is None and ("enum" in schema or "const" in schema):
            continue
        if kind not in {*_SCALARS, "array", "object"}:
            accepted = ", ".join([*_SCALARS, "array", "object"])
            raise ContractError(f"schema of {name}: type {kind!r}; accepted: {accepted}")
        known |= set(_BOUNDS.get(kind, ())) | _PARTS.get(kind, set())
    unknown = sorted(set(schema) - known)
    if unknown:
        raise ContractError(f"schema of {name}: keyword {unknown[0]!r} is not supported here")


def _type_of_kind(schema: Mapping[str, Any], kind: str, name: str, lax: bool, depth: int) -> Any:
    if kind == "object":
        return _object_of(schema, name, lax, depth)
    bounds = _bounds_of(schema, kind, name)
    if kind == "array":
        items = schema.get("items")
        inner = Any if items is None else _type_of(items, f"{name}.items", lax, depth + 1)
        return Annotated[list[inner], Field(**bounds)]  # type: ignore[valid-type]
    if kind == "number":
        bounds["allow_inf_nan"] = False
    declared: Any = Annotated[_SCALARS[kind], Field(**bounds)] if bounds else _SCALARS[kind]
    if lax and kind in ("number", "integer"):
        most = bounds.get("le", bounds.get("lt"))
        return Annotated[declared, BeforeValidator(partial(_number, kind == "integer", most))]
    return declared


def _bounds_of(schema: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    for keyword, ours in _BOUNDS.get(kind, {}).items():
        if keyword not in schema:
            continue
        value = schema[keyword]
        fits = isinstance(value, str) if keyword == "pattern" else isinstance(value, int | float)
        if not fits or isinstance(value, bool):
            raise ContractError(f"schema of {name}: {keyword} {value!r}; accepted: {_accepted(keyword)}")
        if kind == "integer" and ours in ("ge", "lt"):
            value = math.ceil(value)
        elif kind == "integer" and ours in ("le", "gt"):
            value = math.floor(value)
        bounds[ours] = value
    return bounds


def _accepted(keyword: str) -> str:
    return "a regular expression" if keyword == "pattern" else "a number"


def _object_of(schema: Mapping[str, Any], name: str, lax: bool, depth: int) -> type[BaseModel]:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    more = schema.get("additionalProperties", True)
    if not isinstance(properties, Mapping) or not isinstance(required, list) or not isinstance(more, bool):
        raise ContractError(
            f"schema of {name}: accepted: properties in a mapping, required in a list, and additionalProperties true"
            " or false"
        )
    # Fields are numbered: a key may be called `copy` or `json`, a field of a model may not.
    fields: dict[str, Any] = {}
    for place, key in enumerate([*properties, *(key for key in required if key not in properties)]):
        kind = _type_of(properties[key], f"{name}.{key}", lax, depth + 1) if key in properties else Any
        # One that may be left out may not be null on that account.
        fields[f"f{place}"] = (kind, Field(alias=key)) if key in required else (kind, Field(None, alias=key))
    extra: Literal["forbid", "allow"] = "allow" if more else "forbid"
    return create_model(name, __config__=ConfigDict(extra=extra), **fields)


def _one_of(options: Sequence[Any], value: object) -> object:
    for option in options:
        # True is 1 in Python, and is not in JSON.
        if option == value and isinstance(option, bool) == isinstance(value, bool):
            return value
    raise ValueError(f"should be one of {', '.join(json.dumps(option) for option in options)}")


def _number(whole: bool, most: float | None, value: object) -> object:
    """A number that stands in text, or a whole one that is written with a point, as a number."""
    if isinstance(value, str):
        found = AMOUNT.fullmatch(value)
        if found is None:
            raise ValueError("should be a number")
        value = float(found[1].replace(",", ""))
        if found[2] and most is not None and most <= 1:
            value /= 100  # of a share, percent are hundredths; elsewhere they are the unit
    if whole and isinstance(value, float) and value.is_integer():
        return int(value)
    return value
