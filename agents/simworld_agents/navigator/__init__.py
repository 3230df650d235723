"""Minds for those who make their way among others: people on foot and robots on a plaza."""

from __future__ import annotations

from simworld_agents.navigator._asked import LlmRobot, PersonRobot
from simworld_agents.navigator._planner import Costs, Planner
from simworld_agents.navigator._predictors import ConstantVelocity, Predictor, Reacting, Scenery
from simworld_agents.navigator._seeing import View
from simworld_agents.navigator._walkers import Orca, SocialForce, Still, Straight, Walker

__all__ = [
    "ConstantVelocity",
    "Costs",
    "LlmRobot",
    "Orca",
    "PersonRobot",
    "Planner",
    "Predictor",
    "Reacting",
    "Scenery",
    "SocialForce",
    "Still",
    "Straight",
    "View",
    "Walker",
]
