"""Whether claims hold: estimates, intervals, and how many episodes an undecided one would take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from simworld_analysis._open import Run
from simworld_analysis._values import episode_values
from simworld_analysis.grammar import Claim, ClaimError, parse_claim
from simworld_analysis.statistics import Estimate, episodes_for, holm_levels, mean_interval, rate_interval

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
    """Smallest error rate at which the interval would lie wholly where it is expected; 1 if the estimate does not."""
    more: int | None = None
    """Episodes that an undecided claim would take besides, if the estimate is right; None if that cannot be said."""
    note: str = ""
    """Why it cannot be tested, what a post hoc claim would be, or which pair of an order is the weakest."""

    def as_dict(self) -> dict[str, object]:
        """As plain data."""
        e = self.estimate
        numbers = {"estimate": e.value, "low": e.low, "high": e.high, "p": self.p}
        told: dict[str, object] = {"verdict": self.word, **self.claim.as_data(), "says": self.claim.says}
        told |= {key: None if np.isnan(value) else value for key, value in numbers.items()}
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
    planned = [parse_claim(data) for data in run.manifest.get("claims", ())]
    known = [claim.as_data() for claim in planned]
    later = [claim for claim in map(parse_claim, also) if claim.as_data() not in known]
    verdicts = evaluate(run, planned)
    for verdict in evaluate(run, later):
        said = verdict.note if verdict.word == "cannot be tested" else f"would be: {verdict.word}"
        verdicts.append(replace(verdict, word="post hoc", note=said))
    return verdicts


def evaluate(run: Run, claims: Sequence[Claim]) -> list[Verdict]:
    """Verdicts on claims that are judged together: their intervals are those of Holm's procedure."""
    frames: dict[str, pd.DataFrame] = {}
    samples: list[Sequence[Sample] | str] = []
    for claim in claims:
        key = repr((claim.measure, claim.at, sorted(claim.of.items())))
        try:
            if key not in frames:
                frames[key] = episode_values(run, claim.measure, claim.at, **claim.of)
            samples.append(_samples(frames[key], claim))
        except (ClaimError, ValueError) as error:
            samples.append(str(error))
    return judge(claims, samples)


def judge(claims: Sequence[Claim], samples: Sequence[Sequence[Sample] | str]) -> list[Verdict]:
    """Verdicts on claims, given the numbers that each stands on, or why there are none."""
    ps = [
        1.0 if isinstance(s, str) else max(_p_value(one, c) for one in s) for s, c in zip(samples, claims, strict=True)
    ]
    # Claims may differ in the error rate that they ask for: shares of it are what Holm hands out.
    shares = holm_levels([p / c.alpha for p, c in zip(ps, claims, strict=True)], 1.0)
    verdicts = []
    for claim, sample, p, share in zip(claims, samples, ps, shares, strict=True):
        if isinstance(sample, str):
            nothing = Estimate(float("nan"), float("nan"), float("nan"), 0)
            verdicts.append(Verdict(claim, "cannot be tested", nothing, 1.0, note=sample))
        else:
            verdicts.append(_verdict(claim, sample, p, 1.0 - share * claim.alpha))
    return verdicts


@dataclass(frozen=True, slots=True)
class Sample:
    """The numbers that one comparison stands on."""

    values: tuple[float, ...]
    """One for each episode, or each pair of them."""
    label: str = ""

    def interval(self, level: float) -> Estimate:
        x = np.array(self.values)
        if len(x) and np.isin(x, (0.0, 1.0)).all() and 0.0 < x.mean() < 1.0:
            return rate_interval(int(x.sum()), len(x), level)
        return mean_interval(x, level)


def _samples(frame: pd.DataFrame, claim: Claim) -> list[Sample]:
    if claim.relative_to is not None:
        base = _by_seed(frame, claim.relative_to)
        frame = frame.assign(value=frame["value"] / frame["seed"].map(base))
    if claim.expect.sort == "order":
        return [_difference(frame, high, low) for low, high in pairwise(claim.expect.order)]
    if claim.compare is not None:
        return [_difference(frame, *claim.compare)]
    chosen = frame if claim.arm is None else _of(frame, claim.arm)
    return [Sample(tuple(chosen["value"].dropna().tolist()), claim.arm or "")]


