"""A scenario as RLlib sees it: vectors in, indices and amounts out, whoever is due."""

from __future__ import annotations

from typing import Any

from ray.rllib.env.multi_agent_env import MultiAgentEnv

from simworld.learning._cast import Cast
from simworld.learning._stage import Part
from simworld.spaces import VectorSpaces


class VectorEnv(MultiAgentEnv):
    """One episode of a scenario after the other; the n-th of an environment has the seed ``first + n * stride``.

    Only those who are due are told what they see. What they earn between two decisions is added up.
    """

    def __init__(self, part: Part, first: int, stride: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._cast = Cast(part, VectorSpaces)
        self._seed, self._stride = first, stride
        self.possible_agents = list(self._cast.names)
        self.agents = list(self._cast.names)
        self.observation_spaces = {name: self._cast.observation_space(name) for name in self._cast.names}
        self.action_spaces = {name: self._cast.action_space(name) for name in self._cast.names}
        self._owed: dict[str, float] = {}
        """What those present earned since they were told."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[dict[Any, Any], dict[Any, Any]]:  # noqa: ARG002
        """Begin the next episode; seeds are the environment's own."""
        here = self._cast.begin(self._seed)
        self._seed += self._stride
        self.agents, self._owed = list(here), dict.fromkeys(here, 0.0)
        return {name: self._cast.seen[name] for name in self._cast.due()}, {}

    def step(self, action_dict: dict[Any, Any]) -> tuple[Any, Any, Any, Any, Any]:
        """Let those who are due act, and run to the next moment of a learner."""
        cast = self._cast
        cast.act(action_dict)
        earned = cast.earned()
        for name in self._owed:
            role, member = cast.names[name]
            self._owed[name] += float(earned[role][member])
        ends = cast.ended()
        told = [*cast.due(), *ends]
        rewards = {name: self._owed[name] for name in told}
        self._owed |= dict.fromkeys(told, 0.0)
        for name in ends:
            del self._owed[name]
        self.agents = list(self._owed)
        over = cast.stage.moment is None
        truncated = {name: True for name, end in ends.items() if end == "truncated"}
        terminated = {name: True for name in ends if name not in truncated}
        ended = {"__all__": over and not truncated}, {"__all__": over and bool(truncated)}
        observations = {name: cast.seen[name] for name in told}
        return observations, rewards, terminated | ended[0], truncated | ended[1], {}
