"""A scenario as a PettingZoo ParallelEnv: a step runs to the learners' next moment; everybody else lives inside."""

from __future__ import annotations

from typing import Any

from pettingzoo import ParallelEnv

from simworld.learning._cast import Cast
from simworld.learning._stage import Part


class SimworldParallelEnv(ParallelEnv[str, Any, Any]):  # type: ignore[misc]  # PettingZoo is not typed
    """Learners who decide together. Those who are not due repeat what they saw; their actions are not looked at.

    Rewards between two decisions are added up. The end of an episode is a truncation unless the world ended it;
    whoever leaves is terminated. ``infos`` tell for everybody whether it is due, and the tick.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  PettingZoo reads it of class and instance
        "name": "simworld",
        "render_modes": [],
        "is_parallelizable": True,
    }

    def __init__(self, part: Part) -> None:
        self._cast = Cast(part)
        self.metadata = {**type(self).metadata, "name": part.scenario.name}
        self.possible_agents = list(self._cast.names)
        self.agents: list[str] = []
        self.render_mode = None

    def observation_space(self, agent: str) -> Any:
        """What an agent sees."""
        return self._cast.observation_space(agent)

    def action_space(self, agent: str) -> Any:
        """What an agent does."""
        return self._cast.action_space(agent)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], Any]:  # noqa: ARG002
        """Begin an episode; without a seed it is the one after the last, from the scenario's first on."""
        self.agents = self._cast.begin(seed)
        return {name: self._cast.seen[name] for name in self.agents}, self._infos(self.agents)

    def step(self, actions: dict[str, Any]) -> tuple[Any, Any, Any, Any, Any]:
        """Let everybody who is due act, and run to the next moment of a learner."""
        cast, agents = self._cast, self.agents
        if not agents:
            cast.check_begun()
            return {}, {}, {}, {}, {}
        cast.act(actions)
        earned = {role: amounts.tolist() for role, amounts in cast.earned().items()}
        ends = cast.ended() if cast.stage.ear.ended else {}
        places, seen = cast.names, cast.seen
        observations = {name: seen[name] for name in agents}
        rewards = {name: earned[places[name][0]][places[name][1]] for name in agents}
        terminated = {name: ends.get(name) in {"left", "terminated"} for name in agents}
        truncated = {name: ends.get(name) == "truncated" for name in agents}
        infos = self._infos(agents)
        if ends:
            self.agents = [name for name in agents if name not in ends]
        return observations, rewards, terminated, truncated, infos

    def render(self) -> None:
        """Nothing to see yet."""

    def close(self) -> None:
        """Let go of whoever answers from outside."""
        self._cast.stage.close()

    def _infos(self, agents: list[str]) -> dict[str, dict[str, Any]]:
        stage = self._cast.stage
        tick = stage.kernel.tick
        due = set(self._cast.due())
        return {name: {"due": name in due, "tick": tick} for name in agents}
