"""`simworld show`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simworld.cli._argument import RUN
from simworld.cli._opening import opening
from simworld.errors import RunError

if TYPE_CHECKING:
    import pyarrow as pa

    from simworld_analysis import Run


@click.command(epilog="Example: simworld show runs/20261124T101500Z_tax-policy_1a2b3c4d --agent worker:3 --tick 12")
@click.argument("run", type=RUN)
@click.option("--agent", metavar="ROLE:NUMBER", help="One agent: what it saw, asked, did, showed and earned.")
@click.option("--tick", type=int, help="At which tick (default: its first decision).")
@click.option("--arm", help="In which arm (default: the first).")
@click.option("--seed", type=int, help="With which seed (default: the first).")
@click.option("--episode", help="In which episode, by id, instead of arm and seed.")
@click.option("--errors", is_flag=True, help="The tracebacks of episodes that failed.")
@click.option("--measures", help="Measures to show, separated by commas (default: the scenario's).")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def show(run: Path, errors: bool, measures: str | None, as_json: bool, **which: Any) -> int:
    """Show what RUN measured, cost and left behind; with --agent, one decision in full.

    Also works on a run that is still going, or was killed: it shows what is there.
    """
    from simworld_analysis import open_run  # noqa: PLC0415

    with opening():
        opened = open_run(run)
        if which["agent"] is not None:
            return _show_agent(opened, which, as_json)
        if errors:
            return _show_errors(opened, as_json)
        return _show_run(opened, measures.split(",") if measures else [], as_json)


def _show_run(run: Run, measures: list[str], as_json: bool) -> int:
    from simworld.cli._console import wide_console  # noqa: PLC0415
    from simworld.dashboard import render_summary, summarise  # noqa: PLC0415

    if "evaluation" in run.tables and "episodes" not in run.tables:
        from simworld.cli._train import show_training  # noqa: PLC0415

        show_training(run, as_json)
        return 0
    summary = summarise(run.path, measures)
    if as_json:
        click.echo(json.dumps(_finite(summary.as_dict()), allow_nan=False))
    else:
        console = wide_console()
        console.print(render_summary(summary, console.width))
    return 0


def _finite(value: Any) -> Any:
    """Plain data with null for what is not a number: JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _show_errors(run: Run, as_json: bool) -> int:
    rows = run.arrow("episodes", columns=["episode", "arm", "seed", "error"]).to_pylist()
    notes = run.arrow("telemetry", columns=["episode", "key", "text"]).to_pylist()
    traces = {note["episode"]: note["text"] for note in notes if note["key"] == "traceback"}
    failed = [{**row, "traceback": traces.get(row["episode"], "")} for row in rows if row["error"]]
    if as_json:
        click.echo(json.dumps(failed))
        return 0
    for row in failed:
        click.echo(f"episode {row['episode']} (arm {row['arm'] or '-'}, seed {row['seed']}): {row['error']}")
        click.echo(row["traceback"])
    if not failed:
        click.echo("no episode failed")
    return 0


def _show_agent(run: Run, which: dict[str, Any], as_json: bool) -> int:
    """Everything that the tables and the tape hold about one decision."""
    role, _, number = which["agent"].partition(":")
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise RunError(f"--agent {which['agent']!r}; accepted: ROLE:NUMBER, for example worker:3")
    row, schema = _decision(run, role, int(number), which)
    asks = _asks(run, role, int(number), row)
    if as_json:
        click.echo(json.dumps(_finite({"decision": row, "asks": asks}), default=str, allow_nan=False))
        return 0
    click.echo(f"{role} {number}, episode {row['episode']}, tick {row['tick']}, decision {row['decision']}")
    units = {f.name: (f.metadata or {}).get(b"unit", b"").decode() for f in schema}
    _say_fields("saw", "obs.", row, units)
    for ask in asks:
        _say_ask(ask)
    _say_fields("did", "act.", row, units)
    _say_fields("showed", "mind.", row, units)
    for label, name in (("earned", "reward"), ("fault", "fault"), ("end", "end")):
        if row[name] is not None:
            click.echo(f"  {label:<9}{_short(row[name])}")
    return 0