def _difference(frame: pd.DataFrame, one: str, other: str) -> Sample:
    """One minus the other, seed by seed."""
    first, second = _by_seed(frame, one), _by_seed(frame, other)
    shared = sorted(first.keys() & second.keys())
    return Sample(tuple(first[s] - second[s] for s in shared), f"{one} - {other}")


def _of(frame: pd.DataFrame, label: str) -> pd.DataFrame:
    """The episodes of an arm, or of a variant where a sweep has several of one arm."""
    for column in ("variant", "arm"):
        found = frame[frame[column] == label]
        if len(found):
            if found["seed"].duplicated().any():
                variants = ", ".join(sorted(found["variant"].unique()))
                raise ClaimError(f"{label!r} is several variants: {variants}; accepted: one of them")
            return found
    known = ", ".join(dict.fromkeys(frame["variant"])) or "none (no episode has succeeded)"
    raise ClaimError(f"there is no arm {label!r}; the run has {known}")


def _by_seed(frame: pd.DataFrame, label: str) -> dict[int, float]:
    chosen = _of(frame, label).dropna(subset=["value"])
    return dict(zip(chosen["seed"].tolist(), chosen["value"].tolist(), strict=True))


def _verdict(claim: Claim, samples: Sequence[Sample], p: float, level: float) -> Verdict:
    estimates = [sample.interval(level) for sample in samples]
    words = [_judge(estimate, claim) for estimate in estimates]
    # Of an order, the weakest pair speaks for all.
    worst = max(
        range(len(samples)), key=lambda i: (words[i] == "fails", words[i] == "undecided", _p_value(samples[i], claim))
    )
    word: Word = words[worst]
    more = _more(samples[worst], estimates[worst], claim, level) if word == "undecided" else None
    note = f"weakest: {samples[worst].label}" if len(samples) > 1 else ""
    return Verdict(claim, word, estimates[worst], p, more, note)


def _judge(estimate: Estimate, claim: Claim) -> Literal["holds", "fails", "undecided"]:
    low, high = claim.expect.low, claim.expect.high
    if np.isnan(estimate.low) or np.isnan(estimate.high):
        return "undecided"
    if claim.expect.sort in ("greater", "less", "order"):
        inside, outside = low < estimate.low and estimate.high < high, estimate.high <= low or estimate.low >= high
    else:
        inside, outside = low <= estimate.low and estimate.high <= high, estimate.high < low or estimate.low > high
    return "holds" if inside else "fails" if outside else "undecided"


def _p_value(sample: Sample, claim: Claim) -> float:
    """By Student's t: what orders the claims of a run, so that the clearest is judged first."""
    from scipy.special import stdtr  # noqa: PLC0415

    x = np.array(sample.values)
    mean = float(x.mean()) if len(x) else float("nan")
    room = min(mean - claim.expect.low, claim.expect.high - mean)
    if len(x) < 2 or not room > 0.0:
        return 1.0
    spread = float(x.std(ddof=1)) / np.sqrt(len(x))
    if spread == 0.0:
        return 0.0
    return float(2.0 * stdtr(len(x) - 1, -room / spread))


def _more(sample: Sample, estimate: Estimate, claim: Claim, level: float) -> int | None:
    """Episodes besides those there are until the interval lies on one side of the bound, if the estimate is right."""
    x = np.array(sample.values)
    if len(x) < 2:
        return None
    bounds = [b for b in (claim.expect.low, claim.expect.high) if np.isfinite(b)]
    room = min(abs(estimate.value - b) for b in bounds)
    spread = float(x.std(ddof=1))
    if room == 0.0 or spread / room > np.sqrt(_MOST_EPISODES) / 3:
        return None
    return max(1, episodes_for(spread, room, level) - len(x))


def all_hold(verdicts: Iterable[Verdict]) -> bool:
    """Whether every claim that was there from the start holds."""
    return all(v.word == "holds" for v in verdicts if v.word != "post hoc")
