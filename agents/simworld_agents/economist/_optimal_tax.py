"""Optimal-tax formulas, and the searches that a planner must beat.

All assume workers with the quasi-linear isoelastic utility of the tax economy: no income effects, one elasticity e of
income to the net-of-tax rate, all revenue paid back as an equal lump sum. Incomes are annual, USD, shape (N,); welfare
weights g have any scale, shape (N,); rates are fractions, except in the searches, which move in whole percent.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from simworld.worlds.economy import FloatArray, Schedule, Settlement, Workforce, settle, uniform_schedule
from simworld_analysis.formulas import fixed_weight_mean, inverse_income_mean

Welfare: TypeAlias = Callable[[FloatArray, Settlement], float]
"""Social welfare from the utilities and the accounts of a year."""

TENTHS: tuple[float, ...] = tuple(k / 10 for k in range(11))
"""The 10-point grid of rates."""

_RELEASE_TOP_INCOME = 10_000_000.0
_RELEASE_HOURS = 100.0
_RELEASE_INDEX_BEYOND_ALL = 10.0
_MOST_SCHEDULES = 1_000_000
_STEPS = (-20, -10, 0, 10, 20)


def saez_point(skills: FloatArray, edges: FloatArray, elasticity: float | Sequence[float]) -> FloatArray:
    """Rates of the "Saez" baseline as the release of Karten et al. 2025 computes them; fractions, to 4 decimals.

    Each bracket takes (1 - G) / (1 - G + a e) of Saez (2001) at one income z: its midpoint, or a tenth of the way to
    $10M in the top bracket. Incomes are those of everybody at 100 hours; a = z f(z) / (1 - F(z)) with f a Gaussian
    kernel density (m / (m - edge) at the top, with m the mean income from z on), G the mean of weights 1 / income
    from z on. Kept for comparison, weak spots included: where no sampled income reaches the top point, a is set to 10
    and the top rate becomes 1 / (1 + 10 e) whatever the economy; and one point on a kernel density stands for a whole
    bracket of a fat-tailed distribution. ``bracket_fixed_point`` is what the theory asks for.

    Args:
        skills: USD/year per weekly hour, shape (N,), N at least 2.
        edges: lower bracket edges, USD/year, shape (J,).
        elasticity: one for all brackets, or one per bracket; the release has 3.0, 0.4 and (0.18, 0.11, 0.57).

    Raises:
        ValueError: for a number of elasticities that is neither one nor one per bracket.
    """
    from scipy.stats import gaussian_kde  # noqa: PLC0415  slow to import, and only this baseline needs it

    e = np.asarray(elasticity, dtype=np.float64)
    if e.shape not in ((), edges.shape):
        raise ValueError(
            f"elasticities {e.tolist()}: one for all, or one for each of {edges.size} brackets is accepted"
        )
    incomes = _RELEASE_HOURS * skills
    weights = 1.0 / incomes / float(np.sum(1.0 / incomes))
    density = gaussian_kde(incomes)
    top = edges[-1]
    points = np.append((edges[:-1] + edges[1:]) / 2.0, top + 0.1 * (_RELEASE_TOP_INCOME - top))
    index = np.full(edges.shape, _RELEASE_INDEX_BEYOND_ALL)
    mean_weight = np.zeros(edges.shape)
    for j, z in enumerate(points.tolist()):
        beyond = 1.0 - float(np.mean(incomes <= z))
        above = incomes >= z
        if beyond > 0.0:
            index[j] = z * float(density(z)[0]) / beyond
            mean_weight[j] = float(weights[above].sum()) / beyond
        if j == edges.size - 1 and above.any():
            index[j] = pareto_tail_index(incomes[above], top)
    social = 1.0 - mean_weight
    return np.clip(social / (social + index * e), 0.0, 1.0).round(4)


def inverse_income_weights(incomes: FloatArray, floor: float = 1.0) -> FloatArray:
    """Welfare weights 1 / max(z, floor) with mean one; the floor in USD.

    Source: Zheng et al., "The AI Economist".
    """
    weights: FloatArray = 1.0 / np.maximum(incomes, floor)
    weights /= float(weights.mean())
    return weights


def linear_rate(weights: FloatArray, incomes: FloatArray, elasticity: float) -> float:
    """Optimal flat rate (1 - G) / (1 - G + e), with G the income-weighted mean weight; 0 if that exceeds one.

    Shares of income do not depend on a flat rate while nobody is at the hours cap, so incomes may be taken at any.

    Source: Saez (2001), linear case; Sheshinski (1972).
    """
    mean_weight = float(weights @ incomes) / (float(weights.mean()) * float(incomes.sum()))
    return _rate(1.0 - mean_weight, elasticity)


def pareto_top_rate(weight: float, tail_index: float, elasticity: float) -> float:
    """Optimal rate (1 - g) / (1 - g + a e) over a Pareto tail of incomes with index a; 0 if g exceeds one.

    Args:
        weight: mean welfare weight g of those in the tail, relative to a mean of one over all; 0 maximises revenue.
        tail_index: Pareto index a of *incomes*: that of skills divided by 1 + e.
        elasticity: e.

    Source: Saez (2001), high-income rate.
    """
    return _rate(1.0 - weight, tail_index * elasticity)


def pareto_tail_index(incomes: FloatArray, threshold: float) -> float:
    """Tail index a = m / (m - threshold), with m the mean of the incomes from the threshold (USD/year) on.

    Exact for a Pareto tail, and the very ratio that the optimal top rate asks for whatever the tail.

    Raises:
        ValueError: if no income lies above the threshold.

    Source: Saez (2001), section 3.
    """
    tail = incomes[incomes >= threshold]
    mean = float(tail.mean()) if tail.size else threshold
    if not mean > threshold:
        raise ValueError(f"no income above {threshold:g}: the tail index needs at least one")
    return mean / (mean - threshold)


def median_voter_rate(incomes: FloatArray, elasticity: float) -> float:
    """Flat rate that the worker of median income likes best, and so the Condorcet winner; incomes at any flat rate.

    (1 - z_m / mean z) / (1 - z_m / mean z + e): preferences over flat rates are single-peaked, and a richer worker
    likes a lower one. Zero if the median exceeds the mean.

    Source: Meltzer and Richard (1981), for quasi-linear utility.
    """
    return _rate(1.0 - float(np.median(incomes)) / float(np.mean(incomes)), elasticity)


def bracket_condition(incomes: FloatArray, schedule: Schedule, weights: FloatArray, elasticity: float) -> FloatArray:
    """Rates that the first-order condition of every bracket asks for, at incomes chosen under a schedule; (J,).

    t_j / (1 - t_j) = sum((1 - g) * income within bracket j) / (e * sum of incomes of those strictly inside), with
    weights g of mean one. Those at a kink do not respond and carry no loss. A bracket that nobody reaches keeps its
    rate, a gain without loss asks for a rate of one, no gain for zero.

    Source: Saez (2001), applied to a piecewise-linear schedule as in Apps, Long and Rees (2014).
    """
    gains = 1.0 - weights / weights.mean()
    rates = schedule.rates.copy()
    uppers = np.append(schedule.edges[1:], np.inf)
    for j, (low, high) in enumerate(zip(schedule.edges.tolist(), uppers.tolist(), strict=True)):
        if not np.any(incomes > low):
            continue
        # Workers at a kink have its income up to rounding.
        inside = (incomes > low * (1.0 + 1e-9)) & (incomes < high * (1.0 - 1e-9))
        gain = float(gains @ np.clip(incomes - low, 0.0, high - low))
        rates[j] = _rate(gain, elasticity * float(incomes[inside].sum()))
    return rates


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """What iterating the bracket condition with the workers' best responses has found."""

    rates: FloatArray
    """The visited rates with the greatest welfare, shape (J,)."""
    welfare: float
    """Their welfare, USD/year: mean utility with the weights in force there."""
    last: FloatArray
    """Where the iteration that visited them ended, shape (J,)."""
    converged: bool
    """Whether that end satisfies the condition to 1e-6, or is a cycle."""


