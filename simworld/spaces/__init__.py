"""Fields of a role as spaces and vectors: what a learner sees and does, and how another program's spaces become fields.

The vectors need numpy only, so that a trained policy runs without gymnasium; the spaces are gymnasium's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simworld.lazy import lazily
from simworld.spaces._learner import Learner, Lesson, School, Watch, require_torch
from simworld.spaces._network import Activation, Layer, Network, NetworkMind, dense
from simworld.spaces._trained import Trained, kept_in
from simworld.spaces._vector import ActionVector, ObservationVector

if TYPE_CHECKING:
    from simworld.spaces._foreign import Foreign, foreign
    from simworld.spaces._grpo import Adam, Groups, Grpo, gradient, group_advantages, probabilities
    from simworld.spaces._native import RoleSpaces, VectorSpaces

# Loaded on first use: gymnasium is needed by learners and by hosts of its environments only, scipy by who learns.
_GRPO = ("Adam", "Groups", "Grpo", "gradient", "group_advantages", "probabilities")
_MODULES = {"Foreign": "_foreign", "foreign": "_foreign", "RoleSpaces": "_native", "VectorSpaces": "_native"}
_MODULES |= dict.fromkeys(_GRPO, "_grpo")

__all__ = [
    "ActionVector",
    "Activation",
    "Adam",
    "Foreign",
    "Groups",
    "Grpo",
    "Layer",
    "Learner",
    "Lesson",
    "Network",
    "NetworkMind",
    "ObservationVector",
    "RoleSpaces",
    "School",
    "Trained",
    "VectorSpaces",
    "Watch",
    "dense",
    "foreign",
    "gradient",
    "group_advantages",
    "kept_in",
    "probabilities",
    "require_torch",
]

__getattr__, __dir__ = lazily(__name__, _MODULES)
