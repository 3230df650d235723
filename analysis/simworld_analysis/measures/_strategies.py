"""What agents do to each other, two at a time: cooperation and its conditions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from simworld_analysis._open import Run
from simworld_analysis.measures._base import decisions, framed, measure

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
STATES = ("CC", "CD", "DC", "DD")
"""What both did last, oneself first."""
_HALF = 0.5
_TREMBLE = 1e-3
"""Chance of a slip that makes every state reachable, so that long-run payoffs exist."""


@measure("interaction", "", {"decisions.{role}": ("act.{action}",)})
def cooperation_rate(run: Run, role: str = "player", action: str = "cooperate") -> pd.DataFrame:
    """Share of decisions that cooperate: the mean of an action that is 1 for cooperation and 0 for defection.

    Actions in between count as what they are. One row for each agent of each episode.
    """
    column = f"act.{action}"
    frame = decisions(run, role, [column])
    return frame.groupby(["episode", "agent"])[column].mean().astype(float).rename("value").reset_index()


@measure("interaction", "", {"decisions.{role}": ("act.{action}", "obs.{partner}")})
def memory_one(
    run: Run, role: str = "player", action: str = "cooperate", partner: str = "partner", other: str | None = None
) -> pd.DataFrame:
    """Chance of cooperating after each of what both did last: CC, CD, DC, DD, oneself first.

    Actions above one half cooperate. What the partner did is looked up in its own decisions of the round before
    (``partner`` names the observation that holds its number), or read from the observation ``other``, if that is given.
    One row for each agent, partner and state of each episode, with ``after`` and ``n``; nan where it never occurred.

    Source: the conditional strategies of Nowak and Sigmund (1993).
    """
    rounds = _rounds(run, role, action, partner, other)
    rounds["after"] = rounds["mine_before"].map({True: "C", False: "D"}) + rounds["theirs_before"].map(
        {True: "C", False: "D"}
    )
    keys = ["episode", "agent", "partner"]
    found = rounds.groupby([*keys, "after"])["mine"].agg(value="mean", n="size")
    everyone = rounds[keys].drop_duplicates()
    wanted = everyone.merge(framed({"after": list(STATES)}), how="cross")
    whole = wanted.merge(found.reset_index(), on=[*keys, "after"], how="left")
    return whole.fillna({"n": 0}).astype({"n": int, "value": float})


@measure("interaction", "", {"decisions.{role}": ("act.{action}", "obs.{partner}")})
def reciprocity(
    run: Run, role: str = "player", action: str = "cooperate", partner: str = "partner", other: str | None = None
) -> pd.DataFrame:
    """Conditional cooperation: chance to cooperate after the partner did, minus that after it did not.

    1 for tit for tat, 0 for whoever does not care, below 0 for contrariness; nan for those whose partner did only one
    of both. One row for each agent and partner of each episode; arguments as in ``memory_one``.

    Source: conditional cooperation, Fischbacher, Gächter and Fehr (2001), for two actions.
    """
    rounds = _rounds(run, role, action, partner, other)
    keys = ["episode", "agent", "partner"]
    after = rounds.groupby([*keys, "theirs_before"])["mine"].mean().unstack()
    for column in (True, False):
        if column not in after:
            after[column] = np.nan
    return (after[True] - after[False]).rename("value").reset_index()


@measure("interaction", "", {"decisions.{role}": ("act.{action}", "obs.{partner}")})
def forgiveness(
    run: Run, role: str = "player", action: str = "cooperate", partner: str = "partner", other: str | None = None
) -> pd.DataFrame:
    """Chance to cooperate in the round after the partner has defected; nan if it never has.

    One row for each agent and partner of each episode; arguments as in ``memory_one``.
    """
    rounds = _rounds(run, role, action, partner, other)
    keys = ["episode", "agent", "partner"]
    everyone = rounds[keys].drop_duplicates()
    found = rounds[~rounds["theirs_before"]].groupby(keys)["mine"].mean().rename("value").reset_index()
    return everyone.merge(found, on=keys, how="left").astype({"value": float})


@measure("interaction", "payoff/round", {"decisions.{role}": ("act.{action}", "obs.{partner}")})
def exploitability(
    run: Run,
    role: str = "player",
    action: str = "cooperate",
    partner: str = "partner",
    other: str | None = None,
    payoffs: Sequence[float] = (3.0, 0.0, 5.0, 1.0),
) -> pd.DataFrame:
    """What a best response to an agent's memory-one strategy earns above what that strategy earns against itself.

    Zero for a strategy that is a best response to itself. Chances that never occurred are taken as one half. Best
    responses to memory-one strategies are memory-one, so the sixteen pure ones are tried (Press and Dyson 2012).

    Args:
        run: The run.
        role: Whose strategies.
        action: As in ``memory_one``.
        partner: As in ``memory_one``.
        other: As in ``memory_one``.
        payoffs: R, S, T, P: for CC, CD, DC, DD.
    """
    vectors = memory_one(run, role, action, partner, other)
    rows = []
    for keys, mine in vectors.groupby(["episode", "agent", "partner"]):
        strategy = mine.set_index("after")["value"].reindex(STATES).fillna(_HALF).to_numpy(float)
        rows.append((*keys, exploitability_of(strategy, payoffs)))
    return framed(rows, ["episode", "agent", "partner", "value"])


def exploitability_of(strategy: FloatArray, payoffs: Sequence[float] = (3.0, 0.0, 5.0, 1.0)) -> float:
    """Exploitability of one memory-one strategy: chances to cooperate after CC, CD, DC, DD, shape (4,)."""
    own = long_run_payoff(strategy, strategy, payoffs)
    best = max(long_run_payoff(np.array(pure, float), strategy, payoffs) for pure in product((0.0, 1.0), repeat=4))
    return max(0.0, best - own)


def long_run_payoff(mine: FloatArray, theirs: FloatArray, payoffs: Sequence[float]) -> float:
    """Mean payoff per round of one memory-one strategy against another, with rare slips; both shape (4,)."""
    p = np.clip(mine, _TREMBLE, 1.0 - _TREMBLE)
    # What is CD for one is DC for the other.
    q = np.clip(theirs[[0, 2, 1, 3]], _TREMBLE, 1.0 - _TREMBLE)
    moves = np.stack([p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)], axis=1)
    system = np.vstack([(moves.T - np.eye(4))[:3], np.ones(4)])
    return float(np.linalg.solve(system, np.array([0.0, 0.0, 0.0, 1.0])) @ np.array(payoffs, float))


# -- inside --------------------------------------------------------------------------------------------------------


def _rounds(run: Run, role: str, action: str, partner: str, other: str | None) -> pd.DataFrame:
    """Every decision with what both did the round before, as truth values: mine, mine_before, theirs_before."""
    act = f"act.{action}"
    seen = [f"obs.{other}"] if other else []
    frame = decisions(run, role, [act, f"obs.{partner}", *seen])
    frame = frame.rename(columns={act: "mine", f"obs.{partner}": "partner"})
    frame["mine"] = frame["mine"].astype(float) > _HALF
    keys = ["episode", "agent", "partner"]
    before = frame.groupby(keys, sort=False)["mine"].shift(1)
    if other:
        theirs = frame[f"obs.{other}"].astype(float) > _HALF
        theirs = theirs.where(before.notna())
    else:
        done = frame[["episode", "tick", "agent", "mine"]].rename(columns={"agent": "partner", "mine": "theirs"})
        frame = frame.merge(done, on=["episode", "tick", "partner"], how="left", validate="many_to_one")
        theirs = frame.groupby(keys, sort=False)["theirs"].shift(1)
    frame = frame.assign(mine_before=before, theirs_before=theirs)
    frame = frame.dropna(subset=["mine_before", "theirs_before"])
    return frame.astype({"mine": float, "mine_before": bool, "theirs_before": bool})
