"""Files of episodes as data: what a worker without the run's file system sends to the driver."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from simworld.errors import RunError

Parcel: TypeAlias = Mapping[str, bytes]
"""Contents by path in the run directory."""


def pack(run: Path) -> Parcel:
    """All sealed tables, taken out of the directory that they were written in."""
    found = {}
    for path in sorted(run.glob("t*/*/*.arrow")):
        found[str(path.relative_to(run))] = path.read_bytes()
        path.unlink()
    return found


def unpack(parcel: Parcel, run: Path) -> None:
    """Put the files into a run directory, each by renaming; last the row in ``episodes``, which says that all is there.

    Raises:
        RunError: They cannot be written.
    """
    try:
        for name in sorted(parcel, key=lambda name: (name.startswith("tables/episodes/"), name)):
            path = run / name
            path.parent.parent.mkdir(exist_ok=True)  # never the run: somebody may have removed it
            path.parent.mkdir(exist_ok=True)
            waiting = path.with_suffix(".arrow.tmp")
            waiting.write_bytes(parcel[name])
            os.replace(waiting, path)
    except OSError as error:
        raise RunError(f"cannot write {run}: {error.strerror or error}") from error
