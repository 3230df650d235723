"""A run as one page that stands for itself: what was run, what came out, how sure that is, how to run it again.

One HTML file without scripts, and without anything that would be fetched. The same run directory gives the same bytes.
"""

from simworld_analysis.report._page import is_report, render_report, write_report

__all__ = ["is_report", "render_report", "write_report"]
