"""What a round pays: two-player games of two actions with everything in between, and public goods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
"""An array of float64."""


@dataclass(frozen=True, slots=True)
class Payoffs:
    """Payoffs of a symmetric game of two actions: of what oneself does, after what the other does.

    Actions in between pay in proportion (bilinear), which is what mixed play pays on average.
    """

    reward: float
    """Both cooperate."""
    sucker: float
    """Oneself cooperates, the other does not."""
    temptation: float
    """The other way round."""
    punishment: float
    """Neither cooperates."""

    def of(self, own: FloatArray, other: FloatArray) -> FloatArray:
        """What one gets for ``own`` against ``other``, arrays of actions from 0 (defect) to 1 (cooperate)."""
        cooperating = self.reward * other + self.sucker * (1.0 - other)
        defecting = self.temptation * other + self.punishment * (1.0 - other)
        return own * cooperating + (1.0 - own) * defecting


STANDARD = {
    "prisoners_dilemma": Payoffs(3.0, 0.0, 5.0, 1.0),
    "stag_hunt": Payoffs(4.0, 0.0, 3.0, 2.0),
    "chicken": Payoffs(3.0, 1.0, 5.0, 0.0),
}
"""Games by name: reward, sucker, temptation, punishment (those of the prisoner's dilemma are Axelrod's, 1980)."""


def payoffs_of(game: str | Sequence[float]) -> Payoffs:
    """A standard game by its name, or four payoffs.

    Raises:
        ValueError: Not four numbers.
    """
    if isinstance(game, str):
        return STANDARD[game]
    if len(game) != 4:
        raise ValueError(f"game: found {len(game)} payoffs; accepted: reward, sucker, temptation, punishment")
    return Payoffs(*map(float, game))


def public_good(
    contributed: FloatArray, group: npt.NDArray[np.int64], multiplier: float
) -> tuple[FloatArray, FloatArray]:
    """A public good: what everybody of a group puts in is multiplied and shared by all of it.

    Args:
        contributed: Contributions from an endowment of 1, shape (n,); nan for those who do not take part.
        group: Everybody's group, from 0 on, shape (n,).
        multiplier: What a contribution is worth to the group: between 1 and its size is the dilemma.

    Returns:
        Payoffs 1 - contribution + multiplier x mean contribution, and the mean contribution of the others; nan for
        those who take no part, the second also for those who are alone.
    """
    here = ~np.isnan(contributed)
    given = np.where(here, contributed, 0.0)
    total, people = np.bincount(group, given), np.bincount(group, here.astype(float))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (total / people)[group]
        others = (total[group] - given) / (people[group] - 1.0)
    payoff = np.where(here, 1.0 - given + multiplier * mean, np.nan)
    return payoff, np.where(here, others, np.nan)