def _decision(run: Run, role: str, number: int, which: dict[str, Any]) -> tuple[dict[str, Any], pa.Schema]:
    """The row of the decision that was meant."""
    import pyarrow.compute as pc  # noqa: PLC0415

    table = run.arrow(f"decisions.{role}")
    rows = table.filter(pc.equal(table["agent"], number))
    episode = which["episode"] or _episode(run, which["arm"], which["seed"])
    if episode is None and rows.num_rows:
        episode = str(rows["episode"][0].as_py())
    rows = rows.filter(pc.equal(rows["episode"].cast("string"), episode or ""))
    if rows.num_rows == 0:
        raise RunError(f"{run.path}: no decisions of {role}:{number} in episode {episode or '(any)'}")
    tick = which["tick"] if which["tick"] is None else min(which["tick"], 2**63 - 1)
    at = rows if tick is None else rows.filter(pc.equal(rows["tick"], tick))
    if at.num_rows == 0:
        ticks = rows["tick"]
        raise RunError(
            f"{role}:{number} has no decision at tick {tick}; it has ticks {pc.min(ticks)} to {pc.max(ticks)}"
        )
    return at.slice(0, 1).to_pylist()[0], table.schema


def _episode(run: Run, arm: str | None, seed: int | None) -> str | None:
    """The first episode of an arm and a seed, if either was named."""
    if arm is None and seed is None:
        return None
    rows = run.arrow("episodes", columns=["episode", "arm", "seed"]).to_pylist()
    for row in rows:
        if (arm is None or row["arm"] == arm) and (seed is None or row["seed"] == seed):
            return str(row["episode"])
    arms, seeds = sorted({r["arm"] or "-" for r in rows}), sorted({r["seed"] for r in rows})
    raise RunError(f"{run.path}: no finished episode of this arm and seed; it has arms {arms} and seeds {seeds}")


def _asks(run: Run, role: str, number: int, row: dict[str, Any]) -> list[dict[str, Any]]:
    """The asks of a decision as the table has them, with their text from the tape."""
    from simworld.execution import read_tape_of  # noqa: PLC0415

    mine = (row["episode"], role, number, row["decision"])
    if "asks" not in run.sizes():
        return []
    asks = [a for a in run.arrow("asks").to_pylist() if (a["episode"], a["role"], a["agent"], a["decision"]) == mine]
    if asks:
        taped = {ask.key: (ask, answer) for ask, answer in read_tape_of(run.path, row["episode"])}
        for found in asks:
            key = (role, number, row["decision"], found["ask"])
            if key in taped:
                ask, answer = taped[key]
                found |= {"content": ask.content, "answer": answer.value, "detail": answer.detail}
    return asks


def _say_fields(label: str, prefix: str, row: dict[str, Any], units: dict[str, str]) -> None:
    for name, value in row.items():
        if name.startswith(prefix) and value is not None:
            click.echo(f"  {label:<9}{name.removeprefix(prefix):<18} {_short(value)} {units[name]}".rstrip())


def _say_ask(ask: dict[str, Any]) -> None:
    late = "" if ask["tick"] == ask["since"] else f", answered at tick {ask['tick']}"
    click.echo(f"  asked    a {ask['kind']} at tick {ask['since']}{late}")
    content = ask.get("content", {})
    texts = [f"[{m['role']}] {m['content']}" for m in content.get("messages", ())]
    texts += [str(content[key]) for key in ("prompt", "question") if key in content]
    for text in texts:
        click.echo("\n".join(f"           | {line}" for line in text.splitlines()))
    if "answer" in ask:
        fault = f" ({ask['fault']}: {ask['detail']})" if ask["fault"] else ""
        click.echo(f"  answered {json.dumps(ask['answer'], ensure_ascii=False)} by {ask['source'] or '-'}{fault}")


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, list):
        head = ", ".join(_short(v) for v in value[:8])
        return f"[{head}{', ...' if len(value) > 8 else ''}]"
    return str(value)
