"""`simworld runs`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simworld.cli._opening import opening
from simworld.errors import RunError

if TYPE_CHECKING:
    import pandas as pd

    from simworld_analysis import Run

_COLOURS = {"success": "green", "running": "cyan", "error": "red"}


@click.command(epilog="Example: simworld runs --where \"scenario == 'tax_policy' and usd < 1\"")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
@click.option("--where", metavar="EXPRESSION", help="Only runs for which this is true, as pandas' query reads it.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def runs(folder: Path, where: str | None, as_json: bool) -> int:
    """List the runs of FOLDER (default: runs), the newest first: what, when, how far, at what cost, with which claims.

    An expression may name run, scenario, status, started, done, episodes, minutes, asks, tokens, usd, faults, claims
    (how many), hold (how many of them hold; -1 if nobody has judged them), models and digest.
    """
    from simworld_analysis import open_runs  # noqa: PLC0415

    if not folder.is_dir():
        raise RunError(f"{folder}: no such folder; accepted: a folder with runs")
    with opening():
        if not any((path / "run.json").is_file() for path in folder.iterdir() if path.is_dir()):
            click.echo("[]" if as_json else f"{folder}: no runs yet")
            return 0
        opened = open_runs(folder / "*")
        table = opened.overview()
        table["hold"] = [_hold(run) for run in opened]
    table = table.sort_values("started", ascending=False, kind="stable", ignore_index=True)
    if where is not None:
        table = _filtered(table, where)
    if as_json:
        click.echo(table.to_json(orient="records"))
        return 0
    _print(table)
    for name, why in opened.skipped.items():
        if (folder / name / "run.json").exists():
            click.echo(f"{name}: {why}", err=True)
    return 0


def _hold(run: Run) -> int:
    """How many claims hold, as they were judged last; -1 if they were not."""
    try:
        judged = json.loads((run.path / "claims.json").read_text(encoding="utf-8"))
        return sum(verdict["verdict"] == "holds" for verdict in judged)
    except (OSError, ValueError, KeyError, TypeError):
        return -1


def _filtered(table: pd.DataFrame, where: str) -> pd.DataFrame:
    try:
        return table.query(where)
    except Exception as error:  # pandas raises whatever the expression does
        raise RunError(
            f"--where {where!r}: {str(error).splitlines()[0]}; accepted: an expression over {', '.join(table.columns)}"
        ) from error


def _print(table: pd.DataFrame) -> None:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from simworld.cli._console import wide_console  # noqa: PLC0415

    shown = Table(box=SIMPLE_HEAD)
    for name in ("run", "status", "episodes", "minutes", "cost", "faults", "claims"):
        shown.add_column(name, justify="left" if name in {"run", "status"} else "right", overflow="fold")
    for row in table.to_dict("records"):
        status = Text(str(row["status"]), style=_COLOURS.get(str(row["status"]), "yellow"))
        minutes, faults = f"{row['minutes']:.1f}", f"{row['faults']:,}" if row["faults"] else ""
        done = f"{row['done']}/{row['episodes']}"
        told = {str(key): value for key, value in row.items()}
        shown.add_row(Text(str(row["run"])), status, done, minutes, _cost(told), faults, _claims(told))
    console = wide_console()
    console.print(shown)


def _cost(row: Mapping[str, object]) -> str:
    if "stand-in/" in str(row["models"]) and not row["usd"]:
        return "stand-in"
    tokens = f"{row['tokens']:,} tokens" if row["tokens"] else ""
    return f"${row['usd']:,.2f}" if row["usd"] else tokens


def _claims(row: Mapping[str, object]) -> str:
    if not row["claims"]:
        return ""
    return f"{row['claims']} not judged" if row["hold"] == -1 else f"{row['hold']} of {row['claims']} hold"
