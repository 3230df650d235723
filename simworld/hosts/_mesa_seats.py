"""Mesa's agents in seats: their own code decides, or a mind of ours through a small declared adapter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

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


def decided(seat: MesaSeat, taken: tuple[Array, Mapping[str, Array]] | None) -> Callable[..., None]:
    """What stands in for the method of a class of agents while the model steps.

    Args:
        seat: The adapter.
        taken: Unique ids of those who decided, and their action fields; None if nobody did.
    """
    places = {} if taken is None else {unique: i for i, unique in enumerate(taken[0].tolist())}

    def stand_in(agent: Any, *_: Any, **__: Any) -> None:
        """Do what was decided; one that decided nothing, because it waits for an answer, does nothing."""
        place = places.get(agent.unique_id)
        if place is not None and taken is not None:
            # Copies: what was decided is kept, for a copy of the model to do again.
            seat.act(agent, {name: _own(values[place]) for name, values in taken[1].items()})

    return stand_in


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Put the model's random numbers back after a look at it: to see it must not change what it does."""
    rng = getattr(model, "rng", None)
    before = model.random.getstate(), None if rng is None else rng.bit_generator.state
    try:
        yield
    finally:
        model.random.setstate(before[0])
        if rng is not None:
            rng.bit_generator.state = before[1]


def _own(value: Any) -> Value:
    own: Value = value.copy() if getattr(value, "ndim", 0) else value.item() if isinstance(value, np.generic) else value
    return own
