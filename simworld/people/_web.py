"""People at a web page: their questions lie in a box until somebody answers there."""

from __future__ import annotations

import time
from collections.abc import Callable

from simworld.errors import StoppedError
from simworld.people._box import Box, Closing
from simworld.people._person import PersonReply, PersonRequest

_AT_ONCE = 256
"""Questions that lie open at a time: each is waited for by a thread."""


class Web:
    """Lays questions open for whoever looks at the run's page; several people may answer side by side."""

    at_once = _AT_ONCE

    def __init__(self, box: Box, stopping: Callable[[], bool] = bool) -> None:
        """Put questions into a box.

        Args:
            box: Where they lie.
            stopping: Whether the run was asked to stop: then nobody is asked any more.
        """
        self._box, self._stopping = box, stopping
        self._closed = False

    def reply(self, request: PersonRequest) -> PersonReply | None:
        """Wait for the answer, or the deadline.

        Raises:
            StoppedError: The run was asked to stop before either came: it asks again when it goes on.
            RunError: The question cannot be laid open.
        """
        begun = time.monotonic()
        # Somebody may have answered when whoever had asked was gone.
        closing = self._box.look(request)
        if closing is None:
            self._box.put(request)
            try:
                closing = self._waited(request, begun)
            finally:
                self._box.remove(request)
        if closing.late:
            return None
        seconds = time.monotonic() - begun
        return PersonReply(closing.value, seconds, "web", closing.rationale, closing.participant, closing.thought)

    def close(self) -> None:
        """Wait for nobody any more."""
        self._closed = True

    def _waited(self, request: PersonRequest, begun: float) -> Closing:
        while True:
            closing = self._box.look(request)
            if closing is not None:
                return closing
            if self._closed or self._stopping():
                raise StoppedError(f"{request.who} was not answered any more")
            left = self._box.every
            if request.deadline is not None:
                left = min(left, request.deadline - (time.monotonic() - begun))
                if left <= 0:
                    return self._box.close(request, Closing(request.digest, late=True))
            time.sleep(left)
