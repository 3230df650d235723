"""The tax economy: workers choose hours, a planner chooses tax rates, and all tax is paid back as an equal lump sum."""

from __future__ import annotations

from simworld.worlds.economy._labour import (
    PUBLISHED_COST,
    Settlement,
    Workforce,
    check_balance,
    labour_cost,
    settle,
)
from simworld.worlds.economy._schedule import (
    FloatArray,
    Schedule,
    federal,
    named_edges,
    named_schedule,
    uniform_schedule,
)
from simworld.worlds.economy._skills import (
    FULL_TIME_HOURS,
    MEDIAN_SKILL,
    income_cdf,
    income_quantile,
    skills_from_uniform,
)
from simworld.worlds.economy._world import Economy, Objective

__all__ = [
    "FULL_TIME_HOURS",
    "MEDIAN_SKILL",
    "PUBLISHED_COST",
    "Economy",
    "FloatArray",
    "Objective",
    "Schedule",
    "Settlement",
    "Workforce",
    "check_balance",
    "federal",
    "income_cdf",
    "income_quantile",
    "labour_cost",
    "named_edges",
    "named_schedule",
    "settle",
    "skills_from_uniform",
    "uniform_schedule",
]
