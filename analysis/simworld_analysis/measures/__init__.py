"""Measures of behaviour, by level: individuals, their interaction, and humans with agents.

The levels are those of "AI Agent Behavioral Science" (Chen et al. 2025). Each measure is a function of a run that says
what it needs. It gives one row for each episode (and for each agent, pair or period, where that is what is measured)
with the column ``value``; where it does not apply, it says why. ``what_applies(run)`` says it of all.
"""

from simworld_analysis.measures._base import (
    Level,
    Measure,
    NotApplicableError,
    all_measures,
    find_measure,
    lacking_option,
    measure,
    needed,
    what_applies,
    wrong_option,
)
from simworld_analysis.measures._human_agent import (
    answer_faults,
    ask_cost,
    ask_latency,
    deferral_rate,
)
from simworld_analysis.measures._individual import (
    action_entropy,
    effort,
    entropy_trend,
    hours_worked,
    saco,
    trajectory_quality,
)
from simworld_analysis.measures._society import (
    agreement_network,
    elasticity_of_taxable_income,
    gini_of,
    lorenz_of,
    network_agreement,
    welfare,
)
from simworld_analysis.measures._strategies import (
    cooperation_rate,
    exploitability,
    exploitability_of,
    forgiveness,
    long_run_payoff,
    memory_one,
    reciprocity,
)
from simworld_analysis.measures._stretches import (
    free_energy,
    gap_between,
    mean_between,
    ticks_until,
    total_payoff,
    variance_between,
)

__all__ = [
    "Level",
    "Measure",
    "NotApplicableError",
    "action_entropy",
    "agreement_network",
    "all_measures",
    "answer_faults",
    "ask_cost",
    "ask_latency",
    "cooperation_rate",
    "deferral_rate",
    "effort",
    "elasticity_of_taxable_income",
    "entropy_trend",
    "exploitability",
    "exploitability_of",
    "find_measure",
    "forgiveness",
    "free_energy",
    "gap_between",
    "gini_of",
    "hours_worked",
    "lacking_option",
    "long_run_payoff",
    "lorenz_of",
    "mean_between",
    "measure",
    "memory_one",
    "needed",
    "network_agreement",
    "reciprocity",
    "saco",
    "ticks_until",
    "total_payoff",
    "trajectory_quality",
    "variance_between",
    "welfare",
    "what_applies",
    "wrong_option",
]
