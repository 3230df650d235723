"""`simworld compare`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from simworld.cli._argument import RUN
from simworld.cli._opening import opening
from simworld.errors import RunError

if TYPE_CHECKING:
    from rich.console import Console

    from simworld_analysis import Run
    from simworld_analysis.comparison import Comparison

_MOST_MEASURES = 3


@click.command(epilog="Example: simworld compare runs/FIRST runs/SECOND --measure gini_net")
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", type=RUN)
@click.option("--measure", "measures", multiple=True, help="Which measure; may be repeated (default: the first three).")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def compare(runs: tuple[Path, ...], measures: tuple[str, ...], as_json: bool) -> int:
    """Compare every RUN with the first, arm by arm, paired where seeds agree; and say where their scenarios differ."""
    from simworld.cli._console import wide_console  # noqa: PLC0415
    from simworld_analysis import open_runs  # noqa: PLC0415
    from simworld_analysis.comparison import compare_runs, run_labels, scenario_differences  # noqa: PLC0415

    if len(runs) < 2:
        raise RunError("one run is nothing to compare; accepted: two or more")
    with opening():
        opened = list(open_runs(runs))
        shown = list(measures) or _common_measures(opened)
        rows, differing = compare_runs(opened, shown), scenario_differences(opened)
    if as_json:
        told = [{"key": key, "values": list(values)} for key, values in differing]
        click.echo(json.dumps({"scenarios": told, "comparisons": [row.as_dict() for row in rows]}, allow_nan=False))
        return 0
    console = wide_console()
    labels = run_labels(opened)
    _print_differences(console, labels, differing)
    _print_comparisons(console, rows, labels)
    for line in _unpaired_arms(opened, labels):
        console.print(line, style="italic", markup=False)
    for model in dict.fromkeys(model for run in opened for model in run.stand_ins):
        console.print(f"{model} is a stand-in, not a language model", style="yellow")
    return 0


def _common_measures(runs: Sequence[Run]) -> list[str]:
    """The first measures that the first run shows and all emit."""
    emitted = [set(run.measures) for run in runs]
    shown = runs[0].manifest.get("measures") or runs[0].measures
    common = [name for name in shown if all(name in names for names in emitted)]
    if not common:
        raise RunError("the runs emit no measure in common; accepted: --measure with one of the analysis")
    return common[:_MOST_MEASURES]


def _print_differences(console: Console, names: Sequence[str], rows: Sequence[tuple[str, tuple[str, ...]]]) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    for number, name in enumerate(names, 1):
        console.print(Text.assemble((f"{number}", "bold"), f"  {name}"))
    if not rows:
        console.print("their scenarios do not differ\n", style="italic")
        return
    table = Table("scenario", *map(str, range(1, len(names) + 1)), box=None, header_style="bold", padding=(0, 2, 0, 0))
    for key, values in rows:
        table.add_row(Text(key), *map(Text, values))
    console.print("", table, "", sep="\n")


def _unpaired_arms(runs: Sequence[Run], labels: Sequence[str]) -> list[str]:
    """Variants that not all runs have, and that are therefore not compared."""
    from simworld_analysis._values import episode_table  # noqa: PLC0415

    found = [list(dict.fromkeys(episode_table(run)["variant"])) for run in runs]
    if all(len(each) == 1 for each in found):
        return []
    return [
        f"only in {label}: {', '.join(lone)}"
        for label, each in zip(labels, found, strict=True)
        if (lone := [v for v in each if not all(v in other for other in found)])
    ]


def _print_comparisons(console: Console, rows: Sequence[Comparison], labels: Sequence[str]) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from simworld.dashboard import interval, number  # noqa: PLC0415

    for measure in dict.fromkeys(row.measure for row in rows):
        mine = [row for row in rows if row.measure == measure]
        unit = f" ({mine[0].unit})" if mine[0].unit else ""
        table = Table(title=f"{measure}{unit}", title_justify="left", box=None, padding=(0, 2, 0, 0))
        for name in ("", "run", "first", "this one", "difference", "95 % interval", "effect", "n", ""):
            table.add_column(name, justify="left" if name == "" else "right", no_wrap=True)
        for row in mine:
            d, like = row.difference, row.difference.half_width
            effect = f"{row.effect:+.2f}" if np.isfinite(row.effect) else "–"
            name = "d_z" if row.paired else "g"
            how = "paired by seed" if row.paired else "other seeds: Welch"
            # Of so many, where a measure says nothing of some.
            n = f"{d.n} of {d.n + row.missing}" if row.missing else str(d.n)
            same = row.paired and d.value == 0.0 and d.half_width == 0.0
            means = [number(e.value, like=like) for e in row.means]
            change = number(d.value, sign=True, like=like)
            cells = [row.variant or "all", str(labels.index(row.runs[1], 1) + 1), *means, change]
            table.add_row(*map(Text, [*cells, "identical" if same else interval(d), f"{effect} {name}", n, how]))
        console.print(table, "", sep="\n")
