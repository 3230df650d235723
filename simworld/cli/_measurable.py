"""Whether what claims are made of can be measured, and what is watched is there: asked before anything is run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from simworld.errors import ScenarioError

if TYPE_CHECKING:
    from simworld.kernel import Role
    from simworld.scenario import Scenario
    from simworld_analysis.grammar import Claim

_LEADS = ("obs", "act", "mind")
"""Columns that roles and minds declare; those of the kernel are the same everywhere."""


def check_measurable(scenario: Scenario) -> None:
    """Check that every claim can be measured, and that every column to be watched is there.

    Raises:
        ScenarioError: With file and line of each claim whose measure nobody has, whose options it does not take, or
            whose role or column the world does not have, and of each such column under ``watch``.
    """
    if not scenario.model.claims and not scenario.model.watch:
        return
    from simworld_analysis.grammar import parse_claim  # noqa: PLC0415

    worlds = [cell.build_world() for cell in scenario.cells]
    emitted = {f.name for world in worlds for f in world.measures}
    for cell in scenario.cells:
        probes: Any = cell.resolved.get("probes", {})
        emitted |= set(probes)
    roles = {role.name: _columns(role) for world in worlds for role in world.roles}
    for role, columns in _shown(scenario).items():
        roles.setdefault(role, []).extend(columns)
    problems = list(_unwatchable(scenario, roles))
    for number, block in enumerate(scenario.model.claims):
        claim = parse_claim(block.as_data())
        found = [*_problems(claim, emitted, roles), *_second(claim, emitted, roles), *_unrecorded(claim, scenario)]
        for key, message in found:
            where = scenario.place(("claims", number, key))
            problems.append(f"{where}: claims.{number}.{key}: {message} (claim {claim.name!r})")
    if problems:
        raise ScenarioError("\n".join(problems))


def _problems(claim: Claim, emitted: set[str], roles: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """What is wrong with one claim: (key, message)."""
    from simworld_analysis import OpenError  # noqa: PLC0415
    from simworld_analysis.measures import find_measure, lacking_option, needed, wrong_option  # noqa: PLC0415

    if claim.measure in emitted:
        if claim.of:
            yield "of", f"found {', '.join(claim.of)}; accepted: nothing, as the world emits {claim.measure}"
        return
    try:
        known = find_measure(claim.measure, sorted(emitted))
    except OpenError as error:
        yield "measure", str(error)
        return
    if claim.at not in (None, "last"):
        yield "at", f"found {claim.at!r}; accepted: nothing, as {claim.measure} is one number for each episode"
    wrong = [name for name in claim.of if name not in known.options]
    if wrong:
        accepted = ", ".join(known.options) or "none"
        yield "of", f"{claim.measure} has no option {wrong[0]!r}; accepted: {accepted}"
        return
    if kind := wrong_option(known, claim.of):
        yield "of", f"{claim.measure}: {kind}"
        return
    if lacking := lacking_option(known, claim.of):
        choices = f"; accepted: {', '.join(roles)}" if lacking == "role" else ""
        yield "measure", f"{claim.measure} needs the option {lacking!r} under 'of'{choices}"
        return
    for table, columns in needed(known, claim.of).items():
        sort, _, name = table.partition(".")
        if sort != "decisions":
            continue
        if name not in roles:
            yield "of" if "role" in claim.of else "measure", f"there is no role {name!r}; accepted: {', '.join(roles)}"
            continue
        yield from _missing(claim, columns, roles[name], name)


def _second(claim: Claim, emitted: set[str], roles: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """What is wrong with the measure that a claim's own is correlated with: it is taken as it usually is."""
    if claim.correlated_with is None:
        return
    usual = replace(claim, measure=claim.correlated_with, at=None, of={})
    for key, message in _problems(usual, emitted, roles):
        lacks = key == "measure" and "needs the option" in message
        yield "correlated_with", f"{message.partition(' under')[0]}; accepted: one without" if lacks else message


def _missing(claim: Claim, columns: list[str], have: list[str], role: str) -> Iterator[tuple[str, str]]:
    """Columns that the table of a role will not have."""
    for column in columns:
        lead = column.partition(".")[0]
        if column in have or (lead not in _LEADS and ("." in column or column in _OWN)):
            continue
        yield (
            "of" if claim.of else "measure",
            (f"{claim.measure} needs the column {column!r}; role {role!r} has {', '.join(have)}"),
        )


def _unwatchable(scenario: Scenario, roles: dict[str, list[str]]) -> Iterator[str]:
    """Columns to be watched that no table of decisions will have."""
    for number, name in enumerate(scenario.model.watch):
        role, _, column = name.partition(".")
        where = f"{scenario.place(('watch', number))}: watch.{number}: "
        if role not in roles:
            yield f"{where}there is no role {role!r}; accepted: {', '.join(roles)}"
        elif column not in roles[role]:
            if scenario.overrides and column.startswith("mind."):
                continue  # whoever leaves out arms on the command line leaves out what their minds show
            yield f"{where}role {role!r} has no column {column!r}; it has {', '.join(roles[role])}"
        elif _never_recorded(role, scenario):
            yield f"{where}decisions of role {role!r} are not recorded; accepted: record.{role} that is not none"


def _unrecorded(claim: Claim, scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Roles that are recorded in no cell."""
    role = claim.of.get("role")
    if isinstance(role, str) and _never_recorded(role, scenario):
        yield "of", f"decisions of role {role!r} are not recorded; accepted: record.{role} that is not none"


def _never_recorded(role: str, scenario: Scenario) -> bool:
    return all(cell.record.get(role, 1) == 0 for cell in scenario.cells)


def _columns(role: Role) -> list[str]:
    """What a role declares."""
    return [f"{lead}.{f.name}" for lead, fields in (("obs", role.logged), ("act", role.act)) for f in fields]


def _shown(scenario: Scenario) -> dict[str, list[str]]:
    """What the minds of each role show, in any cell."""
    found: dict[str, list[str]] = {}
    known: set[str] = set()
    for cell in scenario.cells:
        for seating in cell.seatings:
            key = repr((seating.role, seating.kind, seating.parameters))
            if key in known:
                continue
            known.add(key)
            names = found.setdefault(seating.role, [])
            names.extend(n for f in seating.build().mind if (n := f"mind.{f.name}") not in names)
    return found


_OWN = ("episode", "tick", "time", "agent", "reward", "fault", "end", "decision", "since")
"""Columns of every table of decisions."""
