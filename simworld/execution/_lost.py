"""What becomes of episodes whose worker process died: begun again, a few times, then a row that says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from simworld.execution._episode import record_lost
from simworld.execution._spec import EpisodeResult, EpisodeSpec
from simworld.recording import read_episodes

_DEATHS = 3
"""An episode under which so many workers died is given up."""


class Lost:
    """Counts, over a run of this process, which episodes were under way when a worker died."""

    def __init__(self) -> None:
        self._deaths: Counter[str] = Counter()

    def sort(
        self, specs: Sequence[EpisodeSpec], suspects: Iterable[str] | None = None
    ) -> tuple[list[EpisodeSpec], list[EpisodeResult]]:
        """Of episodes that a dead worker held: those to begin again, and results of those that are over.

        What was sealed before the worker died is kept. An episode under which three workers died is recorded as failed:
        the rest goes on.

        Args:
            specs: What the worker held.
            suspects: Ids of those that were under way; any of them by default.
        """
        if not specs:
            return [], []
        rows = {row.episode: row for row in read_episodes(specs[0].run)}
        again, over = [], []
        self._deaths.update(s.id for s in specs if s.id not in rows and (suspects is None or s.id in set(suspects)))
        for spec in specs:
            if spec.id in rows:
                over.append(EpisodeResult.of(spec, rows[spec.id]))
            elif self._deaths[spec.id] >= _DEATHS:
                over.append(record_lost(spec, f"its worker process died {_DEATHS} times (out of memory, or killed)"))
            else:
                again.append(spec)
        return again, over
