"""`simworld plan`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simworld.cli._going import duration
from simworld.cli._opening import opening
from simworld.errors import RunError

if TYPE_CHECKING:
    from simworld_analysis import Run
    from simworld_analysis.planning import StudyPlan


@click.command(epilog="Example: simworld plan scenarios/tax_policy.yaml --half-width 500 --jobs 2")
@click.argument("scenario", metavar="SCENARIO", type=click.Path(path_type=Path))
@click.option("--pilot", type=click.IntRange(2, 1000), default=5, show_default=True, help="Episodes of each variant.")
@click.option("--from", "run", type=click.Path(path_type=Path), help="Take this run as the pilot, and run nothing.")
@click.option("--measure", help="What is to be estimated (default: the first that the scenario shows).")
@click.option("--half-width", type=float, help="Half the 95 % interval that is wanted, in the measure's unit.")
@click.option(
    "--relative", type=float, default=0.05, show_default=True, help="The same, a share of the baseline's mean."
)
@click.option("--baseline", metavar="ARM", help="The arm that the others are compared with (default: the first).")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where runs go.")
@click.option("--jobs", type=click.IntRange(1, 1024), default=1, show_default=True, help="Local worker processes.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def plan(  # noqa: PLR0913, PLR0917  one parameter per option
    scenario: Path,
    pilot: int,
    run: Path | None,
    measure: str | None,
    half_width: float | None,
    relative: float,
    baseline: str | None,
    overrides: tuple[str, ...],
    out: Path,
    jobs: int,
    as_json: bool,
) -> int:
    """Say how many episodes SCENARIO needs for an interval of a wanted width, and what they cost.

    Runs a small pilot of all arms (kept among the runs like any other). What counts are the differences to one of them
    at the same parameters, paired by seed.
    """
    from simworld_analysis import open_run  # noqa: PLC0415
    from simworld_analysis.planning import plan_study  # noqa: PLC0415

    if not all(0.0 < width < float("inf") for width in (relative, *([] if half_width is None else [half_width]))):
        raise RunError("the half width of an interval is a positive number")
    from simworld.scenario import load  # noqa: PLC0415

    load(scenario, list(overrides))  # what cannot be run needs no plan
    with opening():
        path = run if run is not None else _pilot(scenario, [*overrides, f"episodes={pilot}"], out, jobs)
        opened = open_run(path)
        shown = measure or next(iter(opened.manifest.get("measures") or opened.measures), "")
        made = plan_study(opened, shown, half_width, relative, baseline)
    if as_json:
        click.echo(json.dumps(_as_dict(opened, made), allow_nan=False))
    else:
        _print(opened, made)
    return 0


def _pilot(scenario: Path, overrides: list[str], out: Path, jobs: int) -> Path:
    from simworld.cli._console import wide_console  # noqa: PLC0415
    from simworld.dashboard import make_display  # noqa: PLC0415
    from simworld.execution import Order, execute  # noqa: PLC0415
    from simworld.scenario import load  # noqa: PLC0415

    # Progress goes to standard error: what is planned may be read by a program.
    console = wide_console(err=True)
    display = make_display("live" if console.is_terminal else "none", console)
    outcome = execute(Order(load(scenario, overrides), out, jobs), display)
    if outcome.status not in {"success", "partial"}:
        raise RunError(f"the pilot {outcome.run} ended as {outcome.status}: {outcome.reason}")
    return outcome.run


def _as_dict(run: Run, plan: StudyPlan) -> dict[str, object]:
    return {
        "pilot": str(run.path),
        "measure": plan.measure,
        "half_width": plan.half_width,
        "episodes": plan.episodes,
        "variants": plan.variants,
        "cost": plan.cost,
        "needs": [{"what": n.what, "spread": n.spread, "episodes": n.episodes} for n in plan.needs],
    }


def _print(run: Run, plan: StudyPlan) -> None:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from simworld.cli._console import wide_console  # noqa: PLC0415
    from simworld.dashboard import number  # noqa: PLC0415

    unit = f" {plan.unit}" if plan.unit else ""
    table = Table(box=SIMPLE_HEAD)
    for name in ("", "in the pilot", "spread", "episodes"):
        table.add_column(name, justify="right" if name else "left")
    for need in plan.needs:
        table.add_row(Text(need.what), number(need.pilot.value), number(need.spread), f"{need.episodes:,}")
    console = wide_console()
    pilot = f"pilot of {plan.pilot_episodes} episodes of each arm, {run.path.name}"
    console.print(f"{plan.measure}: episodes for ±{number(plan.half_width)}{unit} at 95 %, by a {pilot}", markup=False)
    console.print(table)
    cost = plan.cost
    parts = [f"{duration(cost['seconds'])} of one process"]
    parts += [f"{cost['asks']:,.0f} asks"] if cost["asks"] else []
    parts += [f"{cost['tokens']:,.0f} tokens"] if cost["tokens"] else []
    parts += [f"${cost['usd']:,.2f}"] if cost["usd"] else []
    total = plan.episodes * plan.variants
    console.print(f"--set episodes={plan.episodes}: {total:,} episodes in all; {', '.join(parts)}", markup=False)
    if plan.pilot_episodes < 10:
        console.print("a spread from so few episodes is rough: plan again when ten or more are there", style="dim")
    for model in run.stand_ins:
        console.print(f"{model} is a stand-in, not a language model: its tokens cost nothing", style="yellow")
