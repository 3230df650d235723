"""A plaza: people on foot and robots that make their way among them, in continuous space."""

from __future__ import annotations

from simworld.worlds.plaza._bodies import approach, driven, from_walls, length, time_to_contact, turned, wrapped
from simworld.worlds.plaza._operated import OperatedPlaza
from simworld.worlds.plaza._rewards import Rewards
from simworld.worlds.plaza._roles import BODY, FASTEST, MANNERS, Body
from simworld.worlds.plaza._scenes import BoolArray, FloatArray, IntArray, Scene, SceneName, Ways
from simworld.worlds.plaza._world import Manner, Plaza

__all__ = [
    "BODY",
    "FASTEST",
    "MANNERS",
    "Body",
    "BoolArray",
    "FloatArray",
    "IntArray",
    "Manner",
    "OperatedPlaza",
    "Plaza",
    "Rewards",
    "Scene",
    "SceneName",
    "Ways",
    "approach",
    "driven",
    "from_walls",
    "length",
    "time_to_contact",
    "turned",
    "wrapped",
]
