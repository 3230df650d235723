"""`simworld claims`, and what `simworld run` does with the claims of its scenario."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simworld.cli._argument import RUN
from simworld.cli._opening import opening

if TYPE_CHECKING:
    from simworld.scenario import Scenario
    from simworld_analysis import Run
    from simworld_analysis.claims import Verdict


@click.command(epilog="Example: simworld claims runs/20261124T101500Z_tax-rational_1a2b3c4d")
@click.argument("run", type=RUN)
@click.option(
    "--scenario",
    type=click.Path(path_type=Path),
    help="Another version of its scenario: claims that the run did not start with are judged post hoc.",
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def claims(run: Path, scenario: Path | None, as_json: bool) -> int:
    """Judge the claims that RUN started with; exit code 0 says that all hold, on all episodes, 1 that they do not.

    A claim holds when its whole interval lies where it is expected, fails when it lies wholly elsewhere, and is
    undecided otherwise. The intervals of all claims are widened together (Holm).
    """
    from simworld.scenario import load  # noqa: PLC0415
    from simworld_analysis import open_run  # noqa: PLC0415
    from simworld_analysis.claims import all_hold  # noqa: PLC0415

    also = [] if scenario is None else claims_of(load(scenario))
    with opening():
        opened = open_run(run)
        verdicts = judged(opened, also)
        lacking = unheard(opened)
    if as_json:
        told = [{**verdict.as_dict(), "complete": not lacking} for verdict in verdicts]
        click.echo(json.dumps(told, allow_nan=False))
    elif verdicts:
        print_claims(opened, verdicts)
    else:
        click.echo(f"{run}: its scenario makes no claims")
    return 0 if all_hold(verdicts) and not (verdicts and lacking) else 1


def claims_of(scenario: Scenario) -> list[dict[str, object]]:
    """The claims of a scenario as plain data."""
    return [claim.as_data() for claim in scenario.model.claims]


def judged(run: Run, also: Sequence[Mapping[str, object]] = ()) -> list[Verdict]:
    """Verdicts on a run's claims, kept beside its tables as ``claims.json``; none if it makes none."""
    from simworld_analysis.claims import run_claims  # noqa: PLC0415

    if not (run.manifest.get("claims") or also):
        return []
    verdicts = run_claims(run, also)
    planned = [verdict.as_dict() for verdict in verdicts if verdict.word != "post hoc"]
    # For the index of runs; it can be computed again at any time, so a folder that cannot be written to is no fault.
    with contextlib.suppress(OSError):
        unfinished = run.path / f"claims.json.{os.getpid()}"
        unfinished.write_text(json.dumps(planned, indent=1, allow_nan=False), encoding="utf-8")
        unfinished.replace(run.path / "claims.json")
    return verdicts


def unheard(run: Run) -> str:
    """Why verdicts on a run are provisional: episodes that are not over, or that have failed; empty if none are."""
    planned, done = int(run.manifest.get("episodes", 0)), int(run.manifest.get("done", 0))
    succeeded = run.arrow("episodes", ["status"]).column("status").to_pylist().count("success") if done else 0
    parts = [f"{planned - done:,} of {planned:,} episodes are not over"] if done < planned else []
    parts += [f"{done - succeeded:,} have failed"] if succeeded < done else []
    return ", ".join(parts)


def print_claims(run: Run, verdicts: Sequence[Verdict]) -> None:
    """Print the table of claims."""
    from simworld.cli._console import wide_console  # noqa: PLC0415
    from simworld.dashboard import render_claims  # noqa: PLC0415

    console = wide_console()
    console.print(render_claims(verdicts, run.stand_ins))
    if lacking := unheard(run):
        console.print(f"provisional: {lacking}; whoever stops when it looks good errs more often", style="yellow")
