"""Players who remember one round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from simworld.kernel import Array, Cohort, Seats
from simworld_agents.classic._open_loop import Share


@dataclass(eq=False)
class MemoryOne(Cohort):
    """Cooperates with a chance that depends on what both played in the last round.

    Between the four cases it is linear in both actions, which is what it does on average if they were mixed.
    Source: Nowak and Sigmund (1990).
    """

    sees = ("own", "other")
    does = ("cooperate",)

    after_cc: Share = 1.0
    """What it plays after both cooperated."""
    after_cd: Share = 0.0
    """After it cooperated and the other did not."""
    after_dc: Share = 1.0
    """The other way round."""
    after_dd: Share = 0.0
    """After neither did."""
    first: Share = 1.0
    """Before anything was played."""

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:  # noqa: ARG002
        """The chance to cooperate."""
        own, other = seen["own"], seen["other"]
        after_own = other * self.after_cc + (1.0 - other) * self.after_cd
        after_none = other * self.after_dc + (1.0 - other) * self.after_dd
        chance = own * after_own + (1.0 - own) * after_none
        return {"cooperate": np.clip(np.where(np.isnan(chance), self.first, chance), 0.0, 1.0)}


@dataclass(eq=False)
class WinStayLoseShift(MemoryOne):
    """Does the same again after the other cooperated, and the opposite after it did not (Nowak and Sigmund 1993)."""

    after_cc: float = field(init=False, default=1.0)
    after_cd: float = field(init=False, default=0.0)
    after_dc: float = field(init=False, default=0.0)
    after_dd: float = field(init=False, default=1.0)
