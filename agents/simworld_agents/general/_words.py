"""Fields in words: what a role sees and does, for those who read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np

from simworld.kernel import Field, Json, Role, Value

_MOST = 64
"""So many numbers of a field are written out; of longer ones the first."""


def decided(role: Role) -> tuple[Field, ...]:
    """What a role decides, but for what may be left as it is."""
    return tuple(field for field in role.act if not field.leavable)


def declared(field: Field) -> str:
    """What an action field is: name, kind, bounds, meaning."""
    told = f"{field.name}: {_kind(field)}"
    if field.unit:
        told += f", in {field.unit}"
    return f"{told} ({field.meaning})" if field.meaning else told


def seen_lines(role: Role, seen: Mapping[str, Value]) -> list[str]:
    """One line for each observation field; masks are told otherwise."""
    lines = []
    for field in role.logged:
        if not field.masks:
            unit = f" {field.unit}" if field.unit else ""
            meaning = f" ({field.meaning})" if field.meaning else ""
            lines.append(f"{field.name}{meaning}: {shown(field, seen[field.name])}{unit}")
    return lines


def shown(field: Field, value: Value) -> str:
    """A value in words."""
    array = np.asarray(value)
    if field.dtype == "str" and not array.ndim:
        return str(value)
    if not array.ndim:
        return _number(array.item())
    flat = array.reshape(-1).tolist()
    if len(flat) > _MOST:
        return f"{[_plain(v) for v in flat[:_MOST]]} and {len(flat) - _MOST} more"
    nested: Json = json.loads(json.dumps(array.tolist()), parse_float=lambda text: _plain(float(text)))
    return json.dumps(nested)


def legal(role: Role, field: Field, seen: Mapping[str, Value]) -> list[int] | None:
    """The values of an action field that are allowed now, where that is told."""
    for one in role.logged:
        if one.masks == field.name:
            return [int(v) + int(field.low or 0) for v in np.flatnonzero(np.asarray(seen[one.name]))]
    return None


def schema(field: Field, allowed: list[int] | None) -> dict[str, Json]:
    """JSON schema of an action field."""
    one: dict[str, Json]
    if allowed is not None:
        return {"enum": list(allowed)}
    if field.dtype == "bool":
        one = {"type": "boolean"}
    elif field.dtype == "str":
        one = {"type": "string"}
    else:
        one = {"type": "integer" if field.dtype == "int64" else "number"}
        one |= {} if field.low is None else {"minimum": _bound(field, field.low)}
        one |= {} if field.high is None else {"maximum": _bound(field, field.high)}
    for size in reversed(field.sizes):
        one = {"type": "array", "items": one, "minItems": size, "maxItems": size}
    return one


def holding(field: Field, allowed: list[int] | None) -> Json:
    """What is done if nobody says what: the default, the lowest allowed value, or the number nearest to 0."""
    if allowed:
        return allowed[0]
    if field.default is not None:
        return field.default
    one: Json = False if field.dtype == "bool" else "" if field.dtype == "str" else 0
    if field.bounded:
        nearest = float(np.clip(0.0, field.low, field.high))
        one = math.ceil(nearest) if field.dtype == "int64" else nearest
    for size in reversed(field.sizes):
        one = [one] * size
    return one


def _kind(field: Field) -> str:
    if field.dtype == "bool":
        one = "true or false"
    elif field.dtype == "str":
        one = "a text"
    else:
        one = "a whole number" if field.dtype == "int64" else "a number"
        if field.low is not None and field.high is not None:
            one += f" from {_number(field.low)} to {_number(field.high)}"
        elif field.bounded:
            one += f", {'at least' if field.low is not None else 'at most'} {_number(field.low or field.high or 0.0)}"
    return one if not field.sizes else f"an array of shape {list(field.sizes)}, each {one}"


def _bound(field: Field, value: float) -> float:
    return int(value) if field.dtype == "int64" else float(value)


def _number(value: float | bool | str) -> str:
    if isinstance(value, float):
        return "unknown" if math.isnan(value) else f"{value:.6g}"
    return str(value)


def _plain(value: float | int | bool | str) -> Json:
    return float(f"{value:.4g}") if isinstance(value, float) and math.isfinite(value) else value
