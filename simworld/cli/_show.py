"""`simworld show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simworld.errors import RunError

if TYPE_CHECKING:
    from rich.console import Console

    from simworld_analysis import Run


@click.command(epilog="Example: simworld show runs/20261124T101500Z_tax_policy_1a2b3c4d --agent worker:3 --tick 12")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--agent", metavar="ROLE:NUMBER", help="One agent: what it saw, asked, did, showed and earned.")
@click.option("--tick", type=int, help="Which tick of the agent's life (default: its first decision).")
@click.option("--episode", help="Which episode of it (default: the first).")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def show(run: Path, agent: str | None, tick: int | None, episode: str | None, as_json: bool) -> int:
    """Show what RUN measured, cost and left behind; with --agent, one decision in full.

    Also works on a run that is still going, or was killed: it shows what is there.
    """
    from rich.console import Console  # noqa: PLC0415

    from simworld_analysis import OpenError, open_run  # noqa: PLC0415

    try:
        opened = open_run(run)
        if agent is not None:
            return _show_agent(opened, agent, tick, episode, as_json)
        return _show_run(opened, as_json, Console())
    except OpenError as error:
        raise RunError(str(error)) from error


def _show_run(run: Run, as_json: bool, console: Console) -> int:
    from simworld.dashboard import render_summary, summarise  # noqa: PLC0415

    summary = summarise(run.path)
    if as_json:
        click.echo(json.dumps(summary.as_dict()))
    else:
        console.print(render_summary(summary))
    return 0


def _show_agent(run: Run, agent: str, tick: int | None, episode: str | None, as_json: bool) -> int:
    """Everything that the tables hold about one decision."""
    import pyarrow.compute as pc  # noqa: PLC0415

    role, _, number = agent.partition(":")
    if not number.isdigit():
        raise RunError(f"--agent {agent!r}; accepted: ROLE:NUMBER, for example worker:3")
    table = run.arrow(f"decisions.{role}")
    rows = table.filter(pc.equal(table["agent"], int(number)))
    if episode is None and rows.num_rows:
        episode = str(rows["episode"][0].as_py())
    rows = rows.filter(pc.equal(rows["episode"].cast("string"), episode or ""))
    if rows.num_rows == 0:
        raise RunError(f"{run.path}: no decisions of {agent} in episode {episode or '(any)'}")
    at = rows if tick is None else rows.filter(pc.equal(rows["tick"], tick))
    if at.num_rows == 0:
        ticks = rows["tick"]
        raise RunError(f"{agent} has no decision at tick {tick}; it has ticks {pc.min(ticks)} to {pc.max(ticks)}")
    row = at.slice(0, 1).to_pylist()[0]
    asks = _asks(run, role, int(number), str(episode), row)
    if as_json:
        click.echo(json.dumps({"decision": row, "asks": asks}, default=str))
        return 0
    click.echo(f"{role} {number}, episode {episode}, tick {row['tick']}, decision {row['decision']}")
    groups = {"saw": "obs.", "did": "act.", "showed": "mind."}
    units = {f.name: (f.metadata or {}).get(b"unit", b"").decode() for f in table.schema}
    for label, prefix in groups.items():
        for name, value in row.items():
            if name.startswith(prefix) and value is not None:
                click.echo(f"  {label:<9}{name.removeprefix(prefix):<18} {_short(value)} {units[name]}".rstrip())
    for ask in asks:
        click.echo(
            f"  asked    {ask['kind']} at tick {ask['since']}, answered at {ask['tick']} {ask['fault'] or ''}".rstrip()
        )
    for label, name in (("earned", "reward"), ("fault", "fault"), ("end", "end")):
        if row[name] is not None:
            click.echo(f"  {label:<9}{_short(row[name])}")
    return 0


def _asks(run: Run, role: str, number: int, episode: str, row: dict[str, object]) -> list[dict[str, object]]:
    asks = run.arrow("asks").to_pylist()
    mine = (episode, role, number, row["decision"])
    return [a for a in asks if (a["episode"], a["role"], a["agent"], a["decision"]) == mine]


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, list):
        head = ", ".join(_short(v) for v in value[:8])
        return f"[{head}{', ...' if len(value) > 8 else ''}]"
    return str(value)
