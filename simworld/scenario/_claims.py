"""Claims against the rest of their scenario: names that are their own, arms that there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from simworld.scenario._explain import Problem, instead
from simworld.scenario._models import ScenarioFile
from simworld.scenario._sweep import points_of
from simworld_analysis.grammar import parse_claim


def claims_beyond(model: ScenarioFile, others: Iterable[Mapping[str, object]]) -> list[str]:
    """Names of the claims of a scenario that are not among others, which are given as plain data."""
    known = [parse_claim(claim).as_data() for claim in others]
    return [claim.name for claim in model.claims if parse_claim(claim.as_data()).as_data() not in known]


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
            if not _names(label, model):
                problems.append(Problem(key, _unknown(label, model)))
    return problems


def _names(label: str, model: ScenarioFile) -> bool:
    """Whether a label names an arm, or in a sweep a variant, which is an arm with its values: `saez size=3`."""
    if label in model.arms:
        return True
    swept = _swept(model)
    short = {key.rpartition(".")[2]: values for key, values in swept.items()}
    grid = short if len(short) == len(swept) else swept
    arm, _, rest = label.partition(" ") if model.arms else ("", "", label)
    if not grid or (model.arms and arm not in model.arms):
        return False
    for name, values in grid.items():
        fitting = [value for value in values if f"{rest} ".startswith(f"{name}={value} ")]
        if not fitting:
            return False
        rest = rest[len(f"{name}={max(fitting, key=len)} ") :]
    return not rest


def _unknown(label: str, model: ScenarioFile) -> str:
    arm = label.partition(" ")[0]
    if arm in model.arms and _swept(model):
        swept = ", ".join(f"{key.rpartition('.')[2]}={values}" for key, values in _swept(model).items())
        return f"there is no variant {label!r}; accepted: {arm!r}, or {arm!r} with one of each of {swept}"
    return f"there is no arm {label!r}{instead(arm, list(model.arms))}"


def _swept(model: ScenarioFile) -> dict[str, list[str]]:
    """Values of a sweep's parameters as the tables show them, in the order in which a variant names them."""
    points = points_of(model.sweep)
    listed = {key: list(dict.fromkeys(_as_shown(point.values[key] for point in points))) for key in points[0].values}
    return listed | {key: _as_shown(values) for key, values in model.sweep.grid.items()}


def _as_shown(values: Iterable[object]) -> list[str]:
    """Values of a sweep as the tables show them: one column has one type."""
    told = list(values)
    numbers = [v for v in told if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(told) and any(isinstance(v, float) for v in numbers):
        return [str(float(v)) for v in numbers]
    return [str(v) for v in told]
