"""Players by rule: what the literature on repeated games plays, and schedules that listen to nobody."""

from __future__ import annotations

from simworld_agents.classic._memory_one import MemoryOne, WinStayLoseShift
from simworld_agents.classic._open_loop import Always, Phase, Scheduled
from simworld_agents.classic._reactive import ExponentialAverage, Grim, TitForTat

__all__ = [
    "Always",
    "ExponentialAverage",
    "Grim",
    "MemoryOne",
    "Phase",
    "Scheduled",
    "TitForTat",
    "WinStayLoseShift",
]
