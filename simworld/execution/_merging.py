"""Few files out of many, while episodes are still running."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from simworld.recording import compact

_PAUSE = 1.0
"""Seconds between merges, at least; a merge that takes longer is followed by a pause of its own length."""


class Merging:
    """Merges what is finished in a thread of its own, so that no worker waits for the driver meanwhile."""

    def __init__(self, run: Path, episodes: Sequence[str]) -> None:
        self._run, self._episodes = run, episodes
        self._thread = ThreadPoolExecutor(1, "merging")
        self._under_way: Future[None] | None = None
        self._due = time.monotonic() + _PAUSE

    def __enter__(self) -> Merging:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()
        if error is None:
            self._look()

    def now_and_then(self) -> bool:
        """Begin a merge if one is due; whether it was. Raises RunError if the last one failed."""
        self._look()
        if self._under_way is not None or time.monotonic() < self._due:
            return False
        self._under_way = self._thread.submit(self._merge)
        return True

    def _merge(self) -> None:
        begun = time.monotonic()
        compact(self._run, self._episodes, final=False)
        ended = time.monotonic()
        self._due = ended + max(_PAUSE, ended - begun)

    def _look(self) -> None:
        if self._under_way is not None and self._under_way.done():
            done, self._under_way = self._under_way, None
            done.result()


@contextmanager
def all_processors() -> Iterator[None]:
    """Let Arrow compress in as many threads as there are processors: no episode is running that would need them.

    The files have the same bytes whatever their number.
    """
    import pyarrow as pa  # noqa: PLC0415  not before a run begins

    before = pa.cpu_count()
    pa.set_cpu_count(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    try:
        yield
    finally:
        pa.set_cpu_count(before)
