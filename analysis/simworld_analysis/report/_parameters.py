"""The resolved scenario: what is the same for all arms, and where they differ."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simworld_analysis.report._words import plain

_PLAIN = ("horizon", "seed", "episodes")


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters of a scenario, in words."""

    common: tuple[tuple[str, str], ...] = ()
    """Name and value."""
    differing: tuple[str, ...] = ()
    """Names of those in which arms differ."""
    arms: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """By arm, the values of ``differing``; an empty text where an arm has no such parameter."""
    sweep: tuple[tuple[str, str], ...] = ()


def parameters_of(scenario: Mapping[str, Any]) -> Parameters:
    """The parameters of a resolved scenario."""
    base = _flat(scenario)
    arms = {str(name): _flat(_changed(scenario, more or {})) for name, more in (scenario.get("arms") or {}).items()}
    names = dict.fromkeys([*base, *(name for arm in arms.values() for name in arm)])
    everywhere = list(arms.values()) or [base]
    same = [n for n in names if all(n in arm and arm[n] == everywhere[0].get(n) for arm in everywhere)]
    differing = tuple(n for n in names if n not in same and any(n in arm for arm in everywhere))
    grid = (scenario.get("sweep") or {}).get("grid") or {}
    return Parameters(
        common=tuple((n, plain(everywhere[0][n])) for n in same),
        differing=differing,
        arms=tuple((name, tuple(plain(arm[n]) if n in arm else "" for n in differing)) for name, arm in arms.items()),
        sweep=tuple((str(name), plain(values)) for name, values in grid.items()),
    )


def entries(scenario: Mapping[str, Any], role: str) -> list[dict[str, Any]]:
    """Who plays a role, in one arm."""
    found = (scenario.get("roles") or {}).get(role) or []
    return [dict(entry) for entry in (found if isinstance(found, list) else [found]) if isinstance(entry, dict)]


def scenario_arms(scenario: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Each arm as a scenario of its own; the whole under an empty name where there are none."""
    arms = scenario.get("arms") or {}
    return {str(name): _changed(scenario, more or {}) for name, more in arms.items()} or {"": dict(scenario)}


def _flat(scenario: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {f"world.{name}": value for name, value in (scenario.get("world") or {}).items()}
    for role in scenario.get("roles") or {}:
        mine = entries(scenario, role)
        for place, entry in enumerate(mine):
            stem = role if len(mine) == 1 else f"{role}[{place}]"
            found |= {f"{stem}.{name}": value for name, value in entry.items()}
    return found | {name: scenario[name] for name in _PLAIN if name in scenario}


def _changed(scenario: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """The scenario with what an arm changes, by dotted keys."""
    changed = copy.deepcopy(dict(scenario))
    for key, value in more.items():
        *path, last = str(key).split(".")
        nodes: list[Any] = [changed]
        for part in path:
            nodes = [inner for node in nodes for inner in _below(node, part)]
        for node in nodes:
            _put(node, last, value)
    return changed


def _below(node: Any, part: str) -> list[Any]:
    """What a part of a dotted key leads to: of several groups the one at that place, or else all of them."""
    if isinstance(node, list):
        if part.isdecimal():
            return node[int(part) : int(part) + 1]
        return [inner for one in node for inner in _below(one, part)]
    return [node.setdefault(part, {})] if isinstance(node, dict) else []


def _put(node: Any, last: str, value: Any) -> None:
    if isinstance(node, list) and last.isdecimal():
        node[int(last) : int(last) + 1] = [copy.deepcopy(value)]
        return
    for one in node if isinstance(node, list) else [node]:
        if isinstance(one, dict):
            one[last] = copy.deepcopy(value)
