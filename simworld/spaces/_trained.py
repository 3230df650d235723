"""What comes of a training: something that decides, and that can be kept in a file."""

from __future__ import annotations

import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from simworld.kernel import Cohort, Role


class Trained(ABC):
    """What a training has made of one policy: a value, of which any number of minds may be made."""

    kind: ClassVar[str] = "policy"
    """The kind of mind that plays the file: ``{kind: policy, checkpoint: FILE}`` in a scenario."""

    @property
    def settings(self) -> Mapping[str, str]:
        """What else must stand in the line that seats it: what it was trained with."""
        return {}

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


_ELSE = (
    *(OSError, EOFError, KeyError, TypeError, ValueError, OverflowError),
    *(RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error),
)
"""What reading a file raises that is something else, encrypted, compressed in another way, or broken."""

_SHOWN = 4
"""Names of arrays that a message shows."""


@contextmanager
def kept_in(path: Path, what: str) -> Iterator[Mapping[str, Any]]:
    """The arrays of an ``.npz`` file, by name, while they are taken up.

    Args:
        path: The file.
        what: What it should hold, for the message.

    Raises:
        ValueError: There is no such file, or what is taken up in the block is not there, or of another form.
    """
    there: list[str] = []
    try:
        with np.load(path, allow_pickle=False) as found:
            there.extend(found)
            yield found
    except KeyError as error:
        lacking = str(error).strip("'\"").removesuffix(" is not a file in the archive")
        names = ", ".join(there[:_SHOWN]) + (", ..." if len(there) > _SHOWN else "")
        raise ValueError(f"{path} holds no {what}: it lacks {lacking!r}; found {names or 'nothing'}") from error
    except _ELSE as error:
        raise ValueError(f"{path} holds no {what} ({type(error).__name__})") from error
