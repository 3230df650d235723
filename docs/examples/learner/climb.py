"""A learner of one's own: it needs neither RLlib nor torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Gt

from simworld.kernel import Acts, Array, Field, Members, Silent
from simworld.spaces import ActionVector, Layer, Learner, Lesson, Network, NetworkMind, ObservationVector, School


class Earned(Silent):
    """Adds up what the first player earns."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.total, self.decisions = 0.0, 0

    def decided(self, role: str, tick: int, acts: Acts) -> None:
        """Count its decisions."""
        self.decisions += int((acts.members == 0).sum())

    def rewarded(self, role: str, members: Members, amounts: Array, decisions: Members | None) -> None:
        """Add up."""
        self.total += float(amounts[members == 0].sum())


class Climb(Learner):
    """Always does the same; tries something else in every iteration, and keeps what earned most."""

    told = (Field("best", unit="reward", meaning="most that was ever earned in an episode"),)
    needs_torch = False

    def __init__(self, stride: Annotated[float, Gt(0)] = 0.25) -> None:
        """How to climb.

        Args:
            stride: From one try to the next; amounts go from -1 to 1.
        """
        self.stride = stride

    def begin(self, school: School) -> None:
        """The lowest amount, and nothing tried."""
        self.school, (self.policy, role) = school, next(iter(school.roles.items()))
        self.seen, self.does = ObservationVector.of(role), ActionVector.of(role)
        if self.does.choices or self.does.amounts != 1:
            raise ValueError(f"it decides {len(self.does.parts)} things; accepted by Climb: one amount")
        self.kept, self.tried, self.best = -1.0, 0, -np.inf

    def iterate(self) -> Lesson:
        """One try is one episode."""
        amount, notes = -1.0 + self.stride * self.tried, Earned()
        self.school.play({self.policy: NetworkMind(self._network(amount))}, self.tried, notes)
        self.tried += 1
        if notes.total > self.best:
            self.best, self.kept = notes.total, amount
        return Lesson(notes.decisions, notes.total, {"best": self.best})

    def policies(self) -> Mapping[str, Network]:
        """What it would do now."""
        return {self.policy: self._network(self.kept)}

    def save(self, folder: Path) -> None:
        """Three numbers."""
        folder.mkdir()
        (folder / "state.json").write_text(json.dumps([self.kept, self.tried, self.best]), encoding="utf-8")

    def restore(self, folder: Path) -> None:
        """The same."""
        self.kept, self.tried, self.best = json.loads((folder / "state.json").read_text(encoding="utf-8"))

    def files(self) -> Mapping[str, bytes]:
        """How often it tried."""
        return {"tries.txt": str(self.tried).encode()}

    def _network(self, amount: float) -> Network:
        """A layer that looks at nothing: the amount, and the logarithm of its standard deviation."""
        zeros = np.zeros((2, self.seen.width), np.float32)
        return Network(self.seen, self.does, (Layer(zeros, np.array([amount, -9.0], np.float32)),))
