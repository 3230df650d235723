"""A policy that has learned to defer: a classifier and a rejector, linear in what is seen; and the mind with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_args

import numpy as np
from annotated_types import Gt

from simworld.errors import ContractError
from simworld.files import located
from simworld.kernel import Array, Field, Role, Seats
from simworld.spaces import Trained, kept_in
from simworld_agents.caseworker import (
    BoolArray,
    Candidates,
    FloatArray,
    IntArray,
    Policy,
    Solver,
    SolvingMember,
    by_support,
    candidates,
    rounds_of,
    stage_of,
    unseen,
)
from simworld_agents.deferring._objectives import KINDS, ObjectiveName

_FORMAT = 1


@dataclass(frozen=True)
class Deferral(Trained):
    """Answers of a classifier, and when to defer to an expert instead: where ``advantage`` is more than ``cost``."""

    kind: ClassVar[str] = "deferring"

    objective: ObjectiveName
    """By which objective it was learned: this says what scores mean."""
    alpha: float
    """Of the objective."""
    weights: FloatArray
    """Shape (topics, classes + 1, 1 + features): of the topic, then of features; the last row scores deferring."""
    number: int
    """Of the stage whose cases it knows."""
    cost: float
    """What a request costs, in right answers."""
    bar: float = 0.0
    """Added to the advantage, as it was chosen on held-out cases; 0 where the fee is held against it as it is."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from: plain data."""

    @property
    def topics(self) -> int:
        """How many topics there are."""
        return int(self.weights.shape[0])

    @property
    def classes(self) -> int:
        """How many classes an answer is one of."""
        return int(self.weights.shape[1]) - 1

    def scores(self, topic: IntArray, features: FloatArray) -> FloatArray:
        """Of each class and of deferring, shape (n, classes + 1): each row has the same bits whatever the others."""
        own = self.weights[topic]
        found: FloatArray = np.einsum("nf,nkf->nk", features, own[:, :, 1:]) + own[:, :, 0]
        return found

    def likely(self, topic: IntArray, features: FloatArray) -> FloatArray:
        """How likely it takes each class to be, shape (n, classes)."""
        return KINDS[self.objective](self.alpha).likely(self.scores(topic, features))

    def answers(self, topic: IntArray, features: FloatArray) -> IntArray:
        """What the classifier answers, shape (n,)."""
        found: IntArray = self.scores(topic, features)[:, :-1].argmax(axis=1)
        return found

    def advantage(self, topic: IntArray, features: FloatArray) -> FloatArray:
        """How much likelier it takes the expert to be right than itself, and the bar, shape (n,)."""
        return KINDS[self.objective](self.alpha).advantage(self.scores(topic, features)) + self.bar

    def defers(self, topic: IntArray, features: FloatArray, shift: float = 0.0) -> BoolArray:
        """On which cases it asks, shape (n,); ``shift`` is added to the advantage: more asks more often."""
        found: BoolArray = self.advantage(topic, features) + shift > self.cost
        return found

    def with_bar(self, bar: float) -> Deferral:
        """The same with another bar."""
        return replace(self, bar=bar)

    # -- as what a training has made ---------------------------------------------------------------------------------

    def mind(self) -> DeferringMind:
        """A member of a team who answers and asks by it."""
        return DeferringMind(self)

    def misfit(self, role: Role) -> str:
        """What keeps it from deciding for a role; empty if nothing does."""
        if lacking := unseen(role, DeferringMind.sees):
            return f"it sees {lacking}, which the role does not"
        stage = stage_of(role)
        own = (self.topics, self.classes, self.weights.shape[2] - 1)
        theirs = (stage.topics, stage.classes, stage.features)
        words = "{} topics, {} classes and {} features"
        if own != theirs:
            return f"it knows {words.format(*own)}, the role has {words.format(*theirs)}"
        number = next(field.low for field in role.obs if field.name == "stage")
        found = "one of its own in each episode" if number is None else f"{number:.0f}"
        return "" if number == self.number else f"world.stage.number: found {found}; it knows {self.number}"

    def said(self, about: Mapping[str, Any]) -> Deferral:
        """The same, and where it comes from."""
        return replace(self, about=about)

    def save(self, path: Path) -> None:
        """Write it as one ``.npz`` file: weights and plain data, nothing that is executed when it is loaded."""
        data = {
            "format": _FORMAT,
            "objective": self.objective,
            "alpha": self.alpha,
            "number": self.number,
            "cost": self.cost,
            "bar": self.bar,
            "about": dict(self.about),
        }
        with path.open("wb") as file:
            np.savez(file, deferral=np.array(json.dumps(data, sort_keys=True)), weights=self.weights)

    @staticmethod
    def load(path: Path) -> Deferral:
        """Read one. Raises ValueError: the file holds something else."""
        with kept_in(path, "policy that defers") as found:
            data, weights = json.loads(str(found["deferral"])), found["weights"].astype(np.float64)
            version, objective, about = data["format"], data["objective"], dict(data["about"])
            alpha, cost, bar = (float(data[name]) for name in ("alpha", "cost", "bar"))
            number = int(data["number"])
        if version != _FORMAT:
            raise ValueError(f"{path}: format {version}; accepted: {_FORMAT}")
        if objective not in get_args(ObjectiveName):
            raise ValueError(f"{path}: objective {objective!r}; accepted: {', '.join(get_args(ObjectiveName))}")
        if weights.ndim != 3 or not weights.shape[0] or min(weights.shape[1:]) < 3:
            raise ValueError(f"{path}: weights of shape {weights.shape}; accepted: topics, classes + 1, 1 + features")
        if not (np.isfinite(weights).all() and np.isfinite([alpha, cost, bar]).all()):
            raise ValueError(f"{path}: numbers that are not finite")
        if not (0.0 <= alpha <= 1.0 and cost >= 0.0):
            raise ValueError(f"{path}: alpha {alpha:g}, cost {cost:g}; accepted: 0 to 1, and at least 0")
        return Deferral(objective, alpha, weights, number, cost, bar, about)


