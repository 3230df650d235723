"""The claims of a run, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simworld_analysis._open import Run
from simworld_analysis.claims import ClaimError, Verdict, run_claims
from simworld_analysis.report._words import number

if TYPE_CHECKING:
    from simworld_analysis.grammar import Claim

_COUNTED = {"holds": "hold", "fails": "fail"}
_ORDER = ("holds", "fails", "undecided", "cannot be tested", "post hoc")


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
        words = [row.word for row in self.rows]
        return ", ".join(f"{words.count(w)} {_COUNTED.get(w, w)}" for w in _ORDER if w in words)


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
    planned = [v for v in verdicts if v.word != "post hoc"]
    ordered = (*planned, *(v for v in verdicts if v.word == "post hoc"))
    return Claims(tuple(_row(v, _about_stand_in(v, stand_ins)) for v in ordered), verdicts=ordered)


def expected(claim: Claim) -> str:
    """Where a claim expects its number, in words."""
    what = claim.measure if claim.at == "last" else f"{claim.at} of {claim.measure}"
    if claim.expect.sort == "order":
        return f"{what}: " + " < ".join(claim.expect.order)
    if claim.compare is not None:
        what += f", {claim.compare[0]} − {claim.compare[1]}"
    elif claim.arm is not None:
        what += f" in {claim.arm}"
    if claim.relative_to is not None:
        what += f", as a share of {claim.relative_to}"
    where = {"greater": "above 0", "less": "below 0"}.get(claim.expect.sort, str(claim.expect))
    return f"{what}: {where}"


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
        remarks=tuple(_remarks(verdict)),
        stand_in=stand_in,
    )


def _remarks(verdict: Verdict) -> Sequence[str]:
    said = [verdict.note] if verdict.note else []
    if verdict.word == "undecided" and verdict.more is not None:
        said.append(f"about {verdict.more:,} more episodes would decide it, if the estimate is right")
    if verdict.word == "fails" and verdict.claim.because:
        said.append(f"why: see {verdict.claim.because}")
    return said


def _about_stand_in(verdict: Verdict, stand_ins: Mapping[str, bool]) -> bool:
    """A claim about no arm in particular is about all."""
    labels = verdict.claim.labels
    return any(
        used and (not labels or name in labels or name.split(" ")[0] in labels) for name, used in stand_ins.items()
    )
