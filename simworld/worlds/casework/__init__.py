"""Casework: teams solve cases over rounds, and may ask an expert, who has a seat of its own."""

from __future__ import annotations

from simworld.worlds.casework._answers import NO_CLASS, NO_TEXT, plain
from simworld.worlds.casework._rules import CREATE, DEFER, EVAL, KINDS, STAY, agreement, kinds_of, voted, worth
from simworld.worlds.casework._stage import Cases, Stage, training_set
from simworld.worlds.casework._world import Casework

__all__ = [
    "CREATE",
    "DEFER",
    "EVAL",
    "KINDS",
    "NO_CLASS",
    "NO_TEXT",
    "STAY",
    "Cases",
    "Casework",
    "Stage",
    "agreement",
    "kinds_of",
    "plain",
    "training_set",
    "voted",
    "worth",
]
