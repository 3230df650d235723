"""Reference welfare table: what each schedule is worth when workers are rational.

Welfare is the mean utility with weights 1 / pre-tax income, normalised to sum to one (Zheng et al., "The AI
Economist"); three brackets, labour cost c = 0.026, elasticity 0.4, hours continuous. One population is the seed-42 one
of the release of Karten et al. 2025 (arXiv 2507.15815); the others are drawn from addressed seeds, the same for
every row, so that rows are paired.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.measure import wide_console
from simworld.worlds.economy import (
    FloatArray,
    Schedule,
    Settlement,
    Workforce,
    federal,
    named_edges,
    named_schedule,
    skills_from_uniform,
    uniform_schedule,
)
from simworld_agents.economist._optimal_tax import (
    bracket_fixed_point,
    brute_force,
    inverse_income_weights,
    linear_rate,
    outcome,
    saez_point,
)
from simworld_analysis.formulas import gini, inverse_income_mean

POPULATIONS = 30
WORKERS = 100
COST = 0.026
RELEASE_SEED = 42
FIRST_SEED = 1000
EDGES = named_edges("three")
BEST = "brute force, 10-point grid"


def inverse_income(utility: FloatArray, accounts: Settlement) -> float:
    """The welfare of this study, USD/year."""
    return inverse_income_mean(utility, accounts.income)


def at_linear_optimum(workers: Workforce) -> Schedule:
    """The flat tax of the closed form; weights and shares of income do not depend on a flat rate."""
    income = outcome(workers, uniform_schedule(EDGES, 0.5))[1].income
    rate = linear_rate(inverse_income_weights(income), income, workers.elasticity)
    return uniform_schedule(EDGES, rate)


ROWS: dict[str, Callable[[Workforce], Schedule]] = {
    "free market": lambda _: named_schedule("free_market"),
    "US 2024": lambda _: federal(2024),
    "Saez point of the release, e = 3": lambda workers: Schedule(EDGES, saez_point(workers.skills, EDGES, 3.0)),
    "Saez point of the release, e = 0.4": lambda workers: Schedule(EDGES, saez_point(workers.skills, EDGES, 0.4)),
    "stay at 50 %": lambda _: uniform_schedule(EDGES, 0.5),
    "flat at the linear optimum": at_linear_optimum,
    "bracket optimum, first-order": lambda workers: Schedule(EDGES, bracket_fixed_point(workers, EDGES).rates),
    BEST: lambda workers: Schedule(EDGES, brute_force(workers, EDGES, inverse_income)[0]),
}


def workforce(uniforms: FloatArray) -> Workforce:
    """Workers of the published skills from uniforms."""
    return Workforce(skills_from_uniform(uniforms), COST)


def one_population(console: Console, workers: Workforce) -> None:
    """Print every row for one population."""
    results = {name: (choose(workers), *outcome(workers, choose(workers))) for name, choose in ROWS.items()}
    best = inverse_income(*results[BEST][1:])
    table = Table(title=f"One population of {len(workers)} (legacy generator, seed {RELEASE_SEED}), c = {COST}")
    for column in ("schedule", "rates %", "welfare $", "share of optimum", "mean hours", "gini net"):
        table.add_column(column, justify="left" if column == "schedule" else "right")
    for name, (schedule, utility, accounts) in results.items():
        value = inverse_income(utility, accounts)
        hours = accounts.income / workers.skills
        rates = " ".join(f"{100 * rate:.0f}" for rate in schedule.rates)
        cells = (f"{value:,.0f}", f"{value / best:.1%}", f"{hours.mean():.1f}", f"{gini(accounts.net):.3f}")
        table.add_row(name, rates, *cells)
    console.print(table)


def many_populations(console: Console) -> None:
    """Print the mean share of the optimum over populations, with its interval, and each row against the one above."""
    from scipy.stats import t  # noqa: PLC0415

    welfare = []
    seeds = range(FIRST_SEED, FIRST_SEED + POPULATIONS)
    for seed in track(seeds, description="populations", console=console, transient=True):
        uniforms = np.random.Generator(np.random.Philox(key=seed)).uniform(size=WORKERS)
        workers = workforce(uniforms)
        welfare.append([inverse_income(*outcome(workers, choose(workers))) for choose in ROWS.values()])
    values = np.array(welfare)
    shares = 100.0 * values / values[:, [list(ROWS).index(BEST)]]
    quantile = float(t.ppf(0.975, POPULATIONS - 1))

    def with_interval(sample: FloatArray, sign: str = "") -> str:
        half = quantile * sample.std(ddof=1) / np.sqrt(len(sample))
        return f"{sample.mean():{sign}.1f} ± {half:.1f}"

    table = Table(
        title=f"{POPULATIONS} populations of {WORKERS} (Philox, keys from {FIRST_SEED}); mean ± 95 % t interval"
    )
    for column in ("schedule", "mean welfare $", "share of optimum, %", "smallest", "paired: above the row before"):
        table.add_column(column, justify="left" if column == "schedule" else "right")
    for row, name in enumerate(ROWS):
        gain = with_interval(shares[:, row] - shares[:, row - 1], "+") if row else ""
        mean = f"{values[:, row].mean():,.0f}"
        table.add_row(name, mean, with_interval(shares[:, row]), f"{shares[:, row].min():.1f}", gain)
    console.print(table)


def main() -> None:
    """Print both tables."""
    console = wide_console()
    one_population(console, workforce(np.random.RandomState(RELEASE_SEED).uniform(size=WORKERS)))
    many_populations(console)


if __name__ == "__main__":
    main()
