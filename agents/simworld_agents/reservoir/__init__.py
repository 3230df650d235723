"""Reservoir-governed players: a body, a cognitive filter, and a governance between them."""

from __future__ import annotations

from simworld_agents.reservoir._body import (
    Body,
    Habituation,
    driven,
    eigen_radius,
    engaged,
    fresh,
    habituated,
    trained,
)
from simworld_agents.reservoir._complexity import Divergence, gaussian_divergence, knn_divergence
from simworld_agents.reservoir._governance import Discomfort, Sentinel, discomfort
from simworld_agents.reservoir._player import ReservoirPlayers

__all__ = [
    "Body",
    "Discomfort",
    "Divergence",
    "Habituation",
    "ReservoirPlayers",
    "Sentinel",
    "discomfort",
    "driven",
    "eigen_radius",
    "engaged",
    "fresh",
    "gaussian_divergence",
    "habituated",
    "knn_divergence",
    "trained",
]
