"""Minds for those who make their way among others: people on foot and robots on a plaza."""

from __future__ import annotations

from simworld_agents.navigator._asked import LlmRobot, PersonRobot
from simworld_agents.navigator._pednet import Encounters, PedNet, fit
from simworld_agents.navigator._planner import Costs, Planner, Sacson
from simworld_agents.navigator._walkers import Orca, SocialForce, Still, Straight, Walker

__all__ = [
    "Costs",
    "Encounters",
    "LlmRobot",
    "Orca",
    "PedNet",
    "PersonRobot",
    "Planner",
    "Sacson",
    "SocialForce",
    "Still",
    "Straight",
    "Walker",
    "fit",
]
