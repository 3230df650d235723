"""`simworld run`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import click

from simworld.cli._opening import opening


@click.command(
    epilog="Example: simworld run scenarios/tax_policy.yaml --set world.elasticity=0.3 --episodes 10 --jobs 2"
)
@click.argument("scenario", metavar="SCENARIO", type=click.Path(path_type=Path))
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key, e.g. world.elasticity=0.3."
)
@click.option("--seed", type=int, help="First seed (same as --set seed=N).")
@click.option("--episodes", type=int, help="Episodes per cell (same as --set episodes=N).")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where runs go.")
@click.option("--jobs", type=click.IntRange(1, 1024), default=1, show_default=True, help="Local worker processes.")
@click.option("--new", is_flag=True, help="Start another run even if this scenario was run before.")
@click.option(
    "--display",
    type=click.Choice(["auto", "live", "plain", "json", "none"]),
    default="auto",
    show_default=True,
    help="How to show progress; auto: live on a terminal, plain elsewhere.",
)
def run(  # noqa: PLR0913, PLR0917  one parameter per option
    scenario: Path,
    overrides: tuple[str, ...],
    seed: int | None,
    episodes: int | None,
    out: Path,
    jobs: int,
    new: bool,
    display: str,
) -> int:
    """Run SCENARIO: every arm, every cell of its grid, every seed.

    The same command again resumes an unfinished run, or shows the summary of a finished one. Ctrl-C ends gracefully:
    what was recorded is sealed.
    """
    from simworld.cli._claims import claims_of, judged, print_claims  # noqa: PLC0415
    from simworld.cli._console import wide_console  # noqa: PLC0415
    from simworld.cli._measurable import check_measurable  # noqa: PLC0415
    from simworld.dashboard import Display, make_display, render_summary, summarise  # noqa: PLC0415
    from simworld.execution import Order, execute  # noqa: PLC0415
    from simworld.scenario import load  # noqa: PLC0415
    from simworld_analysis import open_run  # noqa: PLC0415

    extra = [f"seed={seed}"] if seed is not None else []
    extra += [f"episodes={episodes}"] if episodes is not None else []
    loaded = load(scenario, [*overrides, *extra])
    check_measurable(loaded)
    console = wide_console()
    for note in loaded.notes:
        click.echo(f"note: {note}", err=True)
    people = [block for cell in loaded.cells for block in cast(Any, cell.resolved.get("people", {})).values()]
    if display in {"auto", "live"} and any(block["kind"] == "terminal" for block in people):
        display = "plain"  # a question must not be painted over
    shown = make_display(cast(Display, display), console)
    outcome = execute(Order(loaded, out, jobs, new), shown)
    with opening():
        opened = open_run(outcome.run)
        # Judged however the run is shown: the index of runs tells what was found.
        verdicts = judged(opened, claims_of(loaded)) if opened.manifest["done"] else []
    if display not in {"json", "none"}:
        if outcome.finished_before:
            click.echo(f"this scenario was run before: {outcome.run} (another run of it: --new)")
        summary = summarise(outcome.run, loaded.model.measures)
        console.print(render_summary(summary, console.width))
        if verdicts:
            print_claims(opened, verdicts)
    sys.stdout.flush()
    return {"success": 0, "interrupted": 130}.get(outcome.status, 1)
