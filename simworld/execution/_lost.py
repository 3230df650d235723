"""What becomes of episodes whose worker process died: begun again, a few times, then a row that says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from simworld.execution._episode import record_lost
from simworld.execution._spec import EpisodeResult, EpisodeSpec
from simworld.recording import read_episodes

_DEATHS = 3
"""An episode under which so many workers died is given up."""


class Lost:
    """Counts, over a run of this process, under which episodes workers died.

    A death counts only where the worker held nothing else: no episode is given up for another's fault.
    """

    def __init__(self) -> None:
        self._deaths: Counter[str] = Counter()
        self.alone: set[str] = set()
        """Ids of episodes that were under way, maybe, when a worker died: they are handed out by themselves."""

    def sort(
        self, batch: Sequence[EpisodeSpec], running: Collection[str] = ()
    ) -> tuple[list[EpisodeSpec], list[EpisodeResult]]:
        """Of a batch that a dead worker held: episodes to begin again, and results of those that are over.

        What was sealed before the worker died is kept. An episode under which three workers died is recorded as failed:
        the rest goes on.

        Args:
            batch: What the worker held.
            running: Ids of those that were under way, if that is known.
        """
        if not batch:
            return [], []
        rows = {row.episode: row for row in read_episodes(batch[0].run)}
        again, over = [], []
        for spec in batch:
            if spec.id in rows:
                over.append(EpisodeResult.of(spec, rows[spec.id]))
                continue
            self._deaths[spec.id] += len(batch) == 1
            if self._deaths[spec.id] >= _DEATHS:
                over.append(record_lost(spec, f"its worker process died {_DEATHS} times (out of memory, or killed)"))
                continue
            if not running or spec.id in running:
                self.alone.add(spec.id)
            again.append(spec)
        return again, over
