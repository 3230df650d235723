"""What was found and what would be accepted, in one phrase: pydantic's errors in the words of the file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from simworld.scenario._models import ACCEPTED
from simworld.scenario._yaml import Key

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Schema: TypeAlias = "Mapping[str, object]"
"""A JSON schema."""

_SHOWN = 12
_LONGEST = 200
_OWN_WORDS = ("value_error", "assertion_error")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the data that cannot be used."""

    key: Key
    """Where it lies."""
    message: str
    """What was found and what would be accepted."""

    @property
    def missing(self) -> bool:
        """Whether something is absent, which an arm may supply."""
        return self.message.startswith("missing")


def explain(details: Iterable[ErrorDetails], data: object, schema: Schema) -> list[Problem]:
    """One problem per place, from all that pydantic says about the data."""
    by_key: dict[Key, list[ErrorDetails]] = {}
    for detail in details:
        by_key.setdefault(_place(detail, data), []).append(detail)
    problems = []
    for key, here in by_key.items():
        deeper = any(len(other) > len(key) and other[: len(key)] == key for other in by_key)
        # A union complains once per branch: the branch that got further in knows more.
        if deeper and all(detail["type"].endswith(("_type", "literal_error")) for detail in here):
            continue
        problems.append(Problem(key, _message(here, key, data, schema)))
    return problems


def unknown(key: str, known: Iterable[str]) -> str:
    """Say that a key is unknown, which one may be meant, and which are accepted."""
    return f"unknown key{instead(key, list(known))}"


def instead(word: str, known: Sequence[str]) -> str:
    """The end of a message about an unknown word: the nearest known one, and all that are accepted."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    hint = f" did you mean {close[0]!r}?" if close else ""
    return f";{hint} accepted: {listing(known)}"


def one_line(text: str) -> str:
    """Text as it is, or quoted if it would break a line, and shortened if it is very long."""
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    return text if text.isprintable() else repr(text)


def listing(names: Sequence[str]) -> str:
    """Some names in a row, the first ones if there are many."""
    if not names:
        return "none"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def found(value: object) -> str:
    """A value as it would stand in YAML, shortened."""
    text = _flow(value, 60)
    return text if len(text) <= 60 else text[:57] + "..."


def dotted(key: Key) -> str:
    """A place as a dotted key."""
    return ".".join(one_line(str(part)) for part in key)


def accepted(schema: Schema, root: Schema) -> str:
    """What a JSON schema accepts, as a phrase."""
    phrases = [_phrase(branch, root) for branch in _branches(schema, root)]
    return " or ".join(dict.fromkeys(phrases)) or "any value"


def _place(detail: ErrorDetails, data: object) -> Key:
    """The place of an error in the data: pydantic's path also names union branches."""
    key: list[str | int] = []
    value = data
    missing = detail["type"] == "missing"
    loc = detail["loc"][:-1] if missing else detail["loc"]
    for part in loc:
        if _has(value, part):
            value = look_up(value, (part,))
            key.append(part)
    if missing:
        key.append(detail["loc"][-1])
    return tuple(key)


