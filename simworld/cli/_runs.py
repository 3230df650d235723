"""`simworld runs`."""

from __future__ import annotations

import glob
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

    An expression may name run, scenario, changed (what was set on the command line), status, started, done, episodes,
    minutes, asks, tokens, usd, faults, claims (how many), hold (how many of them hold; -1 if nobody has judged them),
    models and digest.
    """
    from simworld_analysis import open_runs  # noqa: PLC0415

    if not folder.is_dir():
        raise RunError(f"{folder}: no such folder; accepted: a folder with runs")
    with opening():
        if not any((path / "run.json").is_file() for path in folder.iterdir() if path.is_dir()):
            click.echo("[]" if as_json else f"{folder}: no runs yet")
            return 0
        opened = open_runs(Path(glob.escape(str(folder))) / "*")
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
        holding = [verdict for verdict in judged if verdict["verdict"] == "holds"]
        return min(len(holding), len(run.manifest.get("claims", ())))
    except (OSError, ValueError, KeyError, TypeError):
        return -1


def _filtered(table: pd.DataFrame, where: str) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415

    accepted = f'accepted: a condition over {", ".join(table.columns)}, such as "usd < 1"'
    if "@" in where:  # what pandas looks up among the variables of this program
        raise RunError(f"--where {where!r}: found '@'; {accepted}")
    try:
        chosen = table.eval(where)
    except Exception as error:  # pandas raises whatever the expression does
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise RunError(f"--where {where!r}: {why}; {accepted}") from error
    if not isinstance(chosen, pd.Series) or chosen.dtype.kind != "b":
        raise RunError(f"--where {where!r}: found no condition; {accepted}")
    return table.loc[chosen]


def _print(table: pd.DataFrame) -> None:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from simworld.cli._console import wide_console  # noqa: PLC0415

    shown = Table(box=SIMPLE_HEAD)
    for name in ("run", "changed", "status", "episodes", "minutes", "cost", "faults", "claims"):
        left = name in {"run", "changed", "status"}
        shown.add_column(
            name,
            justify="left" if left else "right",
            overflow="fold",
            no_wrap=name not in {"changed", "claims"},
            min_width=16 if name == "changed" else None,
        )
    for row in table.to_dict("records"):
        status = Text(str(row["status"]), style=_COLOURS.get(str(row["status"]), "yellow"))
        minutes, faults = f"{row['minutes']:.1f}", f"{row['faults']:,}" if row["faults"] else ""
        done = f"{row['done']}/{row['episodes']}"
        told = {str(key): value for key, value in row.items()}
        changed = Text(str(row["changed"]), style="dim")
        shown.add_row(Text(str(row["run"])), changed, status, done, minutes, _cost(told), faults, _claims(told))
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
