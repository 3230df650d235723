"""Policies of when a robot asks an operator: what scenarios/deferral/operator.yaml compares.

    python -m benchmarks.studies.operator [NAME ...]

Trains them, or those that are named, by ``simworld train scenarios/deferral/learn_operator.yaml``, under ``runs/``, and
writes them into ``scenarios/deferral/models`` (two minutes each on one core; no torch is needed). Prints what choices
were worth in training, at first and at last, beside the best of the three, and how often each is chosen.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from benchmarks.measure import wide_console
from benchmarks.studies.training import ROOT, first_and_last, named, side_by_side, trained

SCENARIO = ROOT / "scenarios" / "deferral" / "learn_operator.yaml"
MODELS = SCENARIO.parent / "models"

POLICIES: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "operator": ({}, ()),
    "operator_cheap": ({}, ("world.call=-0.05",)),
    "operator_dear": ({}, ("world.call=-0.6",)),
    "operator_useless": ({}, ("roles.operator={kind: planner}",)),
    "operator_heavy": ({"follow": {"weight": 30}}, ("world.call=-1",)),
    "operator_by_model": ({"model": "../plaza/models/people.npz"}, ()),
}
"""Policies: with which settings of the learner, and in which world they were trained, where it is another."""


def policy(name: str) -> Path:
    """Train one policy, and keep it; its run is there already if it was done before."""
    settings, sets = POLICIES[name]
    more = {f"settings.{key}": value for key, value in settings.items()}
    run = trained(SCENARIO, {"evaluate_every": 100, **more}, ("episodes=2", *sets))
    shutil.copyfile(run / "policies" / "robot-seed-000.npz", MODELS / f"{name}.npz")
    return run


def table(runs: Mapping[str, Path]) -> Table:
    """What came of them."""
    shown = Table(title="what choices are worth in training, on average, in metres")
    for column in ("policy", "before", "after", "best", "goes", "yields", "asks"):
        shown.add_column(column)
    for name, run in runs.items():
        first, last = first_and_last(run)
        worth = [first["told.earned"], last["told.earned"], last["told.best"]]
        shares = [last[f"told.{choice}"] for choice in ("go", "yield", "ask")]
        shown.add_row(name, *(f"{number:.2f}" for number in (*worth, *shares)))
    return shown


def main() -> None:
    """Train, and print."""
    names = named(POLICIES, __doc__)
    MODELS.mkdir(exist_ok=True)
    wide_console().print(table(side_by_side(names, policy)))


if __name__ == "__main__":
    main()
