"""Does a learned model of people know what a robot does to them? (Specification of SACSoN, A3 and S5.)

One person who walks by Moussaïd's social force crosses a circle, past robots of many kinds and past none. A network is
fitted to where the person went, and asked about walks that it has not seen: where the person will be, against going on
at constant velocity; and how far a robot pushes it aside, against what it really does, which the simulator can tell: it
runs the same seconds without the robot, with the same chance.

    python -m benchmarks.studies.pednet [--out pednet.npz]

Pass: at least 15 percent nearer than constant velocity on average, and a correlation of at least 0.7.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.progress import track
from rich.table import Table

from benchmarks.measure import wide_console
from simworld.kernel import Cohort, Group, Intervention, Kernel
from simworld.worlds.plaza import FloatArray, Plaza
from simworld_agents.navigator import Costs, Encounters, Orca, PedNet, Planner, SocialForce, Still, Straight, fit
from simworld_agents.navigator._pednet import STEPS

TRAIN, TEST = range(150), range(1000, 1040)
HORIZON = 60
SHARES = (0.01, 0.1, 1.0)
ROBOTS: tuple[tuple[str, Cohort | None], ...] = (
    ("nobody", None),
    ("still", Still()),
    ("straight", Straight()),
    ("straight, unsteady", Straight(noise=0.3)),
    ("orca", Orca()),
    ("orca, wide", Orca(margin=0.3)),
    ("planner", Planner()),
    ("planner, polite", Planner(Costs(personal_space=10.0, kept=1.2))),
)


@dataclass(frozen=True)
class Walks:
    """Moments of many walks, where the person went next, and where it would have gone without the robot."""

    encounters: Encounters
    future: FloatArray
    alone: FloatArray
    """Shape (n, 8, 2); nan where that was not asked."""


def walk(robot: Cohort | None, seed: int, every: int = 0) -> Walks:
    """One walk; every so many ticks the society is branched without the robot, if that is asked."""
    seating = {"pedestrian": [Group(SocialForce(noise=0.02), 1)], "robot": [Group(robot, 1)] if robot else []}
    world = Plaza(speed_spread=0.15, collisions="count")
    kernel = Kernel(world, seating, seed, HORIZON)
    people, robots, branches = [], [], {}
    for tick in range(HORIZON):
        kernel.run(until=tick)
        if kernel.closed:
            break
        people.append(world.observe("pedestrian", np.array([0]))["position"][0])
        robots.append(world.observe("robot", np.array([0]))["position"][0] if robot else np.zeros(2))
        if every and robot and tick % every == 0:
            branches[tick] = _alone(kernel, tick)
    at, drove = np.array(people), np.array(robots)
    starts = np.arange(1, len(at) - STEPS)
    back = np.maximum(starts[:, None] - np.arange(STEPS), 0)
    ahead = starts[:, None] + np.arange(1, STEPS + 1)
    there = np.full(len(starts), 1.0 if robot else 0.0)
    nothing = np.full((STEPS, 2), np.nan)
    alone = np.array([branches.get(int(start), nothing) for start in starts]).reshape(-1, STEPS, 2)
    return Walks(Encounters(at[back], drove[back], drove[ahead], there, world.dt), at[ahead], alone)


def _alone(kernel: Kernel, tick: int) -> FloatArray:
    """Where the person would be in the next eight ticks without the robot."""
    twin = kernel.branch()
    twin.intervene(Intervention(tick, without={"robot": None}))
    found = []
    for step in range(1, STEPS + 1):
        twin.run(until=tick + step)
        found.append(twin.world.observe("pedestrian", np.array([0]))["position"][0])
    return np.array(found)


def gathered(seeds: Sequence[int], every: int = 0) -> Walks:
    """The walks of all kinds of robots."""
    pairs = [(robot, seed) for seed in seeds for _, robot in ROBOTS]
    walks = [walk(robot, seed, every) for robot, seed in track(pairs, "walking")]
    all_of = [w.encounters for w in walks]
    encounters = Encounters(
        np.concatenate([e.past for e in all_of]),
        np.concatenate([e.robot_past for e in all_of]),
        np.concatenate([e.plan for e in all_of]),
        np.concatenate([e.there for e in all_of]),
        all_of[0].dt,
    )
    return Walks(encounters, np.concatenate([w.future for w in walks]), np.concatenate([w.alone for w in walks]))


@dataclass(frozen=True)
class Score:
    """How good a model is on walks that it has not seen."""

    average: float
    """Mean distance from where the person was, m (ADE)."""
    final: float
    """The same after eight ticks (FDE)."""
    correlation: float
    """Of predicted with true disturbance, moment by moment; nan if it predicts none."""
    slope: float
    """Of predicted on true disturbance."""


def scored(found: FloatArray, without: FloatArray, walks: Walks) -> Score:
    """Score predictions of where people are, and of where they would be without the robot."""
    off = np.sqrt(((found - walks.future) ** 2).sum(axis=2))
    asked = ~np.isnan(walks.alone[:, 0, 0])
    true = np.sqrt(((walks.future - walks.alone)[asked] ** 2).sum(axis=2)).mean(axis=1)
    told = np.sqrt(((found - without)[asked] ** 2).sum(axis=2)).mean(axis=1)
    varies = told.std() > 0.0
    correlation = float(np.corrcoef(told, true)[0, 1]) if varies else float("nan")
    return Score(float(off.mean()), float(off[:, -1].mean()), correlation, float((told * true).sum() / (true**2).sum()))


def constant(walks: Walks) -> FloatArray:
    """Everybody goes on as in the last tick."""
    past = walks.encounters.past
    return past[:, :1] + np.arange(1, STEPS + 1)[:, None] * (past[:, :1] - past[:, 1:2])


def asked(net: PedNet, walks: Walks) -> Score:
    """Ask a network with the robot's plan, and without a robot."""
    alone = replace(walks.encounters, there=np.zeros(len(walks.encounters)))
    return scored(net.ahead(walks.encounters), net.ahead(alone), walks)


def shortened(walks: Walks, share: float) -> Walks:
    """Every so many of the walks' moments."""
    rows = np.arange(0, len(walks.future), round(1.0 / share))
    e = walks.encounters
    some = Encounters(e.past[rows], e.robot_past[rows], e.plan[rows], e.there[rows], e.dt)
    return Walks(some, walks.future[rows], walks.alone[rows])


def main() -> None:
    """Fit, ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where to keep the model that was fitted to everything")
    out = parser.parse_args().out
    train, test = gathered(TRAIN), gathered(TEST, every=4)
    straight = constant(test)
    base = scored(straight, straight, test)
    table = Table("model", "moments", "ADE m", "FDE m", "nearer by", "correlation", "slope")
    table.add_row("constant velocity", "-", f"{base.average:.3f}", f"{base.final:.3f}", "-", "-", f"{base.slope:.2f}")
    for share in SHARES:
        some = shortened(train, share)
        net = fit(some.encounters, some.future)
        own = asked(net, test)
        nearer = f"{100 * (1 - own.average / base.average):.0f} %"
        numbers = (f"{own.average:.3f}", f"{own.final:.3f}", nearer, f"{own.correlation:.2f}", f"{own.slope:.2f}")
        table.add_row(f"PedNet, {100 * share:g} % of the data", f"{len(some.future):,}", *numbers)
    wide_console().print(table)
    if out:
        net.save(out)
        print(f"kept: {out}")


if __name__ == "__main__":
    main()
