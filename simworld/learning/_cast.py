"""The learners of an episode by name: their spaces, what they see, what they earn, and how they end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from simworld.errors import ActionError, ContractError
from simworld.kernel import Acts, Array, Role
from simworld.learning._stage import Part, Stage
from simworld.spaces import RoleSpaces


class Spaces(Protocol):
    """What learners of a role see and do, in one form or another."""

    observation: Any
    """The space of what one sees."""
    action: Any
    """The space of what one does."""

    def told(self, seen: Mapping[str, Array]) -> list[Any]:
        """What several members see, one value each."""

    def done(self, actions: list[Any], who: list[str]) -> dict[str, Array]:
        """Action fields of several members."""


class Cast:
    """The learners of a stage by their names, and what each of them saw last."""

    def __init__(self, part: Part, form: Callable[[Role], Spaces] = RoleSpaces) -> None:
        self.part, self.stage = part, Stage(part)
        self._seed = part.scenario.model.seed
        self.spaces: dict[str, Spaces] = {}
        """By role."""
        self.names: dict[str, tuple[str, int]] = {}
        """Everybody who may ever act: role and member."""
        self.stage.reset(self._seed)
        if self.stage.moment is None:
            raise ContractError(f"{part.scenario.path}: no learner is ever due before the episode ends")
        for role in part.roles:
            self.spaces[role] = form(part.seen_role(self.stage.role(role)))
            self.names |= {f"{role}_{member}": (role, member) for member in self.stage.members(role)}
        self.seen: dict[str, Any] = {}
        """What each saw last, in its space."""
        self._begun = False
        self._names_of: dict[str, tuple[bytes, list[str]]] = {}

    def observation_space(self, agent: str) -> Any:
        """What it sees: the same object every time."""
        return self.spaces[self.names[agent][0]].observation

    def action_space(self, agent: str) -> Any:
        """What it does: the same object every time."""
        return self.spaces[self.names[agent][0]].action

    def begin(self, seed: int | None) -> list[str]:
        """Begin an episode; without a seed it is the one after the last, from the scenario's first on.

        Returns:
            Those present.
        """
        seed = self._seed if seed is None else int(seed)
        self._seed, self._begun = seed + 1, True
        self.stage.reset(seed)
        self.seen = {}
        self._strangers()
        alive = {role: self.stage.kernel.roster(role).alive for role in self.part.roles}
        agents = [
            name for name, (role, member) in self.names.items() if member < len(alive[role]) and alive[role][member]
        ]
        self.look()
        for name in agents:
            if name not in self.seen:
                self.seen[name] = self._now(name)
        self.earned()  # what was paid before anybody decided is nobody's
        return agents

    def check_begun(self) -> None:
        """Raise ContractError if no episode was begun."""
        if not self._begun:
            raise ContractError("step: the environment was not reset; accepted: reset() first")

    def look(self) -> None:
        """Take in what those who are due see."""
        for role, acts in self.stage.due().items():
            self.seen.update(zip(self.due_names(acts), self.spaces[role].told(acts.seen), strict=True))

    def due(self) -> list[str]:
        """Names of all who are due."""
        return [name for acts in self.stage.due().values() for name in self.due_names(acts)]

    def due_names(self, acts: Acts) -> list[str]:
        """Names of those of a role who are due."""
        role = acts.role.name
        key = acts.members.tobytes()
        known = self._names_of.get(role)
        if known is None or known[0] != key:
            known = self._names_of[role] = (key, [f"{role}_{member}" for member in acts.members.tolist()])
        return known[1]

    def checked(self, agent: str, action: Any) -> Any:
        """An action of somebody. Raises ActionError if its space does not have it."""
        self.spaces[self.names[agent][0]].done([action], [agent])
        return action

    def act(self, actions: dict[str, Any]) -> None:
        """Act for those who are due; what others would do is not looked at."""
        self.check_begun()
        outer = {}
        for role, acts in self.stage.due().items():
            names = self.due_names(acts)
            lacking = [name for name in names if name not in actions]
            if lacking:
                raise ActionError(f"step: {lacking[0]} is due and has no action; found {sorted(actions)}")
            outer[role] = self.spaces[role].done([actions[name] for name in names], names)
        self.stage.act(outer)
        self._strangers()
        self.look()

    def earned(self) -> dict[str, Array]:
        """What the members of each role earned since the last time, by member."""
        taken = dict(self.stage.ear.earned)
        self.stage.ear.earned = {role: np.zeros(len(amounts)) for role, amounts in taken.items()}
        return taken

    def ended(self) -> dict[str, str]:
        """Whose record has ended, and how; what they saw then is in ``seen``."""
        ended = {}
        for role, member, end, seen in self.stage.endings():
            name = f"{role}_{member}"
            if name in self.names:
                ended[name] = end
                self.seen[name] = self.spaces[role].told(seen)[0]
        return ended

    def _now(self, name: str) -> Any:
        """What somebody would see now who has not been due yet."""
        role, member = self.names[name]
        one = np.array([member], dtype=np.int64)
        return self.spaces[role].told(self.stage.kernel.world.observe(role, one))[0]

    def _strangers(self) -> None:
        """Raise ContractError if somebody has joined whom the environment did not announce."""
        outer, joined = self.part.outer, self.stage.ear.joined_now
        for role, member in joined:
            roster = self.stage.kernel.roster(role)
            if (role, int(roster.group[member])) in outer and f"{role}_{member}" not in self.names:
                raise ContractError(
                    f"{role} {member} joined the episode as a learner; accepted: roles whose learners are all there"
                    " when the first of them is due (let newcomers be a group of their own)"
                )
        joined.clear()
