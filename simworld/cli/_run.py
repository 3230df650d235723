"""`simworld run`."""

from __future__ import annotations

from pathlib import Path

import click

from simworld.cli._going import ADDRESS, DISPLAYS, JOBS, OUT, SET, SNAPSHOTS, STORAGE, cluster_at, go


@click.command(
    epilog="Example: simworld run scenarios/tax_policy.yaml --set world.elasticity=0.3 --episodes 10 --jobs 2"
)
@click.argument("scenario", metavar="SCENARIO", type=click.Path(path_type=Path))
@SET
@click.option("--seed", type=int, help="First seed (same as --set seed=N).")
@click.option("--episodes", type=int, help="Episodes per cell (same as --set episodes=N).")
@OUT
@JOBS
@ADDRESS
@STORAGE
@click.option("--new", is_flag=True, help="Start another run even if this scenario was run before.")
@SNAPSHOTS
@DISPLAYS
def run(  # noqa: PLR0913, PLR0917  one parameter per option
    scenario: Path,
    overrides: tuple[str, ...],
    seed: int | None,
    episodes: int | None,
    out: Path,
    jobs: int | None,
    address: str | None,
    storage: str | None,
    new: bool,
    seconds: float,
    display: str,
) -> int:
    """Run SCENARIO: every arm, every cell of its grid, every seed.

    The same command again resumes an unfinished run, or shows the summary of a finished one. Ctrl-C ends gracefully:
    what was recorded is kept.
    """
    from simworld.execution import Order  # noqa: PLC0415
    from simworld.scenario import load  # noqa: PLC0415

    extra = [f"seed={seed}"] if seed is not None else []
    extra += [f"episodes={episodes}"] if episodes is not None else []
    loaded, cluster = load(scenario, [*overrides, *extra]), cluster_at(address, storage)
    return go(Order(loaded, out, jobs, new=new, cluster=cluster, snapshot_seconds=seconds), display)
