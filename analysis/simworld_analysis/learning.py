"""What was learned: the curve of a training run, and how much better its policies are than they were untrained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis.statistics import Estimate, interquartile_mean

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


_COLUMNS = ("training_seed", "iteration", "steps", "seed", "return")
_MEASURE = "measure."


@dataclass(frozen=True, slots=True)
class Improvement:
    """Returns, or a measure, on held-out seeds, before and after; interquartile means over the trainings."""

    untrained: Estimate
    trained: Estimate
    difference: Estimate
    """After minus before, training by training and on the same seeds."""
    trainings: int
    steps: int
    """Decisions of learners in the longest training."""

    def as_dict(self) -> dict[str, object]:
        """As plain data."""
        told: dict[str, object] = {"trainings": self.trainings, "steps": self.steps}
        for name in ("untrained", "trained", "difference"):
            e: Estimate = getattr(self, name)
            numbers = {"value": e.value, "low": e.low, "high": e.high}
            told[name] = {key: value if np.isfinite(value) else None for key, value in numbers.items()}
        return told


def evaluations(run: Run) -> pd.DataFrame:
    """Returns on held-out seeds, and the scenario's measures: one row for each training, step and seed.

    Raises:
        OpenError: The run is no training, or nothing was evaluated yet.
    """
    if "evaluation" not in run.tables:
        raise OpenError(f"{run.path} is no training: it has no table 'evaluation'")
    frame = run.table("evaluation")
    return frame[[*_COLUMNS, *(c for c in frame.columns if c.startswith(_MEASURE))]].rename(
        columns=lambda c: c.removeprefix(_MEASURE)
    )


def measured(run: Run) -> list[str]:
    """The measures that were taken at each evaluation, besides the return. Raises OpenError as ``evaluations``."""
    return [name for name in evaluations(run).columns if name not in _COLUMNS]


def learning_curve(run: Run, of: str = "return") -> pd.DataFrame:
    """The interquartile mean over the trainings, with its interval, by steps: columns steps, value, low, high, n.

    ``of`` is ``return``, or one of the measures that were taken.

    Raises:
        OpenError: The run is no training, nothing was evaluated yet, or that was not measured.
    """
    import pandas as pd  # noqa: PLC0415

    frame = _with(run, of)
    means = frame.groupby(["iteration", "training_seed"])[["steps", of]].mean().reset_index()
    rows = []
    for _, own in means.groupby("iteration"):
        e = interquartile_mean(own[of].to_numpy())
        rows.append({"steps": own["steps"].mean(), "value": e.value, "low": e.low, "high": e.high, "n": e.n})
    return pd.DataFrame(rows)


def improvement(run: Run, of: str = "return") -> Improvement:
    """How much better the policies are than they were before the first update, in return or in a measure.

    Raises:
        OpenError: The run is no training, or nothing was evaluated after an update.
    """
    frame = _with(run, of)
    before = frame[frame["iteration"] == 0].groupby("training_seed")[of].mean()
    last = frame.groupby("training_seed")["iteration"].transform("max")
    final = frame[(frame["iteration"] == last) & (last > 0)]
    after = final.groupby("training_seed")[of].mean()
    shared = before.index.intersection(after.index)
    if not len(shared):
        raise OpenError(f"{run.path}: nothing was evaluated after an update yet")
    one, other = after[shared].to_numpy(), before[shared].to_numpy()
    found = (interquartile_mean(other), interquartile_mean(one), interquartile_mean(one - other))
    return Improvement(*found, len(shared), int(frame["steps"].max()))


def _with(run: Run, of: str) -> pd.DataFrame:
    frame = evaluations(run)
    if of not in frame.columns:
        known = ["return", *measured(run)]
        raise OpenError(f"{run.path}: {of!r} was not measured in training; accepted: {', '.join(known)}")
    return frame


def curve_figure(run: Run) -> Figure:
    """The learning curve: returns on held-out seeds, and where the untrained policies stood."""
    from simworld_analysis.plots import plain_figure  # noqa: PLC0415  matplotlib takes half a second to import

    curve = learning_curve(run)
    figure, axes, hue = plain_figure("decisions of learners", "return on held-out seeds")
    axes.fill_between(curve["steps"], curve["low"], curve["high"], color=hue, alpha=0.25, linewidth=0)
    axes.plot(curve["steps"], curve["value"], color=hue)
    axes.axhline(curve["value"].iloc[0], color="0.6", linewidth=0.8, linestyle="--")
    return figure
