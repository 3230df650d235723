"""All about one kind: what a scenario may set, what there is to see and to do."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from simworld.errors import ScenarioError
from simworld.kernel import Field, Role, World
from simworld.scenario import Category, Found, find, known
from simworld_analysis.measures import Measure, all_measures


def description(kind: str) -> dict[str, Any]:
    """A world, an agent, a learner or a measure as plain data.

    Raises:
        ScenarioError: There is no such kind.
    """
    measures = {measure.name: measure for measure in all_measures()}
    if kind in measures and kind not in {*known("world"), *known("agent"), *known("learner")}:
        return _measure(measures[kind])
    found = _found(kind, measures)
    told = _kind(found)
    if kind in measures:
        told["also"] = _measure(measures[kind])
    elif found.category != "learner" and kind in known("learner"):
        told["also"] = _kind(find("learner", kind))
    return told


def _kind(found: Found) -> dict[str, Any]:
    """A world, an agent or a learner as plain data."""
    # The schema is silent about defaults that are made anew for every object.
    defaults = {name: {"default": default} for name, default in found.parameters.fill({}).items()}
    declared: Any = found.parameters.schema.get("properties", {})
    told: dict[str, Any] = {
        "kind": found.spelling,
        "category": found.category,
        "about": inspect.cleandoc(found.cls.__doc__ or ""),
        "parameters": {name: defaults.get(name, {}) | about for name, about in declared.items()},
    }
    if found.category == "world":
        world = _built(found)
        told["roles"] = [_role(role) for role in world.roles] if world is not None else None
        told["measures"] = [_field(f) for f in world.measures] if world is not None else None
        return told
    if found.category == "learner":
        learner: Any = found.cls
        return told | {"tells": [_field(f) for f in learner.told]}
    mind: Any = found.cls
    return told | {
        "sees": list(mind.sees),
        "does": list(mind.does),
        "asks": list(mind.asks),
        "shows": [_field(f) for f in mind.mind],
    }


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """The same for people."""
    yield from _lines(told)
    if "also" in told:
        yield ""
        yield from _lines(told["also"])


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"{told['kind']} ({told['category']})"
    for line in str(told["about"]).splitlines():
        yield f"  {line}".rstrip()
    yield ""
    word = "options" if told["category"] == "measure" else "parameters"
    yield word if told["parameters"] else f"no {word}"
    yield from _parameters(told["parameters"])
    if told["category"] == "measure":
        yield "needs " + "; ".join(f"{table}: {', '.join(columns)}" for table, columns in told["needs"].items())
        return
    if told["category"] == "agent":
        for word in ("sees", "does", "asks"):
            if told[word]:
                yield f"{word} {', '.join(told[word])}"
        if told["shows"]:
            yield "shows"
            yield from _fields("mind", told["shows"])
        return
    if told["category"] == "learner":
        if told["tells"]:
            yield "tells of each iteration"
            yield from _fields("told", told["tells"])
        return
    if told["roles"] is None:
        yield "roles and measures depend on parameters that have no default"
        return
    for role in told["roles"]:
        yield f"role {role['name']} ({role['seats']})"
        for word in ("obs", "act", "trait"):
            yield from _fields(word, role[word])
    if told["measures"]:
        yield "measures"
        yield from _fields("", told["measures"])


_ORDER: tuple[Category, ...] = ("world", "agent", "learner")


def _found(kind: str, measures: Iterable[str]) -> Found:
    names = [name for category in _ORDER for name in known(category)]
    words = ["worlds", "agents", "learners", "scenarios", "measures", *names, *measures, "module:Class"]
    if ":" not in kind and kind not in words:
        near = difflib.get_close_matches(kind, words, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"accepted: {', '.join(words)}"
        raise ScenarioError(f"nothing is called {kind!r}; {hint}")
    # One of a family of agents is not looked for among worlds first, where it would name a module.
    of_agents = ":" in kind and kind.partition(":")[0] in known("agent")
    order: tuple[Category, ...] = ("agent",) if of_agents else _ORDER
    refused: list[ScenarioError] = []
    for category in order:
        try:
            return find(category, kind)
        except ScenarioError as error:
            refused.append(error)
    # Of module:Class all say the same, or each that it is another sort; of a short name, the last one looked.
    raise refused[0] if ":" in kind else refused[-1]


def _measure(measure: Measure) -> dict[str, Any]:
    """A measure of the analysis as plain data."""
    options = {
        name: {"description": str(inspect.signature(measure.of).parameters[name].annotation)}
        | ({} if default is inspect.Parameter.empty else {"default": default})
        for name, default in measure.options.items()
    }
    return {
        "kind": measure.name,
        "category": "measure",
        "about": inspect.getdoc(measure.of) or "",
        "unit": measure.unit,
        "parameters": options,
        "needs": {table: list(columns) for table, columns in measure.needs.items()},
    }


def _built(found: Found) -> World | None:
    """The world with its defaults, or None if it needs more than those."""
    if found.parameters.schema.get("required"):
        return None
    world = found.parameters.construct({})
    assert isinstance(world, World)
    return world


def _role(role: Role) -> dict[str, Any]:
    most = "any number of" if role.most is None else f"at most {role.most}"
    seats = f"at least {role.least}, {most}" if role.least else most
    fields = {"obs": role.obs, "act": role.act, "trait": role.traits}
    seats += " seat" if role.most == 1 else " seats"
    return {"name": role.name, "seats": seats, **{word: [_field(f) for f in given] for word, given in fields.items()}}


def _field(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "dtype": field.dtype,
        "shape": list(field.shape),
        "unit": field.unit,
        "low": field.low,
        "high": field.high,
        "default": field.default,
        "meaning": field.meaning,
    }


def _parameters(schema: Mapping[str, Any]) -> Iterator[str]:
    width = max(map(len, schema), default=0)
    for name, about in schema.items():
        default = f" (default {about['default']})" if "default" in about else " (required)"
        yield f"  {name:<{width}}  {' '.join(str(about.get('description', '')).split())}{default}"


def _fields(prefix: str, fields: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = [f"{prefix}.{f['name']}".lstrip(".") for f in fields]
    kinds = [f["dtype"] + (str(f["shape"]).replace("'", "") if f["shape"] else "") for f in fields]
    wide, broad = max(map(len, names), default=0), max(map(len, kinds), default=0)
    for name, kind, field in zip(names, kinds, fields, strict=True):
        bounds = [f"from {field['low']:g}"] if field["low"] is not None else []
        bounds += [f"to {field['high']:g}"] if field["high"] is not None else []
        words = [field["unit"], " ".join(bounds), field["meaning"]]
        yield f"  {name:<{wide}}  {kind:<{broad}}  {', '.join(w for w in words if w)}".rstrip()
