"""Questions in words: any CSV of questions with answers, and procedurally generated reasoning tasks."""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from simworld.files import located
from simworld.kernel import Array, Chance
from simworld.worlds.casework._answers import IntArray, texts_of

ONE_ANSWER = frozenset({"chain_sum", "gsm_symbolic", "products", "spell_backward"})
"""Tasks of reasoning-gym that have one right answer, and a check of their own that only forgives how it is written."""


@dataclass(frozen=True)
class Asked:
    """One question for each of some teams, with the right answers: these stay in the world."""

    topic: IntArray
    """Shape (n,)."""
    question: Array
    """Texts, shape (n,)."""
    key: Array
    """Texts, shape (n,)."""


class Questions(ABC):
    """Where questions in words come from."""

    topics: tuple[str, ...]
    """Their names."""

    @abstractmethod
    def deal(self, seed: int, case: int, teams: IntArray) -> Asked:
        """This case of each of these teams, in the episode of this seed."""


@dataclass
class FromFile(Questions):
    """A CSV with the columns ``question`` and ``answer``, and if it likes ``topic``.

    Every team goes through the whole file, in an order of its own, and then begins again.
    """

    file: str

    def __post_init__(self) -> None:
        """Read it.

        Raises:
            ValueError: There is no such file, or it holds something else.
        """
        if not self.file:
            raise ValueError("file: missing; accepted: a CSV with the columns question and answer")
        try:
            with located(self.file).open(encoding="utf-8-sig", newline="") as lines:
                reader = csv.DictReader(lines)
                columns, rows = list(reader.fieldnames or ()), list(reader)
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{self.file}: found {error}; accepted: a CSV in UTF-8") from error
        lacking = [name for name in ("question", "answer") if name not in columns]
        if lacking:
            raise ValueError(f"{self.file}: found the columns {columns}; it lacks {lacking[0]!r}")
        for place, row in enumerate(rows):
            empty = [name for name in ("question", "answer") if not (row[name] or "").strip()]
            if empty:
                raise ValueError(f"{self.file}, row {place + 1}: {empty[0]!r} is empty")
        if not rows:
            raise ValueError(f"{self.file} holds no question")
        names = [(row.get("topic") or "").strip() for row in rows]
        self.topics = tuple(dict.fromkeys(names))
        self._topic = np.array([self.topics.index(name) for name in names], dtype=np.int64)
        self._question, self._key = (
            texts_of((row[name].strip() for row in rows), (len(rows),)) for name in ("question", "answer")
        )

    def __len__(self) -> int:
        return len(self._key)

    def deal(self, seed: int, case: int, teams: IntArray) -> Asked:
        """The next row in each team's order."""
        again, place = divmod(case, len(self))
        order = np.argsort(Chance(seed).draw("uniform", "file/order", again, teams, (len(self),)), kind="stable")
        rows = order[:, place]
        return Asked(self._topic[rows], self._question[rows], self._key[rows])


@dataclass
class Generated(Questions):
    """Tasks of the reasoning-gym library, made on the spot: no two of them are ever the same.

    Only tasks that have one right answer are taken, and answers are compared as texts: some of the library's own checks
    would execute what somebody answers.
    """

    tasks: Mapping[str, Mapping[str, Any]]
    """Which, each with its settings."""

    def __post_init__(self) -> None:
        """Look the tasks up.

        Raises:
            ValueError: The library is not there, a task is unknown or has several right answers, or settings are wrong.
        """
        self.topics = tuple(self.tasks)
        if not self.topics:
            raise ValueError("tasks: found none; accepted: at least one")
        usable = self._usable
        for name, settings in self.tasks.items():
            if name not in usable:
                raise ValueError(f"tasks: found {name!r}; accepted, as they have one right answer: {sorted(usable)}")
            try:
                self._made(name, settings, 0)
            except (AssertionError, TypeError, ValueError) as error:
                reason = " ".join(str(error).split()) or "settings that it does not take"
                raise ValueError(f"tasks.{name}: {reason}") from error

    def deal(self, seed: int, case: int, teams: IntArray) -> Asked:
        """A task, and one instance of it, drawn for each team."""
        drawn = Chance(seed).draw("uniform", "reasoning/case", case, teams, (2,))
        topic = (drawn[:, 0] * len(self.topics)).astype(np.int64)
        made = [
            self._made(self.topics[place], self.tasks[self.topics[place]], instance)
            for place, instance in zip(topic.tolist(), (drawn[:, 1] * 2**31).astype(np.int64).tolist(), strict=True)
        ]
        question, key = (texts_of((one[i] for one in made), (len(made),)) for i in (0, 1))
        return Asked(topic, question, key)

    def _made(self, name: str, settings: Mapping[str, Any], seed: int) -> tuple[str, str]:
        entry = self._library.create_dataset(name, seed=seed, size=1, **settings)[0]
        return str(entry["question"]), str(entry["answer"])

    @cached_property
    def _usable(self) -> Sequence[str]:
        from reasoning_gym.dataset import ProceduralDataset  # noqa: PLC0415  installed with an extra
        from reasoning_gym.factory import DATASETS  # noqa: PLC0415

        own = ProceduralDataset.score_answer
        return [name for name, (cls, _) in DATASETS.items() if cls.score_answer is own or name in ONE_ANSWER]

    @cached_property
    def _library(self) -> ModuleType:
        import reasoning_gym  # noqa: PLC0415  seconds to import, and installed with an extra

        library: ModuleType = reasoning_gym
        return library

    def __getstate__(self) -> dict[str, object]:
        """Pickle without the library."""
        return {key: value for key, value in self.__dict__.items() if not isinstance(value, ModuleType)}


def check_installed() -> None:
    """Raise ValueError, and say how to get it, unless reasoning-gym is there."""
    try:
        import reasoning_gym  # noqa: PLC0415, F401  seconds to import, and installed with an extra
    except ImportError as error:
        raise ValueError("source: reasoning needs reasoning-gym: pip install 'simworld[reasoning]'") from error
