"""What agents are to each other, all together: inequality, welfare, responses to a common policy, agreement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from simworld_analysis import formulas
from simworld_analysis._open import Run
from simworld_analysis.measures._base import NotApplicableError, decisions, framed, measure

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

FloatArray = npt.NDArray[np.float64]


@measure("interaction", "", {"decisions.{role}": ("{column}",)})
def gini_of(run: Run, role: str = "worker", column: str = "obs.income") -> pd.DataFrame:
    """Gini coefficient of what the members of a role have, at the last tick of each episode at which all decided.

    One row for each episode. Source: ``formulas.gini``.
    """
    return _of_last(run, role, [column], lambda last: formulas.gini(last[column].to_numpy()))


@measure("interaction", "", {"decisions.{role}": ("{column}",)})
def lorenz_of(run: Run, role: str = "worker", column: str = "obs.income") -> pd.DataFrame:
    """Lorenz curve of what the members of a role have, at the last tick: the share held by the poorest ``people``.

    One row for each point of each episode's curve. Source: ``formulas.lorenz``.
    """
    import pandas as pd  # noqa: PLC0415

    curves = []
    for episode, last in _last_ticks(decisions(run, role, [column])).groupby("episode"):
        people, held = formulas.lorenz(last[column].to_numpy())
        curves.append(pd.DataFrame({"episode": episode, "people": people, "value": held}))
    return pd.concat(curves, ignore_index=True)


@measure("interaction", "USD/year", {"decisions.{role}": ("{utility}", "{income}")})
def welfare(
    run: Run,
    role: str = "worker",
    kind: Literal[
        "inverse_income_mean", "inverse_income_sum", "utilitarian_mean", "mean_log_utility", "minimum_utility"
    ] = "inverse_income_mean",
    utility: str = "obs.utility",
    income: str = "obs.income",
) -> pd.DataFrame:
    """A measure of social welfare of what the members of a role have, at the last tick of each episode.

    One row for each episode. Source: the function of that name in ``formulas``.
    """
    function = getattr(formulas, kind)
    weighted = kind.startswith("inverse_income")

    def value(last: pd.DataFrame) -> float:
        u, z = last[utility].to_numpy(), last[income].to_numpy()
        return float(function(u, z) if weighted else function(u))

    return _of_last(run, role, [utility, income], value)


@measure("interaction", "", {"decisions.{role}": ("{income}", "obs.rates", "obs.edges")})
def elasticity_of_taxable_income(
    run: Run, role: str = "worker", income: str = "obs.income", fewest: int = 100, reforms: int = 5
) -> pd.DataFrame:
    """Elasticity of income to the net-of-tax rate, from changes of the schedule that do not come from incomes.

    Changes of log income from one decision to the next are set against changes of log (1 - marginal rate), with those
    at unchanged income as the instrument: under a progressive schedule more income means a higher rate, whatever people
    do, and a plain regression would take that for a response. It needs rates that change for other reasons than
    incomes. nan for episodes with fewer than ``fewest`` usable changes, or with fewer than ``reforms`` ticks at which
    some rate changed: from next to none, an estimate is an accident. One row for each episode, with ``n``.

    Source: Gruber and Saez (2002), without income controls: here there are no income effects and no trends.
    """
    frame = decisions(run, role, [income, "obs.rates", "obs.edges"])
    rows = [(episode, *_elasticity(mine, income, fewest, reforms)) for episode, mine in frame.groupby("episode")]
    return framed(rows, ["episode", "value", "n"])


@measure("interaction", "", {"decisions.{role}": ("act.{action}",)})
def network_agreement(run: Run, role: str, action: str, within: float = 0.0) -> pd.DataFrame:
    """How often two members of a role do the same at the same time: the mean weight of ``agreement_network``.

    One row for each episode.
    """
    rows = []
    for episode in decisions(run, role, [f"act.{action}"])["episode"].unique():
        graph = agreement_network(run, role, action, episode, within)
        weights = [data["weight"] for _, _, data in graph.edges(data=True)]
        rows.append((episode, float(np.mean(weights)) if weights else float("nan")))
    return framed(rows, ["episode", "value"])


def agreement_network(run: Run, role: str, action: str, episode: str | None = None, within: float = 0.0) -> nx.Graph:
    """Who does the same as whom: a graph over members whose edges weigh the share of common ticks at which they agree.

    Args:
        run: The run.
        role: Whose members.
        action: Which action.
        episode: In which episode; the first by default.
        within: Numbers that differ by at most so much are the same.

    Raises:
        NotApplicableError: The episode has no decisions of this role.
    """
    import networkx as nx  # noqa: PLC0415  a sixth of a second to import

    column = f"act.{action}"
    frame = decisions(run, role, [column])
    chosen = frame[frame["episode"] == (episode or (frame["episode"].iloc[0] if len(frame) else ""))]
    if not len(chosen):
        raise NotApplicableError(f"no decisions of role {role!r} in episode {episode!r}")
    wide = chosen.pivot_table(index="tick", columns="agent", values=column, aggfunc="first")
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(int(agent) for agent in wide.columns)
    values = wide.to_numpy()
    there = ~(values != values) if values.dtype.kind == "f" else np.ones(values.shape, bool)  # noqa: PLR0124  nan
    for i in range(values.shape[1]):
        for j in range(i):
            both = there[:, i] & there[:, j]
            if both.any():
                same = _same(values[both, i], values[both, j], within)
                graph.add_edge(int(wide.columns[j]), int(wide.columns[i]), weight=float(same.mean()), n=int(both.sum()))
    return graph


# -- inside --------------------------------------------------------------------------------------------------------


_REFORM = 1e-6
"""A smaller change of the log net-of-tax rate is what a search left, or rounding: no reform."""


def _elasticity(frame: pd.DataFrame, income: str, fewest: int, reforms: int) -> tuple[float, int]:
    frame = frame.sort_values(["agent", "tick"], kind="stable")
    # The income that is seen was earned under the schedule of the decision before.
    rates, edges = (np.stack(frame[c].to_numpy().tolist()) for c in ("obs.rates", "obs.edges"))
    agent, z = frame["agent"].to_numpy(), frame[income].to_numpy()
    same = (agent[2:] == agent[1:-1]) & (agent[1:-1] == agent[:-2])
    # z[t + 1] was earned under rates[t], z[t] under rates[t - 1].
    z_old, z_new = z[1:-1][same], z[2:][same]
    r_old, r_new, e_old, e_new = rates[:-2][same], rates[1:-1][same], edges[:-2][same], edges[1:-1][same]
    kept_old = 1.0 - _marginal(r_old, e_old, z_old)
    kept_new, kept_if = 1.0 - _marginal(r_new, e_new, z_new), 1.0 - _marginal(r_new, e_new, z_old)
    usable = (z_old > 0) & (z_new > 0) & (kept_old > 0) & (kept_new > 0) & (kept_if > 0)
    y = np.log(z_new[usable] / z_old[usable])
    x = np.log(kept_new[usable] / kept_old[usable])
    instrument = np.log(kept_if[usable] / kept_old[usable])
    reformed = np.abs(instrument) > _REFORM
    n = int(reformed.sum())
    ticks = frame["tick"].to_numpy()[2:][same][usable]
    if n < fewest or len(np.unique(ticks[reformed])) < reforms:
        return float("nan"), n
    centred = instrument - instrument.mean()
    below = float(centred @ x)
    return (float(centred @ y) / below if below else float("nan")), n


def _marginal(rates: FloatArray, edges: FloatArray, incomes: FloatArray) -> FloatArray:
    """The rate on the next dollar: rates and edges (n, brackets), incomes (n,)."""
    place = (edges <= incomes[:, None]).sum(axis=1) - 1
    chosen: FloatArray = rates[np.arange(len(rates)), np.maximum(place, 0)]
    return chosen


def _last_ticks(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of each episode's last tick."""
    last = frame.groupby("episode")["tick"].transform("max")
    return frame[frame["tick"] == last]


def _of_last(run: Run, role: str, columns: Sequence[str], value: Callable[[pd.DataFrame], float]) -> pd.DataFrame:
    last = _last_ticks(decisions(run, role, columns))
    return framed([(episode, value(mine)) for episode, mine in last.groupby("episode")], ["episode", "value"])


def _same(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic], within: float) -> npt.NDArray[np.bool_]:
    if one.dtype.kind in "iuf":
        close: npt.NDArray[np.bool_] = np.abs(one.astype(float) - other.astype(float)) <= within
        return close
    equal: npt.NDArray[np.bool_] = one == other
    return equal
