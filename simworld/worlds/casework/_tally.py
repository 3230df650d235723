"""What is counted of an episode: how often teams were right, what it took, and what they knew of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from simworld.kernel import Field
from simworld.worlds.casework._answers import BoolArray, FloatArray, IntArray
from simworld.worlds.casework._rules import CREATE, DEFER, EVAL, KINDS, STAY

BINS = 10
"""Of the calibration error."""
_SHARE = "share of decisions, which members make in every round but the first"
MEASURES = (
    Field("accuracy", meaning="share of cases in which the answer of most is right; ties are broken by lot"),
    Field("net_utility", meaning="accuracy, less the costs of a decision on average"),
    Field("accuracy_lately", meaning="of the last cases of all teams, as many as the world's window, or a few more"),
    Field("accuracy_alone", meaning="share of first answers, given alone, that are right"),
    Field("gain", meaning="accuracy less accuracy_alone: what the team has of being one, and of its expert"),
    Field("accuracy_member", meaning="share of last answers that are right"),
    Field("accuracy_known", meaning="accuracy on topics that training covers; nan without such cases"),
    Field("accuracy_unseen", meaning="accuracy on topics that it does not cover; nan without such cases"),
    Field("eval_rate", meaning=f"taking over a peer's answer: {_SHARE}"),
    Field("create_rate", meaning=f"answering anew: {_SHARE}"),
    Field("deferral_rate", meaning=f"asking the expert: {_SHARE}"),
    Field("deferral_rate_lately", meaning="the same, since the last cases began, as many as the world's window"),
    Field("stay_rate", meaning=f"leaving the answer as it is: {_SHARE}"),
    Field("coverage", meaning="share of cases in which nobody asked the expert"),
    Field("expert_calls", meaning="decisions to ask the expert, per case"),
    Field("expert_calls_unique", meaning="how often an expert was asked, per case: once, where answers are shared"),
    Field("expert_accuracy", meaning="share of experts' answers that are right; nan without any"),
    Field("refusal_rate", meaning="share of requests that were not answered; nan without any"),
    Field("expert_wait", unit="tick", meaning="mean time until a request was answered; nan without any"),
    Field("calibration_error", meaning="expected calibration error of first answers' confidences, ten bins"),
    Field("cases", meaning="how many cases are decided"),
)
"""Each is about the episode so far: the last sample is the episode's number."""


@dataclass
class Tally:
    """Sums over an episode."""

    known: int
    """How many topics, the first ones, training covers."""
    window: int
    """How many of the last cases the measures called lately are about, at least, once there are as many."""
    kinds: IntArray = field(default_factory=lambda: np.zeros(len(KINDS), dtype=np.int64))
    """Decisions of each kind."""
    paid: float = 0.0
    """What they cost, all together."""
    alone: IntArray = field(default_factory=lambda: np.zeros(2, dtype=np.int64))
    """First answers: right ones, all."""
    last: IntArray = field(default_factory=lambda: np.zeros(2, dtype=np.int64))
    """Last answers: right ones, all."""
    cases: IntArray = field(default_factory=lambda: np.zeros((2, 2), dtype=np.int64))
    """Cases of unseen and of known topics: right ones, all."""
    kept: int = 0
    """Cases in which nobody asked the expert."""
    requests: int = 0
    """How often experts were asked."""
    refused: int = 0
    """How often they did not answer."""
    replies: IntArray = field(default_factory=lambda: np.zeros(2, dtype=np.int64))
    """Experts' answers: right ones, all."""
    waited: int = 0
    """Ticks until they answered, all together."""
    bins: FloatArray = field(default_factory=lambda: np.zeros((BINS, 3)))
    """First answers by confidence: how many, sum of confidences, how many right."""
    before: deque[IntArray] = field(default_factory=lambda: deque([np.zeros(4, dtype=np.int64)]))
    """Cases, right ones, decisions, and those to ask, as they stood: the first is as old as the window."""

    def answered_alone(self, right: BoolArray, confidence: FloatArray) -> None:
        """First answers, and how sure their givers were (nan: who knows)."""
        self.alone += [right.sum(), right.size]
        sure = ~np.isnan(confidence)
        place = np.minimum((confidence[sure] * BINS).astype(np.int64), BINS - 1)
        added = np.stack([np.ones(len(place)), confidence[sure], right[sure]], axis=1)
        np.add.at(self.bins, place, added)

    def decided(self, kind: IntArray, paid: float) -> None:
        """Decisions of these kinds, and what they cost."""
        self.paid += float(paid)
        self.kinds += np.bincount(kind, minlength=len(KINDS))

    def closed(self, right: BoolArray, topic: IntArray, deferred: BoolArray) -> None:
        """Cases that were voted on: whether rightly, about what, and whether an expert was asked."""
        known = (topic < self.known).astype(np.int64)
        np.add.at(self.cases, known, np.stack([right, np.ones(len(right))], axis=1).astype(np.int64))
        self.kept += int((~deferred).sum())

    def members_last(self, right: BoolArray) -> None:
        """Last answers of members."""
        self.last += [right.sum(), right.size]

    def replied(self, right: BoolArray, waited: IntArray) -> None:
        """Experts' answers."""
        self.replies += [right.sum(), right.size]
        self.waited += int(waited.sum())

    def numbers(self) -> Mapping[str, float]:
        """The measures."""
        right, cases = self.cases.sum(axis=0).tolist()
        decisions = max(int(self.kinds.sum()), 1)
        kinds, accuracy = self.kinds / decisions, _share(right, cases)
        asked = int(self.kinds[DEFER])
        count, sure, correct = self.bins.T
        told = count > 0
        lately = self._since(np.array([cases, right, self.kinds.sum(), asked]))
        gaps = np.abs(sure[told] - correct[told]).sum()
        return {
            "accuracy": accuracy,
            "net_utility": accuracy - self.paid / decisions,
            "accuracy_lately": _share(lately[1], lately[0]),
            "accuracy_alone": _share(*self.alone.tolist()),
            "gain": accuracy - _share(*self.alone.tolist()),
            "accuracy_member": _share(*self.last.tolist()),
            "accuracy_known": _share(*self.cases[1].tolist()),
            "accuracy_unseen": _share(*self.cases[0].tolist()),
            "eval_rate": float(kinds[EVAL]),
            "create_rate": float(kinds[CREATE]),
            "deferral_rate": float(kinds[DEFER]),
            "deferral_rate_lately": lately[3] / max(lately[2], 1),
            "stay_rate": float(kinds[STAY]),
            "coverage": _share(self.kept, cases),
            "expert_calls": _share(asked, cases),
            "expert_calls_unique": _share(self.requests, cases),
            "expert_accuracy": _share(*self.replies.tolist()),
            "refusal_rate": _share(self.refused, self.refused + int(self.replies[1])),
            "expert_wait": _share(self.waited, int(self.replies[1])),
            "calibration_error": _share(float(gaps), float(count.sum())),
            "cases": float(cases),
        }

    def _since(self, now: IntArray) -> list[int]:
        """What came since the window began, which is moved on."""
        self.before.append(now)
        while len(self.before) > 2 and now[0] - self.before[1][0] >= self.window:
            self.before.popleft()
        found: list[int] = (now - self.before[0]).tolist()
        return found


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
