"""The grammar of claims: what a scenario may say that its runs will bear out.

Pure standard library: the engine checks scenarios with it before anything is run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal, TypeAlias, cast, get_args

At: TypeAlias = Literal["last", "first", "mean", "min", "max", "sum"]
"""How the samples of an episode become one number."""
Sort: TypeAlias = Literal["greater", "less", "within", "above", "below", "order"]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_WITHIN = re.compile(rf"within\s*\[\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\]", re.ASCII)
_BEYOND = re.compile(rf"(above|below)\s+({_NUMBER})", re.ASCII)
_ORDER = re.compile(r"order\s*\[(.*)\]")
_KEYS = {
    *("name", "says", "source", "measure", "at", "of", "compare", "arm", "relative_to"),
    *("paired_by", "expect", "alpha", "because", "cases", "correlated_with"),
}


class ClaimError(ValueError):
    """A claim cannot be read, or cannot be put to the test of this run."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """Where a claim expects its number to lie, or in which order it expects arms."""

    sort: Sort
    low: float = float("-inf")
    high: float = float("inf")
    order: tuple[str, ...] = ()
    """Arms from low to high."""

    def __str__(self) -> str:
        """As a scenario writes it."""
        if self.sort == "within":
            return f"within [{_exactly(self.low)}, {_exactly(self.high)}]"
        if self.sort in ("above", "below"):
            return f"{self.sort} {_exactly(self.low if self.sort == 'above' else self.high)}"
        return f"order [{', '.join(self.order)}]" if self.sort == "order" else self.sort


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement that a run must bear out."""

    name: str
    says: str
    """The statement as a sentence."""
    measure: str
    expect: Expectation
    source: str = ""
    """Who says so."""
    at: At | None = None
    """How the samples of an episode become one number; None is as the measure says: a flow's mean, a stock's last."""
    of: Mapping[str, Any] = field(default_factory=dict)
    """Options of the measure."""
    compare: tuple[str, str] | None = None
    """Two arms (or variants): the first minus the second."""
    arm: str | None = None
    """One arm (or variant); None is the whole run."""
    relative_to: str | None = None
    """An arm by whose value, with the same seed, each value is divided."""
    alpha: float = 0.05
    because: str = ""
    """Name of the claim that shows why this one fails."""
    cases: Literal["sample", "all"] = "sample"
    """Whether episodes are a sample of what might be, or all the cases that the claim is about, such as a test set."""
    correlated_with: str | None = None
    """Another measure: the number is the correlation of the two over the episodes of the arm, or of all arms."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The arms (or variants) that it names."""
        named = (self.arm, self.relative_to, *(self.compare or ()), *self.expect.order)
        return tuple(dict.fromkeys(label for label in named if label is not None))

    def as_data(self) -> dict[str, object]:
        """What it says as plain data: two claims that say the same have the same."""
        told: dict[str, object] = {"name": self.name, "measure": self.measure, "at": self.at, "of": dict(self.of)}
        told |= {"arm": self.arm}
        told |= {"compare": self.compare, "relative_to": self.relative_to, "alpha": self.alpha}
        told |= {"cases": "all"} if self.cases == "all" else {}
        told |= {} if self.correlated_with is None else {"correlated_with": self.correlated_with}
        return told | {"expect": str(self.expect)}


