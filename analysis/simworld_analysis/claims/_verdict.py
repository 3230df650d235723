"""Whether claims hold: estimates, intervals, and how many episodes an undecided one would take."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from simworld_analysis._open import Run
from simworld_analysis._scenario import resolved_scenario
from simworld_analysis._values import episode_values
from simworld_analysis.claims._cells import Cells, Sample
from simworld_analysis.grammar import Claim, ClaimError, parse_claim
from simworld_analysis.statistics import Estimate, episodes_for

if TYPE_CHECKING:
    import pandas as pd

Word: TypeAlias = Literal["holds", "fails", "undecided", "post hoc", "cannot be tested"]

_MOST_EPISODES = 100_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run says of a claim."""

    claim: Claim
    word: Word
    estimate: Estimate
    """With the interval at the level at which the claim is judged beside the others."""
    p: float
    """Smallest error rate at which a t interval would lie wholly where it is expected; 1 if the estimate does not."""
    more: int | None = None
    """Episodes that an undecided claim would take besides, if the estimate is right; None if that cannot be said."""
    note: str = ""
    """Why it cannot be tested, what a post hoc claim would be, or which pair of an order is the least certain."""

    def as_dict(self) -> dict[str, object]:
        """As plain data."""
        e = self.estimate
        numbers = {"estimate": e.value, "low": e.low, "high": e.high, "p": self.p}
        told: dict[str, object] = {"verdict": self.word, **self.claim.as_data(), "says": self.claim.says}
        told |= {key: value if np.isfinite(value) else None for key, value in numbers.items()}
        told |= {"n": e.n, "level": e.level, "method": e.method, "more": self.more, "note": self.note}
        return told | {"source": self.claim.source, "because": self.claim.because}


def run_claims(run: Run, also: Sequence[Mapping[str, object]] = ()) -> list[Verdict]:
    """Verdicts on the claims of a run.

    Args:
        run: The run.
        also: Claims of another version of its scenario: those that the run did not start with are post hoc.

    Raises:
        ClaimError: A claim cannot be read.
    """
    manifest = run.manifest
    stated = [parse_claim(data) for data in manifest.get("claims", ())]
    known = [claim.as_data() for claim in stated]
    late = manifest.get("late_claims", {})
    later = [claim for claim in map(parse_claim, also) if claim.as_data() not in known]
    verdicts = evaluate(run, [claim for claim in stated if claim.name not in late])
    for verdict in evaluate(run, [*(claim for claim in stated if claim.name in late), *later]):
        said = verdict.note if verdict.word == "cannot be tested" else f"would be: {verdict.word}"
        if verdict.claim.name in late:
            said = f"the same episodes were seen before, in {late[verdict.claim.name]}; {said}"
        verdicts.append(replace(verdict, word="post hoc", note=said))
    return verdicts


def evaluate(run: Run, claims: Sequence[Claim]) -> list[Verdict]:
    """Verdicts on claims that are judged together: their intervals are those of Holm's procedure."""
    frames: dict[str, pd.DataFrame] = {}
    samples: list[Sequence[Sample] | str] = []
    claims = [_resolved(claim, run) for claim in claims]
    unfinished = run.manifest.get("done", 0) < run.manifest.get("episodes", 0)
    unreached: Container[str] = resolved_scenario(run)[0].get("arms") or {} if unfinished else {}
    for claim in claims:
        try:
            cells = Cells(_values(run, claim, frames), unreached)
            others = None if claim.correlated_with is None else Cells(_values(run, _second(claim), frames), unreached)
            samples.append(_samples(cells, claim, others))
        except (ClaimError, ValueError) as error:
            samples.append(str(error))
    return judge(claims, samples)


