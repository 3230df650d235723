"""What a learner takes note of while episodes are played: all decisions, and all that experts say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from simworld.kernel import Acts, Array, Role, Silent
from simworld.worlds.casework import Stage
from simworld_agents.caseworker import Candidates, FloatArray, IntArray, candidates, rounds_of
from simworld_agents.hila._member import Hila

_LEAST = 1e-12


@dataclass(frozen=True)
class Decisions:
    """Decisions of members, n of them."""

    stage: Stage
    """The settings of the stage."""
    number: int
    """Which stage it is."""
    costs: tuple[float, float]
    """Of answering anew, and of asking."""
    candidates: Candidates
    """The moves there were."""
    answers: IntArray
    """What each of the team held, -1 for none, shape (n, size)."""
    anew: FloatArray
    """How likely an answer anew is each class, shape (n, classes)."""
    topic: IntArray
    """Shape (n,)."""
    features: FloatArray
    """Shape (n, features)."""
    case: IntArray
    """Number of the team's case, shape (n,)."""
    team: IntArray
    """Shape (n,)."""

    def keys(self, seed: int) -> IntArray:
        """The right answers in the episode of this seed, shape (n,)."""
        key = np.zeros(len(self.case), dtype=np.int64)
        for case in np.unique(self.case).tolist():
            at = self.case == case
            # Each team decides several times about a case, and teams need not be in step.
            teams, first, which = np.unique(self.team[at], return_index=True, return_inverse=True)
            key[at] = self.stage.right(self.number, seed, case, teams, self.topic[at][first])[which]
        return key

    def posterior(self) -> FloatArray:
        """How likely each class is to whoever knows the rules, shape (n, classes): worked out once for each case."""
        _, first, which = np.unique(np.stack([self.team, self.case]), axis=1, return_index=True, return_inverse=True)
        likely: FloatArray = self.stage.posterior(self.number, self.topic[first], self.features[first])[which]
        return likely

    @staticmethod
    def joined(parts: Sequence[Decisions]) -> Decisions:
        """All of them in one."""
        first = parts[0]
        arrays = [
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("answers", "anew", "topic", "features", "case", "team")
        ]
        moves = [
            np.concatenate([getattr(part.candidates, name) for part in parts])
            for name in ("allowed", "cues", "place", "confidence")
        ]
        return Decisions(first.stage, first.number, first.costs, Candidates(*moves), *arrays)


class Watched(Hila):
    """A member of whose decisions note is taken."""

    def __post_init__(self) -> None:
        """Nothing so far."""
        super().__post_init__()
        self.decisions: list[Decisions] = []

    def decide(self, seen: Mapping[str, Array], members: IntArray, role: Role, chance: Array) -> IntArray:
        """Take note, and decide."""
        likely = self.chances(seen, members, role)
        assert self._trained_for is not None
        stage, number = self._trained_for
        anew = softmax(np.log(np.maximum(likely, _LEAST)) / self.create_temperature, axis=1)
        costs = float(seen["cost_create"]), float(seen["cost_defer"])
        case = (np.array(seen[name]) for name in ("topic", "features", "case", "team"))
        found = candidates(seen, rounds_of(role))
        self.decisions.append(Decisions(stage, number, costs, found, np.array(seen["answers"]), anew, *case))
        return super().decide(seen, members, role, chance)


@dataclass(frozen=True)
class Reply:
    """What an expert answered."""

    topic: int
    case: int
    team: int
    answer: int
    """-1 for none."""
    knows: float
    """Of a simulated expert: whether the right answer stands for its own (1) or a wrong one does (0); else nan."""

    @property
    def refuses(self) -> bool:
        """Whether there is no answer."""
        return self.answer < 0 and math.isnan(self.knows)

    def is_right(self, stage: Stage, number: int, seed: int) -> bool:
        """Whether it is right."""
        if not math.isnan(self.knows):
            return self.knows >= 0.5
        key = stage.right(number, seed, self.case, np.array([self.team]), np.array([self.topic]))
        return bool(key[0] == self.answer)


class Replies(Silent):
    """Takes note of what experts answer."""

    def __init__(self) -> None:
        """Nothing so far."""
        self.rows: list[Reply] = []

    def decided(self, role: str, tick: int, acts: Acts) -> None:  # noqa: ARG002
        """Experts say what they say."""
        if role == "expert":
            seen = (acts.seen[name].tolist() for name in ("topic", "case", "team"))
            said = (acts[name].tolist() for name in ("answer", "knows"))
            self.rows += [Reply(*row) for row in zip(*seen, *said, strict=True)]
