"""Python's and numpy's global random numbers, while a model of Mesa's is running that may draw from them."""

from __future__ import annotations

import random  # noqa: TID251  other people's models draw from it
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np


class Dice:
    """The state of Python's and numpy's global random numbers, for models that draw from them.

    Not ours: what an unmodified model draws from without a seed must be the same in every run. Outside of its steps
    nothing is changed; while the dice are kept, nothing but the model may draw until they are given back.
    """

    _kept: ClassVar[Dice | None] = None

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._own: tuple[Any, Any] | None = None
        self._others: tuple[Any, Any] | None = None

    @contextmanager
    def rolled(self) -> Iterator[None]:
        """Let the model's own sequence go on within."""
        if Dice._kept is self:
            yield
            return
        self._take()
        try:
            yield
        finally:
            self._put_back()

    def keep(self) -> None:
        """Let the model's sequence stay in place: to exchange it around every step takes a fifth of a millisecond."""
        self._take()
        Dice._kept = self

    def give_back(self) -> None:
        """End that."""
        if Dice._kept is self:
            Dice._kept = None
            self._put_back()

    def _take(self) -> None:
        if Dice._kept is not None:
            Dice._kept.give_back()
        self._others = random.getstate(), np.random.get_state()  # noqa: NPY002
        if self._own is None:
            random.seed(self._seed)
            np.random.seed(self._seed % 2**32)  # noqa: NPY002, TID251
        else:
            random.setstate(self._own[0])
            np.random.set_state(self._own[1])  # noqa: NPY002

    def _put_back(self) -> None:
        self._own = random.getstate(), np.random.get_state()  # noqa: NPY002
        assert self._others is not None
        random.setstate(self._others[0])
        np.random.set_state(self._others[1])  # noqa: NPY002
