"""What was measured: tables by variant, and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis._values import episode_table
from simworld_analysis.plots import (
    MOST_VARIANTS,
    column_over_time,
    distribution,
    figure_svg,
    intervals,
    members_with,
    over_time,
)
from simworld_analysis.plots._data import Values, whole_values
from simworld_analysis.report._claims import Claims
from simworld_analysis.report._facts import Variant
from simworld_analysis.report._words import number
from simworld_analysis.statistics import Estimate
from simworld_analysis.wording import whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_MEASURES = 8
_ONE_BY_ONE = 2
"""Members whose numbers are drawn one by one; those of more are a mean."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure on the page."""

    svg: str
    caption: str
    wide: bool = True


@dataclass(frozen=True, slots=True)
class Column:
    """A measure at the head of a column."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A number with its interval, in words."""

    value: str
    interval: str = ""
    clear: bool = False
    """Whether the interval of a difference leaves out zero."""


@dataclass(frozen=True, slots=True)
class Row:
    """A variant's numbers."""

    variant: Variant
    n: int
    cells: tuple[Cell, ...]
    baseline: str = ""


@dataclass(frozen=True, slots=True)
class Results:
    """What was measured."""

    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()
    differences: tuple[Row, ...] = ()
    baseline: str = ""
    """With what all are compared; empty if they are compared with different ones."""
    pictures: tuple[tuple[Column, tuple[Picture, ...]], ...] = ()
    watched: tuple[tuple[Column, tuple[Picture, ...]], ...] = ()
    """Columns of decisions that the scenario watches."""
    notes: tuple[str, ...] = ()
    why_none: str = ""
    whole: str = ""
    """What an episode's number is."""


def results_of(run: Run, named: Sequence[str], stand_ins: Mapping[str, bool], watched: Sequence[str] = ()) -> Results:
    """Means with intervals, paired differences and figures of a run's measures.

    Args:
        run: The run.
        named: The scenario's measures; the first few that the world emits if there are none.
        stand_ins: By variant, whether a stand-in answered there.
        watched: Columns of decisions that the scenario watches.
    """
    try:
        emitted = run.measures if "measures" in run.tables else []
        succeeded = len(episode_table(run)) > 0
    except OpenError:
        emitted, succeeded = [], False
    if not succeeded:
        return Results(why_none="No episode has succeeded: there is nothing to measure yet.")
    wanted = [name for name in named if name in emitted] or emitted
    if not wanted:
        return Results(why_none="The world emits no measures.")
    shown = wanted[:_MOST_MEASURES]
    found = {name: whole_values(run, name) for name in shown}
    variants = list(next(iter(found.values())))
    notes = []
    if len(wanted) > len(shown):
        notes.append(f"Shown are {len(shown)} of {len(wanted)} measures; the others are in the table “measures”.")
    if len(variants) > MOST_VARIANTS:
        notes.append(f"The figures show the first {MOST_VARIANTS} of {len(variants)} variants; the tables show all.")
    columns = tuple(_column(run, name) for name in shown)
    differences = tuple(_differences(found, variants, stand_ins))
    bases = list(dict.fromkeys(row.baseline for row in differences))
    return Results(
        columns=columns,
        rows=tuple(_values(found, variants, stand_ins)),
        differences=differences,
        baseline=bases[0] if len(bases) == 1 else "",
        pictures=tuple((column, tuple(_pictures(run, column, i))) for i, column in enumerate(columns)),
        watched=tuple(_watched(run, name, i) for i, name in enumerate(watched)),
        notes=tuple(notes),
        whole=whole([name for name in shown if run.whole(name) == "mean"], shown),
    )


def claims_picture(claims: Claims) -> Picture | None:
    """The claims as intervals, if any has one."""
    return _drawn(
        lambda: intervals(claims.verdicts),
        "claims",
        "claims",
        "Each claim on an axis of its own: where it was expected (shaded), the estimate, and its interval.",
    )


