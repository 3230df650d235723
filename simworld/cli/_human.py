"""`simworld human`: the page at which people answer what a run asks them."""

from __future__ import annotations

import time
from pathlib import Path

import click

from simworld.cli._argument import LATEST

_LOOK = 0.5


@click.command(epilog="Example: simworld human latest")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Where the latest run is looked for.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; others see it only there.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen at (default: any that is free).")
@click.option("--withdraw", "participant", metavar="NAME", help="Take out of RUN what this participant answered.")
def human(run: Path, out: Path, host: str, port: int, participant: str | None) -> int:
    """Serve a page at which people answer what RUN asks them; "latest" waits for a run that is going on.

    With --withdraw, "latest" is the newest run that asks people, and nothing is served.

    The address that is printed holds a token: whoever has it may take part, and nobody else. Ctrl-C closes the page,
    not the run.
    """
    from simworld.console import is_loopback, serve  # noqa: PLC0415
    from simworld.execution import withdraw  # noqa: PLC0415

    if str(run) == LATEST and not run.exists():
        run = _latest(out) if participant is None else _newest(out)
    if participant is not None:
        done = withdraw(run, participant)
        waits = "the answers are taken out as soon as the run has stopped or ended"
        click.echo(f"{run}: {participant} has withdrawn; {waits if done.waits else _taken_out(done.answers)}")
        return 0
    if not is_loopback(host):
        click.echo(
            "note: what goes to and from this page is not encrypted; keep it behind something that does", err=True
        )

    def say(address: str) -> None:
        click.echo(f"people answer {run} at\n{address}\n(Ctrl-C closes the page, not the run)")

    serve(run, host, port, say)
    return 0


def _taken_out(answers: int) -> str:
    return f"{answers} answer{' was' if answers == 1 else 's were'} taken out"


def _newest(out: Path) -> Path:
    """The newest run that asks people at a page, whether it goes on or not. Raises RunError: there is none."""
    from simworld.console import asks_people  # noqa: PLC0415
    from simworld.errors import RunError  # noqa: PLC0415

    asking = [path.parent for path in sorted(out.glob("*/run.json"), reverse=True) if asks_people(path.parent)]
    if not asking:
        raise RunError(f"{out}: no run in which people are asked at a page")
    return asking[0]


def _latest(out: Path) -> Path:
    """The newest run that somebody works on and that asks people at a page; it is waited for."""
    from simworld.console import asks_people  # noqa: PLC0415
    from simworld.recording import is_locked  # noqa: PLC0415

    others: set[Path] = set()
    while True:
        for path in sorted(out.glob("*/run.json"), reverse=True):
            if path not in others and is_locked(path.parent):
                if asks_people(path.parent):
                    return path.parent
                others.add(path)
        if not others:
            click.echo(f"waiting for a run in {out} ...", err=True)
            others.add(out)
        time.sleep(_LOOK)
