"""Who does the same as whom, where that can be said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis._values import episode_table, episode_values
from simworld_analysis.plots import figure_svg, network
from simworld_analysis.report._facts import Variant
from simworld_analysis.report._results import Picture
from simworld_analysis.report._words import count, number
from simworld_analysis.statistics import mean_interval

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

_FEWEST, _MOST_MEMBERS = 3, 150
_MOST_VARIANTS = 3
"""Of which a network is drawn."""
_MOST_PAIRS = 60_000
"""Pairs of members, over all episodes, up to which agreement is computed in all of them."""
_MOST_VALUES = 24
"""Different values up to which a number counts as one of a few choices."""


@dataclass(frozen=True, slots=True)
class Network:
    """Agreement in one action of one role."""

    role: str
    action: str
    pictures: tuple[Picture, ...]
    rows: tuple[tuple[Variant, str, str, int], ...] = ()
    """Variant, mean agreement over episodes, its interval, and how many episodes."""


@dataclass(frozen=True, slots=True)
class Networks:
    """All networks of a run, and why there are no others."""

    found: tuple[Network, ...]
    left_out: tuple[str, ...]


def networks_of(run: Run, variants: tuple[Variant, ...]) -> Networks:
    """The agreement networks of a run: for actions that are choices among few, of roles with several members."""
    found, left_out = [], []
    roles = [t.removeprefix("decisions.") for t in run.tables if t.startswith("decisions.")]
    try:
        episodes = episode_table(run)
        actions = [(r, f.name, f.type) for r in roles for f in run.schema(f"decisions.{r}") if f.name[:4] == "act."]
    except OpenError:
        return Networks((), ("No decisions can be read yet.",))
    if not len(episodes):
        return Networks((), ("No episode has succeeded.",))
    for role, column, kind in actions:
        action = column.removeprefix("act.")
        why = _why_not(run, role, column, kind, str(episodes["episode"].iloc[0]))
        if why:
            left_out.append(f"{role}, {action}: {why}.")
            continue
        found.append(_network(run, role, action, episodes, variants))
    return Networks(tuple(found), tuple(left_out) if actions else ("No actions are recorded.",))


def _why_not(run: Run, role: str, column: str, kind: pa.DataType, episode: str) -> str:
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_nested(kind):
        return "each action is a list of numbers"
    table = run.rows_of(f"decisions.{role}", episode, ["agent", column])
    if table is None:
        return "the first episode has no decisions of this role"
    members = len(table["agent"].unique())
    if members < _FEWEST:
        return f"an episode has {count(members, 'member')} of this role"
    if members > _MOST_MEMBERS:
        return f"{members:,} members are too many to compare pair by pair"
    values = table[column].drop_null()
    if pa.types.is_floating(kind) and not _few(np.unique(values.to_numpy()), members):
        return "a continuous number, of which two members hardly ever choose the same"
    return "" if len(values) else "nobody has acted"


def _few(values: npt.NDArray[np.float64], members: int) -> bool:
    """Whether numbers are choices among few: whole ones, or fewer than there would be if each member had its own."""
    values = values[np.isfinite(values)]
    whole = bool((values == np.round(values)).all())
    return len(values) <= (_MOST_VALUES if whole else min(_MOST_VALUES, members // 2))


def _network(run: Run, role: str, action: str, episodes: pd.DataFrame, variants: tuple[Variant, ...]) -> Network:
    pictures = []
    for place, variant in enumerate(variants[:_MOST_VARIANTS]):
        mine = episodes[episodes["variant"] == variant.name]
        if not len(mine):
            continue
        first = mine.iloc[0]
        caption = f"{variant}, seed {first['seed']}" + (" (stand-in)" if variant.stand_in else "")
        try:
            figure = network(run, role, action, str(first["episode"]))
        except OpenError:
            continue
        # Roles and actions are words of the scenario's own: an id needs letters and digits.
        name = "net" + "".join(c if c.isalnum() and c.isascii() else "-" for c in f"{role}-{action}") + str(place)
        pictures.append(Picture(figure_svg(figure, name, f"agreement in {action}: {caption}"), caption, wide=False))
    return Network(role, action, tuple(pictures), tuple(_agreement(run, role, action, episodes, variants)))


def _agreement(
    run: Run, role: str, action: str, episodes: pd.DataFrame, variants: tuple[Variant, ...]
) -> list[tuple[Variant, str, str, int]]:
    members = run.arrow(f"decisions.{role}", ["agent"])["agent"].unique()
    if len(members) ** 2 / 2 * len(episodes) > _MOST_PAIRS:
        return []
    values = episode_values(run, "network_agreement", role=role, action=action)
    rows = []
    for variant in variants:
        e = mean_interval(values[values["variant"] == variant.name]["value"].to_numpy())
        if e.n:
            known = not np.isnan(e.low)
            like = e.half_width if known else None
            interval = f"{number(e.low, like)} to {number(e.high, like)}" if known else "–"
            rows.append((variant, number(e.value, like), interval, e.n))
    return rows
