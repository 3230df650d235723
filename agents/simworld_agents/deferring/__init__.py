"""Learning to defer: classifiers that learn, from a log of an expert's answers, when to hand a case to the expert.

The objectives of the field, a learner that fits them (``simworld train``, ``algo: deferring``), and a member of a team
who answers and asks by what was learned. A case is right if the classifier keeps it and is right, or defers it and the
expert is; deferring costs a fee besides. What a rejector says is read as how much likelier the expert is to be right
than the classifier. The fee enters by shifting that: it is held against the fee as it is, or against the bar that is
best on cases held out.
"""

from __future__ import annotations

from simworld_agents.deferring._bayes import bayes_defers
from simworld_agents.deferring._fitting import Aim, Bar, Log, fit, fitted, utility
from simworld_agents.deferring._learner import DeferringLearner
from simworld_agents.deferring._objectives import (
    ALPHAS,
    CompareConfidence,
    CrossEntropy,
    Objective,
    ObjectiveName,
    OneVsAll,
    Realizable,
    Selective,
)
from simworld_agents.deferring._policy import Deferral, Deferring, DeferringMind

__all__ = [
    "ALPHAS",
    "Aim",
    "Bar",
    "CompareConfidence",
    "CrossEntropy",
    "Deferral",
    "Deferring",
    "DeferringLearner",
    "DeferringMind",
    "Log",
    "Objective",
    "ObjectiveName",
    "OneVsAll",
    "Realizable",
    "Selective",
    "bayes_defers",
    "fit",
    "fitted",
    "utility",
]
