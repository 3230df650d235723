"""From a resolved cell to a world and its minds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from simworld.errors import ScenarioError
from simworld.kernel import Agent, Cohort, Group, Individuals, Role, World
from simworld.scenario import build, find, import_beside

Seating = Mapping[str, list[Group]]


def build_society(resolved: Mapping[str, Any], import_from: str = "") -> tuple[World, Seating]:
    """The world of an episode and the minds that fill its seats.

    Raises:
        ScenarioError: A kind or parameter that cannot be used, or a mind that does not fit its role.
    """
    if import_from:
        import_beside(import_from)
    world = build_world(resolved["world"])
    return world, build_seating(resolved, world)


def build_world(block: Mapping[str, Any]) -> World:
    """A new world from its block."""
    params = {k: v for k, v in block.items() if k != "kind"}
    world = build(find("world", str(block["kind"])), params)
    assert isinstance(world, World)
    return world


def build_seating(
    resolved: Mapping[str, Any], world: World, places: Mapping[str, str] | None = None
) -> dict[str, list[Group]]:
    """Fresh minds for every group of every role, checked against what the role offers.

    Args:
        resolved: The resolved cell.
        world: Whose roles they fill.
        places: Line and key of each group, for messages, by ``roles.<role>.<index>``.

    Raises:
        ScenarioError: A constructor refuses its parameters, or a mind does not fit its role.
    """
    known = {role.name: role for role in world.roles}
    seating: dict[str, list[Group]] = {}
    for name, groups in resolved["roles"].items():
        seating[name] = []
        for index, block in enumerate(groups):
            where = (places or {}).get(f"roles.{name}.{index}", f"roles.{name}")
            params = {k: v for k, v in block.items() if k not in {"kind", "count"}}
            found = find("agent", str(block["kind"]))
            made = build(found, params, where)
            if isinstance(made, Cohort):
                mind = made
            else:
                assert isinstance(made, Agent)
                mind = Individuals(partial(build, found, params))  # type: ignore[arg-type]
            _check_fit(where, str(block["kind"]), mind, known[name])
            seating[name].append(Group(mind, int(block["count"]), _label(block, mind, resolved)))
    return seating


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
