"""The minds of the tax economy: workers and planners."""

from simworld_agents.economist._llm import LlmPlanner, LlmWorker
from simworld_agents.economist._optimal_tax import (
    FixedPoint,
    Search,
    SearchRule,
    begin_search,
    bracket_condition,
    bracket_fixed_point,
    brute_force,
    coordinate_climb,
    delta_climb,
    inverse_income_weights,
    linear_rate,
    median_voter_rate,
    outcome,
    pareto_tail_index,
    pareto_top_rate,
    random_search,
    saez_point,
)
from simworld_agents.economist._optimum import OptimumPlanner
from simworld_agents.economist._planners import FixedPlanner, HillClimbPlanner, RandomSearchPlanner, SaezPlanner
from simworld_agents.economist._workers import RationalWorkers

__all__ = [
    "FixedPlanner",
    "FixedPoint",
    "HillClimbPlanner",
    "LlmPlanner",
    "LlmWorker",
    "OptimumPlanner",
    "RandomSearchPlanner",
    "RationalWorkers",
    "SaezPlanner",
    "Search",
    "SearchRule",
    "begin_search",
    "bracket_condition",
    "bracket_fixed_point",
    "brute_force",
    "coordinate_climb",
    "delta_climb",
    "inverse_income_weights",
    "linear_rate",
    "median_voter_rate",
    "outcome",
    "pareto_tail_index",
    "pareto_top_rate",
    "random_search",
    "saez_point",
]
