"""Worlds of others: what it costs to host PettingZoo's environments and Mesa's models, and to be an environment."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Line
from simworld.execution import Order, execute
from simworld.kernel import Group, Kernel
from simworld.scenario import load
from simworld_agents.general import Random
from simworld_analysis import open_run

REPEATS = 5
LARGE = {"width": 100, "height": 100}
RICH = {**LARGE, "n": 10_000}
GAME = """
world: {kind: repeated_game}
roles: {player: {kind: tit_for_tat, count: 8}}
horizon: 100000
"""
MESA = """
world: {{kind: mesa, model: "mesa.examples:{model}", args: {args}}}
horizon: {horizon}
episodes: {episodes}
"""


def best(measured: Callable[[], float], repeats: int = REPEATS) -> float:
    """The smallest of several times: what is longer was disturbed."""
    return min(measured() for _ in range(repeats))


def hosted(env: str, seats: Mapping[str, int], episodes: int, horizon: int) -> float:
    """Seconds for some episodes of a hosted environment, with minds that play at random; nothing recorded."""
    from simworld.hosts import PettingZooWorld  # noqa: PLC0415

    world = PettingZooWorld(env)
    begun = time.process_time()
    for seed in range(episodes):
        Kernel(world, {role: [Group(Random(), n)] for role, n in seats.items()}, seed, horizon).run()
    return time.process_time() - begun


def bare_parallel(env: str, episodes: int) -> float:
    """Seconds for as many episodes in PettingZoo's own loop, with actions that its spaces sample."""
    import importlib  # noqa: PLC0415

    begun = time.process_time()
    for seed in range(episodes):
        one = importlib.import_module(env).parallel_env()
        one.reset(seed=seed)
        while one.agents:
            one.step({agent: one.action_space(agent).sample() for agent in one.agents})
    return time.process_time() - begun


def bare_turns(env: str, episodes: int) -> float:
    """The same turn by turn, with actions that the mask allows."""
    import importlib  # noqa: PLC0415

    begun = time.process_time()
    for seed in range(episodes):
        one = importlib.import_module(env).env()
        one.reset(seed=seed)
        for agent in one.agent_iter():
            seen, _, terminated, truncated, _ = one.last()
            over = terminated or truncated
            one.step(None if over else one.action_space(agent).sample(seen["action_mask"]))
    return time.process_time() - begun


def mesa_ratio(model: str, args: dict[str, Any], steps: int) -> float:
    """Wall time of a hosted model with all that it reports on disk, over that of Mesa alone."""
    from mesa import examples  # noqa: PLC0415

    def alone() -> float:
        begun = time.perf_counter()
        one = getattr(examples, model)(seed=0, **args)
        for _ in range(steps):
            one.step()
        return time.perf_counter() - begun

    def recorded() -> float:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "it.yaml"
            path.write_text(MESA.format(model=model, args=args, horizon=steps + 1, episodes=1))
            return open_run(execute(Order(load(path), Path(folder) / "runs")).run).seconds()

    alone(), recorded()
    pairs = [(recorded(), alone()) for _ in range(REPEATS)]
    return min(ours for ours, _ in pairs) / min(theirs for _, theirs in pairs)


def exported_rate(steps: int = 4_000) -> float:
    """Parallel steps per second of the exported repeated game with eight players."""
    import simworld  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "it.yaml"
        path.write_text(GAME)
        env = simworld.env(path, ["player"], api="parallel")
        env.reset(seed=1)
        actions = {name: np.full(1, 0.5, np.float32) for name in env.agents}

        def measured() -> float:
            begun = time.perf_counter()
            for _ in range(steps):
                env.step(actions)
            return time.perf_counter() - begun

        return steps / best(measured)


def sweep_ratio(runs: int = 200, steps: int = 50) -> float:
    """Wall time of mesa.batch_run with two processes over that of a sweep with two jobs, both from start to table."""
    import mesa  # noqa: PLC0415
    from mesa.examples import BoltzmannWealth  # noqa: PLC0415

    def theirs() -> float:
        begun = time.perf_counter()
        parameters = {"n": [50, 100], "seed": list(range(runs // 2))}
        mesa.batch_run(
            BoltzmannWealth,
            parameters,
            number_processes=2,
            max_steps=steps,
            data_collection_period=1,
            display_progress=False,
        )
        return time.perf_counter() - begun

    def ours() -> float:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "it.yaml"
            text = MESA.format(model="BoltzmannWealth", args={}, horizon=steps + 1, episodes=runs // 2)
            path.write_text(text + "sweep: {grid: {world.args.n: [50, 100]}}\n")
            begun = time.perf_counter()
            run = open_run(execute(Order(load(path), Path(folder) / "runs", jobs=2)).run)
            assert len(run.table("measures")) == runs * (steps + 1)
            return time.perf_counter() - begun

    pairs = [(ours(), theirs()) for _ in range(3)]
    return min(their for _, their in pairs) / min(own for own, _ in pairs)


def lines() -> list[Line]:
    """The figures."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spread, board = "mpe2.simple_spread_v3", "pettingzoo.classic.tictactoe_v3"
        ours = best(lambda: hosted(spread, {"agent": 3}, 20, 30))
        theirs = best(lambda: bare_parallel(spread, 20))
        turns = best(lambda: hosted(board, {"player": 2}, 60, 20))
        bare = best(lambda: bare_turns(board, 60))
        return [
            Line("hosted simple_spread / its own loop, steps per second", theirs / ours, "x", at_least=0.85),
            Line("hosted tic-tac-toe / its own loop, games per second", bare / turns, "x", at_least=0.6),
            Line("Schelling 100 x 100, recorded / Mesa alone", mesa_ratio("Schelling", LARGE, 20), "x", at_most=1.05),
            Line("Boltzmann 10,000, recorded / Mesa alone", mesa_ratio("BoltzmannWealth", RICH, 20), "x", at_most=1.05),
            Line("exported game with 8 players", exported_rate(), "steps/s", at_least=8_000),
            Line("200 runs: mesa.batch_run / sweep, 2 processes each", sweep_ratio(), "x", at_least=1.0),
        ]
