"""`simworld list` and `simworld schema`."""

from __future__ import annotations

import json
from pathlib import Path

import click

_ALL = ("all", "worlds", "agents", "learners", "scenarios", "measures")


@click.command(name="list", epilog="Example: simworld list economy")
@click.argument("what", metavar="[WHAT]", default="all")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_(what: str, as_json: bool) -> int:
    """List worlds, agents, learners, scenarios and measures of the analysis, a line each; or all about one of them.

    WHAT is worlds, agents, learners, scenarios, measures, a measure, or a kind: a world with its parameters, roles,
    fields and measures, an agent with its parameters and what it sees, does and shows, or a learner with its settings.
    A kind may also be module:Class, and a family such as axelrod:<strategy> is named without the part in brackets.
    """
    if what not in _ALL:
        return _describe(what, as_json)
    from simworld.scenario import kinds  # noqa: PLC0415

    listed: dict[str, dict[str, str]] = {}
    if what in {"all", "worlds"}:
        listed["worlds"] = dict(kinds("world"))
    if what in {"all", "agents"}:
        listed["agents"] = dict(kinds("agent"))
    if what in {"all", "learners"}:
        listed["learners"] = dict(kinds("learner"))
    if what in {"all", "scenarios"}:
        listed["scenarios"] = _scenarios()
    if what in {"all", "measures"}:
        listed["measures"] = _measures()
    if as_json:
        click.echo(json.dumps(listed))
        return 0
    for heading, entries in listed.items():
        click.echo(heading)
        width = max(map(len, entries), default=0)
        for name, line in entries.items():
            click.echo(f"  {name:<{width}}  {line}")
    return 0


def _describe(kind: str, as_json: bool) -> int:
    """All about one kind."""
    from simworld.cli._describe import description, lines  # noqa: PLC0415
    from simworld.scenario import import_beside  # noqa: PLC0415

    import_beside(Path.cwd())
    told = description(kind)
    if as_json:
        click.echo(json.dumps(told, default=str))
    else:
        for line in lines(told):
            click.echo(line)
    return 0


@click.command(epilog="Example: simworld schema > scenario.schema.json")
def schema() -> int:
    """Print the JSON schema of scenario files, with the parameters of every registered world and agent."""
    from simworld.scenario import schema as build  # noqa: PLC0415

    click.echo(json.dumps(build(), indent=2))
    return 0


def _measures() -> dict[str, str]:
    """Measures of the analysis; those that a world emits are listed with it."""
    from simworld_analysis.measures import all_measures  # noqa: PLC0415

    return {known.name: known.meaning for known in all_measures()}


def _scenarios() -> dict[str, str]:
    """Scenario files here and below ./scenarios, then those that come with simworld, with their descriptions."""
    from simworld.errors import ScenarioError  # noqa: PLC0415
    from simworld.scenario import bundled, load  # noqa: PLC0415

    # Not every YAML file is a scenario: those of this folder are taken that look like one.
    own = [path for path in sorted(Path().glob("*.yaml")) if _looks_like_one(path)]
    files = {str(path): path for path in [*own, *sorted(Path("scenarios").glob("**/*.yaml"))]}
    here = {path.resolve() for path in files.values()}
    files |= {name: path for name, path in bundled().items() if path.resolve() not in here}
    found = {}
    for name, path in files.items():
        try:
            found[name] = load(path).model.description
        except ScenarioError as error:
            found[name] = f"not valid: {str(error).splitlines()[0]}"
    return found


def _looks_like_one(path: Path) -> bool:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return all(any(line.startswith(f"{key}:") for line in lines) for key in ("world", "roles", "horizon"))
