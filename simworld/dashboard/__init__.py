"""What a run looks like from outside: progress while it goes, a summary when it is over."""

from simworld.dashboard._displays import Display, make_display
from simworld.dashboard._summary import Summary, render_summary, summarise

__all__ = ["Display", "Summary", "make_display", "render_summary", "summarise"]
