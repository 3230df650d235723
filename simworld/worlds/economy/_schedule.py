"""Piecewise-linear income tax schedules, and the statutory ones by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
"""An array of float64."""

_TABLE = "us_federal_single.csv"
_BRACKETS: dict[str, tuple[float, ...]] = {"three": (0.0, 90_000.0, 159_100.0), "flat": (0.0,)}


@dataclass(frozen=True, eq=False)
class Schedule:
    """A marginal tax rate for every slice of annual income; the last bracket is open at the top.

    Arguments may be any sequences of numbers; they are kept as read-only float64 arrays. Schedules compare and hash by
    value.

    Raises:
        ValueError: for edges or rates that make no schedule, saying what was found and what is accepted.
    """

    edges: FloatArray
    """Lower bracket edges, USD/year, shape (J,): the first is 0, and they increase strictly."""
    rates: FloatArray
    """Marginal rates as fractions in [0, 1], shape (J,)."""

    def __post_init__(self) -> None:
        """Check both sequences, freeze them, and accumulate the tax due at each edge."""
        edges = np.array(self.edges, dtype=np.float64)
        rates = np.array(self.rates, dtype=np.float64)
        _check(edges, rates)
        due = np.zeros_like(edges)
        np.cumsum(rates[:-1] * np.diff(edges), out=due[1:])
        for array in (edges, rates, due):
            array.flags.writeable = False
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "rates", rates)
        object.__setattr__(self, "_due", due)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schedule):
            return NotImplemented
        return np.array_equal(self.edges, other.edges) and np.array_equal(self.rates, other.rates)

    def __hash__(self) -> int:
        return hash((self.edges.tobytes(), self.rates.tobytes()))

    @property
    def tax_at_edges(self) -> FloatArray:
        """Tax due at each lower edge, USD/year, shape (J,)."""
        due: FloatArray = self.__dict__["_due"]
        return due

    @property
    def is_convex(self) -> bool:
        """Whether rates never fall with income, so that a worker's problem has a single local optimum."""
        return bool(np.all(self.rates[1:] >= self.rates[:-1]))

    def tax(self, income: npt.ArrayLike) -> FloatArray:
        """Tax due, USD/year, in the shape of the annual incomes given; negative incomes owe nothing.

        The sum over brackets of rate times the slice of income inside; every term is monotone in floating point, so
        more income never owes less.
        """
        z = np.asarray(income, dtype=np.float64)
        total = np.zeros_like(z)
        slice_ = np.empty_like(z)
        highest = float(z.max(initial=0.0))
        uppers = [*self.edges[1:].tolist(), np.inf]
        for low, high, rate in zip(self.edges.tolist(), uppers, self.rates.tolist(), strict=True):
            if low >= highest:
                break
            if rate == 0.0:
                continue
            np.maximum(z, low, out=slice_)
            if high < highest:
                np.minimum(slice_, high, out=slice_)
            slice_ -= low
            slice_ *= rate
            total += slice_
        return total

    def marginal(self, income: npt.ArrayLike) -> FloatArray:
        """Rate on the next dollar earned, a fraction, in the shape of the annual incomes given."""
        z = np.asarray(income, dtype=np.float64)
        bracket = np.searchsorted(self.edges, z, side="right") - 1
        return self.rates[np.maximum(bracket, 0)]


def uniform_schedule(edges: npt.ArrayLike, rate: float) -> Schedule:
    """The schedule with the same rate, a fraction, in every bracket of the given lower edges (USD/year)."""
    lower = np.atleast_1d(np.asarray(edges, dtype=np.float64))
    return Schedule(lower, np.full(lower.shape, rate))


def federal(year: int) -> Schedule:
    """US federal schedule of a tax year for single filers, on income without deductions or credits.

    Raises:
        ValueError: for a year that the table lacks, listing those it has.

    Source: IRS revenue procedures, for example 2023-34 for 2024 and 2025-32 for 2026.
    """
    table = _federal_table()
    if year not in table:
        raise ValueError(f"no federal schedule for {year!r}; years are {min(table)} to {max(table)}")
    return table[year]


def named_schedule(name: str) -> Schedule:
    """A complete schedule by name: ``free_market`` (no tax) or ``us_<year>``.

    Raises:
        ValueError: for an unknown name, listing the known ones.
    """
    if name == "free_market":
        return uniform_schedule((0.0,), 0.0)
    schedule = _us_year(name)
    if schedule is None:
        raise ValueError(f"unknown tax schedule {name!r}; accepted are free_market, {_us_names()}")
    return schedule


def named_edges(name: str) -> FloatArray:
    """Lower bracket edges (USD/year, read-only) by name: ``flat``, ``three`` or ``us_<year>``.

    ``three`` is the release default of Karten et al. 2025; their US brackets are ``us_2024``.

    Raises:
        ValueError: for an unknown name, listing the known ones.
    """
    if name in _BRACKETS:
        return uniform_schedule(_BRACKETS[name], 0.0).edges
    schedule = _us_year(name)
    if schedule is None:
        raise ValueError(f"unknown bracket set {name!r}; accepted are {', '.join(sorted(_BRACKETS))}, {_us_names()}")
    return schedule.edges


def _check(edges: FloatArray, rates: FloatArray) -> None:
    """Raise ValueError, in one line, unless the arrays make a schedule."""
    if edges.ndim != 1 or edges.size == 0 or edges[0] != 0.0 or not np.all(np.isfinite(edges)):
        raise ValueError(f"bracket edges {edges.tolist()}: a list of finite lower edges that starts with 0 is accepted")
    if np.any(edges[1:] <= edges[:-1]):
        raise ValueError(f"bracket edges {edges.tolist()}: each must be greater than the one before")
    if rates.shape != edges.shape:
        raise ValueError(
            f"{edges.size} bracket edges but rates of shape {rates.shape}: one rate per bracket is accepted"
        )
    wrong = ~((rates >= 0.0) & (rates <= 1.0))
    if np.any(wrong):
        j = int(np.argmax(wrong))
        raise ValueError(
            f"tax rate {float(rates[j])!r} in bracket {j}: rates are fractions from 0 to 1, not percentages"
        )


@cache
def _federal_table() -> dict[int, Schedule]:
    """Every shipped year with its schedule."""
    text = resources.files(__package__).joinpath(_TABLE).read_text(encoding="utf-8")
    head, *rows = (line.split(",") for line in text.splitlines() if line and not line.startswith("#"))
    rates = np.array([float(percent) / 100.0 for percent in head[1:]])
    return {int(year): Schedule(np.array(edges, dtype=np.float64), rates) for year, *edges in rows}


def _us_year(name: str) -> Schedule | None:
    """The schedule that ``us_<year>`` names, or None."""
    year = name.removeprefix("us_")
    return _federal_table().get(int(year)) if name.startswith("us_") and year.isdecimal() else None


def _us_names() -> str:
    """The names of the federal schedules, for messages."""
    years = _federal_table()
    return f"us_{min(years)} to us_{max(years)}"
