"""A plaza: social forces and ORCA against the usual libraries, ten thousand people, branches, and its environment.

``python -m benchmarks.bench_plaza env --profile`` tells where the time of a part goes; the others are ``forces``,
``tenk``, ``orca`` and ``branch``.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import importlib
import importlib.util
import logging
import os
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Line
from simworld.execution import Order, execute
from simworld.kernel import Array, Cohort, Group, Kernel, Seats
from simworld.scenario import load
from simworld.worlds.plaza import Plaza
from simworld_agents.navigator import Orca, SocialForce, Still
from simworld_analysis import open_run

PEOPLE, MANY, AVOIDING = 1_000, 10_000, 500
DENSITY = 0.2
"""People per square metre, a street with much going on: 16 within 5 m, and 63 within 10 m."""
PROBED = """
world: {kind: plaza, places: crowdnav, robot_speed: 0.02, collisions: count, on_arrival: return}
roles: {pedestrian: {kind: orca, count: 5}, robot: {kind: orca}}
horizon: 400
seed: 1000
record: {pedestrian: none, robot: none}
"""
EVERY, TICKS, HORIZON = 4, 11, 400
PROBE = (
    f"probes: {{absent: {{of: pedestrian.obs.position, every: {EVERY}, ticks: {TICKS}, without: {{robot: all}}}}}}\n"
)
ALONE = """
world: {{kind: plaza, places: crowdnav, collisions: count, on_arrival: return}}
roles: {{pedestrian: {{kind: {mind}, count: 5}}, robot: {{kind: still}}}}
horizon: 1000000
seed: 1000
"""


def best(measured: Callable[[], float], repeats: int = 3) -> float:
    """The smallest of several times: what is longer was disturbed."""
    return min(measured() for _ in range(repeats))


def timed(what: Callable[[], object], times: int = 1) -> float:
    """Seconds that something takes each time."""
    begun = time.perf_counter()
    for _ in range(times):
        what()
    return (time.perf_counter() - begun) / times


# -- crowds --------------------------------------------------------------------------------------------------------


def crowd(people: int, mind: Cohort, dt: float, warm: int) -> Kernel:
    """Two crowds that go through each other on a square, some ticks after they have set out."""
    size = 0.5 * float(np.sqrt(people / DENSITY))
    world = Plaza(scene="square", size=size, dt=dt, speed=1.3)
    kernel = Kernel(world, {"pedestrian": [Group(mind, people)], "robot": [Group(Still(), 0)]}, 1, 1_000_000)
    kernel.run(until=warm)
    return kernel


def step_seconds(kernel: Kernel, ticks: int) -> float:
    """Seconds of a tick of the whole kernel."""

    def measured() -> float:
        stop = kernel.tick + ticks + 1
        begun = time.perf_counter()
        kernel.run(until=stop)
        return (time.perf_counter() - begun) / ticks

    kernel.run(until=kernel.tick + 1)
    return best(measured)


def asked(kernel: Kernel) -> tuple[dict[str, Array], Seats]:
    """What all people see now, and their seats."""
    members = kernel.roster("pedestrian").present()
    seen = dict(kernel.world.observe("pedestrian", members))
    draw: Any = None  # nothing is drawn
    return seen, Seats(kernel.world.roles[0], kernel.tick, members, members, members, draw)


def mind_seconds(kernel: Kernel, mind: Cohort, times: int) -> float:
    """Seconds in which all people decide once."""
    seen, seats = asked(kernel)
    return best(lambda: timed(lambda: mind.act(seen, seats), times))


# -- the others ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def quiet_root() -> Iterator[None]:
    """PySocialForce opens a log file where one stands and turns up everybody's logging: take that back."""
    root, here = logging.getLogger(), Path.cwd()
    level, handlers = root.level, list(root.handlers)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        logging.disable()
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
            os.chdir(here)
            for handler in [h for h in root.handlers if h not in handlers]:
                root.removeHandler(handler)
                handler.close()
            root.setLevel(level)


def pysocialforce_seconds(kernel: Kernel, times: int = 2) -> float:
    """Seconds of a step of PySocialForce with the same people: their own way and each other, no walls, no groups."""
    with quiet_root():
        library = importlib.import_module("pysocialforce")
    seen, _ = asked(kernel)
    simulator = library.Simulator(np.hstack([seen["position"], seen["velocity"], seen["goal"]]))
    simulator.forces = [f for f in simulator.forces if type(f).__name__ in {"DesiredForce", "SocialForce"}]
    assert len(simulator.forces) == 2
    simulator.step()  # numba compiles
    return best(lambda: timed(simulator.step, times))


def pyrvo_seconds(kernel: Kernel, times: int = 5) -> float:
    """Seconds of a step of RVO2 with the same people, all in one simulator."""
    library = importlib.import_module("pyrvo")
    seen, _ = asked(kernel)
    offset = seen["goal"] - seen["position"]
    preferred = offset * (seen["speed"] / np.linalg.norm(offset, axis=1))[:, None]

    def measured() -> float:
        simulator = library.RVOSimulator(0.25, 10.0, 10, 5.0, 5.0, 0.31, 1.3)
        for place, velocity, wish in zip(seen["position"], seen["velocity"], preferred, strict=True):
            who = simulator.add_agent(tuple(place), 10.0, 10, 5.0, 5.0, 0.31, 1.3, tuple(velocity))
            simulator.set_agent_pref_velocity(who, tuple(wish))
        return timed(simulator.do_step)

    return best(measured, times)


# -- branches and environments -------------------------------------------------------------------------------------


