"""Mesa's agents in seats: their own code decides, or a mind of ours through a small declared adapter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from simworld.kernel import Array, Cohort, Field, Seats, Value


class Itself(Cohort):
    """Agents of a hosted model that decide by their own code: what is seen of them is recorded, nothing is decided."""

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:  # noqa: ARG002
        """Nothing."""
        return {}


class MesaSeat(ABC):
    """Hands one class of Mesa agents to a mind: what it sees of the agent, and what its action makes the agent do.

    While the model steps, ``act`` is called where the model calls the agent's own method.
    """

    agent: ClassVar[type[Any]]
    """The class of Mesa agents."""
    obs: ClassVar[tuple[Field, ...]]
    """What the mind sees."""
    act_fields: ClassVar[tuple[Field, ...]]
    """What the mind decides."""
    method: ClassVar[str] = "step"
    """The method of the agent that the action stands in for."""

    @abstractmethod
    def observe(self, agent: Any) -> Mapping[str, Value]:
        """What is seen of this agent, before the model steps."""

    @abstractmethod
    def act(self, agent: Any, action: Mapping[str, Value]) -> None:
        """Let the agent do what was decided."""

    def reward(self, agent: Any) -> float:  # noqa: ARG002
        """What the agent earned in a step of the model in which a mind decided for it; asked after the step."""
        return 0.0
