"""What a training was given: who learns, how, and in which of a scenario's arms."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simworld_analysis._open import Run
from simworld_analysis.learning import seat_line
from simworld_analysis.report._methods import Element, Methods
from simworld_analysis.report._parameters import Parameters, entries, parameters_of, scenario_arms
from simworld_analysis.report._words import count, listed, plain

_MOST_LINES = 8
_LEARNER = "policy"
"""What plays where a learner does."""
_OBSERVATION = """\
Tables are written as the trainings go on, with columns that are declared with units. The unit of analysis is the
training: its number is its mean over the held-out seeds. Values are interquartile means over trainings with the
percentile interval of their bootstrap (Agarwal et al. 2021); differences are taken training by training and seed by
seed."""
_SEEDED = """\
A training's seed is that of its networks, and says from which seed on its own episodes are; the scenario's own seeds
are held out for evaluation."""


@dataclass(frozen=True, slots=True)
class Trained:
    """The block ``train`` of a resolved scenario, and the scenario as it was trained."""

    block: Mapping[str, Any]
    """Every default written out; empty if the directory has no such block."""
    scenario: Mapping[str, Any]
    """Of the one arm that was trained, with policies in the seats of learners."""
    counts: Mapping[str, tuple[int, ...]]
    """By role that learns, how many members each learning group has."""
    arm: str = ""

    @classmethod
    def of(cls, resolved: Mapping[str, Any]) -> Trained:
        """The training of a resolved scenario."""
        given = resolved.get("train")
        block = dict(given) if isinstance(given, Mapping) else {}
        grid = (resolved.get("sweep") or {}).get("grid") or {}
        first = {key: values[0] for key, values in grid.items() if isinstance(values, list) and values}
        # What is trained is the first cell of the arm.
        arms = scenario_arms(resolved)
        arm = str(block.get("arm") or next(iter(arms)))
        view = scenario_arms({**arms.get(arm, dict(resolved)), "arms": {"": first}})[""] | {"arms": {}, "sweep": {}}
        learners = [str(name) for name in block.get("learners") or ()]
        roles, counts = dict(view.get("roles") or {}), {}
        for role in roles:
            groups = entries(view, role)
            mine = [n for n in range(len(groups)) if role in learners or f"{role}.{n}" in learners]
            if mine:
                counts[role] = tuple(int(groups[n].get("count", 1)) for n in mine)
                learner = [{"kind": _LEARNER, "count": g.get("count", 1)} for g in groups]
                roles[role] = [learner[n] if n in mine else g for n, g in enumerate(groups)]
        return cls(block, view | {"roles": roles}, counts, arm)

    def told(self, planned: int, steps: int) -> str:
        """What was trained, in words."""
        block = self.block
        by = f" with {block['algo']}" if block else ""
        each = ", each from another seed" if planned > 1 else ""
        told = f"{count(planned, 'training').capitalize()}{by}{each}"
        told += f", of up to {steps:,} decisions of learners." if steps else "."
        if not block:
            return told
        learners = [f"“{name}”" for name in block.get("learners") or ()]
        told += f" {'The learners are' if len(learners) > 1 else 'The learner is'} {listed(learners)}"
        told += f", in arm {self.arm}." if self.arm else "."
        return f"{told} {self._networks()} {self._settings()}".strip()

    def evaluated(self, seeds: Sequence[int]) -> str:
        """How policies were evaluated, in words."""
        if not seeds:
            return ""
        every = self.block.get("evaluate_every")
        way = f"after every {every} updates" if every and every > 1 else "after every update" if every else "on the way"
        return (
            f"The policies were played on {count(len(seeds), 'held-out seed')} ({which(seeds)}), which no training "
            f"sees, before the first update, {way} and at the end. They do what their networks find best; everybody "
            "else keeps their minds."
        )

    def _networks(self) -> str:
        hidden = [int(units) for units in self.block["hidden"]]
        same = len(set(hidden)) == 1
        sizes = f"{hidden[0]}" if same else listed([str(units) for units in hidden])
        layers = f"{count(len(hidden), 'hidden layer')} of {sizes} units ({self.block['activation']})"
        shared = self.block["policies"] == "shared"
        who = "all learners of a role share one network" if shared else "each learner has a network of its own"
        if shared and all(sum(counts) == 1 for counts in self.counts.values()):
            return f"A network has {layers}." if hidden else "A network has no hidden layer."
        return f"A network has {layers}; {who}." if hidden else f"A network has no hidden layer; {who}."

    def _settings(self) -> str:
        # RLlib's algorithms have defaults of their own; other learners' are all among the settings.
        given, whose = self.block.get("settings") or {}, f"the defaults of {self.block['algo']}"
        if not given:
            return f"All other settings are {whose}."
        told = listed([f"{name.rstrip('_')} {plain(value)}" for name, value in given.items()], 40)
        return f"Settings: {told}; all others are {whose}."


def which(seeds: Sequence[int]) -> str:
    """Seeds in few words: ``0 to 19``."""
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}"
    return listed([str(seed) for seed in seeds], 12)


def policy_lines(run: Run, trained: Trained, files: Sequence[str]) -> tuple[str, ...]:
    """The lines of a scenario that seat the policies of the first training that has any.

    Args:
        run: The run.
        trained: What was trained.
        files: Names of the files of policies, sorted.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for name in files:
        policy, _, seed = name.removesuffix(".npz").rpartition("-seed-")
        found.setdefault(seed, []).append((policy, name))
    lines = []
    for policy, name in found[min(found)][:_MOST_LINES] if found else ():
        path = f"{run.path.name}/policies/{name}"
        quoted = path if re.fullmatch(r"[\w./+-]+", path) else json.dumps(path)
        seats = trained.counts.get(policy, ())
        several = f", count: {seats[0]}" if len(seats) == 1 and seats[0] > 1 else ""
        lines.append(seat_line(run, name, quoted, several))
    return tuple(lines)