def _column(run: Run, name: str) -> Column:
    field = run.schema("measures").field(name)
    meaning = (field.metadata or {}).get(b"meaning", b"").decode()
    return Column(name, run.units("measures").get(name, ""), meaning)


def _values(
    found: Mapping[str, Mapping[str, Values]], variants: Sequence[str], stand_ins: Mapping[str, bool]
) -> list[Row]:
    rows = []
    for name in variants:
        estimates = [values[name].estimate for values in found.values()]
        cells = tuple(cell(e) for e in estimates)
        rows.append(Row(Variant(name, stand_ins.get(name, False)), max(e.n for e in estimates), cells))
    return rows


def _differences(
    found: Mapping[str, Mapping[str, Values]], variants: Sequence[str], stand_ins: Mapping[str, bool]
) -> list[Row]:
    rows = []
    for name in variants:
        mine = [values[name] for values in found.values()]
        pairs = [v.difference for v in mine if v.difference is not None]
        if pairs:
            cells = tuple(Cell("–") if v.difference is None else cell(v.difference, sign=True) for v in mine)
            base = next(v.baseline for v in mine if v.baseline)
            rows.append(Row(Variant(name, stand_ins.get(name, False)), max(p.n for p in pairs), cells, base))
    return rows


def cell(e: Estimate, sign: bool = False, like: float | None = None) -> Cell:
    """An estimate in words.

    Args:
        e: The estimate.
        sign: Whether it is a difference: with a plus, and either clear of zero or not.
        like: How unsure numbers are that are told to the same digits; by default its own uncertainty.
    """
    if np.isnan(e.low) or np.isnan(e.high):
        return Cell(number(e.value, like, sign=sign))
    if not e.half_width > 1e-9 * max(1.0, abs(e.value)):
        return Cell(number(e.value, like, sign=sign), "all equal" if e.n > 1 else "", sign and e.n > 1 and e.value != 0)
    like = e.half_width if like is None else like
    clear = sign and (e.low > 0.0 or e.high < 0.0)
    return Cell(number(e.value, like, sign=sign), f"{number(e.low, like)} to {number(e.high, like)}", clear)


def _pictures(run: Run, column: Column, place: int) -> list[Picture]:
    name = column.name
    end = "At the end" if run.whole(name) == "last" else "Means over whole episodes"
    made = [
        _drawn(
            lambda: over_time(run, name),
            f"time{place}",
            name,
            "Over time: means over episodes with 95 % t intervals.",
        ),
        _drawn(
            lambda: distribution(run, name),
            f"whole{place}",
            name,
            f"{end}: points are episodes, bars are 95 % intervals of their mean.",
        ),
    ]
    return [picture for picture in made if picture is not None]


def _watched(run: Run, name: str, place: int) -> tuple[Column, tuple[Picture, ...]]:
    """A column of decisions over time: of each member, or of all together."""
    role, _, column = name.partition(".")
    try:
        members: Sequence[int | None] = members_with(run, name)
        metadata = run.schema(f"decisions.{role}").field(column).metadata or {}
    except OpenError:
        return Column(name, "", ""), ()
    one_by_one = len(members) <= _ONE_BY_ONE
    caption = "Over time: means over episodes with 95 % t intervals"
    made = [
        _drawn(
            lambda member=member: column_over_time(run, name, member),  # type: ignore[misc]
            f"watched{place}-{member}",
            name,
            f"{caption}, of member {member}." if one_by_one else f"{caption}, of the mean over members.",
        )
        for member in (members if one_by_one else [None])
    ]
    heading = Column(name, "", metadata.get(b"meaning", b"").decode())
    return heading, tuple(picture for picture in made if picture is not None)


def _drawn(draw: Callable[[], Figure], name: str, what: str, caption: str) -> Picture | None:
    try:
        return Picture(figure_svg(draw(), name, f"{what}. {caption}"), caption)
    except OpenError:
        return None
