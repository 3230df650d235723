"""Interventions: what they change, worked out from the scenario as it would be with their values from the beginning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simworld.scenario._explain import Problem, instead, listing
from simworld.scenario._models import InterventionBlock, ProbeBlock
from simworld.scenario._paths import put

if TYPE_CHECKING:
    from simworld.scenario._check import Checker


_MAY = "the world's changeable parameters, and minds"


def interventions_of(
    checker: Checker, blocks: Sequence[InterventionBlock], core: Mapping[str, object], resolved: Mapping[str, Any]
) -> tuple[dict[str, object] | None, list[Problem]]:
    """The resolved cell with its interventions, or what is wrong with them.

    Each becomes plain data: ``at``, ``world`` (parameters), ``roles`` (whole blocks of minds by role and place) and
    ``without``.
    """
    before = {key: value for key, value in core.items() if key not in {"interventions", "probes"}}
    now, problems, made = dict(resolved), [], []
    order = sorted(range(len(blocks)), key=lambda number: blocks[number].at)
    for number in order:
        block, key = blocks[number], ("interventions", number)
        if block.at >= resolved["horizon"]:
            words = f"found {block.at}; accepted: less than the horizon, which is {resolved['horizon']}"
            problems.append(Problem((*key, "at"), words))
        after = before
        for text, value in block.set.items():
            try:
                after, _ = put(after, text, value)
            except ValueError as error:
                problems.append(Problem((*key, "set", text), str(error)))
        then, wrong = checker.core(after)
        problems += [Problem((*key, "set"), f"{'.'.join(map(str, one.key))}: {one.message}") for one in wrong]
        unknown = [role for role in block.without if role not in resolved["roles"]]
        problems += [
            Problem((*key, "without", role), f"there is no such role{instead(role, list(resolved['roles']))}")
            for role in unknown
        ]
        if problems or then is None:
            return None, problems
        change, wrong = _change(checker, now, then)
        problems += [Problem((*key, "set"), one.message) for one in wrong]
        without = {role: who if who == "all" else sorted(set(who)) for role, who in sorted(block.without.items())}
        made.append({"at": block.at, **change, "without": without})
        before, now = after, then
    if problems:
        return None, problems
    # Models and people that later minds ask are those of the same episode.
    asked = {key: {**now.get(key, {}), **resolved.get(key, {})} for key in ("models", "people")}
    return {**resolved, **{k: v for k, v in asked.items() if v}, "interventions": made}, []


def probes_of(
    checker: Checker, blocks: Mapping[str, ProbeBlock], core: Mapping[str, object], resolved: Mapping[str, Any]
) -> tuple[dict[str, object], list[Problem]]:
    """The probes of a resolved cell as plain data, by name, or what is wrong with them.

    What each changes is an intervention, worked out from the scenario as it is at the beginning.
    """
    made: dict[str, object] = {}
    problems: list[Problem] = []
    for name, block in sorted(blocks.items()):
        change = InterventionBlock(at=0, set=block.set, without=block.without)
        found, wrong = interventions_of(checker, [change], core, resolved)
        problems += [Problem(("probes", name, *one.key[2:]), one.message) for one in wrong]
        if found is None:
            continue
        changes: Any = found["interventions"]
        unknown = [role for role in block.reward if role not in resolved["roles"]]
        problems += [
            Problem(("probes", name, "reward", role), f"there is no such role{instead(role, list(resolved['roles']))}")
            for role in unknown
        ]
        problems += [
            Problem(("probes", name, "set"), f"{kind!r} asks, and in a branch nobody can; accepted: minds that do not")
            for kind in _asking(checker, changes[0]["roles"])
        ]
        how: dict[str, object] = {"reward": dict(sorted(block.reward.items()))} if block.reward else {}
        how |= {"of": block.of, "every": block.every, "ticks": block.ticks, "chance": block.chance}
        made[name] = how | {key: changes[0][key] for key in ("world", "roles", "without")}
    return made, problems


def _asking(checker: Checker, minds: Mapping[str, Mapping[str, Mapping[str, object]]]) -> list[str]:
    """Kinds of minds, by role and place, that ask a model or a person."""
    kinds = dict.fromkeys(str(group["kind"]) for places in minds.values() for group in places.values())
    found = {kind: checker.find("agent", kind) for kind in kinds}
    return [k for k, one in found.items() if not isinstance(one, str) and bool(getattr(one.cls, "asks", None))]


def _change(
    checker: Checker, now: Mapping[str, Any], then: Mapping[str, Any]
) -> tuple[dict[str, object], list[Problem]]:
    """What differs between two resolved cells, as far as it may change in mid-episode."""
    problems = []
    for key in ("horizon", "record"):
        if now[key] != then[key]:
            problems.append(Problem((), f"{key} cannot change in mid-episode; accepted: {_MAY}"))
    found = checker.find("world", str(now["world"]["kind"]))
    may = () if isinstance(found, str) else getattr(found.parameters.cls, "changeable", ())
    values = {k: v for k, v in then["world"].items() if now["world"].get(k) != v}
    strange = [name for name in values if name not in may]
    if strange:
        words = f"the world's {strange[0]!r} cannot change in mid-episode; accepted: {listing(list(may)) or 'nothing'}"
        problems.append(Problem((), words))
    minds: dict[str, dict[str, object]] = {}
    for role in {**now["roles"], **then["roles"]}:
        old, new = now["roles"].get(role, []), then["roles"].get(role, [])
        if [group["count"] for group in old] != [group["count"] for group in new]:
            problems.append(Problem((), f"the seats of role {role!r} cannot change in mid-episode; accepted: {_MAY}"))
            continue
        changed = {str(i): block for i, block in enumerate(new) if block != old[i]}
        if changed:
            minds[role] = changed
    return {"world": values, "roles": minds}, problems
