"""What was answered in an earlier run, in the place of whoever would answer now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from simworld.errors import AskError
from simworld.kernel import Json
from simworld.people._person import PersonReply, PersonRequest, Unanswered

Match: TypeAlias = Literal["question", "seat"]
"""By what an answer is found: by what is asked, or by who asks it and when."""
Missing: TypeAlias = Literal["fallback", "stop"]
"""What becomes of a question that has no answer there."""
_Place: TypeAlias = tuple[str, int, int]
"""Seat, decision, question within it."""
_Key: TypeAlias = str | _Place
"""What an answer is found by."""


@dataclass(frozen=True, slots=True)
class TapedAnswer:
    """How one question was answered."""

    question: str
    """Digest of what was asked."""
    place: _Place
    episode: str
    value: Json = None
    late: bool = False
    """Nobody had answered in time: there is no value."""
    participant: str = ""
    """Who it was, by pseudonym."""

    @staticmethod
    def of(request: PersonRequest, value: Json, late: bool = False, participant: str = "") -> TapedAnswer:
        """The answer to a question."""
        return TapedAnswer(_digest(request), _place(request), request.episode, value, late, participant)


@dataclass(frozen=True, slots=True)
class AnswerTape:
    """All that was answered in a run, in its order; plain data that goes to whatever process asks."""

    answers: tuple[TapedAnswer, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of what is answered, by whom, to what."""
        told = [[a.question, a.place, a.episode, a.value, a.late, a.participant] for a in self.answers]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def participants(self) -> list[str]:
        """Pseudonyms of all who answered."""
        return sorted({answer.participant for answer in self.answers} - {""})

    def qualified(self, names: Collection[str], by: str) -> AnswerTape:
        """The same, where pseudonyms that others have, too, say from which run they are."""
        told = (replace(a, participant=f"{a.participant}@{by}") if a.participant in names else a for a in self.answers)
        return AnswerTape(tuple(told))


class Taped:
    """Answers as was answered in an earlier run."""

    at_once = 1

    def __init__(self, tape: AnswerTape, match: Match = "question", missing: Missing = "fallback") -> None:
        """Take up a tape.

        Args:
            tape: What was answered.
            match: ``question`` finds the answer to the same question; of several that in the same place of an episode
                with the same seed, else the first. ``seat`` finds what the same seat was answered at the same
                decision; of several episodes that with the same seed, else the first.
            missing: Where there is none, ``fallback`` lets the question's own fallback stand in, ``stop`` fails.
        """
        self._match, self._missing = match, missing
        self._same: dict[tuple[_Key, str, _Place], TapedAnswer] = {}
        self._first: dict[_Key, TapedAnswer] = {}
        self._late: dict[_Key, TapedAnswer] = {}
        for answer in tape.answers:
            key = answer.question if match == "question" else answer.place
            self._same.setdefault((key, _seed(answer.episode), answer.place), answer)
            (self._late if answer.late else self._first).setdefault(key, answer)

    def reply(self, request: PersonRequest) -> PersonReply | Unanswered | None:
        """The answer of the tape; None where it says that nobody answered in time.

        Raises:
            AskError: It has none, and nothing is to stand in.
        """
        key: _Key = _digest(request) if self._match == "question" else _place(request)
        same = self._same.get((key, _seed(request.episode), _place(request)))
        found = same or self._first.get(key) or self._late.get(key)
        if found is None and self._missing == "stop":
            what = "this question" if self._match == "question" else "this decision of the seat"
            raise AskError(f"{request.who}, decision {request.number}: the tape that answers has no answer to {what}")
        if found is None:
            return Unanswered("missing", "not on the tape that answers")
        return None if found.late else PersonReply(found.value, 0.0, "tape", participant=found.participant)

    def close(self) -> None:
        """Nothing to let go of."""


def taped_answers(answers: Iterable[TapedAnswer]) -> AnswerTape:
    """The answers of a run as a tape, in an order that does not depend on when they were given."""
    return AnswerTape(tuple(sorted(answers, key=lambda a: (_seed(a.episode), a.episode, a.place))))


def _seed(episode: str) -> str:
    """What the id of an episode ends in."""
    return episode.rpartition("-")[2]


def _place(request: PersonRequest) -> _Place:
    return (request.who, request.number, request.ask)


def _digest(request: PersonRequest) -> str:
    """SHA-256 of what somebody is shown of a question: not whom it is for, what stands in, or by when."""
    shown: Mapping[str, Json] = {
        "question": request.question,
        "options": list(request.options),
        "context": dict(request.context),
        "low": request.low,
        "high": request.high,
        "form": request.form,
        "cost": request.cost,
    }
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
