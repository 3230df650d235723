"""Casework: what a decision is worth, how a round goes, who is asked and when, and that no key leaks."""

from __future__ import annotations

from simworld.testing import WorldSuite
from simworld.worlds.casework import Casework


class TestTeams(WorldSuite):
    horizon = 30

    def world(self):
        return Casework(cases=4)

    def counts(self):
        return {"member": 6, "expert": 1}


class TestUnshared(TestTeams):
    def world(self):
        return Casework(cases=4, shared=False, keep=True, expert_ticks=2, filled="places")

    def counts(self):
        return {"member": 6, "expert": 2}


class TestNobodyToAsk(TestTeams):
    def counts(self):
        return {"member": 3, "expert": 0}
