"""Where members are, and where they were a moment ago: read from the run directory for the map of a dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from simworld_analysis import Run

Points: TypeAlias = npt.NDArray[np.float64]
"""Positions in metres, shape (n, 2)."""

TRAIL = 20
"""Positions of a member that are shown: where it is now, and those before."""
_MOST_TRAIL = 3_000
"""Positions of before, of all members of a role: more would leave nothing to see, so trails of many are shorter."""
_MOST_ROWS = 200_000
"""Decisions of a role that are read: with ten thousand members, these are twenty positions of each."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """The members of a role on a map."""

    name: str
    now: Points
    """Where those are who are there."""
    trail: Points
    """Where the same were before, of all together and in no order."""


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """Positions of one or more roles in the same plane."""

    column: str
    tracks: tuple[Track, ...]
    low: tuple[float, float]
    """Least x and y of all that was read, so that the frame does not follow every step."""
    high: tuple[float, float]
    backdrop: Points = field(default_factory=lambda: np.zeros((0, 4)))
    """What stands still, such as walls, within the frame: shape (n, 4), x and y of both ends in metres."""


def read_map(run: Run, episode: str, columns: Sequence[tuple[str, str]]) -> Map | None:
    """One map of these columns; None if nobody has a position yet.

    Args:
        run: The run.
        episode: Of which episode.
        columns: Role and column of each, such as ``("robot", "obs.position")``.
    """
    from simworld_analysis.positions import backdrop, places  # noqa: PLC0415

    found = {}
    for role, column in columns:
        rows = run.latest(f"decisions.{role}", episode, ["tick", "agent", "end", column], _MOST_ROWS)
        if rows is not None and rows.num_rows:
            found[role, column] = rows.slice(max(0, rows.num_rows - _MOST_ROWS))
    if not found:
        return None
    newest = max(int(rows["tick"][-1].as_py()) for rows in found.values())
    spots = {key: places(rows[key[1]]) for key, rows in found.items()}
    whole = _finite(np.concatenate(list(spots.values())))
    if not len(whole):
        return None
    still = next((lines for rows in found.values() if len(lines := backdrop(rows.schema))), np.zeros((0, 4)))
    whole = np.concatenate([whole, still.reshape(-1, 2)])
    names, roles = {column for _, column in found}, [role for role, _ in found]
    tracks = tuple(
        _track(role if roles.count(role) == 1 else f"{role} {column}", rows, spots[role, column], newest)
        for (role, column), rows in found.items()
    )
    low, high = whole.min(axis=0).tolist(), whole.max(axis=0).tolist()
    name = names.pop() if len(names) == 1 else "positions"
    return Map(name, tracks, (low[0], low[1]), (high[0], high[1]), still)


def _track(name: str, rows: Any, places: Points, newest: int) -> Track:
    ticks, agents = rows["tick"].to_numpy(), rows["agent"].to_numpy()
    # Rows are in the order of time, and stay so within each member.
    order = np.argsort(agents, kind="stable")
    last = np.flatnonzero(np.diff(agents[order], append=-1))
    counts = np.diff(last, prepend=-1)
    # Who has left earlier than now is not there any more; where the episode is over, all are shown as they ended.
    gone = rows["end"].is_valid().to_numpy()[order[last]] & (ticks[order[last]] < newest)
    age = np.repeat(last, counts) - np.arange(len(order))
    length = min(TRAIL, 1 + _MOST_TRAIL // max(1, int((~gone).sum())))
    before = (age > 0) & (age < length) & ~np.repeat(gone, counts)
    return Track(name, _finite(places[order[last[~gone]]]), _finite(places[order[before]]))


def _finite(places: Points) -> Points:
    return places[np.isfinite(places).all(axis=1)]
