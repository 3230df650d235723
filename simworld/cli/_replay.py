"""`simworld replay`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from simworld.cli._argument import RUN


@click.command(epilog="Example: simworld replay runs/20261124T101500Z_tax_policy_1a2b3c4d")
@click.argument("run", type=RUN)
@click.option("--episode", "episodes", multiple=True, help="Only this episode (may be given again); default: all.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def replay(run: Path, episodes: tuple[str, ...], as_json: bool) -> int:
    """Re-execute RUN from its tape, asking nobody, and compare the hash chain of every moment.

    Says "identical" (exit code 0), or names the first moment that differs (exit code 1). Where people have withdrawn
    answers it says "redacted" (exit code 3): all is identical up to there, and what came of them cannot be done again.
    """
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    from simworld.execution import replay_run  # noqa: PLC0415

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=as_json or not console.is_terminal) as bar:
        task = bar.add_task("replaying", total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        report = replay_run(run, episodes, advance)
    if as_json:
        click.echo(json.dumps(report.as_dict()))
    else:
        for line in report.lines():
            click.echo(line)
    return 0 if report.identical else 3 if report.same else 1
