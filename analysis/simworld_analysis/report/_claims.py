"""The claims of a run, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from simworld_analysis._open import Run
from simworld_analysis.claims import ClaimError, Verdict, counted, expected, remarks, run_claims
from simworld_analysis.report._words import number


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A claim and what became of it, in words."""

    name: str
    says: str
    source: str
    expected: str
    word: str
    estimate: str
    interval: str
    method: str
    n: int
    remarks: tuple[str, ...]
    stand_in: bool
    """Whether a stand-in answered in an arm that it is about."""

    @property
    def style(self) -> str:
        """Its verdict as a class of the page's style sheet."""
        return self.word.replace(" ", "-")


@dataclass(frozen=True, slots=True)
class Claims:
    """All claims of a run."""

    rows: tuple[ClaimRow, ...] = ()
    why_none: str = ""
    verdicts: tuple[Verdict, ...] = ()

    @property
    def counted(self) -> str:
        """``4 hold, 1 undecided``."""
        return counted(self.verdicts)


def claims_of(run: Run, stand_ins: Mapping[str, bool]) -> Claims:
    """The claims of a run.

    Args:
        run: The run.
        stand_ins: By variant, whether a stand-in answered there.
    """
    if not run.manifest.get("claims"):
        return Claims(why_none="The scenario makes no claims.")
    try:
        verdicts = run_claims(run)
    except ClaimError as error:
        return Claims(why_none=f"The claims cannot be read: {error}.")
    rows = tuple(_row(verdict, _about_stand_in(verdict, stand_ins)) for verdict in verdicts)
    return Claims(rows, verdicts=tuple(verdicts))


def _row(verdict: Verdict, stand_in: bool) -> ClaimRow:
    claim, e = verdict.claim, verdict.estimate
    known = not (np.isnan(e.low) or np.isnan(e.high))
    like = e.half_width if known else None
    return ClaimRow(
        name=claim.name,
        says=claim.says,
        source=claim.source,
        expected=expected(claim),
        word=verdict.word,
        estimate=number(e.value, like),
        interval=f"{number(e.low, like)} to {number(e.high, like)}" if known else "–",
        method=f"{100 * e.level:.4g} % {e.method}" if known else e.method,
        n=e.n,
        remarks=tuple(remarks(verdict)),
        stand_in=stand_in,
    )


def _about_stand_in(verdict: Verdict, stand_ins: Mapping[str, bool]) -> bool:
    """A claim about no arm in particular is about all."""
    labels = verdict.claim.labels
    return any(
        used and (not labels or name in labels or name.split(" ")[0] in labels) for name, used in stand_ins.items()
    )
