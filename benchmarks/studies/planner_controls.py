"""Controls for a planner that searches: how soon do searches without any economics find the optimum?

From 50 % in three brackets, moves of the kind open to the language-model planner of Karten et al. 2025 (arXiv
2507.15815), with rational workers who answer at once and without noise: normalised inverse-income welfare of 100
workers, c = 0.026, as shares of the best schedule on the 10-point grid. First 200 runs on one population, then one run
on each of 200. A learning planner says little unless it beats these, and doing nothing, at equal numbers of
evaluations.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.measure import wide_console
from simworld.worlds.economy import FloatArray, Schedule, Workforce, named_edges, skills_from_uniform
from simworld_agents.economist._optimal_tax import (
    TENTHS,
    Search,
    SearchRule,
    begin_search,
    coordinate_climb,
    delta_climb,
    outcome,
    random_search,
)
from simworld_analysis.formulas import inverse_income_mean

RUNS = 200
WORKERS = 100
FIRST_SEED = 1000
MOVES = 400
AFTER = (15, 40, 200)
EDGES = named_edges("three")


@dataclass(frozen=True)
class Control:
    """A search rule, and the numbers that were stated for it beforehand."""

    name: str
    rule: SearchRule
    stated: str


CONTROLS = (
    Control("coordinate ±10, accept if better", coordinate_climb, "median 17, p90 29"),
    Control("random DELTA ±20/±10, accept if better", delta_climb, "median 28, p90 87; 97.9 % at 15, 99.2 % at 40"),
    Control("uniform on the 10-point grid", random_search, "94 % at 15, 99.0 % at 200"),
)


Landscape: TypeAlias = dict[tuple[int, ...], float]
"""Welfare of every schedule on the grid, by its rates in percent: what a search would be told."""


def landscape(uniforms: FloatArray) -> Landscape:
    """The landscape of a population of the published skills."""
    workers = Workforce(skills_from_uniform(uniforms), 0.026)
    table = {}
    for rates in itertools.product(TENTHS, repeat=EDGES.size):
        utility, accounts = outcome(workers, Schedule(EDGES, np.array(rates)))
        table[tuple(round(100 * rate) for rate in rates)] = inverse_income_mean(utility, accounts.income)
    return table


def trace(rule: SearchRule, welfare: Landscape, seed: int) -> FloatArray:
    """Best welfare so far after 0, 1, ... moves from 50 % in every bracket, shape (MOVES + 1,)."""
    uniforms = np.random.Generator(np.random.Philox(key=seed)).uniform(size=(MOVES + 1, EDGES.size))
    search: Search = begin_search((50,) * EDGES.size)
    best = []
    for u in uniforms:
        search = rule(search, welfare[search.trial], u)
        best.append(search.best_score)
    return np.array(best)


def report(console: Console, title: str, landscapes: list[Landscape]) -> None:
    """Print how each control did: run i searches landscape i, in turn."""
    nothing = np.mean([welfare[(50,) * EDGES.size] / max(welfare.values()) for welfare in landscapes])
    table = Table(
        title=f"{title}: moves until 99 % of the optimum, and mean share of it; {RUNS} runs (Philox, keys from 0)",
        caption=f"doing nothing: {nothing:.1%}",
    )
    for column in ("control", "median", "p90", "never", *(f"after {n}" for n in AFTER), "stated"):
        table.add_column(column, justify="left" if column in {"control", "stated"} else "right")
    for control in CONTROLS:
        fields = [landscapes[seed % len(landscapes)] for seed in range(RUNS)]
        traces = [trace(control.rule, welfare, seed) / max(welfare.values()) for seed, welfare in enumerate(fields)]
        shares = np.array(traces)
        reached = (shares >= 0.99).any(axis=1)
        moves = np.where(reached, np.argmax(shares >= 0.99, axis=1), np.inf)
        marks = [
            f"{mark:.0f}" if np.isfinite(mark) else f"> {MOVES}" for mark in (np.median(moves), percentile90(moves))
        ]
        means = [f"{shares[:, n].mean():.1%}" for n in AFTER]
        table.add_row(control.name, *marks, f"{1 - reached.mean():.1%}", *means, control.stated)
    console.print(table)


def main() -> None:
    """Print both tables of controls."""
    console = wide_console()
    one = landscape(np.random.RandomState(42).uniform(size=WORKERS))
    report(console, "One population (legacy generator, seed 42)", [one])
    keys = range(FIRST_SEED, FIRST_SEED + RUNS)
    many = [
        landscape(np.random.Generator(np.random.Philox(key=key)).uniform(size=WORKERS))
        for key in track(keys, description="populations", console=console, transient=True)
    ]
    report(console, f"{RUNS} populations (Philox, keys from {FIRST_SEED})", many)


def percentile90(moves: FloatArray) -> float:
    """The value that nine in ten do not exceed; infinite if more than one in ten never arrive."""
    return float(np.sort(moves)[int(np.ceil(0.9 * moves.size)) - 1])


if __name__ == "__main__":
    main()
