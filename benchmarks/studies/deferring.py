"""Learning to defer: policies by every objective of the field, and what each makes of three experts.

    python -m benchmarks.studies.deferring [--score] [NAME ...]

Trains them, or those that are named, by ``simworld train scenarios/deferral/learn_deferring.yaml``, under ``runs/``,
and writes them into ``scenarios/deferral/models`` (ten minutes on two cores). Then, and with ``--score`` nothing but
this, it puts the cases of twenty seeds to each (X5 of the specification): system accuracy, coverage and area under the
accuracy-coverage curve, beside those of the Bayes rule, which knows the rules of the stage and how good the expert is.

Ridge, log and the ways in which the fee enters were chosen on seeds 5000 to 5009.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track
from rich.table import Table

from benchmarks.measure import wide_console
from benchmarks.studies import training
from benchmarks.studies.training import ROOT
from simworld.kernel import Chance
from simworld.worlds.casework import Stage
from simworld_agents.caseworker import BoolArray, FloatArray, IntArray
from simworld_agents.deferring import ALPHAS, Deferral, Log
from simworld_analysis.deferral import accuracy_coverage, calibration_error, outcome, regret
from simworld_analysis.statistics import mean_interval

SCENARIO = ROOT / "scenarios" / "deferral" / "learn_deferring.yaml"
MODELS = SCENARIO.parent / "models"
NUMBER, COST = 7, 0.3
"""The stage, and the fee."""
SEEDS, CASES, TEAMS = range(20), 20, 100
EXPERTS: dict[str, list[float]] = {"skilled": [1.0, 0.25] * 4, "good": [0.95] * 8, "poor": [0.5] * 8}
"""How often each is right, by topic."""
OBJECTIVES = ("selective", "compare_confidence", "cross_entropy", "realizable", "one_vs_all")
WITHOUT_BAR = ("cross_entropy_poor_without_bar", "one_vs_all_poor_without_bar")
NAMES = (*(f"{objective}_{expert}" for expert in EXPERTS for objective in OBJECTIVES), *WITHOUT_BAR)


def file_of(name: str) -> Path:
    """Where a policy is kept."""
    return MODELS / f"{name}.npz"


def train(name: str) -> Path:
    """Train one policy, and keep it; its run is there already if it was done before."""
    plain = name.removesuffix("_without_bar")
    objective, _, expert = plain.rpartition("_")
    settings = {"objective": objective} | ({"bar": "none"} if plain != name else {})
    sets = (f"roles.expert.accuracy={json.dumps(EXPERTS[expert])}",)
    run = training.trained(SCENARIO, {"settings": settings}, sets)
    shutil.copyfile(run / "policies" / "member-seed-000.npz", file_of(name))
    return run


def dealt(seed: int, skill: FloatArray) -> Log:
    """The cases of a seed, and whether an expert is right about each."""
    teams, parts = np.arange(TEAMS), []
    for case in range(CASES):
        cases = Stage().deal(NUMBER, seed, case, teams)
        right = Chance(seed).draw("uniform", "study/expert", case, teams) < skill[cases.topic]
        parts.append(Log(cases.topic, cases.features, cases.key, right))
    return Log.joined(parts)


@dataclass(frozen=True)
class Rule:
    """How a policy, or the Bayes rule, would treat some cases."""

    answer: IntArray
    """Of its classifier."""
    sure: FloatArray
    """How likely it takes its answer to be."""
    advantage: FloatArray
    """By which it defers."""
    asks: BoolArray
    """What it defers."""

    @staticmethod
    def of(policy: Deferral, log: Log) -> Rule:
        """A policy's."""
        case = log.topic, log.features
        return Rule(
            policy.answers(*case), policy.likely(*case).max(axis=1), policy.advantage(*case), policy.defers(*case)
        )

    @staticmethod
    def bayes(likely: FloatArray, skill: FloatArray) -> Rule:
        """The Bayes rule's."""
        gain = skill - likely.max(axis=1)
        return Rule(likely.argmax(axis=1), likely.max(axis=1), gain, gain > COST)


def scored(rule: Rule, log: Log, likely: FloatArray, skill: FloatArray) -> list[float]:
    """What comes of it: utility, accuracy, coverage, right where deferred, area, regret, calibration error."""
    right = rule.answer == log.key
    found, curve = outcome(rule.asks, right, log.right), accuracy_coverage(rule.advantage, right, log.right)
    return [
        *(found.utility(COST), found.system_accuracy, found.coverage, found.deferred_accuracy, curve.area),
        regret(likely, skill, rule.answer, rule.asks, COST),
        calibration_error(rule.sure, right),
    ]


def table(expert: str) -> Table:
    """What all make of one expert."""
    skill = np.array(EXPERTS[expert])
    policies = {name: Deferral.load(file_of(f"{name}_{expert}")) for name in OBJECTIVES}
    rows: dict[str, list[list[float]]] = {}
    for seed in track(SEEDS, expert):
        log = dealt(seed, skill)
        likely, own = Stage().posterior(NUMBER, log.topic, log.features), skill[log.topic]
        rules = {"Bayes rule": Rule.bayes(likely, own)} | {name: Rule.of(p, log) for name, p in policies.items()}
        rules |= {
            f"{name}, no bar": Rule.of(p.with_bar(0.0), log) for name, p in policies.items() if name != "selective"
        }
        for name, rule in rules.items():
            rows.setdefault(name, []).append(scored(rule, log, likely, own))
    title = f"{expert}: right in {EXPERTS[expert][:2]}, by topic; fee {COST:g}, {len(SEEDS)} seeds"
    shown = Table(title=title, padding=0)
    shown.add_column("objective", no_wrap=True)
    for column in ("utility", "vs selective", "accuracy", "coverage", "right where asked", "area"):
        shown.add_column(column)
    for column in ("vs selective", "regret", "ECE"):
        shown.add_column(column)
    base = np.array(rows["selective"])
    for name, values in rows.items():
        of = np.array(values)
        policy = policies.get(name)
        utility, accuracy, coverage, asked, area, lost, off = (
            "–" if np.isnan(column).all() else f"{np.nanmean(column):.3f}" for column in of.T
        )
        alpha = f" ({policy.alpha:g})" if policy and policy.objective in ALPHAS else ""
        more, larger = (between(of[:, i] - base[:, i]) for i in (0, 4))
        shown.add_row(f"{name}{alpha}", utility, more, accuracy, coverage, asked, area, larger, lost, off)
    return shown


def between(differences: FloatArray) -> str:
    """A mean of paired differences, and half its 95 percent interval."""
    if not differences.any():
        return "–"
    found = mean_interval(differences)
    return f"{found.value:+.3f} ± {found.half_width:.3f}"


def main() -> None:
    """Train, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--score", action="store_true", help="only look at the policies that are there")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}")
    told = parser.parse_args()
    if not told.score:
        MODELS.mkdir(exist_ok=True)
        names = [name for name in NAMES if name in (told.names or NAMES)]
        training.side_by_side(names, train)
    for expert in EXPERTS:
        wide_console().print(table(expert))


if __name__ == "__main__":
    main()
