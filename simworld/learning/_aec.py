"""A scenario as a PettingZoo AECEnv: learners of mixed cadences, who act one after the other as they are due."""

from __future__ import annotations

from typing import Any

from pettingzoo import AECEnv

from simworld.learning._cast import Cast
from simworld.learning._stage import Part


class SimworldAECEnv(AECEnv[str, Any, Any]):  # type: ignore[misc]  # PettingZoo is not typed
    """Learners who are due at different times: the selected agent is due, and those due together act one by one.

    All who are due at one moment see the same state: what they decide takes effect when the last of them has acted.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  PettingZoo reads it of class and instance
        "name": "simworld",
        "render_modes": [],
        "is_parallelizable": False,
    }

    def __init__(self, part: Part) -> None:
        super().__init__()
        self._cast = Cast(part)
        self.metadata = {**type(self).metadata, "name": part.scenario.name}
        self.possible_agents = list(self._cast.names)
        self.agents: list[str] = []
        self.render_mode = None
        self._queue: list[str] = []
        """Who is due and has not acted yet."""
        self._acted: dict[str, Any] = {}
        self.agent_selection = ""

    def observation_space(self, agent: str) -> Any:
        """What an agent sees."""
        return self._cast.observation_space(agent)

    def action_space(self, agent: str) -> Any:
        """What an agent does."""
        return self._cast.action_space(agent)

    def observe(self, agent: str) -> Any:
        """What it saw when it was due last."""
        return self._cast.seen[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Begin an episode; without a seed it is the one after the last, from the scenario's first on."""
        self.agents = self._cast.begin(seed)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self._skip_agent_selection = None
        self._select()
        self._tell()

    def step(self, action: Any) -> None:
        """Let the selected agent act."""
        if not self.agents:
            self._cast.check_begun()
            return
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            if self.agents and not any(self.terminations.values()) and not any(self.truncations.values()):
                self.agent_selection = self._queue[0]
            return
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()
        self._acted[agent] = self._cast.checked(agent, action)
        self._queue.pop(0)
        if self._queue:
            self.agent_selection = self._queue[0]
            return
        self._cast.act(self._acted)
        earned = self._cast.earned()
        for name in self.agents:
            role, member = self._cast.names[name]
            self.rewards[name] = float(earned[role][member])
        for name, end in self._cast.ended().items():
            self.truncations[name] = end == "truncated"
            self.terminations[name] = end != "truncated"
        self._accumulate_rewards()
        self._select()
        self._tell()

    def render(self) -> None:
        """Nothing to see yet."""

    def close(self) -> None:
        """Let go of whoever answers from outside."""
        self._cast.stage.close()

    def _select(self) -> None:
        self._acted = {}
        self._queue = self._cast.due()
        if self._queue:
            self.agent_selection = self._queue[0]
        gone = [name for name in self.agents if self.terminations[name] or self.truncations[name]]
        if gone:
            self.agent_selection = gone[0]

    def _tell(self) -> None:
        tick = self._cast.stage.kernel.tick
        self.infos = {name: {"due": name in self._queue, "tick": tick} for name in self.agents}
