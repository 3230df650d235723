"""The kernel against SimPy: callback entries, and moments in which a single agent is due."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import simpy

from benchmarks.measure import Line
from simworld.kernel import Array, Cohort, Field, Group, Kernel, Members, Moment, Payload, Role, Seats, Turn, World
from simworld.recording import EpisodeKey, EpisodeRecorder, EpisodeTables, RoleTable

PROCESSES, EVENTS, MOMENTS, REPEATS = 1_000, 200_000, 30_000, 5
SIMPY_REFERENCE = 850_000
"""SimPy's events per second on the machine for which 100,000 moments per second were asked."""


def _delays() -> list[int]:
    delays: list[int] = np.random.Generator(np.random.Philox(key=1)).integers(1, 100, EVENTS + PROCESSES).tolist()
    return delays


def simpy_rate() -> float:
    """Events per second of processes with random timeouts."""
    delays, env = iter(_delays()), simpy.Environment()

    def process(env: simpy.Environment) -> Generator[simpy.Event, object]:
        for delay in delays:
            yield env.timeout(delay)

    for _ in range(PROCESSES):
        env.process(process(env))
    begun = time.process_time()
    env.run()
    return EVENTS / (time.process_time() - begun)


class _Timeouts(World):
    """As many entries as SimPy has processes; each schedules its next through the public call."""

    def __init__(self) -> None:
        self.delays = iter(_delays())

    def reset(self, turn: Turn) -> None:
        for i in range(PROCESSES):
            turn.call(next(self.delays), "go", i)

    def observe(self, role: str, members: Members) -> Mapping[str, Array]:
        return {}

    def step(self, moment: Moment, turn: Turn) -> None:
        pass

    def on_event(self, name: str, payload: Payload, turn: Turn) -> None:
        delay = next(self.delays, None)
        if delay is not None:
            turn.call(turn.tick + delay, name, payload)


def callback_rate() -> float:
    """Callback entries per second through ``on_event``."""
    kernel = Kernel(_Timeouts(), {}, seed=0, horizon=10**9)
    begun = time.process_time()
    kernel.run()
    return EVENTS / (time.process_time() - begun)


class _Ring(World):
    roles = (Role("player", obs=(Field("x"),), act=(Field("a", low=0, high=1),)),)

    def reset(self, turn: Turn) -> None:
        players = turn.join("player", turn.seats("player"))
        for i in range(len(players)):
            turn.wake("player", players[i : i + 1], i)

    def observe(self, role: str, members: Members) -> Mapping[str, Array]:
        return {"x": members * 1.0}

    def step(self, moment: Moment, turn: Turn) -> None:
        turn.wake("player", moment.acts["player"].members, turn.tick + 100)


class _Zero(Cohort):
    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:
        return {"a": seen["x"] * 0.0}


def moment_rate() -> float:
    """Moments per second with one agent due, hash chain included, nothing recorded."""
    kernel = Kernel(_Ring(), {"player": [Group(_Zero(), 100)]}, seed=0, horizon=MOMENTS)
    begun = time.process_time()
    kernel.run()
    return MOMENTS / (time.process_time() - begun)


def recorded_rate() -> float:
    """The same, with every decision recorded, by wall time: the tables are written by a thread of their own."""
    world, groups = _Ring(), [Group(_Zero(), 100)]
    with TemporaryDirectory() as folder:
        tables = EpisodeTables(EpisodeKey("e"), (RoleTable(world.roles[0], (("zero", ()),)),))
        recorder = EpisodeRecorder(Path(folder), tables)
        kernel = Kernel(world, {"player": groups}, seed=0, horizon=MOMENTS)
        kernel.attach(recorder)
        begun = time.perf_counter()
        kernel.run()
        recorder.finish("success", kernel.moments, kernel.tick)
        return MOMENTS / (time.perf_counter() - begun)


def lines() -> list[Line]:
    rates = []
    for _ in range(REPEATS):  # in turn, so that a slow spell of the machine hits all
        rates.append([simpy_rate(), callback_rate(), moment_rate(), recorded_rate()])
    peer, call, moment, recorded = np.array(rates).T
    return [
        Line("SimPy, 1,000 processes with random timeouts", float(np.median(peer)), "events/s"),
        Line("callback entries / SimPy", float(np.median(call / peer)), "x", at_least=1.5),
        Line("moments with a single agent due, chain included", float(np.median(moment)), "moments/s"),
        Line("the same / SimPy", float(np.median(moment / peer)), "x", at_least=1e5 / SIMPY_REFERENCE),
        Line("the same, recorded and sealed", float(np.median(recorded)), "moments/s"),
        Line(
            "the same, recorded and sealed / SimPy",
            float(np.median(recorded / peer)),
            "x",
            at_least=5e4 / SIMPY_REFERENCE,
        ),
    ]
