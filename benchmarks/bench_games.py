"""Reservoir-governed players, a thousand with weights of their own, against loops over reservoirpy's nodes."""

from __future__ import annotations

import multiprocessing
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from benchmarks.measure import Line
from simworld.kernel import Group, Kernel
from simworld.worlds.games import RepeatedGame
from simworld_agents.reservoir import ReservoirPlayers

AGENTS, UNITS = 1_000, 30
REPEATS = 5


def players_rate(precision: str, rounds: int = 150, clock: Callable[[], float] = time.process_time) -> float:
    """Agent-rounds per second: chance, kernel, chain, game, sentinel; nothing recorded."""
    # How long a body was habituated does not change how long a round takes.
    settings = {"epochs": 0, "warm_up": 1, "calibration": 1, "precision": precision}
    mind = ReservoirPlayers(**settings)  # type: ignore[arg-type]
    kernel = Kernel(RepeatedGame(), {"player": [Group(mind, AGENTS)]}, seed=1, horizon=rounds + 1)
    kernel.step()  # the bodies come about
    begun = clock()
    kernel.run()
    return AGENTS * rounds / (clock() - begun)


def two_cores_rate() -> float:
    """Agent-rounds per second of wall time of two episodes in two processes at once."""
    both, clock = ["double"] * 2, [time.perf_counter] * 2
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        # A first round, for the imports; then long ones, that they overlap.
        list(pool.map(players_rate, both, [1, 1], clock))
        return sum(pool.map(players_rate, both, [600, 600], clock))


def nodes_rate(whole: bool, rounds: int = 3) -> float:
    """Agent-rounds per second of process time of reservoirpy's nodes, one by one.

    Args:
        whole: With noise, readout, sentinel and payoff in numpy around each step; otherwise the step alone.
        rounds: How many.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from reservoirpy.nodes import Reservoir  # noqa: PLC0415

    chance = np.random.Generator(np.random.Philox(key=1))
    weights = chance.normal(size=(AGENTS, UNITS, UNITS)) / 6
    nodes = [Reservoir(UNITS, lr=1.0, W=w, Win=chance.normal(size=(UNITS, 2)), bias=np.zeros(UNITS)) for w in weights]
    for node in nodes:
        node.initialize(np.ones((1, 2)))
    readout, usual = chance.normal(size=UNITS), np.zeros(UNITS)
    played = np.ones(AGENTS)
    begun = time.process_time()
    for _ in range(rounds):
        for agent, node in enumerate(nodes):
            other = played[agent ^ 1]
            state = node.step(np.array([played[agent], other]))
            if whole:
                state = state + 0.15 * chance.standard_normal(UNITS)
                body = 1.0 / (1.0 + np.exp(-(readout @ state)))
                gap = state - usual
                felt = 0.3 * np.sqrt((gap @ gap) / UNITS) + 0.3 * abs(body - 0.9) + 0.4 * abs(body - other)
                alpha = min(1.0, max(0.05, 0.85 - 0.5 * max(0.0, felt - 0.1)))
                played[agent] = alpha * body + (1.0 - alpha) * other
                usual = usual + 0.02 * gap
    return AGENTS * rounds / (time.process_time() - begun)


def normals_rate(count: int = 3_000_000) -> float:
    """Standard normal numbers per second of process time of one generator."""
    chance = np.random.Generator(np.random.Philox(key=1))
    begun = time.process_time()
    chance.standard_normal(count)
    return count / (time.process_time() - begun)


def copies_rate(count: int = 40) -> float:
    """Bytes per second of process time that are read when arrays as large as all weights are added up."""
    weights = np.ones(AGENTS * (UNITS + 3) * UNITS)
    begun = time.process_time()
    for _ in range(count):
        weights.sum()
    return count * weights.nbytes / (time.process_time() - begun)


def lines() -> list[Line]:
    found: dict[str, list[float]] = {}
    for _ in range(REPEATS):  # in turn, so that a slow spell of the machine hits all
        for name, value in (
            ("double", players_rate("double")),
            ("single", players_rate("single")),
            ("two", two_cores_rate()),
            ("step", nodes_rate(whole=False)),
            ("whole", nodes_rate(whole=True)),
            ("normals", normals_rate()),
            ("bytes", copies_rate()),
        ):
            found.setdefault(name, []).append(value)
    ours = np.array(found["double"])
    weights = ours * (UNITS + 3) * UNITS * 8
    return [
        Line("reservoir players, d = 30, own weights, float64", float(np.median(ours)), "agent-rounds/s"),
        Line("the same in float32 (noise is drawn in float64)", float(np.median(found["single"])), "agent-rounds/s"),
        Line("two such episodes at once, float64", float(np.median(found["two"])), "agent-rounds/s"),
        Line("the same / one", float(np.median(found["two"] / ours)), "x"),
        Line("loop over reservoirpy's step, nothing else", float(np.median(found["step"])), "agent-rounds/s"),
        Line("players / that loop", float(np.median(ours / found["step"])), "x", at_least=12.0),
        Line(
            "players / a loop that also draws noise, reads out, governs", float(np.median(ours / found["whole"])), "x"
        ),
        Line("share of one core's rate of normal numbers", float(np.median(UNITS * ours / found["normals"])), ""),
        Line("share of the rate at which weights can be read", float(np.median(weights / found["bytes"])), ""),
    ]
