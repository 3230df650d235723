"""The desk where questions to people wait for their turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from simworld.errors import AskError
from simworld.kernel import Answer, Ask, Gateway
from simworld.people._person import Person, PersonRequest, person_request


class PeopleDesk:
    """Answers asks of kind ``person``, in threads of their own: each person so many at a time as they take."""

    def __init__(self, people: Mapping[str, Person]) -> None:
        self._people = dict(people)
        self._rooms: dict[str, ThreadPoolExecutor] = {}
        self._closing = threading.Event()

    def gateway(self, episode: str) -> Gateway:
        """The way to these people for one episode: with its id their questions are told apart."""
        return _Gateway(self, episode)

    def post(self, asks: Sequence[Ask], episode: str = "") -> Sequence[Future[Answer]]:
        """Queue questions with the people that they name; see ``person_request`` for their content.

        Raises:
            AskError: An ask names nobody that the scenario has, or is malformed.
        """
        prepared = []
        for ask in asks:
            name = ask.content.get("person", "default")
            if not isinstance(name, str) or name not in self._people:
                known = ", ".join(self._people) or "nobody"
                raise AskError(f"{ask}: the scenario has no person {name!r}; it has {known}")
            prepared.append((ask, name, person_request(ask, episode)))
        return [self._room(name).submit(self._answered, ask, name, request) for ask, name, request in prepared]

    def close(self) -> None:
        """Take no more questions; one that is being answered may still be."""
        self._closing.set()
        for room in self._rooms.values():
            room.shutdown(wait=False, cancel_futures=True)
        for person in self._people.values():
            person.close()

    def _room(self, name: str) -> ThreadPoolExecutor:
        if name not in self._rooms:
            self._rooms[name] = ThreadPoolExecutor(self._people[name].at_once, f"simworld-person-{name}")
        return self._rooms[name]

    def _answered(self, ask: Ask, name: str, request: PersonRequest) -> Answer:
        begun = time.monotonic()
        reply = self._people[name].reply(request)
        if reply is None:
            telemetry = {"seconds": time.monotonic() - begun}
            return Answer(ask.content.get("fallback"), "timeout", "no answer in time", "fallback", telemetry)
        wrong = request.wrong(reply.value)
        if wrong:
            fallback = ask.content.get("fallback")
            return Answer(fallback, "invalid", f"{reply.source}: {wrong}", "fallback", reply.telemetry)
        return Answer(reply.value, source=reply.source, telemetry=reply.telemetry)


class _Gateway:
    """The kernel's ``Gateway`` for asks of kind ``person`` of one episode."""

    def __init__(self, desk: PeopleDesk, episode: str) -> None:
        self._desk, self._episode = desk, episode

    def post(self, asks: Sequence[Ask]) -> Sequence[Future[Answer]]:
        """Queue questions. Raises AskError as the desk does."""
        return self._desk.post(asks, self._episode)
