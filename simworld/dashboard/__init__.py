"""What a run looks like from outside: progress while it goes, a summary when it is over."""

from simworld.dashboard._displays import Display, make_display
from simworld.dashboard._render import render_summary
from simworld.dashboard._summary import Difference, Estimate, Summary, summarise

__all__ = ["Difference", "Display", "Estimate", "Summary", "make_display", "render_summary", "summarise"]
