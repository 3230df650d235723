"""Figures of a run: the same in a notebook (``run.plot.measure("gini")``) and in ``simworld report``.

Every function returns a matplotlib ``Figure`` that belongs to nobody: no pyplot, no global state, no settings changed.
Means are over successful episodes, never over ticks; bands are 95 % t intervals. Colours can be told apart with any
colour vision, and the first arm, with which the others are compared, is grey everywhere.
"""

from simworld_analysis.plots._accessor import Plots
from simworld_analysis.plots._claims import intervals
from simworld_analysis.plots._columns import column_bands, members_with
from simworld_analysis.plots._data import Bands, bands
from simworld_analysis.plots._distribution import distribution
from simworld_analysis.plots._network import network
from simworld_analysis.plots._over_time import column_over_time, over_time
from simworld_analysis.plots._paths import position_column
from simworld_analysis.plots._style import MOST_VARIANTS, plain_figure
from simworld_analysis.plots._svg import figure_svg
from simworld_analysis.plots._tradeoff import tradeoff
from simworld_analysis.plots._trajectories import MOST_WALKS, trajectories

__all__ = [
    "MOST_VARIANTS",
    "MOST_WALKS",
    "Bands",
    "Plots",
    "bands",
    "column_bands",
    "column_over_time",
    "distribution",
    "figure_svg",
    "intervals",
    "members_with",
    "network",
    "over_time",
    "plain_figure",
    "position_column",
    "tradeoff",
    "trajectories",
]
