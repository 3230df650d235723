"""A change from outside in the middle of an episode: other minds, other parameters, members taken out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from simworld.kernel._asks import Json
from simworld.kernel._fields import Members
from simworld.kernel._minds import Cohort


@dataclass(frozen=True, slots=True)
class Intervention:
    """What is changed, at a tick and before anything else that is due then."""

    at: int
    """The tick."""
    values: Mapping[str, Json] = field(default_factory=dict)
    """New values of the world's parameters, by name; it declares which may change."""
    minds: Mapping[tuple[str, int], Cohort] = field(default_factory=dict)
    """New minds by role and place of the group: they take over its seats, with what they see and nothing else."""
    without: Mapping[str, Members | None] = field(default_factory=dict)
    """Who leaves, by role; None is everybody."""
