"""Values that fit the schema of an answer, by its shape: what stand-ins fill in."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str, ...]
"""Where in an answer a value stands: the keys that lead to it."""
_SPAN = 100.0
"""Of a number that has one bound or none."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A number, or a list of numbers, that a schema asks for."""

    path: Path
    name: str
    """As texts call it."""
    low: float
    high: float
    """Bounds that are themselves allowed, and multiples of the step."""
    step: float
    """Distance between values that are allowed; 0 for any."""
    count: int | None
    """Entries of a list; None for a single number."""

    def nearest(self, x: float) -> float:
        """The allowed value nearest to x, not finer than a reader would care for."""
        span = self.high - self.low
        if self.step:
            x = min(self.high, max(self.low, round(x / self.step) * self.step))
            return round(x) if float(self.step).is_integer() else round(x, 12)
        digits = 1 if span > 10 else 3 if span >= 0.1 else 3 - math.floor(math.log10(span or 1.0))
        return min(self.high, max(self.low, round(x, digits)))


def chance(text: str, seed: int, what: str) -> float:
    """A number in [0, 1) that depends on prompt, seed and purpose alone."""
    whole = f"{seed}\0{what}\0{text}"
    return int.from_bytes(hashlib.blake2b(whole.encode(errors="replace"), digest_size=7).digest(), "big") / 2**56


def wanted_in(schema: Mapping[str, Any]) -> list[Wanted]:
    """All numbers and lists of numbers of an answer, with or without an object around them."""
    found = list(_numbers(schema, ()))
    names = [w.name for w in found]
    # Two that are called alike are told apart by all that leads to them.
    return [w if names.count(w.name) == 1 else Wanted(w.path, " ".join(w.path), *_rest(w)) for w in found]


def fill(
    schema: Mapping[str, Any],
    decided: Mapping[Path, Any],
    said: str,
    uniform: Callable[[str], float],
    path: Path = (),
) -> Any:
    """A value of the schema.

    Args:
        schema: Of a value, itself part of a larger one or not.
        decided: Values that are settled, by their place.
        said: What texts say.
        uniform: A number in [0, 1) for a purpose: what choices are made by.
        path: The place of the value.
    """
    if path in decided:
        return decided[path]
    name = ".".join(path) or "answer"
    if "enum" in schema or "const" in schema:
        options = schema.get("enum", [schema.get("const")])
        return options[int(uniform(name) * len(options))]
    kind = _kind(schema)
    if kind == "object":
        properties = {key: {"type": "string"} for key in schema.get("required", ())}
        properties |= schema.get("properties", {})
        return {key: fill(inner, decided, said, uniform, (*path, key)) for key, inner in properties.items()}
    if kind == "array":
        items = schema.get("items", {"type": "string"})
        return [fill(items, decided, said, uniform, (*path, str(i))) for i in range(_entries(schema))]
    return _scalar(kind, schema, said, path, uniform(name))


def _scalar(kind: str, schema: Mapping[str, Any], said: str, path: Path, chance: float) -> Any:
    if kind in ("number", "integer"):
        number = _wanted(schema, path, None)
        return number.nearest(number.low + chance * (number.high - number.low))
    if kind == "string":
        return _text(schema, said)
    return chance < 0.5 if kind == "boolean" else None


def _numbers(schema: Mapping[str, Any], path: Path) -> Iterator[Wanted]:
    if "enum" in schema or "const" in schema:
        return
    kind = _kind(schema)
    if kind == "object":
        for key, inner in schema.get("properties", {}).items():
            yield from _numbers(inner, (*path, key))
    elif kind in ("number", "integer"):
        yield _wanted(schema, path, None)
    elif kind == "array" and _entries(schema):
        items = schema.get("items", {})
        if "enum" not in items and "const" not in items and _kind(items) in ("number", "integer"):
            yield _wanted(items, path, _entries(schema))


def _wanted(schema: Mapping[str, Any], path: Path, count: int | None) -> Wanted:
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    high = schema.get("exclusiveMaximum") if high is None else high
    if low is None:
        low = 0.0 if high is None or high > 0 else high - _SPAN
    if high is None:
        high = max(low, 0.0) + _SPAN
    step = float(schema.get("multipleOf", 0.0))
    step = step or (1.0 if _kind(schema) == "integer" else 0.0)
    # What is not allowed itself is stayed away from by a step, or a little.
    near = step or (high - low) / 1000
    if "exclusiveMinimum" in schema:
        low = max(low, schema["exclusiveMinimum"] + near)
    if "exclusiveMaximum" in schema:
        high = min(high, schema["exclusiveMaximum"] - near)
    if step:
        low, high = math.ceil(low / step) * step, math.floor(high / step) * step
    return Wanted(path, path[-1] if path else "answer", float(low), float(high), step, count)


def _rest(wanted: Wanted) -> tuple[float, float, float, int | None]:
    return wanted.low, wanted.high, wanted.step, wanted.count


def _kind(schema: Mapping[str, Any]) -> str:
    """The type; of several the first that says something."""
    kinds = schema.get("type")
    known: Sequence[str] = [kinds] if isinstance(kinds, str) else [k for k in kinds or () if k != "null"]
    return known[0] if known else "null"


def _entries(schema: Mapping[str, Any]) -> int:
    fewest, most = int(schema.get("minItems", 1)), schema.get("maxItems")
    return fewest if most is None else min(fewest, int(most))


def _text(schema: Mapping[str, Any], said: str) -> str:
    """What is said, at the length that is asked for; patterns are beyond it."""
    shortest, longest = int(schema.get("minLength", 0)), int(schema.get("maxLength", 200))
    text = said
    while len(text) < shortest:
        text += f" {said}"
    return text[: max(longest, shortest)]
