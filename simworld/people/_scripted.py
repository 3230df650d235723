"""Nobody: answers that are written down beforehand."""

from __future__ import annotations

from collections.abc import Sequence

from simworld.kernel import Json
from simworld.people._person import PersonReply, PersonRequest


class Scripted:
    """Answers from a list: the n-th decision of each seat gets the n-th answer, and the list begins again at its end.

    None in the list is a question that is not answered in time.
    """

    at_once = 1

    def __init__(self, answers: Sequence[Json]) -> None:
        self._answers = tuple(answers)

    def reply(self, request: PersonRequest) -> PersonReply | None:
        """The answer that is due, or None."""
        value = self._answers[request.number % len(self._answers)] if self._answers else None
        return None if value is None else PersonReply(value, 0.0, "scripted")

    def close(self) -> None:
        """Nothing to let go of."""
