"""Scenarios as environments: the suites of PettingZoo and gymnasium, what these miss, and the same episode inside."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test
from pettingzoo.utils import parallel_to_aec

import simworld
from simworld.errors import ActionError, ContractError, ScenarioError
from simworld.execution import build_society
from simworld.kernel import Field, Kernel, Role, World
from simworld.learning import SimworldAECEnv, SimworldParallelEnv
from simworld.scenario import load
from simworld.spaces import RoleSpaces

GAME = """
world: {kind: repeated_game, noise: 0.05}
roles: {player: [{kind: tit_for_tat, count: 3}, {kind: tit_for_tat, count: 3}]}
horizon: 40
"""
ECONOMY = """
world: {kind: economy, brackets: three, tax_year: 3}
roles:
  worker: {kind: rational, count: 3}
  planner: {kind: fixed, schedule: flat, rate: 0.2}
horizon: 12
"""
BOARD = """
world: {kind: pettingzoo, env: pettingzoo.classic.tictactoe_v3}
roles: {player: {kind: random, count: 2}}
horizon: 20
"""
SHRINKING = """
world: {kind: "tests_world:Shrinking"}
roles: {one: {kind: random, count: 4}}
horizon: 30
"""
# PettingZoo's suites say what they think of spaces that are no Box.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


class Shrinking(World):
    """Every few ticks the last of those present leaves; the first sees more rarely than the others."""

    roles = (
        Role(
            "one",
            obs=(Field("left"), Field("who", "int64", low=0, high=9), Field("told", "str")),
            act=(Field("shift", "float64", (2,), low=-1.0, high=0.1), Field("stay", "bool")),
        ),
    )

    def __init__(self, slow: bool = False):
        self.slow = slow

    def reset(self, turn):
        turn.wake("one", turn.join("one", turn.seats("one")), 0)

    def observe(self, role, members):
        n = len(members)
        return {"left": np.full(n, 4.0), "who": members.copy(), "told": np.full(n, "x", dtype=object)}

    def step(self, moment, turn):
        here = turn.members("one")
        if moment.tick % 5 == 4 and len(here) > 1:
            turn.leave("one", here[-1:])
            here = here[:-1]
        acts = moment.acts.get("one")
        if acts is not None:
            turn.reward("one", acts.members, acts["shift"].sum(axis=1))
        due = here[1:] if self.slow and turn.tick % 2 == 0 and len(here) > 1 else here
        turn.wake("one", due, turn.tick + 1)


@pytest.fixture
def file(tmp_path):
    def written(text: str):
        path = tmp_path / "it.yaml"
        path.write_text(text.replace("tests_world", __name__))
        return path

    return written


@pytest.mark.parametrize(
    ("text", "learners"),
    [(GAME, ["player"]), (GAME, ["player.0"]), (SHRINKING, ["one"]), (ECONOMY, ["worker"])],
)
def test_learners_of_one_cadence_are_a_parallel_environment(file, text, learners):
    path = file(text)
    env = simworld.env(path, learners)
    assert isinstance(env, SimworldParallelEnv)
    parallel_api_test(env, num_cycles=100)
    parallel_seed_test(lambda: simworld.env(path, learners, api="parallel"))
    api_test(parallel_to_aec(simworld.env(path, learners, api="parallel")), num_cycles=60)


@pytest.mark.parametrize(
    ("text", "learners", "more"),
    [(ECONOMY, ["worker", "planner"], []), (SHRINKING, ["one"], ["world.slow=true"]), (BOARD, ["player"], [])],
)
def test_learners_of_mixed_cadences_take_turns(file, text, learners, more):
    path = file(text)
    env = simworld.env(path, learners, more)
    assert isinstance(env, SimworldAECEnv)
    api_test(env, num_cycles=60)
    seed_test(lambda: simworld.env(path, learners, more, api="aec"), num_cycles=40)


def test_what_the_suites_of_others_miss(file):
    env = simworld.env(file(SHRINKING), ["one"], api="parallel")
    for seed in range(2):
        seen, infos = env.reset(seed=seed)
        everybody = set(env.agents)
        while env.agents:
            alive = set(env.agents)
            assert set(seen) == set(infos) == alive
            for name in alive:
                assert env.observation_space(name).contains(seen[name]), seen[name]
                assert env.observation_space(name) is env.observation_space(name)
                assert infos[name]["due"] in {True, False}
            actions = {name: env.action_space(name).sample() for name in alive}
            seen, rewards, terminated, truncated, infos = env.step(actions)
            assert set(rewards) == set(terminated) == set(truncated) == alive
            assert all(type(reward) is float for reward in rewards.values())
            gone = {name for name in alive if terminated[name] or truncated[name]}
            assert set(env.agents) == alive - gone
            seen = {name: seen[name] for name in env.agents}
            infos = {name: infos[name] for name in env.agents}
            everybody -= {name for name in gone if terminated[name]}
        assert everybody == {"one_0"}  # the others left before the end


def test_an_action_outside_its_space_is_refused_and_nothing_has_happened(file):
    env = simworld.env(file(SHRINKING), ["one"], api="parallel")
    env.reset(seed=0)
    good = {name: env.action_space(name).sample() for name in env.agents}
    # What is within the float32 space may be beyond 0.1 by rounding: that is no fault of a learner's.
    good["one_1"] = {"shift": np.full(2, np.float32(0.1)), "stay": 1}
    for bad in ({"shift": np.array([0.0, 0.2]), "stay": 0}, {"shift": np.zeros(3), "stay": 0}, {"stay": 1}, None, 3):
        with pytest.raises(ActionError, match="one_2"):
            env.step(good | {"one_2": bad})
    with pytest.raises(ActionError, match="one_3 is due and has no action"):
        env.step({name: action for name, action in good.items() if name != "one_3"})
    env.step(good)


def test_whole_numbers_stay_whole_however_their_bounds_are_written():
    space = RoleSpaces(Role("p", (Field("x"),), (Field("n", "int64", (2,), low=0.0, high=7.0),)))
    done = space.done([np.array([3, 7])], ["p_0"])
    assert done["n"].dtype == np.int64
    assert done["n"].tolist() == [[3, 7]]


def test_a_single_learner_is_a_gymnasium_environment(file):
    path = file(GAME.replace("count: 3", "count: 1"))
    env = simworld.env(path, ["player.0"], api="gymnasium")
    check_env(env, skip_render_check=True)
    env.reset(seed=3)
    total, over, steps = 0.0, False, 0
    while not over:
        _, reward, terminated, truncated, _ = env.step(np.array([1.0], dtype=np.float32))
        total, over, steps = total + reward, terminated or truncated, steps + 1
    assert (steps, truncated, terminated) == (40, True, False)
    assert total > 60.0
    with pytest.raises(ContractError, match="6 learners"):
        simworld.env(file(GAME), ["player"], api="gymnasium")


def test_the_same_rule_outside_and_inside_makes_the_same_episode(file):
    path = file(GAME)
    env = simworld.env(path, ["player.0"], api="parallel")
    seen, _ = env.reset(seed=11)
    total = 0.0
    while env.agents:
        known = {name: one["other_known"] for name, one in seen.items()}
        tit_for_tat = {name: one["other"] if known[name] else np.ones(1, np.float32) for name, one in seen.items()}
        seen, rewards, *_ = env.step(tit_for_tat)
        total += sum(rewards.values())
    cell = load(path).cells[0]
    inside = Kernel(*build_society(cell.resolved), seed=11, horizon=40)
    inside.run()
    assert env._cast.stage.kernel.chain == inside.chain
    assert total > 0.0


def test_masks_of_a_hosted_board_are_those_of_the_environment(file):
    env = simworld.env(file(BOARD), ["player"], api="aec")
    env.reset(seed=1)
    space = env.action_space("player_0")
    space.seed(4)
    moves = 0
    for agent in env.agent_iter():
        seen, _, terminated, truncated, _ = env.last()
        mask = seen["action_mask"]
        assert terminated or mask.sum() == 9 - seen["observation"].sum()
        env.step(None if terminated or truncated else space.sample(mask))
        moves += not (terminated or truncated)
        assert agent in {"player_0", "player_1"}
    assert 5 <= moves <= 9
    assert sorted(set(env.possible_agents)) == ["player_0", "player_1"]


def test_an_environment_starts_from_its_seed_whatever_was_played_before(file):
    env = simworld.env(file(GAME), ["player"], api="parallel")

    def story(seed):
        env.reset(seed=seed)
        told = []
        while env.agents:
            _, rewards, *_ = env.step({name: np.full(1, 0.7, np.float32) for name in env.agents})
            told.append(sorted(rewards.items()))
        return told

    first = story(5)
    assert story(6) != first
    assert story(5) == first
    assert pickle.loads(pickle.dumps(first)) == first


@pytest.mark.parametrize(
    ("text", "learners", "why"),
    [
        (GAME, ["players"], "found 'players'; accepted: player, player.0, player.1"),
        (GAME, ["player.2"], "found 'player.2'"),
        (GAME, [], "found nobody"),
        (GAME, ["player", "player.1"], "name a group twice"),
    ],
)
def test_learners_who_are_not_there_are_named(file, text, learners, why):
    with pytest.raises(ScenarioError, match=why):
        simworld.env(file(text), learners)


@pytest.mark.parametrize("api", ["parallel", "aec", "gymnasium"])
def test_a_step_before_the_first_reset_says_so(tmp_path, api):
    path = tmp_path / "game.yaml"
    path.write_text(GAME.replace("[{kind: tit_for_tat, count: 3}, {", "[{kind: tit_for_tat}, {"))
    one = simworld.env(path, ["player.0"], api=api)
    with pytest.raises(ContractError, match="was not reset; accepted: reset"):
        one.step({"player_0": {"choice": 0}})


def test_learners_see_the_fields_that_they_are_to_see(file):
    from simworld.learning._cast import Cast
    from simworld.learning._stage import Part
    from simworld.spaces import VectorSpaces

    scenario = load(file(GAME))
    widths = {
        sees: Cast(Part(scenario, ["player"], sees=sees), VectorSpaces).observation_space("player_0").shape[0]
        for sees in ((), ("own", "other"), ("rounds",))
    }
    # A number that may be missing takes two places: the number, and whether it is known.
    assert widths[("own", "other")] == 4
    assert widths[("rounds",)] == 1
    assert widths[()] > 5
    with pytest.raises(ScenarioError, match=r"train.sees: found 'owns'; accepted: other, own, partner"):
        Part(scenario, ["player"], sees=["owns"])
