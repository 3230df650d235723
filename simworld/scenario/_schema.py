"""The JSON schema of scenario files, for editors."""

from __future__ import annotations

from collections.abc import Mapping

from simworld.scenario._check import schema_of
from simworld.scenario._models import ScenarioFile
from simworld.scenario._registry import Category, Found, find, known


def schema() -> dict[str, object]:
    """The JSON schema of a scenario file, with the parameters of all registered worlds and minds.

    Raises:
        ScenarioError: A registered kind cannot be imported.
    """
    whole = dict(schema_of(ScenarioFile))
    definitions = dict(_mapping(whole["$defs"]))
    definitions["WorldBlock"] = _choice("world", _mapping(definitions["WorldBlock"]), definitions)
    definitions["GroupBlock"] = _choice("agent", _mapping(definitions["GroupBlock"]), definitions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole, "$defs": definitions}


def _choice(category: Category, block: Mapping[str, object], definitions: dict[str, object]) -> dict[str, object]:
    """A block as one of the registered kinds, or any class by its module."""
    options: list[object] = []
    families = []
    for kind in known(category):
        found = find(category, kind)
        name = f"{category}.{kind}"
        families += [] if found.whole else [kind]
        definitions[name] = _kind(found, block, definitions)
        options.append({"$ref": f"#/$defs/{name}"})
    properties = dict(_mapping(block["properties"]))
    # What is written as one of a family is that, and no class of a module: its parameters are known.
    start = f"^(?!({'|'.join(families)}):).*" if families else ""
    properties["kind"] = {**_mapping(properties["kind"]), "pattern": f"{start}:"}
    options.append({**block, "title": "module:Class", "properties": properties})
    return {"anyOf": options, "description": block["description"]}


def _kind(found: Found, block: Mapping[str, object], definitions: dict[str, object]) -> dict[str, object]:
    own = found.parameters.schema
    prefix = f"{found.category}.{found.kind}."
    for name, below in _mapping(own.get("$defs", {})).items():
        definitions[prefix + name] = _renamed(below, prefix)
    written = dict(_mapping(_mapping(block["properties"])["kind"]))
    del written["pattern"]
    named = {"kind": written | ({"const": found.kind} if found.whole else {"pattern": rf"^{found.kind}:\S+$"})}
    properties = {**_mapping(block["properties"]), **named, **_mapping(_renamed(own.get("properties", {}), prefix))}
    required = own.get("required", [])
    assert isinstance(required, list)
    return {
        "title": found.spelling,
        "description": found.summary,
        "type": "object",
        "properties": properties,
        "required": ["kind", *required],
        "additionalProperties": False,
    }


def _renamed(value: object, prefix: str) -> object:
    """References point into the kind's own definitions: two kinds may use one name for different types."""
    if isinstance(value, list):
        return [_renamed(entry, prefix) for entry in value]
    if not isinstance(value, dict):
        return value
    start = "#/$defs/"
    return {
        key: start + prefix + below.removeprefix(start)
        if key == "$ref" and isinstance(below, str)
        else _renamed(below, prefix)
        for key, below in value.items()
    }


def _mapping(value: object) -> Mapping[str, object]:
    assert isinstance(value, Mapping)
    return value
