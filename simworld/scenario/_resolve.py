"""A scenario written out with all its defaults, and the digest of what it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import yaml

from simworld.errors import ScenarioError
from simworld.scenario._cells import digest
from simworld.scenario._check import groups_of
from simworld.scenario._models import SweepBlock
from simworld.scenario._registry import Category, find, learner_kind
from simworld.scenario._sweep import Values, drawn, points_of
from simworld.scenario._yaml import scalar

if TYPE_CHECKING:
    from simworld.scenario._load import Scenario


def scenario_digest(scenario: Scenario) -> str:
    """SHA-256, in hex, of what a scenario runs: its cells in their order, its seeds, and the faults it accepts.

    Comments, the order of keys (but that of arms and of the sweep, which is the order of episodes), the file's name,
    name, description, measures and claims do not change it.
    """
    cells = [[cell.arm, dict(cell.overrides), cell.digest] for cell in scenario.cells]
    model = scenario.model
    return digest({"cells": cells, "seed": model.seed, "episodes": model.episodes, "faults": model.faults.model_dump()})


def resolve_text(scenario: Scenario) -> str:
    """The scenario as YAML with overrides applied and defaults written out; it loads to the same digests."""
    model = scenario.model
    data = model.model_dump(mode="json", exclude_unset=True, by_alias=True)
    points = points_of(model.sweep)
    keys = {*model.sweep.grid, *points[0].values, *(key for own in model.arms.values() for key in own)}
    # One cell without any variant: its values are final, checked and converted.
    final = scenario.cells[0].resolved if not keys else None
    resolved: dict[str, object] = {"name": scenario.name, "description": model.description}
    if final is not None:
        resolved |= {"world": _ordered(final["world"]), "roles": _ordered(final["roles"])}
    else:
        resolved |= {
            "world": _filled("world", data["world"], keys),
            "roles": _filled("roles", data.get("roles", {}), keys),
        }
    resolved |= {"horizon": model.horizon, "seed": model.seed, "episodes": model.episodes}
    arms = data.get("arms", {})
    resolved["arms"] = {
        arm: {key: _filled(key, value, keys) for key, value in own.items()} for arm, own in arms.items()
    }
    grid = data.get("sweep", {}).get("grid", {})
    filled = {key: [_filled(key, value, keys) for value in grid[key]] for key in grid}
    resolved["sweep"] = {"grid": filled, **_listed(model.sweep, keys)}
    resolved["record"] = data.get("record", {}) if final is None else final["record"]
    resolved |= {key: data[key] for key in ("models", "people", "interventions", "probes") if key in data}
    resolved |= {"measures": model.measures, "watch": model.watch}
    resolved |= {key: data[key] for key in ("budget", "asking") if key in data}
    if model.train is not None:
        resolved["train"] = _trained(model.train.model_dump(mode="json"))
    resolved |= {"faults": model.faults.model_dump(mode="json"), "claims": [c.as_data() for c in model.claims]}
    return _dump(resolved)


def _listed(sweep: SweepBlock, keys: Iterable[str]) -> dict[str, object]:
    """The points of a sweep one by one, with the design that they were drawn by: another version may draw others."""
    design = sweep.sample or sweep.design
    found: dict[str, object] = {}
    if design is not None:
        points: Sequence[Values] = drawn(design) if sweep.sample else sweep.points
        found["design"] = design.model_dump(mode="json")
    else:
        points = sweep.points
    if points:
        found["points"] = [{key: _filled(key, value, keys) for key, value in one.items()} for one in points]
    return found


def _filled(key: str, value: object, keys: Iterable[str]) -> object:
    """A value that stands at a dotted key, with the defaults of every block in it."""
    parts = tuple(key.split("."))
    if parts == ("world",):
        return _block("world", value, parts, keys)
    if parts == ("roles",) and isinstance(value, Mapping):
        return {role: _filled(f"roles.{role}", groups, keys) for role, groups in value.items()}
    if parts[0] == "roles" and len(parts) == 2:
        return [_block("agent", group, at, keys) for at, group in groups_of(parts[1], value)]
    if parts[0] == "roles" and len(parts) == 3 and parts[2].isdecimal():
        return _block("agent", value, parts, keys)
    return value


def _block(category: Category, value: object, at: tuple[str | int, ...], keys: Iterable[str]) -> object:
    """One block with its defaults, unless a variant changes its kind: another kind has other parameters."""
    if not isinstance(value, Mapping) or not isinstance(value.get("kind"), str):
        return value
    place = ".".join(map(str, at))
    start = ".".join(map(str, at[:2]))
    if any(key == f"{place}.kind" or (key.startswith(f"{start}.") and key.endswith(".kind")) for key in keys):
        return value
    try:
        parameters = find(category, value["kind"]).parameters
    except ScenarioError:
        # A block that every variant replaces is never looked up, so it may name what is not installed.
        return value
    reserved = {"kind": value["kind"], **({"count": value.get("count", 1)} if category == "agent" else {})}
    given = {name: below for name, below in value.items() if name not in parameters.reserved}
    return _ordered({**reserved, **parameters.fill(given)})


def _trained(block: dict[str, object]) -> dict[str, object]:
    """A block ``train`` with the defaults of a learner that is found by name; RLlib keeps its own."""
    settings, kind = block["settings"], learner_kind(str(block["algo"]))
    if kind is None or not isinstance(settings, Mapping):
        return block
    try:
        parameters = find("learner", kind).parameters
    except ScenarioError:
        # Only who trains looks it up: an episode needs no learner.
        return block
    return block | {"settings": _ordered(parameters.fill(settings))}


def _ordered(value: object) -> object:
    """Kind and count first, the rest sorted."""
    if isinstance(value, Mapping):
        first = [name for name in ("kind", "count") if name in value]
        rest = sorted(name for name in value if name not in first)
        return {name: _ordered(value[name]) for name in (*first, *rest)}
    if isinstance(value, list):
        return [_ordered(entry) for entry in value]
    return value


class _Dumper(yaml.SafeDumper):
    """Writes text in quotes wherever YAML 1.2 would read something else."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        """Write every value out."""
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    try:
        plain = isinstance(scalar(value), str) and value.isprintable()
    except ValueError:
        plain = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')


_Dumper.add_representer(str, _text)


def _dump(data: object) -> str:
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9, default_flow_style=False)
