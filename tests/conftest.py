"""Property tests draw the same examples everywhere, and are not timed: machines differ."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("simworld", deadline=None, derandomize=True)
settings.load_profile("simworld")
