"""Columns of decisions over time: what members saw, did, showed and got."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis.plots._data import Bands, banded, is_timed

if TYPE_CHECKING:
    import pandas as pd


def members_with(run: Run, column: str) -> list[int]:
    """The members of a role that ever have a number in a column (``role.column``), in order; none if it has no numbers.

    Raises:
        OpenError: No such column.
    """
    frame = _numbers(run, column)
    return sorted({int(agent) for agent in frame["agent"].unique()})


def column_unit(run: Run, column: str) -> str:
    """Unit of a column (``role.column``); empty if it has none."""
    role, _, name = column.partition(".")
    return run.units(f"decisions.{role}").get(name, "")


def column_bands(
    run: Run, column: str, agent: int | None = None, arms: Sequence[str] | None = None
) -> dict[str, Bands]:
    """A column over time by variant: of one member, or the mean over members at a tick.

    Raises:
        OpenError: No such column or arm, or nobody has a number in it.
    """
    frame = _numbers(run, column)
    if agent is not None:
        frame = frame[frame["agent"] == agent]
    keys = ["episode", "tick", *(["time"] if "time" in frame else [])]
    found = banded(run, frame.groupby(keys)["value"].mean().reset_index(), arms)
    if not found:
        who = "" if agent is None else f" of member {agent}"
        raise OpenError(f"column {column!r}{who} has no number in any successful episode: there is nothing to draw")
    return found


def _numbers(run: Run, column: str) -> pd.DataFrame:
    role, _, name = column.partition(".")
    table = f"decisions.{role}"
    keys = ("episode", "tick", "time", "agent", "end")
    if table not in run.tables or name in keys or name not in run.schema(table).names:
        raise OpenError(f"there is no column {column!r}; accepted: a role and its column, such as player.act.cooperate")
    timed = is_timed(run) and "time" in run.schema(table).names
    frame = run.table(table, ["episode", "tick", *(["time"] if timed else []), "agent", "end", name])
    frame = frame[frame["end"].isna()].drop(columns="end").rename(columns={name: "value"})
    if frame["value"].dtype.kind not in "iuf":
        return frame[:0].assign(value=np.zeros(0))
    known: pd.DataFrame = frame[~np.isnan(frame["value"])]
    return known.assign(episode=known["episode"].astype(str))
