"""Statistics of episodes: intervals, tests, effect sizes, many claims at once, and designs that may stop early.

The unit of analysis is the episode, never the tick. What can be taken from scipy and statsmodels is; here stand the
choices: which interval at which number of episodes, paired wherever seeds agree, and how looks spend an error rate.
"""

from simworld_analysis.statistics._correlation import correlation_interval, fisher_z
from simworld_analysis.statistics._effects import cliffs_delta, cohens_dz, hedges_g
from simworld_analysis.statistics._intervals import (
    Estimate,
    interquartile_mean,
    mean_interval,
    paired,
    rate_interval,
)
from simworld_analysis.statistics._sequential import Look, SequentialDesign, episodes_for
from simworld_analysis.statistics._tests import holm, holm_levels, permutation, wilcoxon

__all__ = [
    "Estimate",
    "Look",
    "SequentialDesign",
    "cliffs_delta",
    "cohens_dz",
    "correlation_interval",
    "episodes_for",
    "fisher_z",
    "hedges_g",
    "holm",
    "holm_levels",
    "interquartile_mean",
    "mean_interval",
    "paired",
    "permutation",
    "rate_interval",
    "wilcoxon",
]
