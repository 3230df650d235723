"""PettingZoo's environments as worlds: its agents are members, its rules are not touched."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import JsonValue

from simworld.errors import ContractError
from simworld.hosts._zoo import TEXT, Api, declared, idle
from simworld.kernel import Acts, Array, Field, Members, Moment, Turn, World

_SINGLE = 16
"""So many agents have a measure of their own; of more, each role has one."""


class PettingZooWorld(World):
    """An environment of PettingZoo, parallel or turn by turn, as it is.

    Agents whose names differ by a number, and whose spaces are equal, are the members of one role, in the environment's
    order: ``player_1`` and ``player_2`` are member 0 and 1 of the role ``player``. A tick is one step of the
    environment: of all agents at once, or of the one whose turn it is. The episode's seed is the environment's.
    Agents that are done leave. For an empty seat the lowest action that is allowed is played, or the number nearest
    to 0.
    """

    tick_unit: ClassVar[str] = "step"
    runs: ClassVar[tuple[str, ...]] = ("env",)

    def __init__(
        self, env: str, args: dict[str, JsonValue] | None = None, api: Api = "auto", text: bool = False
    ) -> None:
        """Look at the environment.

        Args:
            env: Module of the environment, such as pettingzoo.classic.tictactoe_v3 or mpe2.simple_spread_v3, or
                module:function for one of your own.
            args: Arguments that it is made with, by name.
            api: Which of PettingZoo's interfaces is used; auto is the parallel one where there is one.
            text: Members also see what the environment renders as text, in the field ``text``.

        Raises:
            ValueError: There is no such environment, or it cannot be hosted.
        """
        self._zoo = declared(env, json.dumps(args or {}, sort_keys=True), api, text)
        self._text = text
        self.roles = tuple(seats.role for seats in self._zoo.seats)
        self._of = {seats.role.name: seats for seats in self._zoo.seats}
        self._place = {a: (s.role.name, i) for s in self._zoo.seats for i, a in enumerate(s.agents)}
        self._paid = {agent: f"reward_{_measure(agent)}" for agent in self._place}
        """Measures of single agents."""
        labels = [_measure(a) for a in self._place] if len(self._place) <= _SINGLE else [*self._of]
        what = "what it earned in this step" if self._zoo.parallel else "what it earned when somebody earned last"
        self.measures = (
            *(Field(f"reward_{label}", meaning=what, flow=self._zoo.parallel) for label in labels),
            Field("agents", meaning="agents that are not done"),
        )

    def check(self, seats: Mapping[str, int]) -> None:
        """As many members as the environment has agents."""
        for name, own in self._of.items():
            if seats.get(name, 0) != len(own.agents):
                raise ValueError(
                    f"{seats.get(name, 0)} of role {name!r}; accepted: {len(own.agents)}, the environment's agents"
                    f" {', '.join(map(str, own.agents))}"
                )

    def reset(self, turn: Turn) -> None:
        """Reset the environment with the episode's seed, seat its agents, and wake those whose turn it is."""
        self._env, self._seed = self._zoo.make(), turn.seed
        self._cut = False
        """Those who were done last were cut off in mid-course."""
        self._taken: list[Any] = []
        """Every step of the environment: what a copy does again."""
        # Cleared first: a parallel environment returns what is seen, one that goes turn by turn is asked.
        self._seen: dict[str, Any] = {}
        self._owed: dict[str, dict[int, float]] = {name: {} for name in self._of}
        """What members earned before they had decided anything."""
        found = self._env.reset(seed=turn.seed)
        if self._zoo.parallel:
            self._seen = dict(found[0])
            late = next((agent for agent in self._place if agent not in self._seen), None)
            if late is not None:
                raise ContractError(
                    f"{late} is not there when the environment is reset; accepted: agents that all are, or api: aec"
                )
        for name, seats in self._of.items():
            agents = np.array([str(a) for a in seats.agents], dtype=object)
            turn.join(name, len(seats.agents), agent=agents)
        self._here = {name: frozenset(turn.members(name).tolist()) for name in self._of}
        self._undecided = dict(self._here)
        """Who has not decided anything yet."""
        self._due: dict[str, Members] = {}
        self._order: dict[str, list[int]] = {}
        """Who is due in a step of all, as long as nobody leaves."""
        self._wake(turn, turn.tick)

    def observe(self, role: str, members: Members) -> Mapping[str, Array]:
        """What the environment shows each of them."""
        seats = self._of[role]
        seen = seats.seen.all_told([self._look(seats.agents[m]) for m in members.tolist()])
        if self._text:
            seen[TEXT] = np.array(self._env.render() or "", dtype=object)
        return seen

    def step(self, moment: Moment, turn: Turn) -> None:
        """Let the environment step with what was decided."""
        for name, acts in moment.acts.items():
            if self._undecided[name]:
                self._undecided[name] -= set(acts.members.tolist())
        if self._zoo.parallel:
            self._step_all(moment.acts, turn)
        elif not moment.acts:
            return  # whose turn it is waits for an answer: the environment waits, too
        else:
            (name, acts), *_ = moment.acts.items()
            seats = self._of[name]
            self._step_one(seats.done.all_done(acts.done)[0], turn)
        self._go_on(turn)

    def taken_out(self, role: str, members: Members, turn: Turn) -> None:
        """Their seats are empty from now on."""
        gone = set(members.tolist())
        if self._zoo.parallel:
            alone = not any(here - gone if name == role else here for name, here in self._here.items())
        else:
            due, member = self._place[self._env.agent_selection]
            alone = due == role and member in gone & self._here[role]
        self._here[role] -= gone
        self._due = {}
        if alone:
            # Whoever was due is gone: the environment goes on without.
            turn.call(turn.tick, "step_alone")

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    # -- one way or the other --------------------------------------------------------------------------------------

    def _step_all(self, decided: Mapping[str, Acts], turn: Turn) -> None:
        found: dict[str, Any] = {}
        for role, acts in decided.items():
            agents = self._of[role].agents
            members = acts.members.tolist()
            found.update(zip([agents[m] for m in members], self._of[role].done.all_done(acts.done), strict=True))
        actions = {}
        for agent in self._env.agents:
            if agent in found:
                actions[agent] = found[agent]
            else:
                actions[agent] = idle(self._of[self._place[agent][0]], self._env, agent, self._seen[agent])
        self._taken.append(_kept(actions))
        seen, rewards, terminated, truncated, _ = self._env.step(actions)
        self._seen.update(seen)
        done = [a for a in actions if terminated.get(a) or truncated.get(a)]
        self._cut = not any(terminated.get(a) for a in done)
        self._pay(rewards, turn)
        self._let_go(done, turn)
        self._emit(rewards, turn)

    def _step_one(self, action: Any, turn: Turn) -> None:
        env = self._env
        self._act(action)
        # Each of these goes through all of the environment's wrappers: once is enough.
        rewards, agents, terminated, truncated = dict(env.rewards), env.agents, env.terminations, env.truncations
        self._pay(rewards, turn)
        done = [a for a in agents if terminated[a] or truncated[a]]
        self._cut = not any(terminated[a] for a in done)
        if done:
            self._seen.update({a: env.observe(a) for a in done})
            while env.agents and (env.terminations[env.agent_selection] or env.truncations[env.agent_selection]):
                self._act(None)
            self._let_go(done, turn)
        if done or any(rewards.values()):
            self._emit(rewards, turn)

    def _go_on(self, turn: Turn) -> None:
        """The next step, if anybody is left for one."""
        if self._env.agents:
            self._wake(turn, turn.tick + 1)
        else:
            turn.end(truncated=self._cut)

    def _wake(self, turn: Turn, tick: int) -> None:
        """Wake whoever is to act next; for empty seats nobody is woken."""
        if self._zoo.parallel:
            if not self._due:
                # Not turn.members: those who leave in this step are still among them.
                self._due = {n: np.array(sorted(here), dtype=np.int64) for n, here in self._here.items() if here}
                self._order = {name: due.tolist() for name, due in self._due.items()}
            for name, due in self._due.items():
                turn.wake(name, due, tick)
            if not self._due:
                turn.call(tick, "step_alone")
            return
        role, member = self._place[self._env.agent_selection]
        if member in self._here[role]:
            turn.wake(role, np.array([member], dtype=np.int64), tick)
        else:
            turn.call(tick, "step_alone")

    def on_event(self, name: str, payload: object, turn: Turn) -> None:  # noqa: ARG002
        """A step for which nobody is woken: the seats are empty."""
        if self._zoo.parallel:
            self._step_all({}, turn)
        else:
            agent = self._env.agent_selection
            self._step_one(idle(self._of[self._place[agent][0]], self._env, agent, self._look(agent)), turn)
        self._go_on(turn)

    def _act(self, action: Any) -> None:
        self._taken.append(_kept(action))
        self._env.step(action)

    # -- copies ----------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """State without the environment: many cannot be copied, and some only seem to (they are made anew)."""
        return {name: value for name, value in self.__dict__.items() if name != "_env"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the environment anew and let it do again what it did: the same seed and steps, the same state."""
        self.__dict__.update(state)
        if "_taken" not in state:
            return
        self._env = self._zoo.make()
        self._env.reset(seed=self._seed)
        for action in self._taken:
            self._env.step(action)

    # -- details ---------------------------------------------------------------------------------------------------

    def _look(self, agent: str) -> Any:
        """What an agent sees now, or saw when it was done."""
        return self._seen[agent] if self._zoo.parallel or agent in self._seen else self._env.observe(agent)

    def _pay(self, rewards: Mapping[str, Any], turn: Turn) -> None:
        for name, seats in self._of.items():
            early, owed = self._undecided[name], self._owed[name]
            due = self._due.get(name)
            if due is not None and not early and not owed:
                # The ordinary case by far: all who are here have decided, and nobody is owed anything.
                agents = seats.agents
                amounts = [rewards.get(agents[member], 0.0) for member in self._order[name]]
                if any(amounts):
                    turn.reward(name, due, np.array(amounts, dtype=np.float64))
                continue
            who, some = [], []
            for member in sorted(self._here[name]):
                amount = float(rewards.get(seats.agents[member], 0.0))
                if member in early:
                    owed[member] = owed.get(member, 0.0) + amount
                    continue
                if owed:
                    amount += owed.pop(member, 0.0)
                if amount:
                    who.append(member)
                    some.append(amount)
            if who:
                turn.reward(name, np.array(who, dtype=np.int64), np.array(some))

    def _let_go(self, done: list[str], turn: Turn) -> None:
        """Those who are done leave, unless all are: then the episode ends."""
        if not self._env.agents:
            return
        for name, seats in self._of.items():
            gone = [i for i, a in enumerate(seats.agents) if a in done and i in self._here[name]]
            if gone:
                turn.leave(name, np.array(gone, dtype=np.int64))
                self._here[name] -= set(gone)
                self._due = {}

    def _emit(self, rewards: Mapping[str, Any], turn: Turn) -> None:
        if len(self._place) <= _SINGLE:
            told = {name: float(rewards.get(agent, 0.0)) for agent, name in self._paid.items()}
        else:
            told = {
                f"reward_{name}": float(np.mean([rewards.get(a, 0.0) for a in seats.agents]))
                for name, seats in self._of.items()
            }
        turn.emit(agents=float(len(self._env.agents)), **told)


def _kept(action: Any) -> Any:
    """What was done, whatever the environment makes of the arrays that it is given."""
    if isinstance(action, dict):
        return {name: _kept(one) for name, one in action.items()}
    return action if isinstance(action, int | float | str | None) else copy.deepcopy(action)


def _measure(agent: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in str(agent))
