"""The other end of a Ray task: a worker process somewhere in the cluster, and the board that it reports to."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from simworld.errors import BudgetError
from simworld.execution._batch import run_batch
from simworld.execution._board import IDLE, Wish
from simworld.execution._course import tape_path
from simworld.execution._episode import run_episode
from simworld.execution._outside import Conditions, Outside
from simworld.execution._parcel import Parcel, pack
from simworld.execution._spec import EpisodeResult, EpisodeSpec
from simworld.execution._storage import Storage
from simworld.gateway import Budget, Spent, check_budget
from simworld.kernel import Answer, Ask, Tape
from simworld.people import Box, Closing, PersonRequest, RunBox
from simworld.recording import Environment, Sheaf
from simworld.threads import pin_threads

_REPORT = 0.25
"""Seconds between reports of a worker: never one for each event."""
_REPLY = 0.1
"""Seconds that a worker waits for a reply between episodes: it takes a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a driver sees when it looks at the board."""

    running: tuple[tuple[int, int], ...]
    """(episode number, tick) of everything under way."""
    spent: Spent
    over_budget: bool


class Office:
    """The board of a run on a cluster, and the keeper of its tapes: an actor beside the driver, with its files.

    Workers report to it a few times a second, reserve money, and have answers written down; the driver looks at it.
    """

    def __init__(self, run: str, budget: Budget, spent: Spent) -> None:
        self._run, self._budget, self._spent = Path(run), budget, spent
        self._running: dict[str, tuple[int, int]] = {}
        self._tapes: dict[str, Tape] = {}
        self._wish: Wish = "go"
        self._over_budget = False

    def report(self, worker: str, episode: int, tick: int) -> Wish:
        """Take note of where a worker is, and tell it what is wished."""
        if episode == IDLE:
            self._running.pop(worker, None)
        else:
            self._running[worker] = (episode, tick)
        return self._wish

    def look(self, wish: Wish) -> Seen:
        """What there is to see; from then on all are told what the driver wishes."""
        self._wish = "stop" if self._over_budget else wish
        return Seen(tuple(self._running.values()), self._spent, self._over_budget)

    def forget(self, episodes: Sequence[int]) -> None:
        """Nobody works on these any more: their worker died."""
        self._running = {w: place for w, place in self._running.items() if place[0] not in episodes}

    def reserve(self, most: Spent) -> str:
        """Set aside what a call may cost; says why if the budget does not allow it, and asks all to stop."""
        after = self._spent.plus(most)
        try:
            check_budget(self._budget, after)
        except BudgetError as error:
            self._wish, self._over_budget = "stop", True
            return str(error)
        self._spent = after
        return ""

    def settle(self, difference: Spent) -> Spent:
        """Correct what was set aside; returns what is spent."""
        self._spent = self._spent.plus(difference)
        return self._spent

    def tape(self, episode: str) -> bytes:
        """What an earlier attempt at an episode left on its tape."""
        path = tape_path(self._run, episode)
        return path.read_bytes() if path.exists() else b""

    def keep(self, episode: str, ask: Ask, answer: Answer) -> None:
        """Write an answer down, before it is used. Raises TapeError."""
        if episode not in self._tapes:
            self._tapes[episode] = Tape(tape_path(self._run, episode))
        self._tapes[episode].put(ask, answer)

    def close(self, episode: str) -> None:
        """An episode is over: let go of its tape."""
        self._tapes.pop(episode, None)

    def box(self, verb: Literal["put", "look", "close", "remove"], *what: PersonRequest | Closing) -> Closing | None:
        """Do this for a worker that does not see the run directory: a question to people, or its answer."""
        found: Closing | None = getattr(RunBox(self._run), verb)(*what)
        return found


@dataclass(frozen=True)
class OfficeBox:
    """The box of a run as a worker sees it that does not share the run directory: the office has it."""

    office: Any
    every: ClassVar[float] = 0.5

    def put(self, request: PersonRequest) -> None:
        """Lay a question open."""
        self._ask("put", request)

    def look(self, request: PersonRequest) -> Closing | None:
        """How it was closed."""
        return self._ask("look", request)

    def close(self, request: PersonRequest, closing: Closing) -> Closing:
        """Close it, unless somebody else has; returns how it is closed."""
        return self._ask("close", request, closing) or closing

    def remove(self, request: PersonRequest) -> None:
        """Lay it open no more."""
        self._ask("remove", request)

    def _ask(self, verb: str, *what: PersonRequest | Closing) -> Closing | None:
        found: Closing | None = RemoteBoard.reply_of(self.office.box.remote(verb, *what))
        return found


class RemoteBoard:
    """The board as a worker sees it: its slot, and the meter of its gateway."""

    def __init__(self, office: Any, worker: str, budget: Budget) -> None:
        self._office, self._worker, self.budget = office, worker, budget
        self._episode, self._told, self._heard = IDLE, 0.0, 0.0
        self._reply: Any = None
        self._wish: Wish = "go"

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for."""
        return self._wish == "stop"

    def begin(self, episode: int) -> None:
        """Start an episode."""
        self._episode = episode
        self._tell(0)

    def tick(self, tick: int) -> Wish:
        """Report a tick, and hear what is wished."""
        if time.monotonic() - self._told >= _REPORT:
            self._tell(tick)
        return self._wish

    def end(self) -> None:
        """Nothing under way."""
        self._episode = IDLE
        self._tell(0)

    def hear(self) -> Wish:
        """What is wished, between episodes."""
        import ray  # noqa: PLC0415  this runs where ray is

        if time.monotonic() - self._heard >= _REPORT:
            self._tell(0)
            # Waited for: where episodes are shorter than a reply takes, none would ever be seen. But not for an office
            # that is only just being started: until it is, the driver hands out no work while it wishes otherwise.
            if ray.wait([self._reply], timeout=_REPLY)[0]:
                self._wish, self._reply, self._heard = self.reply_of(self._reply), None, time.monotonic()
        return self._wish

    def reserve(self, most: Spent) -> None:
        """Set aside what a call may cost. Raises BudgetError if the budget does not allow it."""
        refused: str = self.reply_of(self._office.reserve.remote(most))
        if refused:
            self._wish = "stop"
            raise BudgetError(refused)

    def settle(self, difference: Spent) -> None:
        """Correct what was set aside."""
        self.reply_of(self._office.settle.remote(difference))

    def spent(self) -> Spent:
        """So far, in the whole run."""
        found: Spent = self.reply_of(self._office.settle.remote(Spent()))
        return found

    def _tell(self, tick: int) -> None:
        import ray  # noqa: PLC0415  this runs where ray is

        self._told = time.monotonic()
        # One report under way at a time: a slow network gets fewer of them, not a queue. The end is always told.
        if self._reply is not None and ray.wait([self._reply], timeout=0)[0]:
            self._wish, self._reply = self.reply_of(self._reply), None
        if self._reply is None or self._episode == IDLE:
            self._reply = self._office.report.remote(self._worker, self._episode, tick)

    @staticmethod
    def reply_of(reply: Any) -> Any:
        """What the office says."""
        import ray  # noqa: PLC0415

        try:
            return ray.get(reply)
        except ray.exceptions.ActorDiedError:
            # Whoever gave this work is gone: another may take up the run, and must be alone there.
            os._exit(1)


