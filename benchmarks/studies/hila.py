"""Policies of when to ask: what scenarios/deferral/hila.yaml compares.

    python -m benchmarks.studies.hila [NAME ...]

Trains them, or those that are named, by ``simworld train scenarios/deferral/learn.yaml``, under ``runs/``, and writes
them into ``scenarios/deferral/models`` (minutes on two cores; no torch is needed). Prints, for each, by how much its
decisions are worth less than under the Bayes rule (H1 of the specification of HILA), at first and at last.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from benchmarks.measure import wide_console
from benchmarks.studies.training import ROOT, first_and_last, named, side_by_side, trained

SCENARIO = ROOT / "scenarios" / "deferral" / "learn.yaml"
MODELS = SCENARIO.parent / "models"

POLICIES: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "grpo": ({}, ()),
    "joint": ({"loop": "joint"}, ("world.cases=40", "roles.member.count=150", "roles.expert.count=50")),
    "uniform": ({"group": "uniform"}, ()),
    "sampled": ({"group": "sampled"}, ()),
    "std": ({"how": {"advantage": "std"}}, ()),
    "clip_old": ({"how": {"clip": "old"}}, ()),
    "clip_initial": ({"how": {"clip": "initial"}}, ()),
    "as_coded": ({"group": "uniform", "how": {"advantage": "std", "clip": "initial"}}, ()),
    "cost_0": ({}, ("world.cost_defer=0",)),
    "cost_005": ({}, ("world.cost_defer=0.05",)),
    "cost_01": ({}, ("world.cost_defer=0.1",)),
    "cost_02": ({}, ("world.cost_defer=0.2",)),
    "cost_04": ({}, ("world.cost_defer=0.4",)),
    "cost_06": ({}, ("world.cost_defer=0.6",)),
    "cost_09": ({}, ("world.cost_defer=0.9",)),
    "expert_50": ({}, ("roles.expert.accuracy=0.5",)),
    "expert_70": ({}, ("roles.expert.accuracy=0.7",)),
    "expert_85": ({}, ("roles.expert.accuracy=0.85",)),
    "size_1": ({}, ("world.size=1", "roles.member.count=100")),
    "size_5": ({}, ("world.size=5", "roles.member.count=500")),
    "size_10": ({}, ("world.size=10", "roles.member.count=1000")),
    # These begin with a policy that knows when to ask, and asks too often: it was trained where asking costs less.
    "from_cheap": ({"start": "models/cost_02.npz"}, ()),
    "from_cheap_as_coded": (
        {"start": "models/cost_02.npz", "group": "uniform", "how": {"advantage": "std", "clip": "initial"}},
        (),
    ),
}
"""Policies: with which settings of the learner, and in which world they were trained, where it is another."""


def policy(name: str) -> Path:
    """Train one policy, and keep it; its run is there already if it was done before."""
    settings, sets = POLICIES[name]
    run = trained(SCENARIO, {"seeds": 1, "evaluate_every": 100, "settings": settings}, ("episodes=2", *sets))
    shutil.copyfile(run / "policies" / "member-seed-000.npz", MODELS / f"{name}.npz")
    return run


def table(runs: Mapping[str, Path]) -> Table:
    """How far from the Bayes rule they are."""
    shown = Table(title="regret of decisions to the Bayes rule, in training, on average")
    for column in ("policy", "before", "after", "asks", "copies"):
        shown.add_column(column)
    for name, run in runs.items():
        first, last = first_and_last(run)
        cells = [f"{row['told.regret']:.3f}" for row in (first, last)]
        shown.add_row(name, *cells, f"{last['told.defer']:.2f}", f"{last['told.eval']:.2f}")
    return shown


def main() -> None:
    """Train, and print."""
    names = named(POLICIES, __doc__)
    MODELS.mkdir(exist_ok=True)
    later = [name for name in names if "start" in POLICIES[name][0]]
    runs = side_by_side([name for name in names if name not in later], policy)
    wide_console().print(table(runs | side_by_side(later, policy)))


if __name__ == "__main__":
    main()
