"""What learns: whoever makes policies out of episodes, by whatever algorithm."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from simworld.errors import RunError
from simworld.kernel import Cohort, Field, Intervention, Kernel, Role, Silent
from simworld.spaces._network import Activation
from simworld.spaces._trained import Trained


@dataclass(frozen=True)
class Watch:
    """Looks at the society itself from time to time: what would be can then be run in branches of it."""

    every: int
    """Ticks from one look to the next; the first is at tick 0."""
    look: Callable[[Kernel, int], None]
    """Is shown the society and the tick, before anything of it has happened; it may branch it, and changes nothing."""


class School(ABC):
    """Where somebody learns: a scenario of which some seats are the learner's."""

    seed: int
    """Number of the training: all chance of it comes from here."""
    steps: int
    """Decisions that were made in it before, if it goes on where it was stopped."""
    roles: Mapping[str, Role]
    """Whom each policy decides for, by policy: a sized role with the observations that learners are to see."""
    hidden: tuple[int, ...]
    """Units of each hidden layer."""
    activation: Activation
    """Of the hidden layers."""
    outside: tuple[str, ...] = ()
    """What stands beside the society and has no part in branches that a watch makes of it, in words: interventions,
    probes that pay, and models and people who are asked."""

    @abstractmethod
    def play(
        self,
        minds: Mapping[str, Cohort],
        number: int,
        notes: Silent,
        changes: Sequence[Intervention] = (),
        watch: Watch | None = None,
    ) -> None:
        """Play one episode.

        Args:
            minds: Who decides for the learners' seats, by role.
            number: Which episode: the same number is the same chance. No evaluation has it, nor another training.
            notes: Takes note of what is seen, done and earned.
            changes: What is changed in the middle of it, besides the scenario's own interventions.
            watch: Looks at the society in the middle of it.
        """

    @abstractmethod
    def episode_seed(self, number: int) -> int:
        """The seed of an episode: for learners that work out what minds are not told.

        Raises:
            ValueError: There is no such number.
        """


@dataclass(frozen=True)
class Lesson:
    """What came of an iteration."""

    steps: int
    """Decisions of learners in it."""
    earned: float = float("nan")
    """Mean over its episodes of what learners earned, summed over them; nan if that is not known."""
    told: Mapping[str, float] = field(default_factory=dict)
    """Numbers of the learner's own, by name (``Learner.told``)."""


class Learner(ABC):
    """Learns what some seats of a scenario decide; its constructor takes ``train.settings``."""

    told: ClassVar[tuple[Field, ...]] = ()
    """Numbers that it tells of each iteration: columns ``told.<name>`` of the table ``training``."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Settings that name files."""
    needs_torch: ClassVar[bool] = True
    """Whether it cannot do without torch, which is not installed with simworld."""

    @abstractmethod
    def begin(self, school: School) -> None:
        """Get ready.

        Raises:
            ValueError: It cannot learn this, and why.
        """

    @abstractmethod
    def iterate(self) -> Lesson:
        """Learn for a while."""

    @abstractmethod
    def policies(self) -> Mapping[str, Trained]:
        """What it would do now, by policy: networks, or anything else that can be kept and played."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Keep what it needs to go on, in a folder that is not there yet."""

    @abstractmethod
    def restore(self, folder: Path) -> None:
        """Go on from there, after ``begin``."""

    def files(self) -> Mapping[str, bytes]:
        """What else came of it, by name of a file: kept beside the policies."""
        return {}

    def close(self) -> None:
        """Let go of everything."""
        return


def require_torch() -> None:
    """Raise RunError, and say how to get it, unless torch is there."""
    if find_spec("torch") is None:
        raise RunError("training needs torch, which is not installed: pip install 'simworld[train]'")
