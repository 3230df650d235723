"""How a round is played: from what everybody plays to what everybody gets, for all seats at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from simworld.worlds.games._pairing import IntArray, Meetings, matched
from simworld.worlds.games._payoffs import FloatArray, Payoffs, public_good


class Table(Protocol):
    """Seats around a table, and what a round pays them."""

    player: IntArray
    """The player that each seat belongs to, shape (seats,)."""

    across: IntArray
    """The seat across from each in this round, -1 if there is none or several, shape (seats,)."""

    def play(self, played: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Payoffs, and what the others played; nan where a seat's round was not played.

        Args:
            played: From 0 to 1, shape (seats,); nan for those who do not take part.
        """


@dataclass(slots=True)
class Pairs:
    """Two by two."""

    player: IntArray
    across: IntArray
    payoffs: Payoffs

    @classmethod
    def of(cls, meetings: Meetings, payoffs: Payoffs) -> Pairs:
        """Pairs that stay the same."""
        return cls(meetings.player, meetings.across, payoffs)

    def shuffle(self, places: FloatArray, here: IntArray) -> None:
        """New pairs among those who are here, from one uniform number each."""
        found = matched(places)
        self.across = np.full(len(self.player), -1, dtype=np.int64)
        self.across[here] = np.where(found >= 0, here[found], -1)

    def play(self, played: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Each pair plays if both take part."""
        other = np.where(self.across >= 0, played[self.across], np.nan)
        return self.payoffs.of(played, other), other


@dataclass(slots=True)
class Neighbours:
    """One seat for each player, who plays the same with all neighbours and gets the mean of what that pays."""

    player: IntArray
    across: IntArray
    meetings: Meetings
    payoffs: Payoffs

    def play(self, played: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The game is bilinear: the mean of its payoffs is its payoff against the mean."""
        mine, whom = self.meetings.player, self.meetings.player[self.meetings.across]
        theirs = played[whom]
        here = ~np.isnan(theirs)
        total = np.bincount(mine, np.where(here, theirs, 0.0), minlength=len(self.player))
        count = np.bincount(mine, here.astype(float), minlength=len(self.player))
        other = np.divide(total, count, out=np.full(len(self.player), np.nan), where=count > 0)
        return self.payoffs.of(played, other), other


@dataclass(slots=True)
class Groups:
    """A public good for each group."""

    player: IntArray
    across: IntArray
    group: IntArray
    multiplier: float

    def play(self, played: FloatArray) -> tuple[FloatArray, FloatArray]:
        """All who take part contribute; who is alone has no other, but a payoff."""
        return public_good(played, self.group, self.multiplier)
