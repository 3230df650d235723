"""A robot that minds what it does to people, by a learned model of them (SACSoN, Hirose et al. 2023)."""

from __future__ import annotations

from simworld_agents.sacson._fitting import fit
from simworld_agents.sacson._learner import SacsonLearner
from simworld_agents.sacson._mind import Sacson
from simworld_agents.sacson._pednet import Encounters, PedNet, apart

__all__ = ["Encounters", "PedNet", "Sacson", "SacsonLearner", "apart", "fit"]
