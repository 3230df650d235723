"""What one agent does: effort, variety, and what its record is worth as data to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Gt

from simworld_analysis._open import Run
from simworld_analysis.measures._base import decisions, measure

if TYPE_CHECKING:
    import pandas as pd


@measure("individual", "", {"decisions.{role}": ("act.{action}",)})
def effort(run: Run, role: str, action: str) -> pd.DataFrame:
    """Mean of an action over an agent's decisions: how much it does.

    One row for each agent of each episode; ``value`` has the unit of the action.
    """
    column = f"act.{action}"
    return _mean_by_agent(decisions(run, role, [column]), column)


@measure("individual", "hours/week", {"decisions.{role}": ("act.hours",)})
def hours_worked(run: Run, role: str = "worker") -> pd.DataFrame:
    """Mean hours that an agent chooses to work.

    One row for each agent of each episode.
    """
    return _mean_by_agent(decisions(run, role, ["act.hours"]), "act.hours")


@measure("individual", "bits", {"decisions.{role}": ("act.{action}",)})
def action_entropy(run: Run, role: str, action: str, bins: Annotated[int, Gt(0)] = 10) -> pd.DataFrame:
    """Shannon entropy of an agent's actions: 0 if it always does the same.

    Numbers are sorted into equal bins between the smallest and the largest action of the whole run; texts and truth
    values are taken as they are. One row for each agent of each episode.

    Source: Shannon (1948); plug-in estimate, which is too low for few decisions.
    """
    column = f"act.{action}"
    frame = decisions(run, role, [column])
    frame["code"] = _codes(frame[column], bins)
    grouped = frame.groupby(["episode", "agent"])["code"]
    return grouped.apply(lambda codes: entropy(np.bincount(codes))).rename("value").reset_index()


@measure("individual", "bits/tick", {"decisions.{role}": ("act.{action}",)})
def entropy_trend(run: Run, role: str, action: str, bins: Annotated[int, Gt(0)] = 10) -> pd.DataFrame:
    """Slope over time of the entropy of all agents' actions at a tick: below 0 where they come to do the same.

    Ordinary least squares over ticks with at least two decisions. One row for each episode.
    """
    column = f"act.{action}"
    frame = decisions(run, role, [column])
    frame["code"] = _codes(frame[column], bins)
    by_tick = frame.groupby(["episode", "tick"])["code"]
    entropies = by_tick.agg(lambda codes: entropy(np.bincount(codes)) if len(codes) > 1 else np.nan).dropna()
    rows = entropies.rename("entropy").reset_index()
    slopes = rows.groupby("episode")[["tick", "entropy"]].apply(
        lambda one: _slope(one["tick"].to_numpy(float), one["entropy"].to_numpy(float))
    )
    return slopes.rename("value").reset_index()


@measure("individual", "", {"decisions.{role}": ("act.{action}", "obs.{state}")})
def saco(
    run: Run, role: str, action: str, state: str, bins: Annotated[int, Gt(0)] = 10, reference: float | None = None
) -> pd.DataFrame:
    """State-action coverage: unique pairs of state and action, relative to a reference.

    States and actions are numbers sorted into equal bins over the whole run, or texts. The reference is a number of
    unique pairs (that of the data set of an agent that explores, in the paper); without one, the most that any episode
    of this run has. One row for each episode.

    Source: SACo of Schweighofer et al., "A Dataset Perspective on Offline Reinforcement Learning" (2022).
    """
    columns = [f"obs.{state}", f"act.{action}"]
    frame = decisions(run, role, columns)
    pairs = _codes(frame[columns[0]], bins).astype(np.int64) * 1_000_003 + _codes(frame[columns[1]], bins)
    unique = frame.assign(pair=pairs).groupby("episode")["pair"].nunique()
    most = float(unique.max()) if reference is None else reference
    return (unique / most).rename("value").reset_index()


@measure("individual", "", {"decisions.{role}": ("reward",)})
def trajectory_quality(run: Run, role: str, worst: float, best: float) -> pd.DataFrame:
    """Trajectory quality: an agent's mean return between that of a poor and that of a good policy, 0 to 1 and beyond.

    Args:
        run: The run.
        role: Whose returns.
        worst: Return of the reference at 0, such as that of a policy that acts at random.
        best: Return of the reference at 1, such as that of the best policy known.

    One row for each episode.

    Source: TQ of Schweighofer et al. (2022), as ``saco``.
    """
    if not best > worst:
        raise ValueError(f"trajectory_quality: best {best:g} must exceed worst {worst:g}")
    frame = decisions(run, role, ["reward"])
    returns = frame.groupby(["episode", "agent"])["reward"].sum().groupby("episode").mean()
    return ((returns - worst) / (best - worst)).rename("value").reset_index()


def entropy(counts: np.ndarray[tuple[int], np.dtype[np.intp]]) -> float:
    """Shannon entropy, in bits, of the distribution that counts stand for."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def _codes(column: pd.Series[float], bins: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Whole numbers from 0 on that stand for equal actions, or for actions in one bin."""
    values = column.to_numpy()
    if values.dtype.kind not in "iuf":
        return np.unique(values.astype(str), return_inverse=True)[1]
    low, high = np.nanmin(values), np.nanmax(values)
    if high == low:
        return np.zeros(len(values), dtype=np.intp)
    return np.minimum(((values - low) / (high - low) * bins).astype(np.intp), bins - 1)


def _mean_by_agent(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.groupby(["episode", "agent"])[column].mean().rename("value").reset_index()


def _slope(x: np.ndarray[tuple[int], np.dtype[np.float64]], y: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    if len(x) < 2:
        return float("nan")
    return float(np.polyfit(x, y, 1)[0])
