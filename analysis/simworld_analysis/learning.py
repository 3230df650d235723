"""What was learned: the curve of a training run, and how much better its policies are than they were untrained."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis.statistics import Estimate, interquartile_mean

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_COLUMNS = ("training_seed", "iteration", "steps", "seed", "return")
_MEASURE = "measure."
_TABLES = ("training", "evaluation")
_CHECKPOINTS = "checkpoints"
_SIZE, _SMALL = (7.4, 2.9), (3.4, 2.3)
"""Inches."""


def seat_line(run: Run, file: str, path: str = "", more: str = "") -> str:
    """The line of a scenario that seats a policy of a training.

    Args:
        run: The run.
        file: Name of the policy's file.
        path: What the line calls it; the file where it is, if it is left out.
        more: What else stands in the line.
    """
    told = run.path / "policies" / "seats.json"
    seats = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
    seat = dict(seats.get(file.removesuffix(".npz").rpartition("-seed-")[0], {}))
    kind = seat.pop("kind", "policy")
    rest = "".join(f", {name}: {value}" for name, value in seat.items())
    return f"{{kind: {kind}, checkpoint: {path or run.path / 'policies' / file}{rest}{more}}}"


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


def is_training(run: Run) -> bool:
    """Whether a run directory is that of a training, and has no episodes of its own."""
    return any(name in run.tables for name in _TABLES) or (run.path / _CHECKPOINTS).is_dir()


def evaluations(run: Run) -> pd.DataFrame:
    """Returns on held-out seeds, and the scenario's measures: one row for each training, step and seed.

    A measure keeps the prefix ``measure.`` if it is called like another column.

    Raises:
        OpenError: The run is no training, or nothing was evaluated yet.
    """
    if "evaluation" not in run.tables:
        raise OpenError(f"{run.path} is no training: it has no table 'evaluation'")
    frame = run.table("evaluation")
    if not len(frame):
        raise OpenError(f"{run.path}: nothing was evaluated yet")
    measures = [c for c in frame.columns if c.startswith(_MEASURE)]
    short = {c: c.removeprefix(_MEASURE) for c in measures if c.removeprefix(_MEASURE) not in _COLUMNS}
    return frame[[*_COLUMNS, *measures]].rename(columns=short)


def measured(run: Run) -> list[str]:
    """The measures that were taken at each evaluation, besides the return. Raises OpenError as ``evaluations``."""
    return [name for name in evaluations(run).columns if name not in _COLUMNS]


def described(run: Run, of: str = "return") -> tuple[str, str]:
    """Unit and meaning of the return or of a measure, as the run declares them; empty texts where it does not."""
    field = run.schema("evaluation").field(of if of == "return" or of.startswith(_MEASURE) else f"{_MEASURE}{of}")
    told = field.metadata or {}
    return told.get(b"unit", b"").decode(), told.get(b"meaning", b"").decode()


def training_curves(run: Run, of: str = "return") -> pd.DataFrame:
    """Each training by itself: means over its held-out seeds. Columns training_seed, iteration, steps, value.

    Of a measure that had no number on some seeds, such as the time to a goal that nobody reached, the mean is over the
    others; nan where there are none. Raises OpenError as ``learning_curve``.
    """
    means = _with(run, of).groupby(["training_seed", "iteration"])[["steps", of]].mean().reset_index()
    return means.rename(columns={of: "value"})


def learning_curve(run: Run, of: str = "return") -> pd.DataFrame:
    """The interquartile mean over the trainings, with its interval, by steps: columns steps, value, low, high, n.

    ``of`` is ``return``, or one of the measures that were taken; ``n`` trainings had a number then.

    Raises:
        OpenError: The run is no training, nothing was evaluated yet, or that was not measured.
    """
    import pandas as pd  # noqa: PLC0415

    rows = []
    for _, own in training_curves(run, of).groupby("iteration"):
        e = interquartile_mean(own["value"].to_numpy())
        rows.append({"steps": own["steps"].mean(), "value": e.value, "low": e.low, "high": e.high, "n": e.n})
    return pd.DataFrame(rows)


def improvement(run: Run, of: str = "return") -> Improvement:
    """How much better the policies are than they were before the first update, in return or in a measure.

    The difference is over those seeds alone on which there is a number both before and after.

    Raises:
        OpenError: The run is no training, nothing was evaluated after an update, or that was not measured.
    """
    frame = _with(run, of)
    last = frame.groupby("training_seed")["iteration"].transform("max")
    keys = ["training_seed", "seed"]
    before = frame[(frame["iteration"] == 0) & (last > 0)].set_index(keys)[of]
    after = frame[(frame["iteration"] == last) & (last > 0)].set_index(keys)[of]
    shared = before.index.intersection(after.index)
    if not len(shared):
        raise OpenError(f"{run.path}: nothing was evaluated after an update yet")
    before, after = before[shared], after[shared]
    means = [v.groupby("training_seed").mean().to_numpy() for v in (before, after, after - before)]
    untrained, trained, difference = (interquartile_mean(v) for v in means)
    return Improvement(untrained, trained, difference, len(means[0]), int(frame["steps"].max()))


def _with(run: Run, of: str) -> pd.DataFrame:
    frame = evaluations(run)
    known = ["return", *measured(run)]
    if of not in known:
        raise OpenError(f"{run.path}: {of!r} was not measured in training; accepted: {', '.join(known)}")
    return frame


def curve_figure(run: Run, of: str = "return", small: bool = False) -> Figure:
    """The learning curve on held-out seeds, each training as a faint line, and where the untrained policies stood.

    The line is dotted where fewer trainings than elsewhere have a number.

    Args:
        run: The run of a training.
        of: ``return``, or a measure that was taken.
        small: A picture that stands beside others.

    Raises:
        OpenError: As in ``learning_curve``, or there is no number that could be drawn.
    """
    # matplotlib takes half a second to import
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    from simworld_analysis.plots import _style as s  # noqa: PLC0415

    curve = learning_curve(run, of)
    if curve["value"].isna().all():
        raise OpenError(f"{run.path}: {of!r} has no number at any evaluation: there is nothing to draw")
    with s.style():
        figure = s.new_figure(*(_SMALL if small else _SIZE))
        axes = figure.subplots()
        each = training_curves(run, of)
        for _, one in each.groupby("training_seed"):
            _line(axes, one["steps"], one["value"], color=s.HUES[0], alpha=0.35, linewidth=0.7)
        _mean(axes, curve, s.HUES[0])
        first = curve["value"].iloc[0]
        if np.isfinite(first):
            axes.axhline(first, color=s.MUTED, linewidth=0.9, linestyle=(0, (4, 3)), label="untrained", zorder=1)
            # On the side of the line on which the curve does not end.
            below = curve["value"].dropna().iloc[-1] > first
            axes.annotate(
                "untrained",
                xy=(1.0, first),
                xycoords=("axes fraction", "data"),
                xytext=(0, -3 if below else 3),
                textcoords="offset points",
                ha="right",
                va="top" if below else "bottom",
                fontsize=7.5,
                color=s.MUTED,
            )
        unit = "" if of == "return" else described(run, of)[0]
        axes.set_title(s.axis_label(of, unit) + ("" if small else " on held-out seeds"), loc="left", pad=8)
        axes.set_xlabel("decisions of learners")
        axes.set_xlim(0.0, max(1.0, 1.01 * float(each["steps"].max())))
        axes.margins(y=0.12)
        s.plain_ticks(axes)
        if small:
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    return figure


def _mean(axes: Axes, curve: pd.DataFrame, hue: str) -> None:
    """The interquartile mean with its band: dotted where fewer trainings have a number."""
    steps, value = curve["steps"], curve["value"]
    there = curve["low"].notna()
    if (curve["high"] > curve["low"])[there].any():
        axes.fill_between(steps, curve["low"], curve["high"], where=there, color=hue, alpha=0.16, linewidth=0)
    if (curve["n"] < curve["n"].max()).any():
        _line(axes, steps, value, color=hue, linestyle=":", linewidth=1.3)
    _line(axes, steps, value.where(curve["n"] == curve["n"].max()), color=hue, label="interquartile mean")


def _line(axes: Axes, x: pd.Series[float], y: pd.Series[float], **look: Any) -> None:
    """A line, and a dot where a number has no neighbour that it could be joined to."""
    known = y.notna().to_numpy()
    near = np.concatenate([[False], known[:-1]]) | np.concatenate([known[1:], [False]])
    axes.plot(x, y, marker="o", markersize=3.0, markevery=np.flatnonzero(known & ~near).tolist(), **look)
