"""A robot that may ask: HILA's policy of when to defer, with SACSoN's perturbation as what it costs not to.

Where robots may call an operator (``kind: operated_plaza``), one chooses each second to go its way, to stand,
or to be driven. The policy is learned by GRPO (``train.algo: hila_robot``) from what each choice truly did, which
branches of the society tell. Sources: HILA, arXiv 2603.07972; SACSoN, arXiv 2306.01874.
"""

from __future__ import annotations

from simworld_agents.hila_robot._branches import Branches, Follow, Noted
from simworld_agents.hila_robot._cues import CHOICES, CUES, SEEN, candidates
from simworld_agents.hila_robot._learner import HilaRobotLearner
from simworld_agents.hila_robot._mind import HilaRobot
from simworld_agents.hila_robot._policy import CallPolicy, Rule

__all__ = [
    "CHOICES",
    "CUES",
    "SEEN",
    "Branches",
    "CallPolicy",
    "Follow",
    "HilaRobot",
    "HilaRobotLearner",
    "Noted",
    "Rule",
    "candidates",
]