def run_seconds(text: str) -> float:
    """Seconds of a run of one episode, without what it takes to begin and to seal one."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "it.yaml"
        path.write_text(text)
        return open_run(execute(Order(load(path), Path(name) / "runs")).run).seconds()


def branch_ratio() -> float:
    """Time of a second of a branch over that of a second of the episode itself."""
    run_seconds(PROBED)
    alone, probed = best(lambda: run_seconds(PROBED)), best(lambda: run_seconds(PROBED + PROBE))
    branched = sum(min(TICKS, HORIZON - start) for start in range(0, HORIZON, EVERY))
    return (probed - alone) / branched / (alone / HORIZON)


def stepping(mind: str) -> Callable[[], object]:
    """A step of the environment of one robot among five people; the robot stands, and so never arrives."""
    import simworld  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "it.yaml"
        path.write_text(ALONE.format(mind=mind))
        env = simworld.env(path, ["robot"], api="parallel")
    env.reset(seed=1)
    (robot,) = env.agents
    still = np.zeros_like(env.action_space(robot).sample())
    return lambda: env.step({robot: still})


def spreading(agents: int = 6) -> Callable[[], object]:
    """A step of mpe2's simple_spread."""
    env = importlib.import_module("mpe2.simple_spread_v3").parallel_env(N=agents, max_cycles=1_000_000)
    env.reset(seed=1)
    actions = {agent: env.action_space(agent).sample() for agent in env.agents}
    return lambda: env.step(actions)


def rates(*steps: Callable[[], object], times: int = 200, rounds: int = 8) -> list[float]:
    """Steps per second of each, taken in turns: what disturbs one disturbs the others."""
    taken = [[timed(step, times) for step in steps] for _ in range(rounds)]
    return [1.0 / min(one) for one in zip(*taken, strict=True)]


# -- the figures ---------------------------------------------------------------------------------------------------


def missing(library: str, what: str) -> Line:
    """What is said where a library is not there."""
    return Line(f"{what}: skipped, {library} is not installed", float("nan"), "")


def forces() -> list[Line]:
    """A thousand people under social forces."""
    near, all_pairs = SocialForce(), SocialForce(distance=1e6)
    kernel = crowd(PEOPLE, near, 0.1, 30)
    people = f"{PEOPLE:,} people, social forces"
    bare, every = mind_seconds(kernel, near, 10), mind_seconds(kernel, all_pairs, 1)
    other = None
    if importlib.util.find_spec("pysocialforce"):
        other = pysocialforce_seconds(kernel)
    whole = step_seconds(kernel, 20)
    told = [
        Line(f"{people}, looking {near.distance:g} m far: whole kernel", PEOPLE / whole, "person-steps/s"),
        Line("the same, the mind alone", PEOPLE / bare, "person-steps/s"),
        Line("the same, looking at everybody", PEOPLE / every, "person-steps/s"),
    ]
    if other is None:
        return [*told, missing("pysocialforce", "PySocialForce with as many")]
    return [
        *told,
        Line("PySocialForce with the same people, who look at everybody", PEOPLE / other, "person-steps/s"),
        Line("whole kernel / PySocialForce", other / whole, "x", at_least=50.0),
        Line("the mind alone / PySocialForce", other / bare, "x"),
        Line("the mind alone, looking at everybody / PySocialForce", other / every, "x"),
    ]


def tenk() -> list[Line]:
    """Ten thousand people."""
    dt = 0.1
    seconds = step_seconds(crowd(MANY, SocialForce(), dt, 5), 5)
    return [Line(f"{MANY:,} people, social forces, ticks of {dt} s: faster than real", dt / seconds, "x", at_least=1.0)]


def orca() -> list[Line]:
    """Five hundred people who avoid each other."""
    mind = Orca()
    kernel = crowd(AVOIDING, mind, 0.25, 30)
    own = mind_seconds(kernel, mind, 3)
    told = [Line(f"{AVOIDING} people, ORCA: all decide once", 1e3 * own, "ms")]
    if not importlib.util.find_spec("pyrvo"):
        return [*told, missing("pyrvo", "RVO2 with as many")]
    other = pyrvo_seconds(kernel)
    return [
        *told,
        Line("RVO2 with the same people: a step", 1e3 * other, "ms"),
        Line("the mind / RVO2", own / other, "x", at_most=5.0),
    ]


def branch() -> list[Line]:
    """What a branch costs."""
    what = "five people and a robot, ORCA: a second of a branch / of the episode"
    return [Line(what, branch_ratio(), "x", at_most=2.0)]


def env() -> list[Line]:
    """An environment of one robot."""
    steps = [stepping("orca"), stepping("social_force")]
    there = importlib.util.find_spec("mpe2") is not None
    own, simple, *other = rates(*steps, *([spreading()] if there else []))
    told = [
        Line("environment of a robot among five people with ORCA", own, "steps/s"),
        Line("the same, social forces", simple, "steps/s"),
    ]
    if not there:
        return [*told, missing("mpe2", "simple_spread with six agents")]
    return [
        *told,
        Line("mpe2's simple_spread with six agents", other[0], "steps/s"),
        Line("environment, ORCA / simple_spread", own / other[0], "x", at_least=1.0),
    ]


PARTS = {part.__name__: part for part in (forces, tenk, orca, branch, env)}


def lines() -> list[Line]:
    """The figures."""
    return [line for part in PARTS.values() for line in part()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--profile", action="store_true", help="tell where the time goes")
    given = parser.parse_args()
    held = True
    for name in given.parts or PARTS:
        profile = cProfile.Profile()
        with profile if given.profile else contextlib.nullcontext():
            told = PARTS[name]()
        for line in told:
            print(f"{line.what}: {line.value:,.4g} {line.unit} {line.bound}", flush=True)
            held &= line.holds is not False
        if given.profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
