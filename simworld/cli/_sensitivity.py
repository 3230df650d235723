"""`simworld sensitivity`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from simworld.cli._argument import RUN
from simworld.cli._opening import opening

_MOST_MEASURES = 3


@click.command(epilog="Example: simworld sensitivity runs/20261124T101500Z_tax_rational_1a2b3c4d --measure gini_net")
@click.argument("run", type=RUN)
@click.option("--measure", "measures", multiple=True, help="Of which measures (default: the scenario's first three).")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def sensitivity(run: Path, measures: tuple[str, ...], as_json: bool) -> int:
    """Say how much of a measure's variance stems from each parameter of RUN, a sweep made with --sample sobol."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from simworld.cli._console import wide_console  # noqa: PLC0415
    from simworld.dashboard import interval, number  # noqa: PLC0415
    from simworld_analysis import open_run  # noqa: PLC0415
    from simworld_analysis.sensitivity import is_rough, sobol_sensitivity  # noqa: PLC0415

    with opening():
        opened = open_run(run)
        shown = list(measures) or list(opened.manifest.get("measures") or opened.measures)[:_MOST_MEASURES]
        found = sobol_sensitivity(opened, shown)
    if as_json:
        click.echo(json.dumps([one.as_dict() for one in found], allow_nan=False))
        return 0
    table = Table(box=SIMPLE_HEAD)
    for name in ("arm", "measure", "parameter", "alone", "95 % interval", "with interactions", "95 % interval"):
        table.add_column(name, justify="left" if name in {"arm", "measure", "parameter"} else "right", no_wrap=True)
    for one in found:
        cells = [one.arm or "all", one.measure.replace("_", " "), one.parameter]
        for e in (one.first, one.total):
            cells += [number(e.value, like=e.half_width), interval(e)]
        table.add_row(*map(Text, cells))
    console = wide_console()
    console.print(table)
    if is_rough(found):
        console.print("from so few points indices are rough: --points 64 or more", style="yellow")
    return 0
