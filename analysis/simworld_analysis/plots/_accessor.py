"""``run.plot``: the figures of one run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from simworld_analysis._open import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Plots:
    """The figures of a run; a notebook shows what they return."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def measure(self, name: str, arms: Sequence[str] | None = None) -> Figure:
        """A measure over time by arm. Errors as in ``simworld_analysis.plots.over_time``."""
        from simworld_analysis.plots._over_time import over_time  # noqa: PLC0415

        return over_time(self._run, name, arms)

    def column(self, name: str, agent: int | None = None, arms: Sequence[str] | None = None) -> Figure:
        """A column of decisions over time by arm. Errors as in ``simworld_analysis.plots.column_over_time``."""
        from simworld_analysis.plots._over_time import column_over_time  # noqa: PLC0415

        return column_over_time(self._run, name, agent, arms)

    def distribution(self, name: str, arms: Sequence[str] | None = None) -> Figure:
        """One number of each episode, by arm. Errors as in ``simworld_analysis.plots.distribution``."""
        from simworld_analysis.plots._distribution import distribution  # noqa: PLC0415

        return distribution(self._run, name, arms)

    def network(self, role: str, action: str, episode: str | None = None) -> Figure:
        """Who does the same as whom. Errors as in ``simworld_analysis.plots.network``."""
        from simworld_analysis.plots._network import network  # noqa: PLC0415

        return network(self._run, role, action, episode)

    def trajectories(
        self, seed: int | None = None, arms: Sequence[str] | None = None, column: str = "obs.position"
    ) -> Figure:
        """Where members went, arm beside arm. Errors as in ``simworld_analysis.plots.trajectories``."""
        from simworld_analysis.plots._trajectories import trajectories  # noqa: PLC0415

        return trajectories(self._run, seed, arms, column)

    def tradeoff(
        self, x: str, y: str, arms: Sequence[str] | None = None, better: tuple[str, str] = ("less", "less")
    ) -> Figure:
        """Two measures against each other, by arm. Errors as in ``simworld_analysis.plots.tradeoff``."""
        from simworld_analysis.plots._tradeoff import tradeoff  # noqa: PLC0415

        return tradeoff(self._run, x, y, arms, better)

    def claims(self) -> Figure:
        """The run's claims with their intervals. Errors as in ``simworld_analysis.plots.intervals``."""
        from simworld_analysis.claims import run_claims  # noqa: PLC0415
        from simworld_analysis.plots._claims import intervals  # noqa: PLC0415

        return intervals(run_claims(self._run))
