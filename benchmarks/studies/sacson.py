"""Models of people and policies that were trained through them: what scenarios/plaza/sacson.yaml compares.

    python -m benchmarks.studies.sacson [--score] [NAME ...]

Trains them, or those that are named, by ``simworld train scenarios/plaza/learn_sacson.yaml``, under ``runs/``, and
writes them into ``scenarios/plaza/models`` (three quarters of an hour on two cores). Then, and with ``--score`` nothing
but this, it asks each model of people about walks that it has not seen (A3, S5 and S6 of the specification of SACSoN):
where the person will be, against going on at constant velocity; and how far the robot pushes it aside, against what it
really does, which the simulator can tell, for it runs the same seconds once more, with a robot that stands or without
one.

Pass (A3): at least 15 percent nearer than constant velocity on average, and a correlation of at least 0.7.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.progress import track
from rich.table import Table

from benchmarks.measure import wide_console
from benchmarks.studies import training
from benchmarks.studies.training import ROOT
from simworld.kernel import Chance, Cohort, Group, Intervention, Kernel
from simworld.worlds.plaza import FloatArray, Plaza
from simworld_agents.navigator import Costs, Orca, Planner, SocialForce, Still, Straight
from simworld_agents.sacson import Encounters, PedNet, apart

SCENARIO = ROOT / "scenarios" / "plaza" / "learn_sacson.yaml"
MODELS = SCENARIO.parent / "models"
STEPS, HORIZON, EVERY, SEEDS = 8, 60, 4, range(100_000, 100_040)
RESAMPLES = 1000

PEOPLE = {
    "people": ("varied", 3_800, 25),
    "people_10_percent": ("varied", 380, 60),
    "people_1_percent": ("varied", 38, 100),
    # A robot that seeks people never arrives, and makes three times as many moments in a walk: as many in all.
    "people_from_seeking": ("seeking", 570, 30),
    "people_from_goals": ("goal", 1_700, 40),
    "people_from_orca": ("varied", 1_900, 30),
}
"""Models of people: who drove while walks were gathered, how many there were, and how often all were gone through."""
OTHERS = {"people_from_orca": ("roles.pedestrian.kind=orca",), "cp_from_orca": ("roles.pedestrian.kind=orca",)}
"""Whose walks were gathered, where it was not people with social forces."""
MINDED: dict[str, object] = {"perturbation": 30.0, "personal_space": 0.0}
"""The weight with which a robot disturbs least, by the stopped reference, of those with which it always arrives and
takes at most a tenth longer: of 10, 20, 30, 40, 50, 60, 75 and 100, on seeds 0 to 59."""
POLICIES: dict[str, tuple[str, dict[str, object]]] = {
    "goal_only": ("people", {"perturbation": 0.0, "personal_space": 0.0}),
    "space_narrow": ("people", {"perturbation": 0.0, "personal_space": 50.0, "kept": 0.45}),
    "space_wide": ("people", {"perturbation": 0.0, "personal_space": 10.0, "kept": 1.2}),
    "cp_stopped": ("people", MINDED),
    "cp_absent": ("people", MINDED | {"reference": "absent"}),
    "cp_and_space": ("people", MINDED | {"personal_space": 50.0}),
    "cp_heavy": ("people", MINDED | {"perturbation": 300.0}),
    "cp_10_percent": ("people_10_percent", MINDED),
    "cp_1_percent": ("people_1_percent", MINDED),
    "cp_from_seeking": ("people_from_seeking", MINDED),
    "cp_from_goals": ("people_from_goals", MINDED),
    "cp_from_orca": ("people_from_orca", MINDED),
}
"""Policies: through which model they were trained, and what disturbing costs."""
ROBOTS: tuple[tuple[str, Cohort], ...] = (
    ("still", Still()),
    ("straight", Straight()),
    ("unsteady", Straight(noise=0.3)),
    ("orca", Orca()),
    ("orca, wide", Orca(margin=0.3)),
    ("planner", Planner()),
    ("planner, polite", Planner(Costs(personal_space=10.0, kept=1.2))),
)
"""Past whom the walks go that models are asked about."""


def trained(name: str, **changes: object) -> Path:
    """The run of one training; it is there already if it was done before."""
    return training.trained(SCENARIO, {"seeds": 1, "evaluate_every": 100} | changes, OTHERS.get(name, ()))


def model(name: str) -> Path:
    """Fit one model of people, and keep it."""
    collect, walks, epochs = PEOPLE[name]
    settings = {"collect": collect, "updates": 0, "walks": walks, "epochs": epochs}
    run = trained(name, steps=1, settings=settings)
    shutil.copyfile(run / "learned" / "people-seed-000.npz", MODELS / f"{name}.npz")
    return run


def policy(name: str) -> Path:
    """Train one policy, and keep it."""
    through, costs = POLICIES[name]
    settings = {"model": f"models/{through}.npz", "costs": costs, "walks": 250, "updates": 2000}
    run = trained(name, steps=40_000, settings=settings)
    shutil.copyfile(run / "policies" / "robot-seed-000.npz", MODELS / f"{name}.npz")
    return run


@dataclass(frozen=True)
class Asked:
    """Moments of walks that no model has seen, where the person went next, and where it would have gone."""

    moments: Encounters
    future: FloatArray
    stopped: FloatArray
    """Past a robot that stands from now on, shape (m, 8, 2)."""
    absent: FloatArray
    """Without the robot from now on."""
    seeds: FloatArray
    """Of each moment: the same person in the same noise."""


def asked() -> Asked:
    """Walks past all kinds of robots; every second the society is branched."""
    rows = [row for seed in track(SEEDS, "walking") for _, robot in ROBOTS for row in walk(robot, seed)]
    past, shown, plan, future, stopped, absent, seeds = (np.array([row[i] for row in rows]) for i in range(7))
    return Asked(Encounters(past, shown, plan, np.ones(len(rows)), 0.25), future, stopped, absent, seeds)


def walk(robot: Cohort, seed: int) -> list[tuple[FloatArray, ...]]:
    """One walk past one robot: what was known at each branch, and what came and would have come of it."""
    seating = {"pedestrian": [Group(SocialForce(noise=0.02), 1)], "robot": [Group(robot, 1)]}
    world = Plaza(speed_spread=0.15, collisions="count")
    kernel = Kernel(world, seating, seed, HORIZON)
    people, robots, branches = [], [], {}
    for tick in range(HORIZON):
        kernel.run(until=tick)
        if kernel.closed:
            break
        people.append(place(kernel, "pedestrian"))
        robots.append(place(kernel, "robot"))
        if tick and tick % EVERY == 0:
            stands = Intervention(tick, minds={("robot", 0): Still()})
            branches[tick] = (branch(kernel, stands), branch(kernel, Intervention(tick, without={"robot": None})))
    at, drove = np.array(people), np.array(robots)
    rows: list[tuple[FloatArray, ...]] = []
    for tick, (stopped, absent) in branches.items():
        if tick + STEPS < len(at):
            back, ahead = np.maximum(tick - np.arange(STEPS), 0), tick + np.arange(1, STEPS + 1)
            rows.append((at[back], drove[back], drove[ahead], at[ahead], stopped, absent, np.array(float(seed))))
    return rows


def branch(kernel: Kernel, change: Intervention) -> FloatArray:
    """Where the person would be in the next eight ticks."""
    twin = kernel.branch()
    twin.intervene(change)
    found = []
    for step in range(1, STEPS + 1):
        twin.run(until=change.at + step)
        found.append(place(twin, "pedestrian"))
    return np.array(found)


def place(kernel: Kernel, role: str) -> FloatArray:
    """Where the one member of a role is."""
    found: FloatArray = kernel.world.observe(role, np.array([0]))["position"][0]
    return found


@dataclass(frozen=True)
class Score:
    """How good a model is on walks that it has not seen."""

    off: FloatArray
    """Distance from where the person was, m (ADE), by moment."""
    told: dict[str, FloatArray]
    """Disturbance that it says, m, by reference and moment."""
    true: dict[str, FloatArray]
    """Disturbance that there was, m."""

    def correlation(self, reference: str, rows: FloatArray | slice = slice(None)) -> float:
        """Of the disturbance that it says with the true one."""
        told, true = self.told[reference][rows], self.true[reference][rows]
        return float(np.corrcoef(told, true)[0, 1]) if told.std() > 0.0 else float("nan")

    def slope(self, reference: str) -> float:
        """Of what it says on what there was, through the origin."""
        told, true = self.told[reference], self.true[reference]
        return float((told * true).sum() / (true**2).sum())

    def error(self, reference: str) -> float:
        """Mean distance of what it says from what there was, m."""
        return float(np.abs(self.told[reference] - self.true[reference]).mean())


def scored(net: PedNet | None, walks: Asked) -> Score:
    """Ask a model; None is constant velocity, which says that nobody is ever disturbed."""
    moments, now = walks.moments, walks.moments.robot_past[:, :1]
    true = {"stopped": apart(walks.future, walks.stopped), "absent": apart(walks.future, walks.absent)}
    if net is None:
        return Score(apart(moments.straight_on(), walks.future), {name: np.zeros(len(moments)) for name in true}, true)
    factual = net.ahead(moments)
    stands = net.ahead(replace(moments, plan=np.broadcast_to(now, moments.plan.shape)))
    alone = net.ahead(replace(moments, there=np.zeros(len(moments))))
    told = {"stopped": apart(factual, stands), "absent": apart(factual, alone)}
    return Score(apart(factual, walks.future), told, true)


def between(score: Score, reference: str, walks: Asked) -> str:
    """Correlation with its 95 percent interval: seeds are drawn anew, with all their moments."""
    by_seed = [np.flatnonzero(walks.seeds == seed) for seed in np.unique(walks.seeds)]
    draws = Chance(0).draw("uniform", "resample", 0, np.arange(RESAMPLES), (len(by_seed),))
    picked = (draws * len(by_seed)).astype(int)
    found = [score.correlation(reference, np.concatenate([by_seed[i] for i in row])) for row in picked]
    low, high = np.quantile(found, [0.025, 0.975])
    return f"{score.correlation(reference):.2f} ({low:.2f} to {high:.2f})"


def table(walks: Asked) -> Table:
    """What all models say."""
    base = scored(None, walks)
    shown = Table(title=f"{len(walks.future):,} moments of walks that no model has seen")
    for column in ("model of people", "ADE m", "nearer by", "against stopped: r", "slope", "error m"):
        shown.add_column(column)
    for column in ("against absent: r", "slope", "error m"):
        shown.add_column(column)
    none = ["–", "0", f"{base.error('stopped'):.3f}", "–", "0", f"{base.error('absent'):.3f}"]
    shown.add_row("constant velocity", f"{base.off.mean():.3f}", "–", *none)
    for name in PEOPLE:
        score = scored(PedNet.load(MODELS / f"{name}.npz"), walks)
        cells = [f"{score.off.mean():.3f}", f"{100 * (1 - score.off.mean() / base.off.mean()):.0f} %"]
        for reference in ("stopped", "absent"):
            cells += [between(score, reference, walks), f"{score.slope(reference):.2f}"]
            cells.append(f"{score.error(reference):.3f}")
        shown.add_row(name, *cells)
    return shown


def main() -> None:
    """Train, ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--score", action="store_true", help="only ask the models that are there")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join([*PEOPLE, *POLICIES])}")
    told = parser.parse_args()
    names = set(told.names or [*PEOPLE, *POLICIES])
    if not told.score:
        MODELS.mkdir(exist_ok=True)
        training.side_by_side([name for name in PEOPLE if name in names], model)
        training.side_by_side([name for name in POLICIES if name in names], policy)
    wide_console().print(table(asked()))


if __name__ == "__main__":
    main()