class _Classifier(Solver):
    """The policy's classifier, as the solver of a member."""

    def __init__(self, policy: Deferral) -> None:
        super().__init__(policy.weights[None, :, :-1, 1:], policy.topics)
        self._policy = policy

    def chances(self, place: IntArray, topic: IntArray, features: FloatArray) -> FloatArray:  # noqa: ARG002
        """The same at each place."""
        return self._policy.likely(topic, features)


@dataclass(frozen=True)
class Asking(Policy):
    """Some ask the expert, all others take over the answer that most hold."""

    asks: BoolArray
    """Who asks, shape (n,)."""

    def scores(self, candidates: Candidates) -> FloatArray:
        """The expert first for whoever asks."""
        scores = by_support(candidates)
        scores[self.asks, candidates.defer] = np.inf
        return scores


class DeferringMind(SolvingMember):
    """Answers as a learned classifier does, and asks where its rejector says so."""

    mind: ClassVar[tuple[Field, ...]] = (
        Field("advantage", meaning="how much likelier it takes the expert to be right than itself"),
    )

    def __init__(self, policy: Deferral, shift: float = 0.0, temperature: Annotated[float, Gt(0)] = 0.01) -> None:
        super().__init__(temperature=temperature, create_temperature=temperature)
        self._deferral, self._shift, self._own = policy, shift, _Classifier(policy)

    def check(self, role: Role) -> None:
        """The role must be the one that it has learned for, in all that counts."""
        super().check(role)
        if wrong := self._deferral.misfit(role):
            raise ValueError(f"the policy was trained for something else: {wrong}")

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:
        """Answer or decide; the advantage of the expert is shown."""
        if (found := int(seen["stage"])) != self._deferral.number:
            raise ContractError(f"the policy knows stage {self._deferral.number}; this is stage {found}")
        seats.show(advantage=self._deferral.advantage(seen["topic"], seen["features"]))
        return super().act(seen, seats)

    def decide(self, seen: Mapping[str, Array], members: IntArray, role: Role, chance: Array) -> IntArray:  # noqa: ARG002
        """In the first round of decisions whoever is told to by the rejector asks: once about a case."""
        asks = self._deferral.defers(seen["topic"], seen["features"], self._shift) & (seen["round"] == 1)
        return Asking(asks).choose(candidates(seen, rounds_of(role)), chance)

    def solver_for(self, seen: Mapping[str, Array], role: Role) -> Solver:  # noqa: ARG002
        """The classifier."""
        return self._own


class Deferring(DeferringMind):
    """Answers as a learned classifier does, and asks the expert where a rejector that was learned with it says so.

    Both come from a log of the expert's answers (``simworld train`` with ``algo: deferring``). It asks in the first
    round of decisions, so once about a case; else it takes over the answer that most of its team hold. Members with the
    same policy answer and ask alike.
    """

    reads: ClassVar[tuple[str, ...]] = ("checkpoint",)

    def __init__(self, checkpoint: str, shift: float = 0.0, temperature: Annotated[float, Gt(0)] = 0.01) -> None:
        """Load the policy.

        Args:
            checkpoint: The file, relative to the scenario or to where simworld is run.
            shift: Added to how much likelier the expert is taken to be right than the classifier: more asks more
                often, and a curve of accuracy over coverage is drawn by it.
            temperature: Of its answers: towards 0 the likeliest one.

        Raises:
            ValueError: There is no such file, or it holds no such policy.
        """
        super().__init__(Deferral.load(located(checkpoint)), shift, temperature)
