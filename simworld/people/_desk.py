"""The desk where questions to people wait for their turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from simworld.errors import AskError
from simworld.kernel import Answer, Ask, Gateway
from simworld.people._person import Person, PersonRequest, Unanswered, person_request


class PeopleDesk:
    """Answers asks of kind ``person``, in threads of their own: each person so many at a time as they take."""

    def __init__(self, people: Mapping[str, Person]) -> None:
        self._people = dict(people)
        # One room for each person, by whatever names a scenario calls them.
        rooms = {id(person): _Room(person, name) for name, person in people.items()}
        self._rooms = {name: rooms[id(person)] for name, person in people.items()}
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
        # All are counted before the first is put: whoever is asked is told how many wait.
        for _, name, _ in prepared:
            self._rooms[name].expect()
        return [self._rooms[name].put(ask, request) for ask, name, request in prepared]

    def close(self) -> None:
        """Take no more questions; one that is being answered may still be."""
        self._closing.set()
        for room in self._rooms.values():
            room.close()


class _Room:
    """Where questions to one person wait for their turn."""

    def __init__(self, person: Person, name: str) -> None:
        self._person = person
        self._threads = ThreadPoolExecutor(person.at_once, f"simworld-person-{name}")
        self._lock = threading.Lock()
        self._came = self._gone = 0
        """Since nobody waited."""

    def expect(self) -> None:
        """A question is going to be put."""
        with self._lock:
            self._came += 1

    def put(self, ask: Ask, request: PersonRequest) -> Future[Answer]:
        """Put a question."""
        future = self._threads.submit(self._answered, ask, request)
        future.add_done_callback(self._over)
        return future

    def close(self) -> None:
        """Put none any more; one that is being answered may still be."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._person.close()

    def _over(self, _: Future[Answer]) -> None:
        with self._lock:
            self._gone += 1
            if self._gone == self._came:
                self._came = self._gone = 0

    def _answered(self, ask: Ask, request: PersonRequest) -> Answer:
        begun = time.monotonic()
        if self._person.at_once == 1:
            with self._lock:
                request = replace(request, place=self._gone + 1, among=self._came)
        reply = self._person.reply(request)
        fallback = ask.content.get("fallback")
        if reply is None:
            telemetry = {"seconds": time.monotonic() - begun}
            return Answer(fallback, "timeout", "no answer in time", "fallback", telemetry)
        if isinstance(reply, Unanswered):
            return Answer(fallback, reply.fault, reply.detail, "fallback")
        wrong = request.wrong(reply.value)
        if wrong:
            return Answer(fallback, "invalid", f"{reply.source}: {wrong}", "fallback", reply.telemetry)
        return Answer(request.as_asked(reply.value), source=reply.source, telemetry=reply.telemetry)


class _Gateway:
    """The kernel's ``Gateway`` for asks of kind ``person`` of one episode."""

    def __init__(self, desk: PeopleDesk, episode: str) -> None:
        self._desk, self._episode = desk, episode

    def post(self, asks: Sequence[Ask]) -> Sequence[Future[Answer]]:
        """Queue questions. Raises AskError as the desk does."""
        return self._desk.post(asks, self._episode)
