"""`simworld export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

import click

from simworld.cli._argument import RUN
from simworld.cli._opening import opening


@click.command(epilog="Example: simworld export runs/20261124T101500Z_tax-policy_1a2b3c4d --to csv")
@click.argument("run", type=RUN)
@click.option("--to", type=click.Choice(["csv", "parquet"]), default="csv", show_default=True, help="Which format.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to make (default: RUN-csv or RUN-parquet, here).")
@click.option("--tables", help="Which tables, separated by commas (default: all).")
def export(run: Path, to: str, out: Path | None, tables: str | None) -> int:
    """Write the tables of RUN for R, spreadsheets and others, with a codebook of units and meanings.

    Every row says its arm, seed and parameters of the sweep. An existing folder is never written to.
    """
    from simworld_analysis import open_run  # noqa: PLC0415
    from simworld_analysis.export import export_run  # noqa: PLC0415

    folder = out or Path(f"{run.resolve().name}-{to}")
    with opening():
        opened = open_run(run)
        form = cast(Literal["csv", "parquet"], to)
        written = export_run(opened, form, folder, tables.split(",") if tables else (), click.echo)
    click.echo(f"written to {written}/, with codebook.csv")
    return 0
