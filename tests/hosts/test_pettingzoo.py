"""PettingZoo's environments run as they are: what they show and pay is what they show and pay alone."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from gymnasium import spaces
from mpe2 import simple_spread_v3
from pettingzoo import ParallelEnv
from pettingzoo.classic import tictactoe_v3
from pettingzoo.utils.conversions import aec_to_parallel_wrapper
from pettingzoo.utils.wrappers import AssertOutOfBoundsWrapper, OrderEnforcingWrapper, TerminateIllegalWrapper

from simworld.errors import ContractError, ScenarioError
from simworld.execution import check
from simworld.hosts import PettingZooWorld
from simworld.hosts._zoo import _unguarded
from simworld.kernel import Agent, Answer, Broker, Group, Individuals, Intervention, Kernel, World
from simworld.scenario import load
from simworld.testing import ScriptedGateway, WorldSuite, play
from simworld_agents.general import Random
from simworld_analysis import open_run

os.environ["SDL_VIDEODRIVER"] = "dummy"

PARALLEL = [
    "mpe2.simple_spread_v3",
    "mpe2.simple_tag_v3",
    "mpe2.simple_adversary_v3",
    "mpe2.simple_crypto_v3",
    "mpe2.simple_speaker_listener_v4",
    "mpe2.simple_world_comm_v3",
    "pettingzoo.classic.rps_v2",
    "pettingzoo.butterfly.knights_archers_zombies_v11",
    "pettingzoo.butterfly.cooperative_pong_v6",
]
TURN_BY_TURN = [
    "pettingzoo.classic.tictactoe_v3",
    "pettingzoo.classic.connect_four_v3",
    "pettingzoo.classic.go_v5",
    "pettingzoo.classic.chess_v6",
]
# What PettingZoo and gymnasium say when their own environments are made and played.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


def played(env: str, horizon: int, args=None):
    world = PettingZooWorld(env, args or {})
    seating = {name: [Group(Random(), len(seats.agents))] for name, seats in world._of.items()}
    return world, play(world, seating, seed=5, horizon=horizon)


def flat(value) -> list[float]:
    """All numbers of an observation, in the order of its fields."""
    if isinstance(value, dict):
        return [x for key in sorted(value) for x in flat(value[key])]
    return np.asarray(value, dtype=float).ravel().tolist()


def test_guards_are_left_out_and_wrappers_that_may_be_rules_are_kept():
    class Mine(AssertOutOfBoundsWrapper):
        """A wrapper of somebody's own."""

    raw = tictactoe_v3.raw_env()
    kept = Mine(TerminateIllegalWrapper(raw, illegal_reward=-1))
    assert _unguarded(OrderEnforcingWrapper(AssertOutOfBoundsWrapper(kept))) is kept
    assert _unguarded(raw) is raw
    both = aec_to_parallel_wrapper(OrderEnforcingWrapper(simple_spread_v3.raw_env()))
    assert type(_unguarded(both).aec_env) is simple_spread_v3.raw_env


@pytest.mark.parametrize("env", PARALLEL)
def test_a_parallel_environment_goes_as_it_goes_alone(env):
    world, episode = played(env, 40)
    names = {(name, m): agent for name, seats in world._of.items() for m, agent in enumerate(seats.agents)}
    rows = {}
    for row in episode.heard.rows:
        rows.setdefault(row["tick"], {})[names[row["role"], row["member"]]] = row
    alone = importlib.import_module(env).parallel_env()
    seen, _ = alone.reset(seed=5)
    earned = dict.fromkeys(alone.possible_agents, 0.0)
    for tick in sorted(rows):
        assert set(alone.agents) == set(rows[tick])
        for agent, row in rows[tick].items():
            assert flat(row["seen"]) == flat(seen[agent]), (tick, agent)
        seen, rewards, *_ = alone.step({agent: row["done"]["action"] for agent, row in rows[tick].items()})
        for agent, amount in rewards.items():
            earned[agent] += float(amount)
    assert len(rows) > 10
    ours = dict.fromkeys(alone.possible_agents, 0.0)
    for role, member, amount in episode.heard.rewards:
        ours[names[role, member]] += amount
    assert ours == pytest.approx(earned, abs=1e-9)
    assert any(earned.values()) or env.endswith("zombies_v11")
    alone.close()


