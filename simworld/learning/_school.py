"""Who learns, and where: RLlib's algorithms, and learners that are found by name."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence

from simworld.errors import ScenarioError
from simworld.kernel import Cohort, Intervention, Role, Silent
from simworld.learning._rllib import APART, Rllib, check_algorithm, settings_of
from simworld.learning._stage import Part, Stage
from simworld.scenario import Found, Scenario, TrainBlock, build, find, learner_kind
from simworld.spaces import Learner, School, Watch, require_torch


class Classroom(School):
    """A scenario in which episodes of a training are played, without the seeds that it is evaluated on."""

    def __init__(self, part: Part, block: TrainBlock, seed: int, steps: int, roles: Mapping[str, Role]) -> None:
        self._part, self.seed, self.steps, self.roles = part, seed, steps, roles
        self.hidden, self.activation = tuple(block.hidden), block.activation
        self.outside = part.outside

    def play(
        self,
        minds: Mapping[str, Cohort],
        number: int,
        notes: Silent,
        changes: Sequence[Intervention] = (),
        watch: Watch | None = None,
    ) -> None:
        """Play one episode. Raises ValueError: there is no such number."""
        self._part.played(minds, self.episode_seed(number), notes, changes, watch)

    def episode_seed(self, number: int) -> int:
        """Apart from those of evaluations and of other trainings. Raises ValueError: there is no such number."""
        if not 0 <= operator.index(number) < APART:
            raise ValueError(f"episode {number}; accepted: from 0 to {APART - 1:,}")
        return self._part.scenario.model.seed + APART * (self.seed + 1) + number


def found_learner(scenario: Scenario) -> Found | None:
    """The class that ``train.algo`` names; None: it is an algorithm of RLlib.

    Raises:
        ScenarioError: There is none of that name.
        RunError: It cannot do without torch, and torch is not installed.
    """
    block = scenario.model.train
    assert block is not None
    kind = learner_kind(block.algo)
    try:
        found = None if kind is None else find("learner", kind)
    except ScenarioError as error:
        raise ScenarioError(f"{scenario.place(('train', 'algo'))}: train.algo: {error}") from error
    if found is None or (issubclass(found.cls, Learner) and found.cls.needs_torch):
        require_torch()
    return found


def check_learner(scenario: Scenario, part: Part) -> None:
    """Raise ScenarioError unless somebody can learn what a scenario's ``train`` block says."""
    block = scenario.model.train
    assert block is not None
    if found_learner(scenario) is not None:
        if block.policies != "shared":
            where = scenario.place(("train", "policies"))
            raise ScenarioError(f"{where}: train.policies: found {block.policies}; accepted by {block.algo}: shared")
        _begun(scenario, part)
        return
    try:
        check_algorithm(block, part)
        settings_of(block)
    except ScenarioError as error:
        raise ScenarioError(f"{scenario.path}: {error}") from error


def _begun(scenario: Scenario, part: Part) -> None:
    """Raise ScenarioError if a learner says that it cannot learn this: before there is a run."""
    block, learner = scenario.model.train, learner_of(scenario, part)
    assert block is not None
    if len(part.roles) < len(part.outer):
        twice = next(role for role in part.roles if [name for name, _ in part.outer].count(role) > 1)
        where = scenario.place(("train", "learners"))
        raise ScenarioError(
            f"{where}: train.learners: found several groups of {twice!r}; accepted by {block.algo}: one"
        )
    stage = Stage(part)
    stage.reset(scenario.model.seed)
    stage.close()
    try:
        with part.beside():
            learner.begin(Classroom(part, block, 0, 0, {name: part.seen_role(stage.role(name)) for name in part.roles}))
    except ValueError as error:
        raise ScenarioError(f"{scenario.place(('train', 'algo'))}: train.algo: {block.algo}: {error}") from error
    finally:
        learner.close()


def learner_of(scenario: Scenario, part: Part) -> Learner:
    """Who learns, as new. Raises ScenarioError: a setting is not accepted."""
    block, found = scenario.model.train, found_learner(scenario)
    assert block is not None
    if found is None:
        return Rllib(block, part)
    with part.beside():
        built = build(found, block.settings, f"{scenario.place(('train', 'settings'))}: train.settings")
    assert isinstance(built, Learner)
    return built
