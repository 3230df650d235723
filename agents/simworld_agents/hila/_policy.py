"""A policy over the candidates of a member: a softmax of scores that are linear in cues."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np

from simworld.kernel import Role
from simworld.spaces import Trained, kept_in
from simworld_agents.caseworker import CUES, Candidates, FloatArray, Policy, stage_of

if TYPE_CHECKING:
    from simworld_agents.hila._member import Hila

Learns = Literal["never", "all", "latest"]
"""From which of the experts' answers a solver is fitted anew: none, all so far together with what it has learned from
before, or the latest alone."""
_FORMAT = "hila 1"


@dataclass(frozen=True)
class DeferencePolicy(Policy, Trained):
    """Scores candidates by their cues; by default all alike, as it is before any training."""

    kind: ClassVar[str] = "hila"
    weights: FloatArray = field(default_factory=lambda: np.zeros(len(CUES)))
    """Of each cue, shape (len(CUES),)."""
    learns: Learns = "never"
    """How those have learned on with whom it was trained."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from: plain data."""

    def scores(self, candidates: Candidates) -> FloatArray:
        """Shape (n, size + 2)."""
        found: FloatArray = np.einsum("nmc,c->nm", candidates.cues, self.weights)
        return found

    def leaning(self, shift: float) -> DeferencePolicy:
        """The same, with so much more for asking."""
        weights = self.weights.copy()
        weights[CUES.index("defer")] += shift
        return replace(self, weights=weights)

    def mind(self) -> Hila:
        """A member that does what it finds best, and learns on as in its training."""
        from simworld_agents.hila._member import Hila  # noqa: PLC0415

        return Hila.following(self)

    def misfit(self, role: Role) -> str:
        """It fits members of any team on the stage."""
        try:
            return "" if stage_of(role).classes > 1 else "it decides about cases of the stage"
        except StopIteration:
            return f"it decides about cases; {role.name} has none"

    def said(self, about: Mapping[str, Any]) -> DeferencePolicy:
        """The same, and where it comes from."""
        return replace(self, about=about)

    def save(self, path: Path) -> None:
        """Write it as one ``.npz`` file."""
        told = {"format": _FORMAT, "cues": list(CUES), "learns": self.learns, "about": dict(self.about)}
        with path.open("wb") as file:
            np.savez(file, policy=np.array(json.dumps(told, sort_keys=True)), weights=self.weights)

    @staticmethod
    def load(path: Path) -> DeferencePolicy:
        """Read one. Raises ValueError: the file holds something else."""
        with kept_in(path, "policy of hila") as found:
            data, weights = json.loads(str(found["policy"])), found["weights"].astype(np.float64)
            form, cues, learns, about = data["format"], data["cues"], data["learns"], dict(data["about"])
        if form != _FORMAT:
            raise ValueError(f"{path}: format {form!r}; accepted: {_FORMAT!r}")
        if cues != list(CUES) or weights.shape != (len(CUES),) or not np.isfinite(weights).all():
            raise ValueError(f"{path}: its cues are not those of this version; accepted: {', '.join(CUES)}")
        if learns not in get_args(Learns):
            raise ValueError(f"{path}: learns {learns!r}; accepted: {', '.join(get_args(Learns))}")
        return DeferencePolicy(weights, learns, about)