@pytest.mark.parametrize("env", TURN_BY_TURN)
def test_a_turn_by_turn_environment_goes_as_it_goes_alone(env):
    world, episode = played(env, 80)
    names = {(name, m): agent for name, seats in world._of.items() for m, agent in enumerate(seats.agents)}
    alone = importlib.import_module(env).env()
    alone.reset(seed=5)
    for row in episode.heard.rows:
        agent = names[row["role"], row["member"]]
        assert alone.agent_selection == agent
        assert flat(row["seen"]) == flat(alone.observe(agent))
        assert row["seen"]["action_mask"][row["done"]["action"]], "an illegal move"
        alone.step(row["done"]["action"])
    assert len(episode.heard.rows) > 5
    if any(alone.terminations.values()):
        ours = {names[role, member]: amount for role, member, amount in episode.heard.rewards}
        assert ours == {agent: reward for agent, reward in alone.rewards.items() if reward}
        assert {end for *_, end in episode.heard.closings} == {"terminated"}
        assert episode.heard.samples[-1][1]["agents"] == 0
    alone.close()


def test_both_interfaces_of_one_environment_tell_the_same_story():
    _, together = played("mpe2.simple_spread_v3", 40)
    world = PettingZooWorld("mpe2.simple_spread_v3", api="aec")
    taken = {(row["tick"], row["member"]): row["done"]["action"] for row in together.heard.rows}
    episode = play(world, {"agent": [Group(Repeating(taken), 3)]}, seed=5, horizon=200)
    assert len(episode.heard.rows) == len(together.heard.rows)
    sums = [np.zeros(3), np.zeros(3)]
    for which, one in zip(sums, (together, episode), strict=True):
        for _, member, amount in one.heard.rewards:
            which[member] += amount
    # In turns, what an agent earns after its last action comes when it can no longer be credited with it.
    assert sums[0] == pytest.approx(sums[1], rel=0.1)
    assert {end for *_, end in episode.heard.closings} == {"truncated"}