def parse_claim(data: Mapping[str, Any]) -> Claim:
    """A claim from the data of a scenario.

    Raises:
        ClaimError: Something is missing, unknown, or contradicts something else.
    """
    name = str(data.get("name", ""))
    unknown = sorted(set(data) - _KEYS)
    if unknown or not name or "measure" not in data or "expect" not in data:
        found = f"unknown key {unknown[0]!r}" if unknown else f"found {', '.join(data)}"
        raise ClaimError(f"claim {name!r}: {found}; accepted: name, measure, expect, and any of {sorted(_KEYS)}")
    try:
        expect = parse_expectation(str(data["expect"]))
    except ClaimError as error:
        raise ClaimError(f"claim {name!r}: expect: {error}") from error
    compare, at, alpha = data.get("compare"), data.get("at"), float(data.get("alpha", 0.05))
    if compare is not None and not (isinstance(compare, Mapping) and len(compare) == 1):
        raise ClaimError(f"claim {name!r}: compare is one arm and the one it is compared with, such as {{new: old}}")
    if compare is not None and next(iter(compare.items()))[0] == next(iter(compare.values())):
        raise ClaimError(f"claim {name!r}: compare names one arm twice; accepted: two arms")
    if expect.sort in ("greater", "less") and compare is None:
        raise ClaimError(f"claim {name!r}: expect {expect.sort!r} needs two arms to compare")
    if data.get("paired_by", "seed") != "seed":
        raise ClaimError(f"claim {name!r}: paired_by {data['paired_by']!r}; accepted: seed, which arms share")
    if (compare is not None or data.get("arm") is not None) and expect.sort == "order":
        raise ClaimError(f"claim {name!r}: an order names its arms itself; accepted: neither arm nor compare")
    if compare is not None and data.get("arm") is not None:
        raise ClaimError(f"claim {name!r}: found compare and arm; accepted: one of them")
    if at is not None and at not in get_args(At):
        raise ClaimError(f"claim {name!r}: at {at!r}; accepted: {', '.join(get_args(At))}")
    if data.get("cases", "sample") not in ("sample", "all"):
        raise ClaimError(f"claim {name!r}: cases {data['cases']!r}; accepted: sample, all")
    if not 0.0 < alpha < 1.0:
        raise ClaimError(f"claim {name!r}: alpha {alpha:g}; accepted: a number above 0 and below 1")
    if data.get("correlated_with") is not None:
        _check_correlation(name, data, expect)
    return Claim(
        name,
        str(data.get("says", "")),
        str(data["measure"]),
        expect,
        str(data.get("source", "")),
        cast("At | None", at),
        dict(data.get("of", {})),
        next(iter(compare.items())) if compare else None,
        data.get("arm"),
        data.get("relative_to"),
        alpha,
        str(data.get("because", "")),
        "all" if data.get("cases") == "all" else "sample",
        data.get("correlated_with"),
    )


def _check_correlation(name: str, data: Mapping[str, Any], expect: Expectation) -> None:
    """Refuse what cannot be said of a correlation: it is one number of an arm, or of all, from -1 to 1."""
    start = f"claim {name!r}: correlated_with"
    if data["correlated_with"] == data["measure"]:
        raise ClaimError(f"{start} {data['measure']!r}, the measure itself; accepted: another measure")
    for key in ("compare", "relative_to"):
        if data.get(key) is not None:
            raise ClaimError(f"{start} and {key}; accepted: with arm, or over all arms together")
    if expect.sort == "order":
        raise ClaimError(f"{start} and an order of arms; accepted: within [a, b], above a, below a")
    if any(isfinite(bound) and abs(bound) > 1.0 for bound in (expect.low, expect.high)):
        raise ClaimError(f"{start}: expect {str(expect)!r}; accepted: bounds from -1 to 1, where correlations lie")


def parse_expectation(text: str) -> Expectation:
    """An expectation in a scenario's words. Raises ClaimError."""
    words = text.strip()
    if words in ("greater", "less"):
        return Expectation("greater", low=0.0) if words == "greater" else Expectation("less", high=0.0)
    if found := _WITHIN.fullmatch(words):
        low, high = float(found[1]), float(found[2])
        if low <= high and isfinite(low) and isfinite(high):
            return Expectation("within", low, high)
    if (found := _BEYOND.fullmatch(words)) and isfinite(bound := float(found[2])):
        return Expectation("above", low=bound) if found[1] == "above" else Expectation("below", high=bound)
    if found := _ORDER.fullmatch(words):
        order = tuple(part.strip() for part in found[1].split(","))
        if len(order) > 1 and all(order) and len(set(order)) == len(order):
            return Expectation("order", low=0.0, order=order)
    accepted = "greater, less, within [a, b] with a not above b, above a, below a, order [arm, arm, ...]"
    raise ClaimError(f"found {text!r}; accepted: {accepted}")


def _exactly(number: float) -> str:
    """All digits that tell it from its neighbours: a claim that was altered in the seventh is another one."""
    return repr(number).removesuffix(".0")