def trained_parameters(trained: Trained) -> Parameters:
    """The parameters of the arm that was trained, and of the training."""
    found = parameters_of(trained.scenario)
    block = {name: value for name, value in trained.block.items() if name != "settings"}
    block |= {f"settings.{name}": value for name, value in (trained.block.get("settings") or {}).items()}
    return replace(found, common=(*found.common, *((f"train.{name}", plain(v)) for name, v in block.items())))


def trained_methods(methods: Methods, trained: Trained) -> Methods:
    """The methods text of a training, from that of its scenario: what learners see and are paid for."""
    roles = [f"“{role}”" for role in trained.counts]
    who = f"Learners of role {listed(roles)}" if roles else "Learners"
    sees = [str(name) for name in trained.block.get("sees") or ()]
    gamma = (trained.block.get("settings") or {}).get("gamma")
    later = f", in which what comes one decision later counts {plain(gamma)} times as much" if gamma else ""
    probes = trained.scenario.get("probes") or {}
    paying = [f"“{name}”" for name, probe in probes.items() if isinstance(probe, Mapping) and probe.get("reward")]
    by = f" with {trained.block['algo']}" if trained.block else ""
    more = f", and those that depend on the probe {listed(paying)}" if paying else ""
    instead = {
        "Sensing": (f"{who} see {listed(sees, 24) if sees else 'all that members of their role observe'}.",),
        "Adaptation and objectives": (
            f"{who} are trained{by}. What they earn are the rewards that the world pays them{more}{later}.",
        ),
        "Learning and prediction": (
            "What is learned, how, with which settings and how it was evaluated stands under “Learning”.",
        ),
        "Observation": (_OBSERVATION,),
    }
    chance = [p for e in methods.concepts if e.title == "Stochasticity" for p in e.paragraphs]
    instead["Stochasticity"] = (f"{chance[0].replace('Seeds were', 'Seeds of the trainings were')} {_SEEDED}",)
    concepts = tuple(Element(e.title, instead.get(e.title, e.paragraphs)) for e in methods.concepts)
    return replace(methods, concepts=concepts)
