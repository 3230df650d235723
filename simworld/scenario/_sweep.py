"""The points of a sweep: those that a scenario lists, or those that are drawn from ranges."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from simworld.scenario._explain import Problem
from simworld.scenario._models import Bounds, SampleBlock, SweepBlock, Value
from simworld.scenario._yaml import Key

Values: TypeAlias = Mapping[str, Value]
"""By dotted key."""

_DIGITS = 6
"""Significant digits of a number that is drawn: so many are run, and so many are shown."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a sweep."""

    values: Values
    sources: Mapping[str, Key]
    """Where in the file each value comes from."""


def points_of(sweep: SweepBlock) -> list[Point]:
    """The points besides the grid, in their order; one without values if there are none."""
    if sweep.points:
        found = [Point(one, {key: ("sweep", "points", i, key) for key in one}) for i, one in enumerate(sweep.points)]
        return found if sweep.design is None else _different(found)
    if sweep.sample is not None:
        sources: dict[str, Key] = {key: ("sweep", "sample", "over", key) for key in sweep.sample.over}
        return _different([Point(one, sources) for one in drawn(sweep.sample)])
    return [Point({}, {})]


def drawn(sample: SampleBlock) -> list[dict[str, Value]]:
    """The points of a design, in its order; of a Sobol design first A, then B, then A with each column of B in turn.

    Source: Saltelli et al., Computer Physics Communications 181 (2010) 259, for the Sobol design.
    """
    import numpy as np  # noqa: PLC0415  a scenario without samples needs neither
    from scipy.stats import qmc  # noqa: PLC0415

    keys, size = list(sample.over), len(sample.over)
    chance = np.random.Generator(np.random.Philox(sample.seed))
    if sample.method == "sobol":
        both = qmc.Sobol(2 * size, rng=chance).random(sample.points)
        a, b = both[:, :size], both[:, size:]
        mixed = [np.where(np.arange(size) == column, b, a) for column in range(size)]
        unit = np.concatenate([a, b, *mixed])
    elif sample.method == "latin":
        unit = qmc.LatinHypercube(size, rng=chance).random(sample.points)
    else:
        unit = chance.random((sample.points, size))
    return [{key: _scaled(u, sample.over[key]) for key, u in zip(keys, row, strict=True)} for row in unit.tolist()]


def sweep_problems(sweep: SweepBlock) -> Iterator[Problem]:
    """What does not go together in a sweep."""
    if sweep.sample is not None and sweep.points:
        yield Problem(("sweep", "sample"), "found points, too; accepted: one of them")
    if sweep.design is not None and not sweep.points:
        yield Problem(
            ("sweep", "design"), "found no points; accepted: with the points of a sample, as a run writes them"
        )
    for number, one in enumerate(sweep.points):
        if list(one) != list(sweep.points[0]):
            words = f"found {', '.join(one)}; accepted: the keys of the first point, {', '.join(sweep.points[0])}"
            yield Problem(("sweep", "points", number), words)
    sample = sweep.sample
    if sample is None:
        return
    if sample.method == "sobol" and sample.points & (sample.points - 1):
        yield Problem(("sweep", "sample", "points"), f"found {sample.points}; accepted: a power of two, for sobol")
    for key, (low, high) in sample.over.items():
        if not low < high:
            yield Problem(
                ("sweep", "sample", "over", key), f"found {low:g} to {high:g}; accepted: a range, low to high"
            )


def _scaled(unit: float, bounds: Bounds) -> Value:
    low, high = bounds
    if isinstance(low, int) and isinstance(high, int):
        return int(low + unit * (high - low + 1))
    # A narrow range far from zero needs more of them to tell its points apart.
    apart = max(abs(low), abs(high)) / (high - low)
    digits = _DIGITS + max(0, math.floor(math.log10(apart)))
    return float(f"{low + unit * (high - low):.{digits}g}")


def _different(points: Sequence[Point]) -> list[Point]:
    """Each once: whole numbers are drawn again and again."""
    found = {tuple(point.values.items()): point for point in reversed(points)}
    return list(reversed(found.values()))
