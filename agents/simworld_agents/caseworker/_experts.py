"""An expert that is simulated: how often it is right, how fast, how long it lasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le

from simworld.kernel import Array, Cohort, Role, Seats
from simworld.worlds.casework import NO_CLASS, NO_TEXT
from simworld_agents.caseworker._members import stage_of

Share = Annotated[float, Ge(0), Le(1)]
"""From 0 to 1."""


@dataclass(eq=False)
class SimulatedExpert(Cohort):
    """An expert who is right as often as it is said to be; it looks at no case, and the world knows what is right.

    It says truly how sure it is. What it draws belongs to whoever asks: which expert answers changes no number.
    """

    accuracy: Share | list[Share] = 0.95
    """How often it is right: one number, or one for each topic."""
    fatigue: Annotated[float, Ge(0)] = 0.0
    """By how much less often after each request that it has answered, down to guessing."""
    wrong: Literal["any", "same"] = "any"
    """What it says where it is wrong: any wrong class, or always the first one (where that is right, the second)."""
    refusal: Share = 0.0
    """How often it does not answer."""
    budget: Annotated[int, Ge(0)] | None = None
    """How many requests it answers at most; then it refuses."""
    latency: Annotated[int, Ge(0), Le(1_000_000_000)] = 0
    """Ticks that it takes over a request."""

    sees = ("request", "topic", "calls")
    does = ("answer", "confidence", "takes", "knows")

    def check(self, role: Role) -> None:
        """Accuracies that are listed are one for each topic."""
        topics = int(next(field for field in role.obs if field.name == "topic").high or 0) + 1
        if isinstance(self.accuracy, list) and len(self.accuracy) != topics:
            raise ValueError(
                f"accuracy: found {len(self.accuracy)} numbers; accepted: one, or one for each of {topics} topics"
            )

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:
        """Be right or wrong, or refuse."""
        classes, n = stage_of(seats.role).classes, len(seats.members)
        calls = seen["calls"]
        listed = np.array(self.accuracy, dtype=np.float64)
        skill = listed[seen["topic"]] if listed.ndim else np.full(n, listed)
        floor = np.minimum(skill, 1.0 / classes if classes else 0.0)
        skill = np.maximum(skill - self.fatigue * calls, floor)
        right, willing = self._drawn(seen["request"], seats)
        refuses = willing < self.refusal
        if self.budget is not None:
            refuses |= calls >= self.budget
        none, first = (NO_CLASS, 0) if classes else (NO_TEXT, "0")
        says = first if self.wrong == "same" else none
        answer = np.full(n, says, dtype=np.int64 if classes else object)
        answer[refuses] = none
        return {
            "answer": answer,
            "confidence": np.where(refuses, np.nan, skill),
            "takes": np.full(n, float(self.latency)),
            "knows": np.where(refuses, np.nan, right < skill),
        }

    def _drawn(self, request: Array, seats: Seats) -> tuple[Array, Array]:
        """Two numbers for each request, by whose it is."""
        order = np.argsort(request)
        found = np.empty((2, len(request)))
        for row, stream in enumerate(("right", "willing")):
            found[row, order] = seats.draw(stream, numbers=request[order])
        return found[0], found[1]
