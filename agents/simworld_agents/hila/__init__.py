"""HILA: teams that learn when to ask (GRPO over cues), and learn from what they are told (Yang et al. 2026).

The inner loop is a learner (``simworld train``, ``algo: hila``): it makes a policy, linear in the cues of
``simworld_agents.caseworker``. The outer loop is a habit of the mind (``kind: hila``, ``learns``): its solver is fitted
anew to what experts have answered, while a society runs. Source: arXiv 2603.07972; equations by its numbers.
"""

from __future__ import annotations

from simworld_agents.hila._demonstrations import Demonstrations, Refit, refitted
from simworld_agents.hila._groups import Met, Values, groups_of, regret, values_of
from simworld_agents.hila._learner import HilaLearner
from simworld_agents.hila._member import Hila
from simworld_agents.hila._policy import DeferencePolicy, Learns
from simworld_agents.hila._words import LlmHila

__all__ = [
    "DeferencePolicy",
    "Demonstrations",
    "Hila",
    "HilaLearner",
    "Learns",
    "LlmHila",
    "Met",
    "Refit",
    "Values",
    "groups_of",
    "refitted",
    "regret",
    "values_of",
]
