"""What a policy sees: for every candidate move the cues that speak for it or against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from simworld.kernel import Array

FloatArray: TypeAlias = npt.NDArray[np.float64]
"""An array of float64."""
IntArray: TypeAlias = npt.NDArray[np.int64]
"""An array of int64."""
BoolArray: TypeAlias = npt.NDArray[np.bool_]
"""An array of truth values."""

CONTEXT = ("confidence", "isolated", "distinct", "margin", "same", "late", "told", "load")
"""What a member knows whatever it does: how sure it is of its own answer; whether it is alone with it; the share of the
team's answers that differ, and by which share of the team most lead; whether its answer stood for a round; which part
of the rounds is over; whether the expert has spoken; requests before the expert (x / (1 + x))."""
BESIDE = ("create", "defer", "stay")
"""Kinds of candidates beside that of taking over a peer's answer, which is what they are measured against."""
CUES = (
    *BESIDE,
    "confidence_in",
    "support_of",
    *(f"{kind}*{name}" for kind in BESIDE for name in CONTEXT),
)
"""Names of the cues: the kind of a candidate; how sure somebody is of the answer that it leads to, and which share of
the team holds it (both 0 where that is not known yet); and for each kind what the member knows."""

NEEDS = (
    *("place", "round", "moves", "confidence", "confidences", "support", "isolated", "distinct", "margin"),
    *("same", "told", "load"),
)
"""Observation fields that cues are made of."""


@dataclass(frozen=True)
class Candidates:
    """The moves that n members may make, and what speaks for each.

    Candidate j is the move j of the world: to take over the answer of the member at place j, then (j = size) to answer
    anew, then (j = size + 1) to ask the expert. At its own place a member's candidate is to stay with its answer.
    """

    allowed: BoolArray
    """Which moves the world offers, shape (n, size + 2)."""
    cues: FloatArray
    """Shape (n, size + 2, len(CUES))."""
    place: IntArray
    """Where each sits, shape (n,)."""
    confidence: FloatArray
    """How sure each is of its own answer, 0 if it has none, shape (n,)."""

    @property
    def size(self) -> int:
        """Members of a team."""
        return int(self.allowed.shape[1]) - 2

    @property
    def create(self) -> int:
        """The candidate of answering anew."""
        return self.size

    @property
    def defer(self) -> int:
        """The candidate of asking the expert."""
        return self.size + 1

    def cue(self, name: str) -> FloatArray:
        """One cue, shape (n, size + 2)."""
        found: FloatArray = self.cues[:, :, CUES.index(name)]
        return found


def candidates(seen: Mapping[str, Array], rounds: int) -> Candidates:
    """The candidates of n members from what they see.

    Args:
        seen: Observation fields of the role ``member``, with an axis over members.
        rounds: Rounds of decisions on a case.
    """
    allowed, place = np.asarray(seen["moves"]), np.asarray(seen["place"])
    n, size = allowed.shape[0], allowed.shape[1] - 2
    row = np.arange(n)
    held = np.nan_to_num(np.asarray(seen["confidences"], dtype=np.float64))
    own = np.nan_to_num(np.asarray(seen["confidence"], dtype=np.float64))
    load = np.asarray(seen["load"], dtype=np.float64)
    known = {
        "confidence": own,
        "isolated": seen["isolated"],
        "distinct": seen["distinct"] / size,
        "margin": seen["margin"] / size,
        "same": seen["same"],
        "late": (seen["round"] - 1) / max(rounds, 1),
        "told": seen["told"],
        "load": load / (1.0 + load),
    }
    context = np.stack([np.asarray(known[name], dtype=np.float64) for name in CONTEXT], axis=1)
    kinds = np.zeros((n, size + 2, len(BESIDE)))
    kinds[:, size, 0] = kinds[:, size + 1, 1] = kinds[row, place, 2] = 1.0
    cues = np.zeros((n, size + 2, len(CUES)))
    cues[:, :, : len(BESIDE)] = kinds
    cues[:, :size, len(BESIDE)], cues[:, :size, len(BESIDE) + 1] = held, seen["support"] / size
    cues[:, :, len(BESIDE) + 2 :] = (kinds[:, :, :, None] * context[:, None, None, :]).reshape(n, size + 2, -1)
    return Candidates(allowed, cues, place, own)
