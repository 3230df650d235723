"""`simworld sweep`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from simworld.cli._going import ADDRESS, DISPLAYS, JOBS, OUT, SET, SNAPSHOTS, STORAGE, cluster_at, counted, duration, go
from simworld.errors import ScenarioError

if TYPE_CHECKING:
    from simworld.scenario import Scenario

Cost: TypeAlias = dict[str, float]
"""Seconds, asks, tokens, usd."""

_METHODS = ["random", "latin", "sobol"]


@click.command(epilog="Example: simworld sweep scenarios/tax_rational.yaml --over world.elasticity=0.2,0.4 --seeds 8")
@click.argument("scenario", metavar="SCENARIO", type=click.Path(path_type=Path))
@click.option("--over", "axes", multiple=True, metavar="KEY=A,B,...", help="Values of a key; KEY=LOW..HIGH to draw.")
@click.option("--seeds", type=click.IntRange(1), help="Episodes per cell (same as --set episodes=N).")
@click.option("--sample", type=click.Choice(_METHODS), help="Draw points from the ranges instead of taking all values.")
@click.option("--points", type=click.IntRange(1), help="How many points to draw; a power of two for sobol.")
@SET
@click.option("--dry-run", is_flag=True, help="Say what would be run, how long it takes and what it costs.")
@click.option("--fresh", is_flag=True, help="Run all episodes, also those that earlier runs have.")
@OUT
@JOBS
@ADDRESS
@STORAGE
@SNAPSHOTS
@DISPLAYS
def sweep(  # noqa: PLR0913, PLR0917  one parameter per option
    scenario: Path,
    axes: tuple[str, ...],
    seeds: int | None,
    sample: str | None,
    points: int | None,
    overrides: tuple[str, ...],
    dry_run: bool,
    fresh: bool,
    out: Path,
    jobs: int | None,
    address: str | None,
    storage: str | None,
    seconds: float,
    display: str,
) -> int:
    """Run SCENARIO at many values: its arms times all combinations, times seeds.

    All cells share their seeds, and so their chance. Episodes that earlier runs in the same folder have are taken from
    there: a sweep that is repeated or extended runs only what is new.
    """
    from simworld.execution import Order  # noqa: PLC0415
    from simworld.scenario import load  # noqa: PLC0415

    keys = [axis.partition("=")[0] for axis in axes]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ScenarioError(f"--over {twice}: given twice; accepted: one --over with all of its values, KEY=A,B,...")
    extra = _drawn(axes, sample, points) if sample is not None or points is not None else _listed(axes)
    extra += [f"episodes={seeds}"] if seeds is not None else []
    loaded = load(scenario, [*overrides, *extra])
    if not dry_run:
        order = Order(
            loaded,
            out,
            jobs,
            reuse=not fresh,
            again=fresh,
            cluster=cluster_at(address, storage),
            snapshot_seconds=seconds,
        )
        return go(order, display, another="--fresh")
    _foretell(loaded, out, jobs or 1, fresh)
    return 0


def _listed(axes: Sequence[str]) -> list[str]:
    """Overrides for a grid."""
    found = []
    for axis in axes:
        key, values = _parts(axis)
        if ".." in values:
            raise ScenarioError(f"--over {axis}: a range needs --sample ({', '.join(_METHODS)}) and --points")
        found.append(f"sweep.grid.{key}=[{values}]")
    return found


def _drawn(axes: Sequence[str], sample: str | None, points: int | None) -> list[str]:
    """The override for points that are drawn."""
    if sample is None or points is None:
        raise ScenarioError("--sample and --points go together, with --over KEY=LOW..HIGH")
    ranges = []
    for axis in axes:
        key, values = _parts(axis)
        low, dots, high = values.partition("..")
        if not dots:
            raise ScenarioError(f"--over {axis}: found {values!r}; accepted with --sample: LOW..HIGH")
        ranges.append(f"{key}: [{low}, {high}]")
    return [f"sweep.sample={{method: {sample}, points: {points}, over: {{{', '.join(ranges)}}}}}"]


def _parts(axis: str) -> tuple[str, str]:
    key, equals, values = axis.partition("=")
    if not equals or not key or not values:
        raise ScenarioError(f"--over {axis}: accepted: KEY=A,B,..., such as world.elasticity=0.2,0.4")
    return key, values


def _foretell(scenario: Scenario, out: Path, jobs: int, fresh: bool) -> None:
    """Say what would be run, and what it takes by the mean of what earlier runs of the scenario took."""
    from simworld.execution import known_episodes  # noqa: PLC0415

    episodes, known = known_episodes(scenario, out)
    cells, arms, seeds = len(scenario.cells), max(1, len(scenario.model.arms)), len(scenario.seeds)
    points = counted(cells // arms, "point")
    what = f"{arms} arms x {points}" if arms > 1 else points
    click.echo(f"{what} x {counted(seeds, 'seed')}: {counted(episodes, 'episode')}")
    missing = episodes if fresh else episodes - known
    if known and not fresh:
        click.echo(f"{known:,} of them are known from earlier runs; {missing:,} would be run")
    costs = _costs(scenario.name, out)
    if not costs:
        click.echo("time, tokens and money: no earlier run of this scenario tells (simworld plan runs a pilot)")
        return
    cost, never = _foreseen(scenario, costs, missing)
    seconds = cost["seconds"]
    click.echo(f"about {duration(seconds / jobs)} with {jobs} at once" if jobs > 1 else f"about {duration(seconds)}")
    if cost["asks"]:
        told = [f"{cost['asks']:,.0f} asks", f"{cost['tokens']:,.0f} tokens"]
        click.echo(f"about {', '.join(told)}, ${cost['usd']:,.2f}")
    click.echo(f"by {counted(sum(n for _, n in costs.values()), 'episode')} of earlier runs")
    if never:
        click.echo(f"{never} of {arms} arms were never run: they are taken to cost what the others do")


def _foreseen(scenario: Scenario, costs: Mapping[str, tuple[Cost, int]], missing: int) -> tuple[Cost, int]:
    """What so many episodes cost, arm by arm, and of how many arms nothing is known."""
    arms = list(scenario.model.arms) or [""]
    known = [arm for arm in arms if arm in costs]
    chosen = [costs[arm][0] for arm in known] or [cost for cost, _ in costs.values()]
    each = {key: sum(cost[key] for cost in chosen) / len(chosen) for key in chosen[0]}
    return {key: value * missing for key, value in each.items()}, len(arms) - len(known)


def _costs(name: str, out: Path) -> dict[str, tuple[Cost, int]]:
    """Mean cost of an episode of each arm, and of how many, over the runs of a scenario."""
    from simworld_analysis import OpenError, open_run  # noqa: PLC0415
    from simworld_analysis.planning import episode_costs  # noqa: PLC0415

    total: dict[str, tuple[Cost, int]] = {}
    for path in sorted(out.iterdir()) if out.is_dir() else ():
        try:
            run = open_run(path)
            if run.manifest["scenario"] == name and int(run.manifest["done"]) > 0:
                for arm, (own, count) in episode_costs(run).items():
                    before, n = total.get(arm, (dict.fromkeys(own, 0.0), 0))
                    mean = {key: (before[key] * n + own[key] * count) / (n + count) for key in own}
                    total[arm] = (mean, n + count)
        except (OpenError, KeyError):
            continue  # what cannot be read tells nothing
    return total
