"""Whether what claims are made of can be measured: asked before anything is run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from simworld.errors import ScenarioError

if TYPE_CHECKING:
    from simworld.kernel import Role
    from simworld.scenario import Scenario
    from simworld_analysis.grammar import Claim

_LEADS = ("obs", "act")
"""Columns that a role declares; those of minds and of the kernel are not known here."""


def check_claims(scenario: Scenario) -> None:
    """Check that every claim can be measured.

    Raises:
        ScenarioError: With file and line of each claim whose measure nobody has, whose options it does not take, or
            whose role or column the world does not have.
    """
    if not scenario.model.claims:
        return
    from simworld_analysis.grammar import parse_claim  # noqa: PLC0415

    worlds = [cell.build_world() for cell in scenario.cells]
    emitted = {f.name for world in worlds for f in world.measures}
    roles = {role.name: role for world in worlds for role in world.roles}
    problems = []
    for number, block in enumerate(scenario.model.claims):
        claim = parse_claim(block.as_data())
        for key, message in _problems(claim, emitted, roles):
            where = scenario.place(("claims", number, key))
            problems.append(f"{where}: claims.{number}.{key}: {message} (claim {claim.name!r})")
    if problems:
        raise ScenarioError("\n".join(problems))


def _problems(claim: Claim, emitted: set[str], roles: dict[str, Role]) -> Iterator[tuple[str, str]]:
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
    if claim.at != "last":
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
        yield from _missing(claim, columns, roles[name])


def _missing(claim: Claim, columns: list[str], role: Role) -> Iterator[tuple[str, str]]:
    """Columns that the table of a role will not have."""
    declared = {"obs": role.obs, "act": role.act}
    have = [f"{lead}.{field.name}" for lead, fields in declared.items() for field in fields]
    for column in columns:
        lead = column.partition(".")[0]
        if column in have or (lead not in _LEADS and ("." in column or column in _OWN)):
            continue
        yield (
            "of" if claim.of else "measure",
            (f"{claim.measure} needs the column {column!r}; role {role.name!r} has {', '.join(have)}"),
        )


_OWN = ("episode", "tick", "time", "agent", "reward", "fault", "end", "decision", "since")
"""Columns of every table of decisions."""
