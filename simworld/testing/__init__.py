"""Conformance suites to subclass, one factory method each, and small helpers for tests of worlds and minds.

::

    class TestCommons(WorldSuite):
        def world(self):
            return Commons()
"""

from simworld.testing._helpers import Episode, Listener, RandomMind, ScriptedGateway, play, rewrite_tape, tear_tape
from simworld.testing._suites import AgentSuite, CohortSuite, WorldSuite

__all__ = [
    "AgentSuite",
    "CohortSuite",
    "Episode",
    "Listener",
    "RandomMind",
    "ScriptedGateway",
    "WorldSuite",
    "play",
    "rewrite_tape",
    "tear_tape",
]
