"""`simworld fork`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from simworld.cli._argument import RUN
from simworld.cli._going import ADDRESS, JOBS, cluster_at, counted
from simworld.cli._opening import opening
from simworld.errors import RunError, ScenarioError

if TYPE_CHECKING:
    from simworld.execution import Change
    from simworld.kernel import Json
    from simworld_analysis import Run
    from simworld_analysis.forks import ForkEffect

_MOST_MEASURES = 6


@click.command(epilog="Example: simworld fork runs/20261124T101500Z_tax_policy_1a2b3c4d --at 12 --replace planner=saez")
@click.argument("run", type=RUN)
@click.option("--at", type=click.IntRange(0), required=True, help="The tick; everything before it stays as it was.")
@click.option("--set", "values", multiple=True, metavar="KEY=VALUE", help="A parameter of a mind, or of the world.")
@click.option("--replace", "kinds", multiple=True, metavar="ROLE=KIND", help="Another mind in the seats of a role.")
@click.option("--without", multiple=True, metavar="ROLE[:1,2]", help="Members leave: a whole role, or some of it.")
@click.option("--arm", "arms", multiple=True, help="Fork this arm only (may be given again); default: all.")
@click.option("--measure", "measures", multiple=True, help="Which effects to show (default: the scenario's measures).")
@JOBS
@ADDRESS
@click.option("--json", "as_json", is_flag=True, help="Print the effects as JSON.")
def fork(  # noqa: PLR0913, PLR0917  one parameter per option
    run: Path,
    at: int,
    values: tuple[str, ...],
    kinds: tuple[str, ...],
    without: tuple[str, ...],
    arms: tuple[str, ...],
    measures: tuple[str, ...],
    jobs: int | None,
    address: str | None,
    as_json: bool,
) -> int:
    """Rewind RUN to a tick, change something, and run it again from there, beside what it was.

    What comes before is taken from the tape, at no cost; after it, both share all chance, and a question that is asked
    again has the same answer. The effect of the change is told in pairs, episode by episode.
    """
    from simworld.cli._console import wide_console  # noqa: PLC0415
    from simworld.dashboard import make_display  # noqa: PLC0415
    from simworld.execution import Order, execute, forked, missing_bases  # noqa: PLC0415
    from simworld_analysis import open_run  # noqa: PLC0415
    from simworld_analysis.comparison import check_measures  # noqa: PLC0415
    from simworld_analysis.forks import fork_effects, forks_over  # noqa: PLC0415

    change = _change(at, values, kinds, without)
    with opening():
        # A measure that is not there must not be noticed when everything was run, and paid for.
        check_measures(open_run(run), measures)
    console = wide_console(err=True)
    display = make_display("live" if console.is_terminal else "none", console)
    with forked(run, change, arms) as scenario:
        out = run.resolve().parent
        lacking = missing_bases(scenario, out)
        if lacking:
            raise RunError(
                f"{run}: {counted(len(lacking), 'episode')} of it cannot be taken over as they were: it is still"
                " worked on, not finished, damaged, or of another version of the code; accepted: a finished run"
            )
        outcome = execute(Order(scenario, out, jobs, reuse=True, cluster=cluster_at(address)), display)
    whole = outcome.status in {"success", "partial"}
    if outcome.status != "success":
        click.echo(f"{outcome.run}: {outcome.status}: {outcome.reason}", err=True)
    with opening():
        opened = open_run(outcome.run)
        shown = list(measures) or list(opened.manifest.get("measures") or opened.measures)[:_MOST_MEASURES]
        effects = fork_effects(opened, shown) if whole or forks_over(opened) else []
    if as_json:
        told = {"run": str(outcome.run), "status": outcome.status, "effects": [e.as_dict() for e in effects]}
        click.echo(json.dumps(told, allow_nan=False))
    elif effects:
        _print(opened, effects, whole)
    elif whole:
        click.echo(f"{outcome.run}: no fork has a value of {', '.join(shown)}", err=True)
    return {"success": 0, "interrupted": 130}.get(outcome.status, 1)


def _change(at: int, values: Sequence[str], kinds: Sequence[str], without: Sequence[str]) -> Change:
    from simworld.execution import Change  # noqa: PLC0415
    from simworld.scenario import parse_value  # noqa: PLC0415

    found: dict[str, Json] = {}
    minds = {}
    for text in kinds:
        role, equals, kind = text.partition("=")
        if not equals or not role or not kind:
            raise ScenarioError(f"--replace {text}: accepted: ROLE=KIND, such as planner=saez")
        if role in minds:
            raise ScenarioError(f"--replace {text}: {role} is given twice")
        minds[role] = kind
    for text in values:
        key, equals, value = text.partition("=")
        if not equals:
            raise ScenarioError(
                f"--set {text}: found no '='; accepted: a dotted key and a value such as world.rate=0.3"
            )
        if key.strip() in found:
            raise ScenarioError(f"--set {text}: {key.strip()} is given twice")
        found[key.strip()] = cast("Json", parse_value(value, f"--set {text}"))
    leave: dict[str, str | list[int]] = {}
    for text in without:
        role, colon, members = text.partition(":")
        numbers = members.split(",") if colon else []
        if not role or not all(number.strip().isdecimal() for number in numbers):
            raise ScenarioError(f"--without {text}: accepted: ROLE, or ROLE:1,2 with numbers of members")
        if role in leave:
            raise ScenarioError(f"--without {text}: {role} is given twice; accepted: ROLE:1,2,...")
        leave[role] = [int(number) for number in numbers] if colon else "all"
    return Change(at, found, minds, leave)


def _print(run: Run, effects: Sequence[ForkEffect], whole: bool) -> None:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from simworld.cli._console import wide_console  # noqa: PLC0415
    from simworld.dashboard import interval, number  # noqa: PLC0415

    console = wide_console()
    pairs = sum({row.variant: row.effect.n for row in effects}.values())
    console.print(f"{run.path}: {pairs} episodes as they were, and their forks", markup=False)
    table = Table(box=SIMPLE_HEAD)
    for name in ("arm", "measure", "effect", "95 % interval, paired", "unpaired", "narrower", "pairs"):
        words = name in {"arm", "measure"}
        # Words may go on in the next line, numbers may not be cut.
        table.add_column(name, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    for row in effects:
        e = row.effect
        nothing = e.value == 0.0 and not e.half_width > 0.0
        unit = f" ({row.unit})" if row.unit else ""
        times = f"{row.narrower:.3g} x" if row.narrower == row.narrower else "–"
        cells = [row.variant, f"{row.measure.replace('_', ' ')}{unit}"]
        if row.until is not None:
            # Two times cannot be compared, and no difference at all would look like no effect.
            cells += ["–", f"no sample after tick {row.until}", "–", "–", str(e.n)]
        else:
            cells += [number(e.value, sign=True, like=e.half_width), "identical" if nothing else interval(e)]
            cells += [interval(row.unpaired), times, str(e.n)]
        table.add_row(*map(Text, cells))
    console.print(table)
    if not whole:
        console.print("provisional: not all forks are over; the same command goes on", style="yellow")
    for model in run.stand_ins:
        console.print(f"{model} is a stand-in, not a language model", style="yellow")
