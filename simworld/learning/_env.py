"""`env`: a scenario as an environment of PettingZoo or gymnasium."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args, overload

from simworld.errors import ScenarioError
from simworld.learning._aec import SimworldAECEnv
from simworld.learning._cast import Cast
from simworld.learning._parallel import SimworldParallelEnv
from simworld.learning._single import SimworldEnv
from simworld.learning._stage import Part
from simworld.scenario import load
from simworld.spaces import RoleSpaces

if TYPE_CHECKING:
    from simworld.scenario import Scenario

Api: TypeAlias = Literal["auto", "parallel", "aec", "gymnasium"]
"""What an environment is to be."""
_LOOKS = 50
"""So many moments of learners tell whether all of them are always due together."""


@overload
def env(
    scenario: str | os.PathLike[str] | Scenario,
    learners: Sequence[str],
    overrides: Sequence[str] = ...,
    *,
    arm: str = ...,
    api: Literal["parallel"],
) -> SimworldParallelEnv: ...
@overload
def env(
    scenario: str | os.PathLike[str] | Scenario,
    learners: Sequence[str],
    overrides: Sequence[str] = ...,
    *,
    arm: str = ...,
    api: Literal["aec"],
) -> SimworldAECEnv: ...
@overload
def env(
    scenario: str | os.PathLike[str] | Scenario,
    learners: Sequence[str],
    overrides: Sequence[str] = ...,
    *,
    arm: str = ...,
    api: Literal["gymnasium"],
) -> SimworldEnv: ...
@overload
def env(
    scenario: str | os.PathLike[str] | Scenario,
    learners: Sequence[str],
    overrides: Sequence[str] = ...,
    *,
    arm: str = ...,
    api: Literal["auto"] = ...,
) -> SimworldParallelEnv | SimworldAECEnv: ...
def env(
    scenario: str | os.PathLike[str] | Scenario,
    learners: Sequence[str],
    overrides: Sequence[str] = (),
    *,
    arm: str = "",
    api: Api = "auto",
) -> SimworldParallelEnv | SimworldAECEnv | SimworldEnv:
    """A scenario as an environment, in which some seats are learners' and all others keep their minds.

    Args:
        scenario: A scenario, its file, or the bare name of one that comes with simworld.
        learners: Roles, or groups of a role as in ``player.0``, that are decided from outside. Their minds in the
            scenario are not made.
        overrides: Texts such as ``horizon=100``, as ``--set`` takes them.
        arm: Which arm; the first if it is left out.
        api: ``parallel`` is PettingZoo's ParallelEnv, ``aec`` its AECEnv, ``gymnasium`` is for one learner alone.
            ``auto`` looks at the first moments: ParallelEnv if all learners are always due together, else AECEnv.

    Raises:
        ScenarioError: The scenario is not valid, or nobody is called like one of the learners.
        ContractError: A learner sees no numbers, or decides what no space has; or there is more than one for gymnasium.
    """
    if api not in get_args(Api):
        raise ScenarioError(f"api: found {api!r}; accepted: {', '.join(get_args(Api))}")
    if isinstance(learners, str):
        raise ScenarioError(f"learners: found the text {learners!r}; accepted: a list of roles, as in [{learners!r}]")
    part = Part(load(scenario, overrides) if isinstance(scenario, str | os.PathLike) else scenario, learners, arm)
    if api == "gymnasium":
        return SimworldEnv(part)
    if api == "aec":
        return SimworldAECEnv(part)
    if api == "parallel" or _in_step(part):
        return SimworldParallelEnv(part)
    return SimworldAECEnv(part)


def _in_step(part: Part) -> bool:
    """Whether all learners who are present are due together, as far as the first moments tell."""
    cast = Cast(part)
    forms = {role: RoleSpaces(cast.stage.role(role)) for role in part.roles}
    for seed in range(3):
        present = set(cast.begin(part.scenario.model.seed + seed))
        for form in forms.values():
            form.action.seed(seed)
        for _ in range(_LOOKS):
            due = set(cast.due())
            if not due:
                break
            if due != present:
                return False
            cast.act({name: forms[cast.names[name][0]].sampled(cast.seen[name]) for name in due})
            present -= set(cast.ended())
    cast.stage.close()
    return True
