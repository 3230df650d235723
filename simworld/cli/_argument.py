"""A run directory as commands take it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

LATEST: Final = "latest"
_RUNS = Path("runs")


class RunPath(click.Path):
    """A run directory, or ``latest``: the newest one in ``runs``."""

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Look the newest up; any other path is taken as it is."""
        path = Path(value)
        if str(path) != LATEST or path.exists():
            return path
        # Their names begin with the time at which they began.
        newest = max(_RUNS.glob("*/run.json"), default=None)
        if newest is None:
            self.fail(f"found {LATEST!r}, and no run in {_RUNS}; accepted: a run directory", param, ctx)
        return newest.parent


RUN: Final = RunPath(path_type=Path)
"""The one that commands share."""
