"""`simworld validate`."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(epilog="Example: simworld validate scenarios/tax_policy.yaml")
@click.argument("scenario", metavar="SCENARIO", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key before checking.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def validate(scenario: Path, overrides: tuple[str, ...], as_json: bool) -> int:
    """Check SCENARIO, every arm and cell of it, without running it; exit code 2 says what is wrong and where."""
    from simworld.cli._measurable import check_measurable  # noqa: PLC0415
    from simworld.execution import check, sources_of  # noqa: PLC0415
    from simworld.scenario import cells, load, scenario_digest  # noqa: PLC0415

    loaded = load(scenario, overrides)
    check(loaded)
    sources_of(loaded)  # and what lies beside it: code, policies, tapes
    check_measurable(loaded)
    for note in loaded.notes:
        click.echo(f"note: {note}", err=True)
    found = cells(loaded)
    digest = scenario_digest(loaded)
    if as_json:
        click.echo(json.dumps({"valid": True, "scenario": str(scenario), "cells": len(found), "digest": digest}))
    else:
        click.echo(f"{scenario}: valid, {len(found)} {'cell' if len(found) == 1 else 'cells'}, digest {digest[:8]}")
    return 0
