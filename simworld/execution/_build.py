"""From a resolved cell to a world and its minds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from simworld.errors import ScenarioError
from simworld.files import beside
from simworld.kernel import Agent, Cohort, Group, Individuals, Intervention, Role, World
from simworld.scenario import build, find, import_beside

Seating = Mapping[str, list[Group]]


def build_society(
    resolved: Mapping[str, Any], import_from: str = "", outer: Collection[tuple[str, int]] = ()
) -> tuple[World, Seating]:
    """The world of an episode and the minds that fill its seats; the groups in ``outer`` are decided from outside.

    Raises:
        ScenarioError: A kind or parameter that cannot be used, or a mind that does not fit its role.
    """
    if import_from:
        import_beside(import_from)
    with beside(import_from):
        world = build_world(resolved["world"])
        return world, build_seating(resolved, world, outer=outer)


def build_world(block: Mapping[str, Any]) -> World:
    """A new world from its block."""
    params = {k: v for k, v in block.items() if k != "kind"}
    world = build(find("world", str(block["kind"])), params)
    assert isinstance(world, World)
    return world


def build_seating(
    resolved: Mapping[str, Any],
    world: World,
    places: Mapping[str, str] | None = None,
    outer: Collection[tuple[str, int]] = (),
) -> dict[str, list[Group]]:
    """Fresh minds for every group of every role, checked against what the role offers.

    Args:
        resolved: The resolved cell.
        world: Whose roles they fill.
        places: Line and key of each group, for messages, by ``roles.<role>.<index>``.
        outer: Groups, by role and place, that are decided from outside: no mind is made for them.

    Raises:
        ScenarioError: A constructor refuses its parameters, or a mind does not fit its role.
    """
    sizes = {role.name: sum(int(b["count"]) for b in resolved["roles"].get(role.name, ())) for role in world.roles}
    known = {role.name: role.sized(sizes) for role in world.roles}
    _checked(lambda: world.check(sizes), (places or {}).get("world", "world"))
    seating: dict[str, list[Group]] = {}
    for name, groups in resolved["roles"].items():
        seating[name] = []
        for index, block in enumerate(groups):
            where = (places or {}).get(f"roles.{name}.{index}", f"roles.{name}")
            if (name, index) in outer:
                seating[name].append(Group(None, int(block["count"]), "learner"))
            else:
                seating[name].append(_group(block, known[name], resolved, where))
    own = {name: mind for name, mind in world.own_minds().items() if not seating.get(name)}
    return seating | {name: [Group(mind, 0, "itself")] for name, mind in own.items()}


def build_interventions(resolved: Mapping[str, Any], world: World) -> tuple[list[Intervention], dict[str, list[Group]]]:
    """The interventions of an episode in their order, and the minds that come with them, by role.

    Raises:
        ScenarioError: A mind refuses its parameters, or does not fit its role.
    """
    changes, groups = [], dict[str, list[Group]]()
    for number, block in enumerate(resolved.get("interventions", ())):
        changes.append(intervention_of(block, resolved, world, f"interventions.{number}", groups))
    return changes, groups


def intervention_of(
    block: Mapping[str, Any],
    resolved: Mapping[str, Any],
    world: World,
    where: str,
    groups: dict[str, list[Group]] | None = None,
) -> Intervention:
    """An intervention from its resolved block; the minds that come with it are added to ``groups``, by role.

    Raises:
        ScenarioError: A mind refuses its parameters, or does not fit its role.
    """
    sizes = {role.name: sum(int(b["count"]) for b in resolved["roles"].get(role.name, ())) for role in world.roles}
    known = {role.name: role.sized(sizes) for role in world.roles}
    minds: dict[tuple[str, int], Cohort] = {}
    for role, places in block["roles"].items():
        for place, group in places.items():
            made = _group(group, known[role], resolved, f"{where}.set: roles.{role}.{place}")
            assert made.mind is not None
            minds[role, int(place)] = made.mind
            if groups is not None:
                groups.setdefault(role, []).append(replace(made, count=0))
    without = {role: None if who == "all" else np.array(who, dtype=np.int64) for role, who in block["without"].items()}
    return Intervention(int(block["at"]), block["world"], minds, without)


def _group(block: Mapping[str, Any], role: Role, resolved: Mapping[str, Any], where: str) -> Group:
    params = {k: v for k, v in block.items() if k not in {"kind", "count"}}
    found = find("agent", str(block["kind"]))
    made = build(found, params, where)
    mind = made if isinstance(made, Cohort) else Individuals(_Maker(found.kind, params))
    _check_fit(where, str(block["kind"]), mind, role)
    assert isinstance(made, Cohort | Agent)
    _checked(partial(made.check, role), where)
    return Group(mind, int(block["count"]), _label(block, mind, resolved))


@dataclass(frozen=True)
class _Maker:
    """Makes one agent after the other; plain data, so that an episode can be pickled."""

    kind: str
    params: Mapping[str, Any]

    def __call__(self) -> Agent:
        made = build(find("agent", self.kind), self.params)
        assert isinstance(made, Agent)
        return made


def _checked(check: Callable[[], None], where: str) -> None:
    """Ask a world or a mind whether it can be used like this. Raises ScenarioError."""
    try:
        check()
    except ValueError as error:
        raise ScenarioError(f"{where}: {' '.join(str(error).split())}") from error


def _label(block: Mapping[str, Any], mind: Cohort, resolved: Mapping[str, Any]) -> str:
    """What the tables call a mind: its kind, and the model that it asks, so that a stand-in is never overlooked."""
    if "model" not in mind.asks:
        return str(block["kind"])
    model = resolved["models"][block.get("model", "default")]["model"]
    return f"{block['kind']} ({model})"


def _check_fit(where: str, kind: str, mind: Cohort, role: Role) -> None:
    """Raise ScenarioError unless the role offers what the mind says it sees and does."""
    for what, needs, offers in (
        ("observation", mind.sees, [f.name for f in role.obs]),
        ("action", mind.does, [f.name for f in role.act]),
    ):
        missing = [n for n in needs if n not in offers]
        if missing:
            raise ScenarioError(
                f"{where}: {kind!r} needs the {what} field {missing[0]!r};"
                f" the role {role.name!r} offers {', '.join(offers) or 'none'}"
            )
