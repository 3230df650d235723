"""What a run looks like from outside: a live dashboard while it goes, a summary when it is over."""

from simworld.dashboard._claims import render_claims
from simworld.dashboard._displays import Display, LiveDisplay, make_display
from simworld.dashboard._live import Progress, View, render_view, sparkline
from simworld.dashboard._render import interval, number, render_summary
from simworld.dashboard._snapshot import Bars, Histogram, Lines, Panel, Said, read_episode, watched
from simworld.dashboard._snapshot import Label as EpisodeLabel
from simworld.dashboard._summary import Difference, Summary, summarise
from simworld.dashboard._tracks import Map

__all__ = [
    "Bars",
    "Difference",
    "Display",
    "EpisodeLabel",
    "Histogram",
    "Lines",
    "LiveDisplay",
    "Map",
    "Panel",
    "Progress",
    "Said",
    "Summary",
    "View",
    "interval",
    "make_display",
    "number",
    "read_episode",
    "render_claims",
    "render_summary",
    "render_view",
    "sparkline",
    "summarise",
    "watched",
]
