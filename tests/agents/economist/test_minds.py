"""Every shipped worker and planner keeps the contracts, in the world it is made for."""

from __future__ import annotations

import numpy as np
import pytest

from simworld.kernel import Group, Individuals
from simworld.testing import AgentSuite, CohortSuite, WorldSuite, play
from simworld.worlds.economy import Economy, federal
from simworld_agents.economist import (
    FixedPlanner,
    HillClimbPlanner,
    RandomSearchPlanner,
    RationalWorkers,
    SaezPlanner,
)

WORKERS = 6


class _Small:
    """Six workers and a planner, three brackets, a tax year of three periods."""

    horizon = 12
    brackets: object = "three"

    def world(self):
        return Economy(brackets=self.brackets, tax_year=3)

    def counts(self):
        return {"planner": 1, "worker": WORKERS}


class TestEconomy(_Small, WorldSuite):
    pass


class TestEconomyWithoutPlanner(_Small, WorldSuite):
    def counts(self):
        return {"planner": 0, "worker": WORKERS}


class TestRationalWorkers(_Small, CohortSuite):
    role = "worker"

    def cohort(self):
        return RationalWorkers()


class _Planner(_Small, AgentSuite):
    role = "planner"

    def seating(self):
        return super().seating() | {"worker": [Group(RationalWorkers(), WORKERS)]}


class TestFixed(_Planner):
    brackets = "us_2024"

    def agent(self):
        return FixedPlanner("us_2019")


class TestHillClimb(_Planner):
    def agent(self):
        return HillClimbPlanner(explore=2)


class TestDeltaClimb(_Planner):
    def agent(self):
        return HillClimbPlanner("delta")


class TestRandomSearch(_Planner):
    def agent(self):
        return RandomSearchPlanner()


class TestSaezBracket(_Planner):
    def agent(self):
        return SaezPlanner("bracket")


class TestSaezPoint(_Planner):
    def agent(self):
        return SaezPlanner("point")


class TestSaezLinear(_Planner):
    def agent(self):
        return SaezPlanner("linear")


class TestSaezParetoTop(_Planner):
    def agent(self):
        return SaezPlanner("pareto_top")


def _rates(planner, horizon=30, brackets="us_2024"):
    """The rates that a planner sets, move by move."""
    seating = {"planner": [Group(Individuals(planner), 1)], "worker": [Group(RationalWorkers(), 40)]}
    played = play(Economy(brackets=brackets, tax_year=3), seating, horizon=horizon)
    return [r["done"]["rates"] for r in played.heard.rows if r["role"] == "planner"], played


def test_a_fixed_planner_sets_the_statute_it_names():
    rates, _ = _rates(lambda: FixedPlanner("us_2018"))
    assert all(np.array_equal(r, federal(2018).rates) for r in rates)


def test_a_hill_climber_ends_with_the_best_it_has_tried():
    rates, played = _rates(lambda: HillClimbPlanner(explore=6), horizon=36, brackets="three")
    welfare = {t: m["objective"] for t, m in played.heard.samples}
    tried = [np.mean([welfare[t] for t in range(3 * k, 3 * k + 3)]) for k in range(6)]
    best = int(np.argmax(tried))
    assert all(np.array_equal(r, rates[best]) for r in rates[6:])
    assert len({tuple(r) for r in rates[:6]}) > 1


@pytest.mark.parametrize("form", ["bracket", "linear", "pareto_top"])
def test_a_saez_planner_sees_through_the_tax_roll_to_skills_and_cost(form):
    rates, played = _rates(lambda: SaezPlanner(form))
    shown = [r["mind"] for r in played.heard.rows if r["role"] == "planner"]
    if form == "bracket":
        cost = next(r["seen"]["labour_cost"] for r in played.heard.rows if r["role"] == "worker")
        assert [m["believed_cost"] for m in shown[1:]] == pytest.approx([cost] * (len(shown) - 1))
    assert all(((r >= 0) & (r <= 1)).all() for r in rates)
    if form != "pareto_top":
        assert rates[2] == pytest.approx(rates[-1], abs=0.02)  # at rest once incomes answer to the schedule