def _has(value: object, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _message(details: list[ErrorDetails], key: Key, data: object, root: Schema) -> str:
    kinds = {detail["type"] for detail in details}
    schemas = _at(root, key, data)
    if "missing" in kinds:
        return f"missing; accepted: {_either(schemas, root)}"
    value = look_up(data, key)
    if kinds & {"extra_forbidden", "unexpected_keyword_argument"}:
        parents = _at(root, key[:-1], data)
        names = [name for schema in parents for name in _mapping(schema.get("properties"))]
        return unknown(str(key[-1]), dict.fromkeys(names))
    for detail in details:
        if detail["type"] in _OWN_WORDS:
            return " ".join(str(detail["ctx"]["error"] if "ctx" in detail else detail["msg"]).split())
        if "[key]" in detail["loc"]:
            return f"found the key {found(key[-1])}{_keys(str(key[-1]), _at(root, key[:-1], data))}"
    if not schemas:
        return f"found {found(value)}; {details[0]['msg']}"
    return f"found {found(value)}; accepted: {_either(schemas, root)}"


def look_up(data: object, key: Key) -> object:
    """The value at a place, or None."""
    for part in key:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def _mapping(value: object) -> Mapping[str, Schema]:
    return value if isinstance(value, dict) else {}


def _branches(schema: Schema, root: Schema) -> list[Schema]:
    """The alternatives of a schema, references followed."""
    seen: set[str] = set()
    while isinstance(schema.get("$ref"), str):
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        if name in seen:
            return []
        seen.add(name)
        schema = _mapping(root.get("$defs")).get(name, {})
    for word in ("anyOf", "oneOf", "allOf"):
        options = schema.get(word)
        if isinstance(options, list):
            return [branch for option in options for branch in _branches(option, root)]
    return [schema]


def _at(root: Schema, key: Key, data: object) -> list[Schema]:
    """All schemas that speak about a place."""
    schemas = _branches(root, root)
    value = data
    for part in key:
        # A list is not described by what a mapping in its stead would hold.
        wanted = "array" if isinstance(value, list) else "object"
        below = [_below(schema, part) for schema in schemas if schema.get("type") == wanted]
        schemas = [branch for schema in below if schema is not None for branch in _branches(schema, root)]
        value = look_up(value, (part,))
    return schemas


def _below(schema: Schema, part: str | int) -> Schema | None:
    if isinstance(part, int):
        places = schema.get("prefixItems")
        if isinstance(places, list) and part < len(places):
            return _mapping(places[part])
        items = schema.get("items")
        return items if isinstance(items, dict) else None
    properties = _mapping(schema.get("properties"))
    if part in properties:
        return properties[part]
    for other in _mapping(schema.get("patternProperties")).values():
        return other
    rest = schema.get("additionalProperties")
    return rest if isinstance(rest, dict) else None


def _either(schemas: list[Schema], root: Schema) -> str:
    return " or ".join(dict.fromkeys(accepted(schema, root) for schema in schemas)) or "any value"


def _phrase(schema: Schema, root: Schema) -> str:
    kind = str(schema.get("type"))
    options = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(options, list):
        return ("" if len(options) == 1 else "one of ") + listing([found(option) for option in options])
    if kind in ("integer", "number"):
        return ("a whole number" if kind == "integer" else "a number") + _bounds(schema)
    if kind == "string":
        return _string(schema)
    if kind == "array":
        return _array(schema, root)
    names = list(_mapping(schema.get("properties")))
    mapping = "a mapping" + (f" with {listing(names)}" if names else "")
    return {"object": mapping, "boolean": "true or false", "null": "null"}.get(kind, "any value")


def _string(schema: Schema) -> str:
    if "pattern" in schema:
        return _pattern(str(schema["pattern"]))
    return f"text ({schema['format']})" if "format" in schema else "text" + _lengths(schema, "characters")


def _array(schema: Schema, root: Schema) -> str:
    places = schema.get("prefixItems")
    if isinstance(places, list):
        return f"a list of {len(places)}: " + ", ".join(accepted(_mapping(place), root) for place in places)
    items = schema.get("items")
    each = accepted(items, root) if isinstance(items, dict) else "any value"
    return "a list" + _lengths(schema, "entries") + ("" if each == "any value" else f", each {each}")


def _bounds(schema: Schema) -> str:
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None and above is None and below is None:
        return f" from {_number(low)} to {_number(high)}"
    parts = [f"above {_number(above)}"] if above is not None else []
    parts += [f"of {_number(low)} or more"] if low is not None and above is None else []
    parts += [f"below {_number(below)}"] if below is not None else []
    parts += [f"of at most {_number(high)}"] if high is not None and below is None else []
    return f" {' and '.join(parts)}" if parts else ""


def _lengths(schema: Schema, what: str) -> str:
    word = "Items" if what == "entries" else "Length"
    low, high = schema.get(f"min{word}"), schema.get(f"max{word}")
    if low == high is not None:
        return f" of {low} {what}"
    parts = [f"at least {low}"] if low is not None else []
    parts += [f"at most {high}"] if high is not None else []
    return f" of {' and '.join(parts)} {what}" if parts else ""


def _number(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _pattern(pattern: str) -> str:
    return ACCEPTED.get(pattern, f"text that matches {pattern}")


def _keys(key: str, schemas: Iterable[Schema]) -> str:
    """The end of a message about a key: which ones are accepted."""
    schemas = list(schemas)
    enums: list[object] = [_mapping(schema.get("propertyNames")).get("enum") for schema in schemas]
    names = [str(name) for enum in enums if isinstance(enum, list) for name in enum]
    patterns = [pattern for schema in schemas for pattern in _key_patterns(schema)]
    return instead(key, names) if names else f"; accepted: {_pattern(patterns[0]) if patterns else 'text'}"


def _key_patterns(schema: Schema) -> list[str]:
    names = _mapping(schema.get("propertyNames"))
    own = [str(names["pattern"])] if "pattern" in names else []
    return own + list(_mapping(schema.get("patternProperties")))


_PLAIN = re.compile(r"[A-Za-z_][\w./-]*")


def _flow(value: object, room: int) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return repr(value[: room + 1])
    if isinstance(value, dict):
        parts = (f"{k if _PLAIN.fullmatch(str(k)) else repr(k)}: {_flow(v, room)}" for k, v in value.items())
        return "{" + _join(parts, room) + "}"
    if isinstance(value, list):
        return "[" + _join((_flow(v, room) for v in value), room) + "]"
    return str(value)


def _join(parts: Iterable[str], room: int) -> str:
    shown: list[str] = []
    used = 0
    for part in parts:
        # Stop early: a value may be huge, and a message shows its beginning only.
        if used > room:
            shown.append("...")
            break
        shown.append(part)
        used += len(part) + 2
    return ", ".join(shown)
