"""The command `simworld`. Subcommands are imported only when they are called, so that `--help` is quick."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from typing import NoReturn

import click

from simworld.errors import UserError
from simworld.threads import pin_threads

__all__ = ["cli", "main"]

_COMMANDS = {
    "init": ("simworld.cli._init:init", "Make a folder with a world, an agent, a study and a notebook of your own."),
    "run": ("simworld.cli._run:run", "Run a scenario; an unfinished run of it is resumed."),
    "sweep": ("simworld.cli._sweep:sweep", "Run a scenario at many values; what earlier runs have is not run again."),
    "fork": ("simworld.cli._fork:fork", "Rewind a run to a tick, change something, and tell the effect in pairs."),
    "train": ("simworld.cli._train:train", "Train policies for seats of a scenario, with RLlib or another learner."),
    "show": ("simworld.cli._show:show", "Show what a run measured, cost and left; or what one agent did."),
    "claims": ("simworld.cli._claims:claims", "Judge the claims of a run; exit code 0 says that all hold."),
    "report": ("simworld.cli._report:report", "Write a run as one HTML page that needs nothing besides itself."),
    "compare": ("simworld.cli._compare:compare", "Compare runs arm by arm, paired where seeds agree."),
    "sensitivity": ("simworld.cli._sensitivity:sensitivity", "Say which parameters of a Sobol sweep matter."),
    "plan": ("simworld.cli._plan:plan", "Say how many episodes a study needs, and what they cost."),
    "runs": ("simworld.cli._runs:runs", "List runs: what, when, how far, at what cost."),
    "export": ("simworld.cli._export:export", "Write the tables of a run as CSV or Parquet, with a codebook."),
    "watch": ("simworld.cli._control:watch", "Watch a run that another process works on, or look at one that is over."),
    "stop": ("simworld.cli._control:stop", "Stop a run from another terminal; the same command again continues it."),
    "pause": ("simworld.cli._control:pause", "Let a run wait after the moment that it is in."),
    "continue": ("simworld.cli._control:continue_", "Let a paused run go on."),
    "human": ("simworld.cli._human:human", "Serve a page at which people answer what a run asks them."),
    "replay": ("simworld.cli._replay:replay", "Re-execute a run from its tape and compare every moment."),
    "validate": ("simworld.cli._validate:validate", "Check a scenario without running it."),
    "list": ("simworld.cli._list:list_", "List worlds, agents and scenarios, a line each."),
    "schema": ("simworld.cli._list:schema", "Print the JSON schema of scenario files, for editors."),
}


class _Lazy(click.Group):
    """A group whose help needs no import of any subcommand."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches  # noqa: PLC0415  only for a typo

            near = get_close_matches(args[0], _COMMANDS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; accepted: {', '.join(_COMMANDS)}"
            raise click.UsageError(f"no such command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.command(
    cls=_Lazy,
    epilog="Example: simworld run scenarios/tax_policy.yaml --episodes 10",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="simworld", prog_name="simworld")
def cli() -> None:
    """Simulate societies of heterogeneous agents, study their behaviour, and rewind them."""


def _refuse(message: str) -> NoReturn:
    """Say what is wrong, a line each, and end with exit code 2."""
    with contextlib.suppress(OSError):
        click.echo("\n".join(f"error: {line}" for line in message.splitlines()), err=True)
    sys.exit(2)


def main() -> None:
    """Run the command: user errors are one line and exit code 2, Ctrl-C is exit code 130."""
    # Before anything imports numpy: with other numbers of threads, bits differ.
    pin_threads()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign shows a question mark instead.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        sys.exit(cli.main(prog_name="simworld", standalone_mode=False) or 0)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        where = f" (see {error.ctx.command_path} --help)" if isinstance(error, click.UsageError) and error.ctx else ""
        _refuse(f"{error.format_message()}{where}")
    except UserError as error:
        _refuse(str(error))
    except OSError as error:
        # Whatever a world or a mind raises is kept in its episode: this is the disk, or the terminal.
        _refuse(f"{error.filename or 'the system'}: {error.strerror or error}")
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        sys.exit(130)
