"""`simworld report`."""

from __future__ import annotations

from pathlib import Path

import click

from simworld.cli._argument import RUN
from simworld.cli._opening import opening


@click.command(epilog="Example: simworld report runs/20261124T101500Z_tax-policy_1a2b3c4d")
@click.argument("run", type=RUN)
@click.option("--out", type=click.Path(path_type=Path), help="Where it goes (default: report.html in RUN).")
def report(run: Path, out: Path | None) -> int:
    """Write RUN as one HTML page: what was run, what came out, how sure that is, and how to run it again.

    The page needs no network and no scripts. Also works on a run that is still going, or was killed. An older report
    is replaced; any other file is left as it is.
    """
    from simworld_analysis import open_run  # noqa: PLC0415  the analysis is imported only to look at a run
    from simworld_analysis.report import write_report  # noqa: PLC0415

    with opening():
        written = write_report(open_run(run), run / "report.html" if out is None else out)
    click.echo(f"written: {written}")
    return 0
