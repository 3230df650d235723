"""A scenario with one learner as a gymnasium environment."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from simworld.errors import ContractError
from simworld.learning._cast import Cast
from simworld.learning._stage import Part


class SimworldEnv(gym.Env[Any, Any]):
    """One learner: a step runs to its next decision; everybody else lives inside."""

    metadata = {"render_modes": []}  # noqa: RUF012  gymnasium declares it of an instance

    def __init__(self, part: Part) -> None:
        self._cast = Cast(part)
        if len(self._cast.names) != 1:
            raise ContractError(f"{len(self._cast.names)} learners: {', '.join(self._cast.names)}; accepted: one")
        (self._name,) = self._cast.names
        self.observation_space = self._cast.observation_space(self._name)
        self.action_space = self._cast.action_space(self._name)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; without a seed it is the one after the last, from the scenario's first on."""
        super().reset(seed=seed, options=options)
        self._cast.begin(seed)
        return self._cast.seen[self._name], {"tick": self._cast.stage.kernel.tick}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Act, and run to the learner's next decision."""
        cast = self._cast
        cast.act({self._name: action})
        role, member = cast.names[self._name]
        reward = float(cast.earned()[role][member])
        end = cast.ended().get(self._name, "")
        info = {"tick": cast.stage.kernel.tick}
        return cast.seen[self._name], reward, end in {"left", "terminated"}, end == "truncated", info

    def close(self) -> None:
        """Let go of whoever answers from outside."""
        self._cast.stage.close()
