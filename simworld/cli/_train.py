"""`simworld train`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simworld.cli._going import OUT, SET, counted
from simworld.cli._opening import opening

if TYPE_CHECKING:
    from rich.console import Console

    from simworld.scenario import Scenario
    from simworld_analysis import Run


@click.command(epilog="Example: simworld train scenarios/learning/repeated_game.yaml --jobs 2")
@click.argument("scenario", metavar="SCENARIO", type=click.Path(path_type=Path))
@click.option("--algo", help="Algorithm of RLlib, or a learner: simworld list learners (--set train.algo=...).")
@click.option("--steps", type=click.IntRange(1), help="Decisions of learners in a training (--set train.steps=...).")
@click.option("--seeds", type=click.IntRange(1), help="How many trainings (--set train.seeds=...).")
@SET
@OUT
@click.option("--jobs", type=click.IntRange(1, 1024), help="Trainings at once (default: as many as there are CPUs).")
@click.option(
    "--address", default="local", show_default=True, help="Ray cluster: local (started here), auto, HOST:PORT."
)
@click.option("--new", is_flag=True, help="Train again, in a new run directory.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def train(  # noqa: PLR0913, PLR0917  one parameter per option
    scenario: Path,
    algo: str | None,
    steps: int | None,
    seeds: int | None,
    overrides: tuple[str, ...],
    out: Path,
    jobs: int | None,
    address: str,
    new: bool,
    as_json: bool,
) -> int:
    """Train policies for the seats that SCENARIO's block ``train`` names, several times from different seeds.

    Everybody else keeps their minds. The scenario's own seeds are held out: on them the policies are evaluated, before
    the first update and on the way. The same command again goes on where it was stopped. What comes of it are files
    that a scenario may name; the last line says how, such as {kind: policy, checkpoint:
    RUN/policies/ROLE-seed-000.npz}.
    """
    from simworld.cli._console import wide_console  # noqa: PLC0415
    from simworld.learning import Training  # noqa: PLC0415
    from simworld.learning import train as run_training  # noqa: PLC0415
    from simworld.scenario import load  # noqa: PLC0415
    from simworld_analysis import open_run  # noqa: PLC0415

    given = {"algo": algo, "steps": steps, "seeds": seeds}
    extra = [f"train.{key}={value}" for key, value in given.items() if value is not None]
    loaded = load(scenario, [*overrides, *extra])
    console = wide_console(err=True)
    shown = _Curve(console, loaded)
    with shown:
        outcome = run_training(Training(loaded, out, jobs, new, address), shown, shown.say)
    with opening():
        opened = open_run(outcome.run)
        if outcome.finished_before and not as_json:
            click.echo(f"this was trained before: {opened.path} (another run of it: --new)")
        show_training(opened, as_json)
    return {"success": 0, "interrupted": 130}.get(outcome.status, 1)


class _Curve:
    """Shows how far each training is, and what it was worth at its last evaluation."""

    def __init__(self, console: Console, scenario: Scenario) -> None:
        self._console, self._scenario = console, scenario
        self._begun = time.monotonic()
        self._live: Any = None
        self._said = 0.0

    def __enter__(self) -> _Curve:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, what: str) -> None:
        """What takes seconds before it begins."""
        click.echo(f"{what} ...", err=True)

    def __call__(self, told: Mapping[str, Sequence[Any]], evaluated: Mapping[str, Sequence[Any]]) -> None:
        """Draw anew on a terminal; elsewhere a line now and then."""
        block = self._scenario.model.train
        assert block is not None
        done = sum(int(rows[-1]["steps"]) if rows else 0 for rows in told.values())
        share = min(1.0, done / (block.steps * block.seeds))
        elapsed = time.monotonic() - self._begun
        left = f", about {elapsed * (1 - share) / share:.0f} s left" if share > 0.02 else ""
        head = f"{self._scenario.name}: {100 * share:.0f} % of {block.seeds} trainings, {elapsed:.0f} s{left}"
        if not self._console.is_terminal:
            if elapsed - self._said >= 10.0:
                self._said = elapsed
                click.echo(head, err=True)
            return
        from rich.live import Live  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        from simworld.dashboard import sparkline  # noqa: PLC0415

        lines = [head]
        for name, rows in told.items():
            curve = _means(evaluated.get(name, ()))
            steps = int(rows[-1]["steps"]) if rows else 0
            last = f"{curve[-1]:.4g}" if curve else ""
            lines.append(f"  {name}  {steps:>9,} decisions  {sparkline(curve, 30):<30}  {last}")
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(Text("\n".join(lines)), refresh=True)


def _means(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """Mean return of each evaluation, in their order."""
    found: dict[int, list[float]] = {}
    for row in rows:
        found.setdefault(int(row["iteration"]), []).append(float(row["return"]))
    return [sum(values) / len(values) for _, values in sorted(found.items())]


def _policies(run: Run) -> list[str]:
    return [str(path) for path in sorted((run.path / "policies").glob("*.npz"))]


def show_training(run: Run, as_json: bool) -> None:
    """Say how much better the policies of a training are than untrained ones, and where they are."""
    if as_json:
        click.echo(json.dumps(_as_dict(run), allow_nan=False))
    else:
        _print(run)


def _as_dict(run: Run) -> dict[str, object]:
    from simworld_analysis.learning import improvement, measured  # noqa: PLC0415

    told: dict[str, object] = {"run": str(run.path), "status": run.status, "policies": _policies(run)}
    if not _policies(run):
        return told
    measures = {name: improvement(run, name).as_dict() for name in measured(run)}
    return told | improvement(run).as_dict() | {"measures": measures}


def _print(run: Run) -> None:
    from simworld.dashboard import interval, number  # noqa: PLC0415
    from simworld_analysis.learning import curve_figure, improvement, measured, seat_line  # noqa: PLC0415

    reason = run.manifest.get("reason")
    click.echo(f"{run.manifest['scenario']} {run.status}{f': {reason}' if reason else ''}")
    if not _policies(run):
        return
    found = improvement(run)
    click.echo(
        f"{counted(found.trainings, 'training')} of {found.steps:,} decisions; return per learner on held-out seeds,"
    )
    click.echo("interquartile mean over the trainings with its 95 % interval:")
    for of in ("return", *measured(run)):
        found = improvement(run, of)
        if of != "return":
            click.echo(f"{of.replace('_', ' ')}:")
        for what in ("untrained", "trained", "difference"):
            e = getattr(found, what)
            value = number(e.value, sign=what == "difference", like=e.half_width)
            click.echo(f"  {what:<11} {value:>10}   {interval(e)}")
    picture = run.path / "learning_curve.svg"
    if not picture.exists():
        curve_figure(run).savefig(picture, metadata={"Date": None})
    click.echo(f"{picture}")
    click.echo(f"in a scenario: {seat_line(run, Path(_policies(run)[0]).name)}")
