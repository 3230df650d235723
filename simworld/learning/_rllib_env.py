"""A scenario as RLlib sees it: vectors in, indices and amounts out, whoever is due."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from ray.rllib.env.multi_agent_env import MultiAgentEnv

from simworld.kernel import Array
from simworld.learning._stage import Part, Stage
from simworld.spaces import ActionVector, ObservationVector, vector_spaces

MASK = "action_mask"
OBSERVATIONS = "observations"


class VectorEnv(MultiAgentEnv):
    """One episode of a scenario after the other; the n-th of an environment has the seed ``first + n * stride``.

    Only those who are due are told what they see. What they earn between two decisions is added up.
    """

    def __init__(self, part: Part, first: int, stride: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._stage = Stage(part)
        self._seed, self._stride = first, stride
        self._stage.reset(first)
        self._seen: dict[str, ObservationVector] = {}
        self._done: dict[str, ActionVector] = {}
        self._names: dict[str, tuple[str, int]] = {}
        self.observation_spaces, self.action_spaces = {}, {}
        for role in part.roles:
            sized = self._stage.role(role)
            self._seen[role], self._done[role] = ObservationVector.of(sized), ActionVector.of(sized)
            seen, done = vector_spaces(self._seen[role], self._done[role])
            if self._done[role].mask:
                seen = spaces.Dict({MASK: spaces.Box(0.0, 1.0, (self._done[role].choices[0],)), OBSERVATIONS: seen})
            for member in self._stage.members(role):
                name = f"{role}_{member}"
                self._names[name] = (role, member)
                self.observation_spaces[name], self.action_spaces[name] = seen, done
        self.possible_agents = list(self._names)
        self.agents = list(self._names)
        self._owed: dict[str, float] = {}

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[dict[Any, Any], dict[Any, Any]]:  # noqa: ARG002
        """Begin the next episode; seeds are the environment's own."""
        self._stage.reset(self._seed)
        self._seed += self._stride
        self._stage.ear.joined_now.clear()
        self._owed = {}
        alive = {role: self._stage.kernel.roster(role).alive for role in self._seen}
        self.agents = [name for name, (role, member) in self._names.items() if alive[role][member]]
        return self._look(), {}

    def step(self, action_dict: dict[Any, Any]) -> tuple[Any, Any, Any, Any, Any]:
        """Let those who are due act, and run to the next moment of a learner."""
        outer = {}
        for role, acts in self._stage.due().items():
            outer[role] = self._acted(self._done[role], [action_dict[f"{role}_{m}"] for m in acts.members.tolist()])
        self._stage.act(outer)
        self._earn()
        observations = self._look()
        terminated: dict[str, bool] = {}
        truncated: dict[str, bool] = {}
        for role, member, end, seen in self._stage.endings():
            name = f"{role}_{member}"
            if name in self._names:
                observations[name] = self._told(role, seen, 1)[0]
                (truncated if end == "truncated" else terminated)[name] = True
        over = self._stage.moment is None
        self.agents = [name for name in self.agents if name not in terminated and name not in truncated]
        rewards = {name: self._owed.pop(name, 0.0) for name in observations}
        terminated["__all__"] = over and not truncated
        truncated["__all__"] = over and bool(truncated)
        return observations, rewards, terminated, truncated, {}

    def _look(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for role, acts in self._stage.due().items():
            names = [f"{role}_{member}" for member in acts.members.tolist()]
            found.update(zip(names, self._told(role, acts.seen, len(names)), strict=True))
        return found

    def _told(self, role: str, seen: Any, n: int) -> Any:
        vectors = self._seen[role].told(seen, n)
        mask = self._done[role].mask
        if not mask:
            return vectors
        allowed = np.broadcast_to(seen[mask], (n, seen[mask].shape[-1])).astype(np.float32)
        return [{MASK: m, OBSERVATIONS: v} for m, v in zip(allowed, vectors, strict=True)]

    def _earn(self) -> None:
        for role, amounts in self._stage.ear.earned.items():
            for member in np.flatnonzero(amounts).tolist():
                name = f"{role}_{member}"
                self._owed[name] = self._owed.get(name, 0.0) + float(amounts[member])
            amounts[:] = 0.0

    @staticmethod
    def _acted(done: ActionVector, actions: list[Any]) -> dict[str, Array]:
        n, choices, amounts = len(actions), done.choices, done.amounts
        both = bool(choices) and bool(amounts)
        chosen = np.array([a[0] if both else a for a in actions]).reshape(n, -1) if choices else np.zeros((n, 0))
        told = np.array([a[1] if both else a for a in actions]).reshape(n, -1) if amounts else np.zeros((n, 0))
        return done.done(chosen, told)
