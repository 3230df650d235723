"""Short episodes go together: handing one out takes a millisecond or two, and sealing one alone more than that."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence, Set

from simworld.errors import UserError
from simworld.execution._board import Wish, waited
from simworld.execution._spec import EpisodeResult, EpisodeSpec
from simworld.recording import BLOCKS, Sheaf

_LONG_ENOUGH = 0.5
"""Seconds that a batch should take: so much is lost, at most, with a worker that dies."""
_TOO_LONG = 2 * _LONG_ENOUGH
"""Seconds after which a batch begins no further episode: those of other cells may take longer than those before."""
AHEAD = 2
"""Batches handed out per worker: one under way, one waiting, so that no worker idles and memory stays flat."""


class Pace:
    """How long episodes take, and so how many go into a batch."""

    def __init__(self) -> None:
        self._seconds, self._episodes = 0.0, 0

    def took(self, batch: Sequence[EpisodeSpec], results: Sequence[EpisodeResult]) -> list[EpisodeSpec]:
        """Learn from episodes that are over; returns those of the batch that are still to be run."""
        self._seconds += sum(result.seconds for result in results)
        self._episodes += len(results)
        over = {result.id for result in results}
        return [spec for spec in batch if spec.id not in over]

    def take(self, waiting: deque[EpisodeSpec], workers: int, alone: Set[str] = frozenset()) -> list[EpisodeSpec]:
        """The next batch: neighbours in the run's order, so that they can be sealed as a block.

        Args:
            waiting: What is left to do; the batch is taken from its left end.
            workers: Towards the end batches become smaller, so that all workers end together.
            alone: Ids of episodes that must go by themselves.
        """
        size, batch = self._size(len(waiting), workers), [waiting.popleft()]
        block = batch[0].number // size
        while waiting and waiting[0].number // size == block and not {batch[0].id, waiting[0].id} & alone:
            batch.append(waiting.popleft())
        return batch

    def _size(self, waiting: int, workers: int) -> int:
        if not self._episodes:
            return 1
        mean = max(self._seconds / self._episodes, 1e-4)
        most = min(int(_LONG_ENOUGH / mean), -(-waiting // (AHEAD * workers)))
        return next((size for size in BLOCKS if size <= most), 1)


def run_batch(
    batch: Sequence[EpisodeSpec], run: Callable[[EpisodeSpec, Sheaf], EpisodeResult], hear: Callable[[], Wish]
) -> tuple[list[EpisodeResult], Exception | None]:
    """Run episodes one after the other, and seal them together; returns results, and what ended the batch early.

    Those that there was no time for have no result: whoever gave the batch gives them again. It begins when no pause is
    wished, and ends where one is: what is done is sealed before anybody waits.

    Args:
        batch: The episodes.
        run: Runs one, and leaves its tables in the sheaf.
        hear: What is wished.
    """
    if not waited(hear):
        return [], None
    begun = time.monotonic()
    sheaf = Sheaf(batch[0].run, {spec.id: spec.number for spec in batch})
    results: list[EpisodeResult] = []
    failure: Exception | None = None
    try:
        for spec in batch:
            if results and (hear() != "go" or time.monotonic() - begun >= _TOO_LONG):
                break
            results.append(run(spec, sheaf))
    except (UserError, OSError) as error:  # raised by whoever takes the results: those are complete
        failure = error
    finally:
        sheaf.write()
    return results, failure