def bracket_fixed_point(
    workforce: Workforce,
    edges: FloatArray,
    *,
    weights: FloatArray | None = None,
    damping: float = 0.5,
    starts: Sequence[float] = (0.5, 0.8),
) -> FixedPoint:
    """Optimal piecewise-linear schedule by iterating ``bracket_condition`` with the workers' best responses.

    The condition is local: it ignores workers who jump between brackets where rates fall with income, so that in small
    populations the iteration may cycle, or settle where jumping makes another schedule better. Hence two starts, one
    flat and moderate and one flat and high, and the visited schedule of greatest welfare is taken, not the last.

    Args:
        workforce: the workers, who respond rationally.
        edges: lower bracket edges, USD/year, shape (J,).
        weights: welfare weights, shape (N,); without them 1 / income, re-evaluated at every iterate.
        damping: how far each iterate moves towards what the condition asks for, in (0, 1].
        starts: flat rates from which to iterate.
    """
    edges = np.asarray(edges, dtype=np.float64)
    tracks = [_iterate(workforce, uniform_schedule(edges, start), weights, damping) for start in starts]
    return max(tracks, key=lambda track: track.welfare)


def outcome(workforce: Workforce, schedule: Schedule) -> tuple[FloatArray, Settlement]:
    """Utilities (USD/year, shape (N,)) and accounts when all workers respond rationally to a schedule."""
    hours = workforce.best_response(schedule)
    settlement = settle(schedule, workforce.skills, hours)
    return workforce.utility(hours, settlement.net), settlement


