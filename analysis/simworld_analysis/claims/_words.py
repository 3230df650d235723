"""Claims and verdicts in words: the same in a terminal and on a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from simworld_analysis.claims._verdict import Verdict
from simworld_analysis.grammar import Claim

_COUNTED = {"holds": "hold", "fails": "fail"}
_ORDER = ("holds", "fails", "undecided", "cannot be tested", "post hoc")


def expected(claim: Claim) -> str:
    """Where a claim expects its number."""
    what = claim.measure if claim.at in (None, "last") else f"{claim.at} of {claim.measure}"
    if claim.of:
        what += f" ({', '.join(f'{name}: {value}' for name, value in claim.of.items())})"
    if claim.correlated_with is not None:
        what = f"correlation of {what} with {claim.correlated_with}"
        what += " over all episodes" if claim.arm is None else ""
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


def remarks(verdict: Verdict) -> list[str]:
    """What there is to say about a verdict besides its numbers."""
    said = [verdict.note] if verdict.note else []
    if verdict.word == "undecided" and verdict.more is not None:
        fresh = verdict.estimate.n + verdict.more
        said.append(f"a new study of about {fresh:,} seeds would decide it, if the estimate is right")
    if verdict.word == "fails" and verdict.claim.because:
        said.append(f"why: see {verdict.claim.because}")
    return said


def counted(verdicts: Sequence[Verdict]) -> str:
    """``4 hold, 1 fails, 1 undecided``."""
    counts: Counter[str] = Counter(verdict.word for verdict in verdicts)
    several = {word: word if counts[word] == 1 else _COUNTED.get(word, word) for word in _ORDER}
    return ", ".join(f"{counts[word]} {several[word]}" for word in _ORDER if counts[word])
