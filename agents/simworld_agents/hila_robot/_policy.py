"""When to go, to yield and to ask: a policy that was trained for it, or a rule to compare it with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

import numpy as np
from annotated_types import Ge, Le

from simworld.kernel import Role
from simworld.spaces import Trained, kept_in
from simworld.worlds.plaza import FloatArray, IntArray
from simworld_agents.hila_robot._cues import ASK, CUES, GO, YIELD, candidates

if TYPE_CHECKING:
    from simworld_agents.hila_robot._mind import HilaRobot

Way = Literal["planner", "straight"]
"""How a robot goes its way: by trying its moves in thought, its goal alone in mind, or straight at its goal."""
_FORMAT = "hila_robot 1"


@dataclass(frozen=True)
class Rule:
    """How a robot comes to its choice."""

    choose: Literal["best", "drawn", "go", "yield", "ask", "lot", "threshold"] = "best"
    """What its policy finds best, a draw from what the policy gives, always one and the same, by lot, or to ask where
    it expects to push people aside by more than ``above``, and to go elsewhere."""
    asks: Annotated[float, Ge(0), Le(1)] = 0.0
    """How often the lot says that it asks."""
    yields: Annotated[float, Ge(0), Le(1)] = 0.0
    """How often the lot says that it yields."""
    above: Annotated[float, Ge(0)] = 0.1
    """Predicted perturbation in m, on average over people and the next eight ticks."""

    def __post_init__(self) -> None:
        """Raise ValueError if the lot says two things at once."""
        if self.asks + self.yields > 1.0:
            raise ValueError(f"asks {self.asks:g} and yields {self.yields:g}; accepted: together at most 1")

    def decided(self, seen: FloatArray, likely: FloatArray, luck: FloatArray) -> IntArray:
        """Choices of n robots.

        Args:
            seen: What each sees, shape (n, 4).
            likely: What its policy gives, shape (n, 3).
            luck: A number from 0 to 1 for each, shape (n,).
        """
        always = {"go": GO, "yield": YIELD, "ask": ASK}
        if self.choose in always:
            return np.full(len(seen), always[self.choose])
        if self.choose == "best":
            best: IntArray = likely.argmax(axis=1)
            return best
        if self.choose == "threshold":
            return np.where(seen[:, 0] > self.above, ASK, GO)
        if self.choose == "lot":
            likely = np.broadcast_to([1.0 - self.asks - self.yields, self.yields, self.asks], likely.shape)
        beyond: IntArray = (luck[:, None] >= likely.cumsum(axis=1)).sum(axis=1)
        return np.minimum(beyond, ASK)


@dataclass(frozen=True)
class CallPolicy(Trained):
    """A softmax over going, yielding and asking, linear in cues; by default all are alike."""

    kind: ClassVar[str] = "hila_robot"
    weights: FloatArray = field(default_factory=lambda: np.zeros(len(CUES)))
    """Of each cue, shape (len(CUES),)."""
    way: Way = "planner"
    """How the robot goes its way, with which it was trained."""
    model: str = ""
    """The model of people with which it was trained."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from: plain data."""

    def likely(self, seen: FloatArray) -> FloatArray:
        """How likely each choice is, shape (n, 3), from what is seen, shape (n, 4)."""
        # A matrix product over all of them would not have the same bits for one as for many.
        scores = np.einsum("nmc,c->nm", candidates(seen), self.weights)
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        found: FloatArray = raised / raised.sum(axis=1, keepdims=True)
        return found

    @property
    def settings(self) -> Mapping[str, str]:
        """How it goes its way, and by which model of people it foretells."""
        return {"way": self.way} | ({"model": self.model} if self.model else {})

    def mind(self) -> HilaRobot:
        """A robot that does what it finds best."""
        from simworld_agents.hila_robot._mind import HilaRobot  # noqa: PLC0415

        return HilaRobot.following(self)

    def misfit(self, role: Role) -> str:
        """It fits robots that may ask."""
        return "" if any(f.name == "ask" for f in role.act) else "it decides when to ask an operator; there is none"

    def said(self, about: Mapping[str, Any]) -> CallPolicy:
        """The same, and where it comes from."""
        return replace(self, about=about)

    def save(self, path: Path) -> None:
        """Write it as one ``.npz`` file."""
        told = {"format": _FORMAT, "cues": list(CUES), "way": self.way, "model": self.model, "about": dict(self.about)}
        with path.open("wb") as file:
            np.savez(file, policy=np.array(json.dumps(told, sort_keys=True)), weights=self.weights)

    @staticmethod
    def load(path: Path) -> CallPolicy:
        """Read one. Raises ValueError: the file holds something else."""
        with kept_in(path, "policy of hila_robot") as found:
            data, weights = json.loads(str(found["policy"])), found["weights"].astype(np.float64)
            form, cues, way, model = (data[name] for name in ("format", "cues", "way", "model"))
            about = dict(data["about"])
        if form != _FORMAT:
            raise ValueError(f"{path}: format {form!r}; accepted: {_FORMAT!r}")
        if cues != list(CUES) or weights.shape != (len(CUES),) or not np.isfinite(weights).all():
            raise ValueError(f"{path}: its cues are not those of this version; accepted: {', '.join(CUES)}")
        if way not in get_args(Way):
            raise ValueError(f"{path}: way {way!r}; accepted: {', '.join(get_args(Way))}")
        return CallPolicy(weights, way, str(model), about)
