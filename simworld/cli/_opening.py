"""Opening runs in commands: what the analysis cannot open is the user's error, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from simworld.errors import RunError


@contextmanager
def opening() -> Iterator[None]:
    """Turn what the analysis says of runs and claims into an error of the command."""
    from simworld_analysis import OpenError  # noqa: PLC0415  the analysis is imported only to look at a run
    from simworld_analysis.grammar import ClaimError  # noqa: PLC0415

    try:
        yield
    except (OpenError, ClaimError) as error:
        raise RunError(str(error)) from error
