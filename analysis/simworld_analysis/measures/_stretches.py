"""What one agent does and earns in a stretch of time: from tick ``since`` to before ``until``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simworld_analysis._open import Run
from simworld_analysis.measures._base import NotApplicableError, decisions, measure

if TYPE_CHECKING:
    import pandas as pd

_WHO = ["episode", "agent"]
_NUMERIC = {"double", "float", "int64", "int32", "int16", "int8", "bool"}
"""Names of Arrow types."""


@measure("individual", "payoff", {"decisions.{role}": ("reward",)})
def total_payoff(
    run: Run, role: str = "player", agent: int | None = None, since: int = 0, until: int | None = None
) -> pd.DataFrame:
    """What an agent earned: the sum of the rewards of its recorded decisions.

    One row for each agent of each episode, or for one agent by its number; from tick ``since`` to before ``until``.
    """
    frame = _between(decisions(run, role, ["reward"]), agent, since, until)
    return frame.groupby(_WHO)["reward"].sum().rename("value").reset_index()


@measure("individual", "", {"decisions.{role}": ("{column}",)})
def mean_between(
    run: Run, role: str, column: str, agent: int | None = None, since: int = 0, until: int | None = None
) -> pd.DataFrame:
    """Mean of a column of numbers over an agent's decisions, in a stretch of time; those without a number do not count.

    One row for each agent of each episode, or for one agent by its number; from tick ``since`` to before ``until``.
    """
    frame = _between(_numbers(run, role, column), agent, since, until)
    return frame.groupby(_WHO)[column].mean().rename("value").reset_index()


@measure("individual", "", {"decisions.{role}": ("{column}", "{where}")})
def gap_between(run: Run, role: str, column: str, where: str, since: int = 0, until: int | None = None) -> pd.DataFrame:
    """By how much a column's mean is greater over decisions in which another column is not 0 than over the others.

    Decisions in which one of the two has no number do not count; an agent without decisions of both sorts has no row.
    One row for each agent of each episode; from tick ``since`` to before ``until``.
    """
    frame = _between(_numbers(run, role, column, where), None, since, until).dropna(subset=[column, where])
    means = frame.groupby([*_WHO, frame[where] != 0])[column].mean().unstack()
    both = means.reindex(columns=[False, True]).dropna()
    return (both[True] - both[False]).rename("value").reset_index()


@measure("individual", "", {"decisions.{role}": ("{column}",)})
def variance_between(
    run: Run, role: str, column: str, agent: int | None = None, since: int = 0, until: int | None = None
) -> pd.DataFrame:
    """Variance of a column of numbers over an agent's decisions, in a stretch of time.

    It is the mean square distance from their own mean: of all that was done, not an estimate from a sample. One row for
    each agent of each episode, or for one agent by its number; from tick ``since`` to before ``until``.
    """
    frame = _between(_numbers(run, role, column), agent, since, until)
    return frame.groupby(_WHO)[column].var(ddof=0).rename("value").reset_index()


@measure("individual", "ticks", {"decisions.{role}": ("{column}",)})
def ticks_until(
    run: Run, role: str, column: str, reaches: float, agent: int | None = None, since: int = 0, until: int | None = None
) -> pd.DataFrame:
    """Ticks from ``since`` until a column of numbers is ``reaches`` or more in an agent's decisions.

    Up to the end of its last decision in the stretch where it never is: such a number is a lower bound. One row for
    each agent of each episode, or for one agent by its number; from tick ``since`` to before ``until``.
    """
    frame = _between(_numbers(run, role, column), agent, since, until)
    if not len(frame):
        raise NotApplicableError(f"ticks_until: there are no decisions from tick {since} on in {role!r}")
    end = frame.groupby(_WHO)["tick"].transform("max") + 1
    there = frame["tick"].where(frame[column] >= reaches, end)
    return (there.groupby([frame[w] for w in _WHO]).min() - since).astype(float).rename("value").reset_index()


@measure("individual", "payoff", {"decisions.{role}": ("reward", "{cost}")})
def free_energy(
    run: Run, role: str = "player", cost: str = "mind.complexity", weight: float = 3.0, agent: int | None = None
) -> pd.DataFrame:
    """What a policy costs minus what it earns: weight x complexity cost - mean payoff of a decision.

    Args:
        run: The run.
        role: Whose.
        cost: The column with the complexity cost, in nats; its mean over the decisions that have one.
        weight: Payoff that a nat is worth (lambda).
        agent: One agent by its number; without it, all.

    One row for each agent of each episode.

    Source: Nakamura, arXiv 2602.20846, eq. 24.
    """
    frame = _between(_numbers(run, role, "reward", cost), agent, 0, None)
    means = frame.groupby(_WHO)[["reward", cost]].mean()
    return (weight * means[cost] - means["reward"]).rename("value").reset_index()


def _numbers(run: Run, role: str, *columns: str) -> pd.DataFrame:
    """The decisions of a role with columns of numbers."""
    keys = ("episode", "tick", "agent", "end")
    for column in columns:
        if column in keys or str(run.schema(f"decisions.{role}").field(column).type) not in _NUMERIC:
            raise NotApplicableError(f"column {column!r} of decisions.{role} has no numbers that could be added up")
    return decisions(run, role, columns)


def _between(frame: pd.DataFrame, agent: int | None, since: int, until: int | None) -> pd.DataFrame:
    chosen = frame["tick"] >= since
    if until is not None:
        chosen &= frame["tick"] < until
    if agent is not None:
        chosen &= frame["agent"] == agent
    return frame[chosen]
