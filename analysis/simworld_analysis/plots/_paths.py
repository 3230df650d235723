"""Where members went: the positions of an episode, member by member, and how they differ between arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis._values import baselines, episode_table
from simworld_analysis.plots._data import is_timed, variants
from simworld_analysis.positions import backdrop, is_plane, is_position, places

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

_SAME = 0.002
"""Share of the extent of all positions up to which two places are the same to the eye."""


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Where one member was, in the order of time; nan where that is unknown."""

    tick: npt.NDArray[np.int64]
    time: npt.NDArray[np.float64]
    """In the unit of the run's axis of time."""
    xy: npt.NDArray[np.float64]
    """Shape (moments, 2)."""


Paths: TypeAlias = Mapping[str, Mapping[int, Path]]
"""By role and member."""


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """The paths of one episode."""

    variant: str
    paths: Paths
    beneath: Paths
    """Paths in the variant that this one is compared with, of members whose path differs or who are not here."""
    baseline: str
    """That variant; empty if there is none among those that are drawn."""
    backdrop: npt.NDArray[np.float64]
    """What stands still there, such as walls: shape (n, 4), x and y of both ends."""

    @property
    def members(self) -> int:
        """How many have a path."""
        return sum(map(len, self.paths.values()))


def position_column(run: Run) -> str | None:
    """The first column of observations that is a position in metres; None if none is recorded."""
    for role in _roles(run):
        for field in _schema(run, role):
            if field.name.startswith("obs.") and is_position(field):
                return str(field.name)
    return None


def walks_of(run: Run, column: str, seed: int | None, most: int, arms: Sequence[str] | None) -> tuple[int, list[Walk]]:
    """The paths of a seed in each variant, and the seed.

    Args:
        run: The run.
        column: The column of positions.
        seed: Which seed; by default the first that all of these variants have, or else the first.
        most: So many variants, if none are named.
        arms: Arms or variants.

    Raises:
        OpenError: No such column, arm or seed, or no member has a position.
    """
    roles = [role for role in _roles(run) if _has(run, role, column)]
    if not roles:
        raise OpenError(f"no role records positions in {column!r}; accepted: {_accepted(run)}")
    frame = episode_table(run)
    shown = variants(run, arms) if arms is not None else variants(run)[:most]
    frame = frame[frame["variant"].isin(shown)]
    seed = _seed(frame, seed)
    episodes = dict(zip(*(frame[frame["seed"] == seed][name] for name in ("variant", "episode")), strict=True))
    found = {v: _paths(run, roles, episodes[v], column) for v in shown if v in episodes}
    if not any(path for paths in found.values() for path in paths.values()):
        raise OpenError(f"nobody has a position in {column!r} with seed {seed}: there is nothing to draw")
    low, high = extent(list(found.values()))
    near, against = _SAME * float((high - low).max()), baselines(frame)
    walks = []
    for variant, paths in found.items():
        base = against.get(variant, variant)
        compared = base != variant and base in found
        beneath = _other(found[base], paths, near) if compared else {}
        still = _backdrop(run, roles, episodes[variant], column)
        walks.append(Walk(variant, paths, beneath, base if compared else "", still))
    return seed, walks


def extent(
    found: Sequence[Paths], more: Sequence[npt.NDArray[np.float64]] = ()
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Least and greatest x and y of paths, and of what stands still besides, shape (2,) each."""
    every = [path.xy for paths in found for mine in paths.values() for path in mine.values()]
    points = np.concatenate([*every, *(segments.reshape(-1, 2) for segments in more)])
    return np.nanmin(points, axis=0), np.nanmax(points, axis=0)


def _backdrop(run: Run, roles: Sequence[str], episode: str, column: str) -> npt.NDArray[np.float64]:
    """What stands still in an episode; nothing beneath what is no place in metres."""
    for role in roles:
        rows = run.latest(f"decisions.{role}", episode, [column])
        if rows is not None and is_position(rows.schema.field(column)) and len(found := backdrop(rows.schema)):
            return found
    return np.zeros((0, 4))


def _other(base: Paths, mine: Paths, near: float) -> dict[str, dict[int, Path]]:
    return {
        role: {a: path for a, path in paths.items() if a not in mine[role] or _differs(path, mine[role][a], near)}
        for role, paths in base.items()
    }


def _differs(one: Path, other: Path, near: float) -> bool:
    """Whether two paths are ever apart; where one is known for longer, only the time that both are."""
    _, mine, theirs = np.intersect1d(one.tick, other.tick, return_indices=True)
    apart = np.hypot(*(one.xy[mine] - other.xy[theirs]).T)
    return not len(mine) or bool((apart > near).any())


def _paths(run: Run, roles: Sequence[str], episode: str, column: str) -> dict[str, dict[int, Path]]:
    return {role: _of_role(run, f"decisions.{role}", episode, column) for role in roles}


def _of_role(run: Run, table: str, episode: str, column: str) -> dict[int, Path]:
    clock = "time" if is_timed(run) and "time" in run.schema(table).names else "tick"
    rows = run.rows_of(table, episode, list(dict.fromkeys(["tick", clock, "agent", "end", column])))
    if rows is None:
        return {}
    agents, spots = rows["agent"].to_numpy(), places(rows[column])
    # A place of which one number is unknown is unknown.
    spots[~np.isfinite(spots).all(axis=1)] = np.nan
    order = np.lexsort((rows["tick"].to_numpy(), agents))
    agents, spots, ended = agents[order], spots[order], rows["end"].is_valid().to_numpy()[order]
    tick, time = rows["tick"].to_numpy()[order], rows[clock].to_numpy()[order].astype(np.float64)
    # Who leaves and comes back was nowhere in between.
    back = np.flatnonzero(ended[:-1] & (agents[1:] == agents[:-1])) + 1
    agents, tick, time = (np.insert(values, back, values[back - 1]) for values in (agents, tick, time))
    spots = np.insert(spots, back, np.nan, axis=0)
    starts = np.flatnonzero(np.diff(agents, prepend=-1))
    parts = (np.split(values, starts[1:]) for values in (tick, time, spots))
    paths = zip(agents[starts].tolist(), *parts, strict=True)
    return {agent: Path(*path) for agent, *path in paths if np.isfinite(path[2]).all(axis=1).any()}


def _seed(frame: pd.DataFrame, seed: int | None) -> int:
    seeds = list(dict.fromkeys(frame["seed"].tolist()))
    if seed is None:
        counts = frame.groupby("seed")["variant"].nunique()
        return int(next((s for s in seeds if counts[s] == counts.max()), seeds[0]))
    if seed not in seeds:
        known = ", ".join(map(str, seeds[:12])) + (" ..." if len(seeds) > 12 else "")
        raise OpenError(f"no successful episode has seed {seed!r}; accepted: {known}")
    return seed


def _roles(run: Run) -> list[str]:
    return [table.removeprefix("decisions.") for table in run.tables if table.startswith("decisions.")]


def _schema(run: Run, role: str) -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415

    table = f"decisions.{role}"
    return run.schema(table) if run.has(table) else pa.schema([])


def _has(run: Run, role: str, column: str) -> bool:
    schema = _schema(run, role)
    return column in schema.names and is_plane(schema.field(column).type)


def _accepted(run: Run) -> str:
    fields = [field for role in _roles(run) for field in _schema(run, role) if is_plane(field.type)]
    return ", ".join(dict.fromkeys(field.name for field in fields)) or "columns of two numbers, of which there are none"
