"""Workers who need no model: the closed form."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simworld.kernel import Array, Cohort, Seats
from simworld.worlds.economy import Schedule, Workforce


class RationalWorkers(Cohort):
    """Workers who choose the hours that maximise their utility under the schedule they see, in closed form.

    Exact on every piecewise-linear schedule, convex or not, and computed for all workers at once. They take the
    rebate as given, as each is one of many (Karten et al. 2025, section "rational").
    """

    sees = ("edges", "rates", "elasticity", "labour_cost", "hours_cap", "skill")
    does = ("hours",)

    def __init__(self) -> None:
        self._force: Workforce | None = None

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:  # noqa: ARG002
        """Best responses, hours per week."""
        cost, elasticity, cap = (float(seen[name]) for name in ("labour_cost", "elasticity", "hours_cap"))
        force = self._force
        # What does not depend on the schedule is worked out once, as long as the same workers are due.
        if (
            force is None
            or (force.cost, force.elasticity, force.cap) != (cost, elasticity, cap)
            or not np.array_equal(force.skills, seen["skill"])
        ):
            force = self._force = Workforce(seen["skill"], cost, elasticity, cap)
        return {"hours": force.best_response(Schedule(seen["edges"], seen["rates"]))}
