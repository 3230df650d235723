"""Minds for any role of any world: at random, a model that is told the fields, a person, a trained policy."""

from __future__ import annotations

from simworld_agents.general._asked import LlmAgent, PersonAgent
from simworld_agents.general._policy import Policy
from simworld_agents.general._random import Random

__all__ = ["LlmAgent", "PersonAgent", "Policy", "Random"]
