"""What `simworld run` and `simworld sweep` have in common: run a scenario, show it, judge its claims."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from simworld.cli._opening import opening
from simworld.errors import ScenarioError

if TYPE_CHECKING:
    from simworld.execution import Cluster, Order


def _number(ctx: click.Context, option: click.Parameter, value: float) -> float:
    """A number of seconds, which nan is not."""
    if value != value:  # noqa: PLR0124
        raise click.BadParameter("nan is not a number of seconds", ctx, option)
    return value


DISPLAYS = click.option(
    "--display",
    type=click.Choice(["auto", "live", "plain", "json", "none"]),
    default="auto",
    show_default=True,
    help="How to show progress; auto: live on a terminal, plain elsewhere.",
)
OUT = click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where runs go."
)
JOBS = click.option(
    "--jobs", type=click.IntRange(1, 1024), help="Episodes at once (default: 1; with --address as many as it has CPUs)."
)
ADDRESS = click.option(
    "--address", metavar="ADDRESS", help="Run on a Ray cluster: local (started here), auto, or HOST:PORT."
)
SNAPSHOTS = click.option(
    "--snapshot-every",
    "seconds",
    type=click.FloatRange(0.0),
    callback=_number,
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Where a killed episode that asks nobody goes on: at most so far back; 0: at its beginning.",
)
STORAGE = click.option(
    "--storage",
    metavar="URI",
    help="With --address: where nodes that do not see --out leave tables, e.g. s3://bucket/folder (default: Ray's).",
)
SET = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key, e.g. world.elasticity=0.3."
)


def cluster_at(address: str | None, storage: str | None = None) -> Cluster | None:
    """The cluster that ``--address`` and ``--storage`` name. Raises ScenarioError for a storage of nobody."""
    from simworld.execution import Cluster  # noqa: PLC0415

    if address is None:
        if storage is not None:
            raise ScenarioError("--storage is for the workers of a cluster: it goes with --address")
        return None
    return Cluster(address, storage or "")


def go(order: Order, display: str, another: str = "--new") -> int:
    """Run a scenario, with its summary and its claims; returns the exit code."""
    from simworld.cli._claims import claims_of, judged, print_claims  # noqa: PLC0415
    from simworld.cli._console import wide_console  # noqa: PLC0415
    from simworld.cli._measurable import check_measurable  # noqa: PLC0415
    from simworld.dashboard import Display, make_display, render_summary, summarise  # noqa: PLC0415
    from simworld.execution import execute  # noqa: PLC0415
    from simworld_analysis import open_run  # noqa: PLC0415

    scenario = order.scenario
    check_measurable(scenario)
    console = wide_console()
    for note in scenario.notes:
        click.echo(f"note: {note}", err=True)
    people = [block for cell in scenario.cells for block in cast(Any, cell.resolved.get("people", {})).values()]
    if any(block["kind"] == "web" for block in people):
        where = "" if order.out == Path("runs") else f" --out {order.out}"
        click.echo(f"note: people are asked on a page; in another terminal: simworld human latest{where}", err=True)
    shown = make_display(cast(Display, display), console)
    outcome = execute(order, shown)
    with opening():
        opened = open_run(outcome.run)
        # Judged however the run is shown: the index of runs tells what was found.
        verdicts = judged(opened, claims_of(scenario)) if opened.manifest["done"] else []
    if display not in {"json", "none"}:
        if outcome.finished_before:
            click.echo(f"this scenario was run before: {outcome.run} (another run of it: {another})")
        summary = summarise(outcome.run, scenario.model.measures)
        console.print(render_summary(summary, console.width))
        if verdicts:
            print_claims(opened, verdicts)
        sample = scenario.model.sweep.sample
        if sample is not None and outcome.status == "success":
            click.echo(f"next: simworld sensitivity {outcome.run}")
    sys.stdout.flush()
    return {"success": 0, "interrupted": 130}.get(outcome.status, 1)


def counted(number: int, what: str) -> str:
    """So many of something."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