def brute_force(
    workforce: Workforce, edges: FloatArray, welfare: Welfare, grid: Sequence[float] = TENTHS
) -> tuple[FloatArray, float]:
    """The rates, shape (J,), of greatest welfare among all combinations of a grid, and that welfare.

    Between equals the first in the order of the grid, the lowest bracket's rate foremost. For a handful of brackets:
    three on the 10-point grid are 1,331 schedules, about 0.2 s for 100 workers.

    Raises:
        ValueError: for more than a million schedules.
    """
    count = len(grid) ** len(edges)
    if count > _MOST_SCHEDULES:
        raise ValueError(f"brute force over {count} schedules; at most {_MOST_SCHEDULES} are accepted")
    best, greatest = (float(grid[0]),) * len(edges), -np.inf
    for rates in itertools.product(grid, repeat=len(edges)):
        value = welfare(*outcome(workforce, Schedule(edges, np.array(rates))))
        if value > greatest:
            best, greatest = rates, value
    return np.array(best), greatest


@dataclass(frozen=True)
class Search:
    """Where a search over schedules stands: plain data, so that whoever searches can be stored and copied.

    A round is: set the rates of ``trial``, see the score, and hand both to one of the rules, which returns the next
    state. The three rules are the controls for any learning planner: they know nothing about economics.
    """

    trial: tuple[int, ...]
    """Rates to try now, percent, one per bracket."""
    best: tuple[int, ...]
    """Rates of the best score so far, percent."""
    best_score: float = -np.inf
    """That score."""
    evaluations: int = 0
    """How many trials have been scored."""


SearchRule: TypeAlias = Callable[[Search, float, npt.NDArray[np.float64]], Search]
"""From a state, the score of its trial and J uniforms in [0, 1) to the next state."""


def begin_search(start: Sequence[int]) -> Search:
    """A search whose first trial is the given rates, in percent."""
    rates = tuple(int(rate) for rate in start)
    return Search(trial=rates, best=rates)


def coordinate_climb(search: Search, score: float, uniforms: FloatArray) -> Search:
    """Keep the trial if it is better; then try the best with one random rate moved 10 points up or down.

    Every move that stays within 0 to 100 is equally likely; the first uniform picks it.
    """
    best, greatest = _kept(search, score)
    moves = [(j, step) for j, rate in enumerate(best) for step in (-10, 10) if 0 <= rate + step <= 100]
    j, step = moves[int(uniforms[0] * len(moves))]
    trial = (*best[:j], best[j] + step, *best[j + 1 :])
    return Search(trial, best, greatest, search.evaluations + 1)


def delta_climb(search: Search, score: float, uniforms: FloatArray) -> Search:
    """Keep the trial if it is better; then try the best with every rate moved by -20, -10, 0, 10 or 20 points.

    These are the moves open to the language-model planner of Karten et al. 2025; rates are clipped to 0 and 100.
    """
    best, greatest = _kept(search, score)
    steps = (_STEPS[int(u * len(_STEPS))] for u in uniforms.tolist())
    trial = tuple(min(100, max(0, rate + step)) for rate, step in zip(best, steps, strict=True))
    return Search(trial, best, greatest, search.evaluations + 1)


def random_search(search: Search, score: float, uniforms: FloatArray) -> Search:
    """Remember the trial if it is better; then try rates drawn uniformly from 0, 10, ..., 100."""
    best, greatest = _kept(search, score)
    trial = tuple(10 * int(u * 11) for u in uniforms.tolist())
    return Search(trial, best, greatest, search.evaluations + 1)


def _kept(search: Search, score: float) -> tuple[tuple[int, ...], float]:
    """The better of the trial with its score and the best so far; the latter if they are equal."""
    return (search.trial, score) if score > search.best_score else (search.best, search.best_score)


def _iterate(workforce: Workforce, schedule: Schedule, weights: FloatArray | None, damping: float) -> FixedPoint:
    """One damped iteration of the bracket condition, from a schedule on until it holds or 100 steps are over."""
    best, greatest = schedule.rates, -np.inf
    converged = False
    for _ in range(100):
        utility, settlement = outcome(workforce, schedule)
        if weights is None:
            value = inverse_income_mean(utility, settlement.income)
            g = inverse_income_weights(settlement.income)
        else:
            value, g = fixed_weight_mean(utility, weights), weights
        if value > greatest:
            best, greatest = schedule.rates, value
        asked = bracket_condition(settlement.income, schedule, g, workforce.elasticity) - schedule.rates
        converged = bool(np.abs(asked).max() < 1e-6)
        if converged:
            break
        schedule = Schedule(schedule.edges, np.clip(schedule.rates + damping * asked, 0.0, 1.0))
    return FixedPoint(best, greatest, schedule.rates, converged)


def _rate(gain: float, loss: float) -> float:
    """The rate t with t / (1 - t) = gain / loss, or 0 if there is nothing to gain."""
    return gain / (gain + loss) if gain > 0.0 else 0.0
