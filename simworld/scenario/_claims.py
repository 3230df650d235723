"""Claims against the rest of their scenario: names that are their own, arms that there are."""

from __future__ import annotations

from simworld.scenario._explain import Problem, instead
from simworld.scenario._models import ScenarioFile
from simworld_analysis.grammar import parse_claim


def claim_problems(model: ScenarioFile) -> list[Problem]:
    """What claims name that is not there. A typo found after the run would leave a claim that nobody made in time."""
    problems = []
    names = [claim.name for claim in model.claims]
    for place, claim in enumerate(model.claims):
        key = ("claims", place)
        if names.index(claim.name) < place:
            problems.append(
                Problem(
                    (*key, "name"), f"found {claim.name!r} a second time; accepted: a name of its own for each claim"
                )
            )
        if claim.because and claim.because not in names:
            problems.append(
                Problem((*key, "because"), f"found no claim {claim.because!r}{instead(claim.because, names)}")
            )
        for label in parse_claim(claim.as_data()).labels:
            # In a sweep, a variant is an arm with its values: `saez size=3`.
            arm = label.partition(" ")[0]
            if arm not in model.arms and not ("=" in label and (model.sweep.grid and not model.arms)):
                problems.append(Problem(key, f"there is no arm {label!r}{instead(arm, list(model.arms))}"))
    return problems
