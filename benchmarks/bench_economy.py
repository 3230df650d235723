"""The economy with 10,000 workers against Mesa's Boltzmann-wealth model of as many agents."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from functools import partial

import numpy as np

from benchmarks.measure import Line
from simworld.kernel import Action, Agent, Group, Individuals, Kernel, Seat, Value
from simworld.worlds.economy import Economy
from simworld_agents.economist import RationalWorkers

WORKERS = 10_000
REPEATS = 5


class _Restless(Agent):
    """A planner that moves every period: random rates, so that every schedule is new and most are not convex."""

    def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:
        return {"rates": seat.draw("rates", width=np.shape(seen["rates"]))}


def economy_rate(periods: int = 40) -> float:
    """Agent-steps per second of process time: kernel, chain, world, minds; nothing recorded."""
    seating = {
        "worker": [Group(RationalWorkers(), WORKERS)],
        "planner": [Group(Individuals(partial(_Restless)), 1)],
    }
    kernel = Kernel(Economy(tax_year=1), seating, seed=1, horizon=periods)
    kernel.run(until=2)  # drawing the population is not a step
    begun = time.process_time()
    kernel.run()
    return WORKERS * (periods - 2) / (time.process_time() - begun)


def mesa_rate(collect: bool, steps: int = 3) -> float:
    """Agent-steps per second of process time of Mesa's example model, with or without its data collection."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mesa.examples.basic.boltzmann_wealth_model.model import BoltzmannWealth  # noqa: PLC0415

        model = BoltzmannWealth(n=WORKERS, width=100, height=100, seed=1)
        begun = time.process_time()
        for _ in range(steps):
            if collect:
                model.step()
            else:
                model.agents.shuffle_do("step")
        return WORKERS * steps / (time.process_time() - begun)


def lines() -> list[Line]:
    ours, steps, whole = [], [], []
    for _ in range(REPEATS):  # in turn, so that a slow spell of the machine hits all
        ours.append(economy_rate())
        steps.append(mesa_rate(collect=False))
        whole.append(mesa_rate(collect=True))
    return [
        Line("economy, 10,000 rational workers, planner every period", float(np.median(ours)), "agent-steps/s"),
        Line("Mesa Boltzmann wealth, 10,000 agents, steps only", float(np.median(steps)), "agent-steps/s"),
        Line("Mesa Boltzmann wealth, 10,000 agents, as shipped", float(np.median(whole)), "agent-steps/s"),
        Line("economy (measures and chain included) / Mesa, steps only", _ratio(ours, steps), "x", at_least=20.0),
        Line("economy (measures and chain included) / Mesa, as shipped", _ratio(ours, whole), "x", at_least=20.0),
    ]


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return float(np.median(np.array(ours) / np.array(theirs)))
