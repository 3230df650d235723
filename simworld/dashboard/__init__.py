"""What a run looks like from outside: a live dashboard while it goes, a summary when it is over."""

from simworld.dashboard._claims import render_claims
from simworld.dashboard._displays import Display, LiveDisplay, make_display
from simworld.dashboard._live import Progress, View, render_view, sparkline
from simworld.dashboard._render import interval, number, render_summary
from simworld.dashboard._summary import Difference, Summary, summarise

__all__ = [
    "Difference",
    "Display",
    "LiveDisplay",
    "Progress",
    "Summary",
    "View",
    "interval",
    "make_display",
    "number",
    "render_claims",
    "render_summary",
    "render_view",
    "sparkline",
    "summarise",
]
