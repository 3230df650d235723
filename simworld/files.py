"""Files that a scenario names: where they are looked for."""

from __future__ import annotations

import sys
from pathlib import Path


def located(name: str) -> Path:
    """A file by its path: as it is, else in one of the folders where modules are found, the scenario's own among them.

    Raises:
        ValueError: There is no such file.
    """
    path = Path(name)
    folders = [Path()] if path.is_absolute() else [Path(), *(Path(entry) for entry in sys.path)]
    for folder in folders:
        if (folder / path).is_file():
            return folder / path
    raise ValueError(f"there is no file {name!r}, neither here nor beside the scenario")