def _values(run: Run, claim: Claim, known: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The numbers of a claim's measure, read once for all claims that are about the same."""
    key = repr((claim.measure, claim.at, sorted(claim.of.items())))
    if key not in known:
        known[key] = episode_values(run, claim.measure, claim.at, **claim.of)
    return known[key]


def _second(claim: Claim) -> Claim:
    """The same of the measure that it is correlated with, as that measure is usually taken."""
    assert claim.correlated_with is not None
    return replace(claim, measure=claim.correlated_with, at=None, of={})


def _resolved(claim: Claim, run: Run) -> Claim:
    """The claim as it is tested: how samples become one number is said."""
    if claim.at is not None:
        return claim
    emitted = "measures" in run.tables and claim.measure in run.measures
    return replace(claim, at=run.whole(claim.measure) if emitted else "last")


def judge(claims: Sequence[Claim], samples: Sequence[Sequence[Sample] | str]) -> list[Verdict]:
    """Verdicts on claims, given the numbers that each stands on, or why there are none.

    Holm's procedure by intervals: with m claims of which k are established, the others are judged at alpha / (m - k),
    until that establishes no further one.
    """
    m = len(claims)
    found: dict[int, Verdict] = {}
    while True:
        share = 1.0 / max(1, m - len(found))
        open_ones = [place for place in range(m) if place not in found]
        now = {place: _at_share(claims[place], samples[place], share) for place in open_ones}
        established = {place: verdict for place, verdict in now.items() if verdict.word == "holds"}
        if not established:
            return [(found | now)[place] for place in range(m)]
        found |= established


def _at_share(claim: Claim, samples: Sequence[Sample] | str, share: float) -> Verdict:
    """The verdict on one claim with this share of the error rate that it asks for."""
    if isinstance(samples, str):
        nothing = Estimate(float("nan"), float("nan"), float("nan"), 0)
        return Verdict(claim, "cannot be tested", nothing, 1.0, note=samples)
    return _verdict(claim, samples, 1.0 - share * claim.alpha)


def _samples(cells: Cells, claim: Claim, others: Cells | None) -> list[Sample]:
    found = _sampled(cells, claim) if others is None else [cells.correlation(others, claim.arm)]
    return [replace(sample, whole=claim.cases == "all") for sample in found]


def _sampled(cells: Cells, claim: Claim) -> list[Sample]:
    if claim.relative_to is not None:
        cells.divide_by(claim.relative_to)
    if claim.expect.sort == "order":
        return [cells.difference(high, low) for low, high in pairwise(claim.expect.order)]
    return [cells.difference(*claim.compare) if claim.compare is not None else cells.mean(claim.arm)]


def _verdict(claim: Claim, samples: Sequence[Sample], level: float) -> Verdict:
    p = max(_p_value(sample, claim) for sample in samples)
    estimates = [sample.interval(level) for sample in samples]
    if len(samples) == 1:
        word = _judge(estimates[0], claim)
        more = _more(samples[0], estimates[0], claim, level) if word == "undecided" else None
        return Verdict(claim, word, estimates[0], p, more)
    # An order holds if every pair does, each at the whole level. It fails if one pair does: that is looked at so many
    # times that each look takes its share.
    wide = [sample.interval(1.0 - (1.0 - level) / len(samples)) for sample in samples]
    certain = max(range(len(samples)), key=lambda i: _p_value(samples[i], claim))
    failing = [i for i, estimate in enumerate(wide) if _judge(estimate, claim) == "fails"]
    if failing:
        return Verdict(claim, "fails", wide[failing[0]], p, note=f"this pair fails: {samples[failing[0]].label}")
    undecided = [i for i, estimate in enumerate(estimates) if _judge(estimate, claim) != "holds"]
    place = certain if certain in undecided or not undecided else undecided[0]
    more = _more(samples[place], estimates[place], claim, level) if undecided else None
    note = f"least certain pair: {samples[place].label}"
    return Verdict(claim, "undecided" if undecided else "holds", estimates[place], p, more, note)


def _judge(estimate: Estimate, claim: Claim) -> Literal["holds", "fails", "undecided"]:
    low, high = claim.expect.low, claim.expect.high
    if np.isnan(estimate.low) or np.isnan(estimate.high):
        return "undecided"
    if claim.expect.sort == "within":
        inside, outside = low <= estimate.low and estimate.high <= high, estimate.high < low or estimate.low > high
    else:
        inside, outside = low < estimate.low and estimate.high < high, estimate.high <= low or estimate.low >= high
    return "holds" if inside else "fails" if outside else "undecided"


def _p_value(sample: Sample, claim: Claim) -> float:
    """By Student's t."""
    from scipy.special import stdtr  # noqa: PLC0415

    x = np.array(sample.values)
    if len(x) < 2 or not np.isfinite(x).all():
        return 1.0
    mean, spread = float(x.mean()), 0.0 if sample.whole else float(x.std(ddof=1)) / np.sqrt(len(x))
    room = min(mean - sample.scaled(claim.expect.low), sample.scaled(claim.expect.high) - mean)
    if spread == 0.0:
        return 0.0 if room > 0.0 or (room == 0.0 and claim.expect.sort == "within") else 1.0
    return float(2.0 * stdtr(len(x) - 1, -room / spread)) if room > 0.0 else 1.0


def _more(sample: Sample, estimate: Estimate, claim: Claim, level: float) -> int | None:
    """Episodes besides those there are until the interval lies on one side of the bound, if the estimate is right."""
    x = np.array(sample.values)
    if len(x) < 2 or not np.isfinite(x).all():
        return None
    bounds = [b for b in (claim.expect.low, claim.expect.high) if np.isfinite(b)]
    room = min(abs(sample.scaled(estimate.value) - sample.scaled(b)) for b in bounds)
    spread = float(x.std(ddof=1))
    if room == 0.0 or spread / room > np.sqrt(_MOST_EPISODES) / 3:
        return None
    return max(1, episodes_for(spread, room, level) - len(x))


def all_hold(verdicts: Iterable[Verdict]) -> bool:
    """Whether every claim that was there from the start holds."""
    return all(v.word == "holds" for v in verdicts if v.word != "post hoc")
