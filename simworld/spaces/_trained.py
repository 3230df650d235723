"""What comes of a training: something that decides, and that can be kept in a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from simworld.kernel import Cohort, Role


class Trained(ABC):
    """What a training has made of one policy: a value, of which any number of minds may be made."""

    kind: ClassVar[str] = "policy"
    """The kind of mind that plays the file: ``{kind: policy, checkpoint: FILE}`` in a scenario."""

    @abstractmethod
    def mind(self) -> Cohort:
        """A mind that decides by it, as new."""

    @abstractmethod
    def misfit(self, role: Role) -> str:
        """What keeps it from deciding for a role; empty if nothing does."""

    @abstractmethod
    def said(self, about: Mapping[str, Any]) -> Trained:
        """The same, and where it comes from: plain data, which is kept with it."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write it as one ``.npz`` file, which holds nothing that is executed when it is loaded."""
