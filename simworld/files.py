"""Files that a scenario names: where they are looked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_BESIDE: ContextVar[Path | None] = ContextVar("_BESIDE", default=None)


@contextmanager
def beside(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Look for files in this folder first while the block runs: the one of the scenario whose society is at work.

    One process may have several scenarios in several folders, and each means its own ``policy.npz``. No folder changes
    nothing.
    """
    # Of a folder that is one already nothing is made anew: an environment comes here at every step.
    chosen = folder if isinstance(folder, Path) else Path(folder) if folder else _BESIDE.get()
    token = _BESIDE.set(chosen)
    try:
        yield
    finally:
        _BESIDE.reset(token)


def folder_beside() -> Path | None:
    """The folder of the scenario that is at work; None: there is none."""
    return _BESIDE.get()


def located(name: str) -> Path:
    """A file by its path: beside the scenario, else from where the process runs.

    Raises:
        ValueError: There is no such file.
    """
    folder, path = folder_beside(), Path(name)
    for option in (folder / path, path) if folder is not None else (path,):
        if option.is_file():
            return option
    raise ValueError(f"there is no file {name!r}, neither beside the scenario nor here")