class Repeating(Random):
    """Does what others did: in turn-by-turn play, a round of three turns is one step of the other."""

    def __init__(self, taken):
        self.taken = taken

    def act(self, seen, seats):
        return {"action": np.array([self.taken[seats.tick // 3, m] for m in seats.members.tolist()])}


def test_continuous_actions_reach_the_environment_within_its_bounds():
    _, episode = played("mpe2.simple_spread_v3", 30, {"continuous_actions": True, "N": 2})
    assert {row["done"]["action"].shape for row in episode.heard.rows} == {(5,)}
    assert min(row["done"]["action"].min() for row in episode.heard.rows) >= 0.0


def test_those_who_are_done_leave_and_the_others_play_on():
    _, episode = played("pettingzoo.butterfly.knights_archers_zombies_v11", 900, {"max_zombies": 30, "spawn_delay": 2})
    ends = [end for *_, end in episode.heard.closings]
    assert "left" in ends
    assert len(ends) == 4


def test_who_is_left_is_paid_after_others_have_died():
    world = PettingZooWorld("pettingzoo.butterfly.knights_archers_zombies_v11")
    seating = {name: [Group(Random(), len(seats.agents))] for name, seats in world._of.items()}
    heard = play(world, seating, seed=5, horizon=400).heard
    first = min(tick for _, tick, _, end in heard.closings if end == "left")
    assert first < max(tick for tick, _ in heard.samples)


@pytest.mark.parametrize("api", ["aec", "parallel"])
def test_the_environment_goes_on_when_whoever_is_due_is_taken_out(api):
    if api == "aec":
        world, role = PettingZooWorld("pettingzoo.classic.tictactoe_v3"), "player"
        without = {role: np.array([1])}
    else:
        world, role = PettingZooWorld("mpe2.simple_spread_v3"), "agent"
        without = {role: None}
    kernel = Kernel(world, {role: [Group(Random(), len(world._of[role].agents))]}, 5, 30)
    kernel.run(until=3)
    kernel.intervene(Intervention(3, without=without))
    kernel.run()
    assert not world._env.agents, "played to its end, with empty seats"


class TestSpread(WorldSuite):
    def world(self) -> World:
        return PettingZooWorld("mpe2.simple_spread_v3")

    def seating(self) -> dict[str, list[Group]]:
        return {"agent": [Group(Random(), 3)]}


class TestTicTacToe(WorldSuite):
    horizon = 7

    def world(self) -> World:
        return PettingZooWorld("pettingzoo.classic.tictactoe_v3")

    def counts(self):
        return {"player": 2}

    def seating(self) -> dict[str, list[Group]]:
        return {"player": [Group(Random(), 2)]}


SCENARIO = """
world: {kind: pettingzoo, env: pettingzoo.classic.tictactoe_v3}
roles: {player: [{kind: llm_agent, task: "Three in a row wins."}, {kind: person, deadline: 5}]}
horizon: 12
episodes: 3
people: {default: {kind: scripted, answers: [8, 7, 6, 5, 4]}}
faults: {most: 1}
"""


def simworld(here: Path, *arguments: str) -> str:
    command = [sys.executable, "-c", "from simworld.cli import main; main()", *arguments]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_model_and_a_person_play_and_the_game_is_replayed(tmp_path):
    (tmp_path / "it.yaml").write_text(SCENARIO)
    told = simworld(tmp_path, "run", "it.yaml", "--display", "json")
    run = tmp_path / json.loads(told.splitlines()[0])["run"]
    rows = open_run(run).table("decisions.player")
    assert set(open_run(run).table("agents")["mind"]) == {"llm_agent (stand-in/in-context)", "person"}
    person = rows[rows["end"].isna() & (rows["agent"] == 1)]
    # What is not allowed any more is no answer: something allowed stands in, flagged.
    assert set(person.loc[person["fault"].isna(), "act.action"]) <= set(range(4, 9))
    assert set(person["fault"].dropna()) <= {"invalid"}
    assert all(mask[int(move)] for mask, move in zip(person["obs.action_mask"], person["act.action"], strict=True))
    assert simworld(tmp_path, "replay", str(run)).startswith("identical: 3 episodes")


class Waiting(Agent):
    """Asks a person in another room, who takes three steps to answer."""

    asks = ("person",)

    async def act(self, seen, seat):
        allowed = [int(v) for v in np.flatnonzero(seen["action_mask"])]
        answer = await seat.ask.person({"question": "where?", "options": allowed}, after=3)
        return {"action": answer.value}


def test_a_board_waits_for_who_waits_for_an_answer():
    world = PettingZooWorld("pettingzoo.classic.tictactoe_v3")
    gateway = ScriptedGateway(lambda ask: Answer(ask.content["options"][-1]))
    seating = {"player": [Group(Individuals(Waiting)), Group(Random())]}
    episode = play(world, seating, seed=1, horizon=40, broker=Broker(gateway))
    ticks = [(row["member"], row["since"], row["tick"]) for row in episode.heard.rows]
    assert ticks[:4] == [(0, 0, 3), (1, 4, 4), (0, 5, 8), (1, 9, 9)]
    assert {end for *_, end in episode.heard.closings} == {"terminated"}


class Odd(ParallelEnv):
    """Agents of any names and spaces, of whom some may come late."""

    metadata: ClassVar[dict] = {"name": "odd"}

    def __init__(self, agents=("p_0", "p_1"), late=(), seen=None):
        self.possible_agents, self.late = list(agents), set(late)
        self.seen = spaces.Discrete(2) if seen is None else seen

    def observation_space(self, agent):
        return self.seen

    def action_space(self, agent):
        return spaces.Discrete(3 if agent == "a-b" else 2)

    def reset(self, seed=None, options=None):
        self.agents = [agent for agent in self.possible_agents if agent not in self.late]
        return dict.fromkeys(self.agents, 0), {}


def nothing_seen():
    return Odd(seen=spaces.Dict({}))


def test_agents_who_come_late_in_a_parallel_environment_are_named():
    world = PettingZooWorld(f"{__name__}:Odd", {"late": ["p_1"]})
    with pytest.raises(
        ContractError, match=r"p_1 is not there when the environment is reset; accepted: .* or api: aec"
    ):
        play(world, {"p": [Group(Random(), 2)]}, seed=1, horizon=3)


@pytest.mark.parametrize(
    ("world", "roles", "why"),
    [
        (
            f"env: '{__name__}:Odd', args: {{agents: [a-b, a_b]}}",
            "",
            "agents a-b and a_b would both be of the role 'a_b'",
        ),
        (f"env: '{__name__}:nothing_seen'", "", "observation: the space Dict() has no entries"),
        ("env: pettingzoo.classic.tictactoe_v9", "", "cannot be imported"),
        ("env: pettingzoo.classic.chess_v6, text: true", "player: {kind: random, count: 3}", "accepted: 2, the env"),
        ("env: pettingzoo.classic.tictactoe_v3, text: true", "", "renders no text; it renders human, rgb_array"),
        ("env: mpe2.simple_spread_v3, args: {M: 3}", "", "argument 'M'; accepted: N, local_ratio, max_cycles"),
        ("env: json", "", "has no parallel_env and no env"),
        ("env: mpe2.simple_spread_v3", "agents: {kind: random, count: 3}", "no such role; did you mean 'agent'?"),
        ("env: pettingzoo.test.example_envs.generated_agents_parallel_v0", "", "(possible_agents)"),
    ],
)
def test_what_cannot_be_hosted_is_one_line(tmp_path, world, roles, why):
    path = tmp_path / "it.yaml"
    path.write_text(f"world: {{kind: pettingzoo, {world}}}\nroles: {{{roles}}}\nhorizon: 5\n")
    with pytest.raises(ScenarioError) as caught:
        check(load(path))
    assert why in str(caught.value), caught.value
    assert len(str(caught.value).splitlines()) == 1
