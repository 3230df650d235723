"""How often the intervals of `simworld_analysis.statistics` cover the truth: 2,000 simulated studies a row.

A 95 % interval should cover it in 95 studies of 100. It does for normal data and for rates; for skewed data it falls
short, and the table says by how much and on which side. Then come studies that look at their data while it comes in,
and as their control one that looks without paying for it; and last, correlations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from rich.progress import track
from rich.table import Table

from benchmarks.measure import wide_console
from simworld_analysis.statistics import (
    Estimate,
    SequentialDesign,
    correlation_interval,
    mean_interval,
    rate_interval,
)

STUDIES = 2_000
SIZES = (10, 20, 50, 100)
RATES = (0.02, 0.1, 0.5)
SEEDS = (10, 50, 200)
"""Of studies of a correlation."""
RHO = 0.9
ARMS = 5
"""So many episodes share a seed where arms are taken together; half of what varies is the seed's."""
LOOKS = (10, 15, 20, 30, 40)
WIDTH = 0.45
"""Half the interval at which a study that looks stops, in standard deviations."""

Draw: TypeAlias = Callable[[np.random.Generator, int], npt.NDArray[np.float64]]
Study: TypeAlias = Callable[[np.random.Generator], Estimate]


@dataclass(frozen=True)
class Row:
    """Studies of one kind."""

    data: str
    truth: float
    once: Study
    rule: str = ""


def normal(chance: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    return chance.normal(0.0, 1.0, n)


def exponential(chance: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    return chance.exponential(1.0, n)


def lognormal(chance: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    return chance.lognormal(0.0, 1.0, n)


def unpaid(chance: np.random.Generator) -> Estimate:
    """Looks as often, each time at 95 %, and stops at the first interval without the truth in it."""
    x = normal(chance, LOOKS[-1])
    looks = [mean_interval(x[:n]) for n in LOOKS]
    return next((look for look in looks if not look.low <= 0.0 <= look.high), looks[-1])


def mean_of(draw: Draw, n: int) -> Study:
    return lambda chance: mean_interval(draw(chance, n))


def rate_of(rate: float, n: int) -> Study:
    return lambda chance: rate_interval(int(chance.binomial(n, rate)), n)


def looked_at(design: SequentialDesign) -> Study:
    return lambda chance: design.run(normal(chance, LOOKS[-1]).tolist()).estimate


def correlation_of(n: int, arms: int = 1, skewed: bool = False) -> Study:
    """Two numbers of each episode of so many seeds and arms, correlated by ``RHO`` before they are skewed."""

    def once(chance: np.random.Generator) -> Estimate:
        seeds = np.repeat(np.arange(n), arms)
        one, other = (chance.normal(size=n)[seeds] + (arms > 1) * chance.normal(size=n * arms) for _ in range(2))
        other = RHO * one + np.sqrt(1.0 - RHO**2) * other
        one, other = (np.exp(one), np.exp(other)) if skewed else (one, other)
        return correlation_interval(one, other, seeds)

    return once


def rows() -> Iterator[Row]:
    """All kinds of studies, in the order of the table."""
    means: list[tuple[str, float, Draw]] = [("normal", 0.0, normal), ("exponential, skewness 2", 1.0, exponential)]
    for name, truth, draw in (*means, ("lognormal, skewness 6.2", float(np.exp(0.5)), lognormal)):
        for n in SIZES:
            yield Row(name, truth, mean_of(draw, n))
    for rate in RATES:
        yield Row(f"rate of {rate:g}", rate, rate_of(rate, 50))
    yield Row("normal", 0.0, looked_at(SequentialDesign(LOOKS, WIDTH)), "looks, obrien_fleming")
    yield Row("normal", 0.0, looked_at(SequentialDesign(LOOKS, WIDTH, spending="pocock")), "looks, pocock")
    yield Row("normal", 0.0, unpaid, "looks without paying")
    for n in SEEDS:
        yield Row(f"correlation of {RHO}, normal", RHO, correlation_of(n))
    for n in SEEDS:
        yield Row(f"correlation of {RHO}, {ARMS} arms together", RHO, correlation_of(n, ARMS))
    skewed = float(np.expm1(RHO) / np.expm1(1.0))
    for n in SEEDS:
        yield Row(f"correlation of {skewed:.2f}, lognormal", skewed, correlation_of(n, skewed=True))


def add(table: Table, row: Row, found: list[Estimate]) -> None:
    """One row: how often the interval has the truth in it, below it, above it."""
    below = float(np.mean([e.high < row.truth for e in found]))
    above = float(np.mean([e.low > row.truth for e in found]))
    sizes = [e.n for e in found]
    n = str(sizes[0]) if min(sizes) == max(sizes) else f"{np.mean(sizes):.1f} on average"
    method = row.rule or found[0].method
    width = float(np.mean([e.half_width for e in found]))
    table.add_row(row.data, n, method, *(f"{100 * x:.1f}" for x in (1.0 - below - above, below, above)), f"{width:.3f}")


def main() -> None:
    """Print the table."""
    console = wide_console()
    table = Table(title=f"Coverage of 95 % intervals, %, in {STUDIES:,} studies a row (± 1.0)")
    for column in ("data", "episodes", "interval", "covers", "too low", "too high", "half width"):
        table.add_column(column, justify="left" if column in ("data", "interval") else "right")
    every = list(rows())
    for number, row in enumerate(track(every, description="kinds of studies", console=console, transient=True)):
        chances = (np.random.Generator(np.random.Philox(key=[number, study])) for study in range(STUDIES))
        add(table, row, [row.once(chance) for chance in chances])
    console.print(table)


if __name__ == "__main__":
    main()