@dataclass(frozen=True, slots=True)
class Errand:
    """What all tasks of a run have in common."""

    run: Path
    token: str
    """Name and content of a file in the run directory: who finds it there shares the driver's file system."""
    conditions: Conditions
    environment: Environment
    """The driver's: where it is another, bits may differ."""
    sources: Mapping[str, bytes]
    """The code beside the scenario, by relative path."""
    import_from: str
    storage: str = ""
    """URI of the storage where workers that do not share it leave their tables."""
    anywhere: bool = False
    """Send results to the driver even where its files can be seen: for tests of clusters on one machine."""


@dataclass(slots=True)
class Batch:
    """What a task brings back."""

    results: list[EpisodeResult]
    parcel: Parcel = field(default_factory=dict)
    """Their files, if they had to be sent."""
    left: str = ""
    """Name of the parcel that waits in the storage instead."""
    error: Exception | None = None
    """What ended the task early, and concerns the run."""
    unlike: str = ""
    """Why this worker can do nothing for the run."""


class Worker:
    """What a worker process keeps from task to task of one run."""

    def __init__(self, errand: Errand, office: Any) -> None:
        import ray  # noqa: PLC0415

        pin_threads()
        # Ray would raise SystemExit in the middle of an episode, as if a mind had: who is told to end dies at once.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.errand, self.office = errand, office
        context = ray.get_runtime_context()
        self.unlike = unlike(errand.environment, f"node {context.get_node_id()[:8]}")
        self._board = RemoteBoard(office, context.get_worker_id(), errand.conditions.budget)
        self._outside = Outside(errand.conditions, self._board, lambda: self._board.stopping)
        self._shares = not errand.anywhere and _content(errand.run / errand.token) == errand.token
        self._storage: Storage | None = None
        self._home: tempfile.TemporaryDirectory[str] | None = None
        self._place, self._import_from = errand.run, errand.import_from
        if not self._shares:
            self._home = tempfile.TemporaryDirectory(prefix="simworld-")
            self._place = Path(self._home.name)
            self._import_from = self._sources(self._place / "sources")
            if errand.storage:
                self._storage = Storage(errand.storage, errand.run.name)
        self._box: Box = RunBox(errand.run) if self._shares else OfficeBox(office)

    def work(self, specs: Sequence[EpisodeSpec]) -> Batch:
        """Run episodes one after the other."""
        batch = Batch([], unlike=self.unlike)
        if self.unlike:
            return batch
        here = [replace(spec, run=self._place, import_from=self._import_from) for spec in specs]
        if not self._shares:  # snapshots would be gone with this worker
            here = [replace(spec, snapshot_seconds=0.0) for spec in here]
        batch.results, batch.error = run_batch(here, self._run, self._board.hear)
        if not self._shares:
            self._send(specs[0].id, batch)
        return batch

    def _send(self, first: str, batch: Batch) -> None:
        """Leave the batch's files in the storage that there is for it, or give them along with the results."""
        parcel = pack(self._place)
        if self._storage is None:
            batch.parcel = parcel
        elif parcel:
            self._storage.leave(first, parcel)
            batch.left = first

    def _run(self, spec: EpisodeSpec, sheaf: Sheaf) -> EpisodeResult:
        gateway = self._outside.gateway(spec.resolved, spec.seed, spec.id, self._box)
        if self._shares or not spec.asks:
            return run_episode(spec, self._board, gateway, sheaf=sheaf)
        tapes = [episode for episode in (spec.id, spec.base) if episode]
        for episode in tapes:
            self._fetch_tape(episode)
        try:
            return run_episode(spec, self._board, gateway, partial(self._keep, spec.id), sheaf)
        finally:
            self.office.close.remote(spec.id)
            for episode in tapes:
                tape_path(self._place, episode).unlink(missing_ok=True)

    def _fetch_tape(self, episode: str) -> None:
        """What is known of an episode's answers: the tapes lie with the driver."""
        import ray  # noqa: PLC0415

        known: bytes = ray.get(self.office.tape.remote(episode))
        path = tape_path(self._place, episode)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if known:
            path.write_bytes(known)

    def _keep(self, episode: str, ask: Ask, answer: Answer) -> None:
        """Have an answer written down where the driver is."""
        import ray  # noqa: PLC0415

        ray.get(self.office.keep.remote(episode, ask, answer))

    def _sources(self, folder: Path) -> str:
        """The code beside the scenario, where it can be imported from."""
        if not self.errand.sources:
            return ""
        for name, content in self.errand.sources.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return str(folder)


_workers: dict[str, Worker] = {}


def work(specs: Sequence[EpisodeSpec], errand: Errand, office: Any) -> Batch:
    """Run episodes in a worker process of the cluster: the one function that is shipped."""
    if errand.token not in _workers:
        _workers.clear()  # a process that worked on another run before
        _workers[errand.token] = Worker(errand, office)
    return _workers[errand.token].work(specs)


def unlike(driver: Environment, where: str) -> str:
    """How this process differs from the driver in what decides bits, in words; empty if it does not."""
    here = Environment.here()
    if here.python != driver.python:
        return f"{where} has Python {here.python}; accepted: {driver.python}, as here"
    for name, version in driver.packages.items():
        found = here.packages.get(name, "none")
        if found != version:
            return f"{where} has {name} {found}; accepted: {version}, as here"
    if here.cpu != driver.cpu:
        return f"{where} has CPU features {', '.join(here.cpu)}; accepted: {', '.join(driver.cpu)}, as here"
    return ""


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
