"""Repeated games: players in pairs, on graphs or in groups, the same game round after round."""

from __future__ import annotations

from simworld.worlds.games._pairing import Pairing
from simworld.worlds.games._payoffs import STANDARD, Payoffs, payoffs_of, public_good
from simworld.worlds.games._world import RepeatedGame

__all__ = ["STANDARD", "Pairing", "Payoffs", "RepeatedGame", "payoffs_of", "public_good"]
