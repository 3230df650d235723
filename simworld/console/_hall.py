"""All that a run's page does, without the network: who is there, what lies open, who has what, what is answered."""

from __future__ import annotations

import secrets
from collections import Counter
from pathlib import Path

from simworld.console._holds import Holds
from simworld.console._rules import Rules
from simworld.console._society import Society
from simworld.execution import Withdrawal, now, participants_on_tape, read_posted, withdraw
from simworld.kernel import Json
from simworld.people import Closing, OpenQuestion, Participant, Participants, PersonRequest, RunBox
from simworld.recording import is_locked, read_manifest

_LONGEST = 10_000
"""Characters of an answer, and of its reason."""


class Refused(Exception):  # noqa: N818  an answer of the page, and no fault of the program
    """What somebody at the page cannot have."""

    def __init__(self, status: int, message: str) -> None:
        """Refuse.

        Args:
            status: As HTTP has it: 409 somebody else has it, 410 it is over, 422 it is none that is accepted.
            message: Why, in words.
        """
        super().__init__(message)
        self.status, self.message = status, message


class Hall:
    """The page of a run. Safe to use from several threads; every call reads what there is now."""

    def __init__(self, run: Path, holds: Holds | None = None) -> None:
        """Open it.

        Raises:
            RunError: Not a run, or nobody is asked at a page in it.
        """
        self.run, self.rules = run, Rules.of(run)
        self._box, self._participants = RunBox(run), Participants(run)
        self._holds, self._society = holds or Holds(), Society(run, self.rules)
        self._answered: Counter[str] = Counter()

    # -- who is there ----------------------------------------------------------------------------------------------

    def known(self, secret: str) -> Participant | None:
        """Whoever shows this, unless they have withdrawn."""
        found = self._participants.known(secret) if secret else None
        return None if found is None or found.withdrawn else found

    def agree(self) -> tuple[str, Participant]:
        """Somebody agrees and takes part; returns what their browser shows from now on. Raises RunError."""
        secret = secrets.token_urlsafe(24)
        taken = participants_on_tape(self.run)
        return secret, self._participants.agree(secret, now(), self.rules.agreement, taken)

    def withdraw(self, who: str) -> Withdrawal:
        """Somebody takes part no more, and their answers are taken out. Raises RunError, TapeError."""
        self._holds.leave(who)
        return withdraw(self.run, who)

    # -- what lies open --------------------------------------------------------------------------------------------

    def view(self, who: str) -> dict[str, Json]:
        """All that the page shows to somebody, as plain data."""
        going = is_locked(self.run)
        lying = self._box.lying() if going else []
        held = [one for one in lying if (hold := self._holds.of(one.request.id)) is not None and hold.who == who]
        posted, manifest = read_posted(self.run), read_manifest(self.run)
        running = [self.rules.numbers[number] for number, _ in posted.running if number < len(self.rules.numbers)]
        episodes = [one.request.episode for one in (*held, *lying)] + running
        return {
            "you": {"name": who, "answered": self._answered[who]},
            "run": {
                "name": self.run.name,
                "state": _state(going, posted.wish, manifest.status),
                "done": manifest.done,
                "episodes": manifest.episodes,
            },
            "questions": [self._shown(one, who) for one in lying],
            "society": self._society.of(episodes[0]) if episodes else None,
        }

    def take(self, question: str, who: str) -> None:
        """Take a question up, or hold it longer. Raises Refused if somebody else has it, or it is over."""
        self._lying(question)
        if not self._holds.take(question, who):
            raise Refused(409, "somebody else is answering it")

    def let_go(self, question: str, who: str) -> None:
        """Give a question back."""
        self._holds.let_go(question, who)

    def answer(self, question: str, who: str, given: str | int, rationale: str = "") -> None:
        """Answer a question: with the place of an option, or with what was typed.

        Raises:
            Refused: Somebody else has it or has answered it, it is over, or the answer is none that is accepted.
            RunError: The answer cannot be kept.
        """
        request = self._lying(question).request
        value = _value(request, given)
        if len(rationale) > _LONGEST:
            raise Refused(422, f"a reason has at most {_LONGEST:,} characters")
        if not self._holds.take(question, who):
            raise Refused(409, "somebody else is answering it")
        thought = round(self._holds.held_for(question) or 0.0, 3)
        closing = Closing(request.digest, value, False, rationale.strip(), who, thought)
        closed = self._box.close(request, closing)
        self._holds.let_go(question, who)
        if closed.late:
            raise Refused(410, "its time is over")
        if closed is not closing:
            raise Refused(409, "it has been answered")
        self._answered[who] += 1

    def _lying(self, question: str) -> OpenQuestion:
        found = self._box.find(question)
        if found is not None:
            return found
        closed = self._box.closed(question)
        if closed is None or closed.late:
            raise Refused(410, "its time is over" if closed is not None else "nobody asks this any more")
        raise Refused(409, "it has been answered")

    def _shown(self, one: OpenQuestion, who: str) -> dict[str, Json]:
        request, hold = one.request, self._holds.of(one.request.id)
        label = self.rules.episodes.get(request.episode)
        many = len(self.rules.episodes) > 1
        return {
            "id": request.id,
            "who": request.who,
            "seat": f"{request.episode} {request.who}",
            "person": "" if request.person == "default" else request.person,
            "where": f"episode {label.number + 1}" if many and label is not None else "",
            "question": request.question,
            "context": [[name, _words(value)] for name, value in request.context.items()],
            "options": [_words(option) for option in request.options],
            "form": "options" if request.options else request.form,
            "accepted": "" if request.options or request.form == "text" else request.bounds,
            "cost": None if request.cost is None else f"{request.cost:g}",
            "closes": None if request.deadline is None else one.since + request.deadline,
            "asked": one.since,
            "held": "" if hold is None else "you" if hold.who == who else "other",
        }


def _state(going: bool, wish: str, status: str) -> str:
    """How a run stands, in a word."""
    if going:
        return {"pause": "paused", "stop": "stopping"}.get(wish, "going on")
    return "interrupted" if status == "running" else status


def _value(request: PersonRequest, given: str | int) -> Json:
    """The answer that was given. Raises Refused."""
    if isinstance(given, int):
        if not 0 <= given < len(request.options):
            raise Refused(422, "it is none of the options")
        return request.options[given]
    if len(given) > _LONGEST:
        raise Refused(422, f"an answer has at most {_LONGEST:,} characters")
    if not given.strip():
        raise Refused(422, "it is empty")
    try:
        return request.value_of(given)
    except ValueError as error:
        raise Refused(422, str(error)) from None


def _words(value: Json) -> str:
    """A value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_words(inner)}" for name, inner in value.items())
    return "–" if value is None else str(value)
