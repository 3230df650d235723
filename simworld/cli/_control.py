"""`simworld watch`, `stop`, `pause` and `continue`: a run that another process works on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from simworld.cli._argument import RUN
from simworld.errors import RunError

if TYPE_CHECKING:
    from simworld.dashboard import Display
    from simworld.execution import Wish

_LOOK = 0.2
_RUN = click.argument("run", type=RUN)


@click.command(epilog="Example: simworld watch runs/20261124T101500Z_tax_policy_1a2b3c4d")
@_RUN
@click.option(
    "--display",
    type=click.Choice(["auto", "live", "plain", "json"]),
    default="auto",
    show_default=True,
    help="How to show progress; auto: live on a terminal, plain elsewhere.",
)
def watch(run: Path, display: str) -> int:
    """Watch RUN until it ends: the dashboard on any run directory. Ctrl-C stops watching, not the run."""
    from simworld.cli._console import wide_console  # noqa: PLC0415
    from simworld.cli._opening import opening  # noqa: PLC0415
    from simworld.dashboard import make_display, render_summary, summarise  # noqa: PLC0415
    from simworld.execution import follow  # noqa: PLC0415

    console = wide_console()
    status = follow(run, make_display(cast("Display", display), console))
    if display != "json":
        with opening():
            console.print(render_summary(summarise(run), console.width))
    return 0 if status in {"success", "running"} else 1


@click.command(epilog="Example: simworld stop runs/20261124T101500Z_tax_policy_1a2b3c4d")
@_RUN
@click.option("--wait", type=click.FloatRange(0), default=60.0, show_default=True, help="Seconds to wait for its end.")
def stop(run: Path, wait: float) -> int:
    """Stop RUN after the moment that it is in: what was recorded is sealed, what was asked is kept.

    The command that started it continues it.
    """
    from simworld.recording import is_locked, read_manifest  # noqa: PLC0415

    _ask(run, "stop")
    deadline = time.monotonic() + wait
    while is_locked(run):
        if time.monotonic() > deadline:
            click.echo(f"{run} was asked to stop; it still works on the moment that it is in, or waits for answers")
            return 1
        time.sleep(_LOOK)
    manifest = read_manifest(run)
    click.echo(f"{run}: {manifest.status} ({manifest.done} of {manifest.episodes} episodes done)")
    return 0


@click.command(epilog="Example: simworld pause runs/20261124T101500Z_tax_policy_1a2b3c4d")
@_RUN
def pause(run: Path) -> int:
    """Let RUN wait after the moment that it is in; nothing is asked of models meanwhile."""
    _ask(run, "pause")
    click.echo(f"{run} pauses; simworld continue {run} lets it go on")
    return 0


@click.command("continue", epilog="Example: simworld continue runs/20261124T101500Z_tax_policy_1a2b3c4d")
@_RUN
def continue_(run: Path) -> int:
    """Let a paused RUN go on."""
    _ask(run, "go")
    click.echo(f"{run} goes on")
    return 0


def _ask(run: Path, wish: Wish) -> None:
    """Leave word for whoever works on a run. Raises RunError if nobody does."""
    from simworld.execution import ask_of_run  # noqa: PLC0415
    from simworld.recording import is_locked, read_manifest  # noqa: PLC0415

    manifest = read_manifest(run)
    if not is_locked(run):
        raise RunError(f"{run}: nobody works on it; its status is {manifest.status}")
    ask_of_run(run, wish)
