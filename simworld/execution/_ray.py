"""Episodes on a Ray cluster: one started here, or one that is there."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from simworld.errors import RunError
from simworld.execution._aside import words_aside
from simworld.execution._batch import AHEAD, Pace
from simworld.execution._board import Board
from simworld.execution._lost import Lost
from simworld.execution._outside import Conditions
from simworld.execution._parcel import unpack
from simworld.execution._remote import Batch, Errand, Office, Seen, work
from simworld.execution._sources import source_files
from simworld.execution._spec import EpisodeResult, EpisodeSpec
from simworld.execution._storage import Storage
from simworld.recording import Environment, read_episodes
from simworld.threads import VARIABLES, pin_threads

_LOOK = 0.25
"""Seconds between looks at the board."""
_PATIENCE = 60.0
"""Seconds to wait for the board, which answers in milliseconds."""
_STORE = 100_000_000
"""Bytes of the object store of a cluster that is started here: workers write their tables themselves."""
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which Ray cluster runs the episodes."""

    address: str = LOCAL
    """``local`` starts one for this run; else as ``ray.init`` takes it: ``auto``, or ``host:port``."""
    storage: str = ""
    """URI of storage that all nodes reach, for tables of workers that do not see the driver's files; else Ray."""
    anywhere: bool = False
    """Workers send their tables to the driver even where they see its files."""


@dataclass(slots=True)
class _Flight:
    """Tasks under way."""

    storage: Storage | None = None
    """Where workers leave tables."""
    tasks: dict[Any, list[EpisodeSpec]] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)
    look: Any = None
    """The driver's look at the board that is not answered yet: nobody waits while the office is being started."""


class RayCluster:
    """Tasks on a Ray cluster, each one episode, or a few short ones."""

    def __init__(self, board: Board, conditions: Conditions, jobs: int, cluster: Cluster) -> None:
        self._board, self._conditions, self._jobs, self._cluster = board, conditions, jobs, cluster

    def run(self, specs: Sequence[EpisodeSpec]) -> Iterator[EpisodeResult]:
        """Execute with a bounded number in flight; where a worker or its node dies, others take up what it held.

        Raises:
            RunError: The cluster cannot be reached, or its nodes compute other bits than this process.
        """
        if not specs:
            return
        import ray  # noqa: PLC0415  half a second
        import ray.util.scheduling_strategies  # noqa: PLC0415

        storage = Storage(self._cluster.storage, specs[0].run.name) if self._cluster.storage else None
        known = yield from _collected(storage, specs)
        with _token(specs[0].run) as token:
            errand = Errand(
                specs[0].run.resolve(),
                token,
                self._conditions,
                Environment.here(),
                source_files(specs[0].run),
                specs[0].import_from,
                self._cluster.storage,
                self._cluster.anywhere,
            )
            node = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
                ray.get_runtime_context().get_node_id(), soft=False
            )
            office: Any = (
                ray.remote(Office)
                .options(num_cpus=0, scheduling_strategy=node, max_concurrency=1)
                .remote(str(errand.run), self._board.budget, self._board.spent())
            )
            common = ray.put(errand)
            task: Any = ray.remote(work).options(num_cpus=1, max_retries=0)
            flight = _Flight(storage)
            try:
                send = partial(task.remote, errand=common, office=office)
                yield from self._fly(ray, send, office, flight, deque(spec for spec in specs if spec.id not in known))
            except BaseException:
                _ended_at_once(ray, flight)
                raise
            self._saw(ray.get(office.look.remote(self._board.wish), timeout=_PATIENCE))
            if storage is not None and not self._board.stopping:
                storage.close()

    def _fly(
        self, ray: Any, send: Any, office: Any, flight: _Flight, waiting: deque[EpisodeSpec]
    ) -> Iterator[EpisodeResult]:
        lost, looked, slots = Lost(), time.monotonic(), min(self._jobs, _cpus(ray))
        while (waiting and not self._board.stopping) or flight.tasks:
            while waiting and len(flight.tasks) < AHEAD * slots and self._board.wish == "go":
                chunk = flight.pace.take(waiting, slots, lost.alone)
                flight.tasks[send(chunk)] = chunk
            if flight.tasks:
                done, _ = ray.wait(list(flight.tasks), num_returns=1, timeout=_LOOK)
            else:
                done = []
                time.sleep(_LOOK)  # paused
            for reference in done:
                chunk = flight.tasks.pop(reference)
                batch = _fetched(ray, reference)
                if batch is None:
                    ray.get(office.forget.remote([spec.number for spec in chunk]), timeout=_PATIENCE)
                    again, over = lost.sort(chunk)
                    waiting.extendleft(reversed(again))
                    yield from over
                    continue
                yield from self._taken(batch, chunk, flight, waiting)
            if time.monotonic() - looked > _LOOK:
                self._look(ray, office, flight)
                looked, slots = time.monotonic(), min(self._jobs, _cpus(ray))

    def _taken(
        self, batch: Batch, chunk: Sequence[EpisodeSpec], flight: _Flight, waiting: deque[EpisodeSpec]
    ) -> Iterator[EpisodeResult]:
        if batch.unlike:
            raise RunError(batch.unlike)
        unpack(batch.parcel, chunk[0].run)
        if batch.left:
            assert flight.storage is not None
            _fetch(flight.storage, batch.left, chunk[0].run)
        waiting.extendleft(reversed(flight.pace.took(chunk, batch.results)))
        yield from batch.results
        if batch.error is not None:
            raise batch.error

    def _look(self, ray: Any, office: Any, flight: _Flight) -> None:
        """Take what the last look saw, if its answer has come, and look again."""
        if flight.look is not None and ray.wait([flight.look], timeout=0)[0]:
            self._saw(ray.get(flight.look))
            flight.look = None
        if flight.look is None:
            flight.look = office.look.remote(self._board.wish)

    def _saw(self, seen: Seen) -> None:
        self._board.show(seen.running)
        self._board.carry(seen.spent)
        if seen.over_budget and not self._board.stopping:
            self._board.stop(budget=True)


def _fetch(storage: Storage, parcel: str, run: Path) -> None:
    """Put files where they belong; only then the storage forgets them."""
    unpack(storage.take(parcel), run)
    storage.drop(parcel)


def _collected(storage: Storage | None, specs: Sequence[EpisodeSpec]) -> Generator[EpisodeResult, None, set[str]]:
    """Episodes whose files an earlier driver did not live to fetch."""
    wanted = {spec.id: spec for spec in specs}
    left = storage.left() if storage is not None else ()
    if storage is None or not left:
        return set()
    for parcel in left:
        _fetch(storage, parcel, specs[0].run)
    rows = {row.episode: row for row in read_episodes(specs[0].run)}
    known = wanted.keys() & rows
    for episode in known:
        yield EpisodeResult.of(wanted[episode], rows[episode])
    return known


def _ended_at_once(ray: Any, flight: _Flight) -> None:
    """Stop all tasks under way, whatever they do: nothing may be written once the run is left."""
    for reference in flight.tasks:
        ray.cancel(reference, force=True)
    if flight.tasks:
        ray.wait(list(flight.tasks), num_returns=len(flight.tasks), timeout=_PATIENCE)


def _fetched(ray: Any, reference: Any) -> Batch | None:
    """What a task brought back; None if its worker, or the node, was lost."""
    try:
        batch: Batch = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error  # noqa: B904  the task's own error
    except ray.exceptions.RayError:
        return None
    return batch


@contextmanager
def connected(address: str, jobs: int | None, say: Callable[[str], None]) -> Iterator[int]:
    """Connect to a cluster, or start one here that ends with the run; gives how many episodes it runs at once.

    Args:
        address: ``local``, or as ``ray.init`` takes it.
        jobs: So many at once; by default as many as there are CPUs.
        say: Is told what takes seconds, once somebody listens there.

    Raises:
        RunError: There is no cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    pin_threads()
    if address == LOCAL and "RAY_AUTH_TOKEN" not in os.environ and "ray" not in sys.modules:
        # Its own, for this run: without one, Ray keeps a token in the home folder. It is read when Ray is imported.
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    import ray  # noqa: PLC0415

    if ray.is_initialized():
        yield jobs or _cpus(ray)
        return
    if address != LOCAL:
        _reach(address)
    say("starting Ray" if address == LOCAL else f"connecting to the cluster at {address}")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    here: dict[str, Any] = {"num_cpus": jobs, "include_dashboard": False, "object_store_memory": _STORE}
    variables = {"env_vars": dict.fromkeys(VARIABLES, "1")}
    with _signals_kept():
        try:
            ray.init(
                address=LOCAL if address == LOCAL else address,
                runtime_env=None if address == LOCAL else variables,
                **quiet,
                **(here if address == LOCAL else {}),
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            told = " ".join(str(error).split())
            token = "" if os.environ.get("RAY_AUTH_TOKEN") else " (RAY_AUTH_TOKEN is not set here)"
            raise RunError(f"no Ray cluster at {address!r}: {told}{token}") from error
    with words_aside(lambda thread: thread.name.startswith("ray_")):  # Ray tells of dying workers
        try:
            yield jobs or _cpus(ray)
        finally:
            with redirect_stdout(sys.stderr):  # it tells what it has told several times
                ray.shutdown()


def _cpus(ray: Any) -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def _reach(address: str) -> None:
    """Raise RunError unless somebody listens at ``host:port``: Ray ends the process where nobody does."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise RunError(f"no Ray cluster at {address!r}: {error}") from error


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Who listens to signals: connecting must not change it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _token(run: Path) -> Iterator[str]:
    """A file by which a worker knows that it shares the run directory."""
    token = f".shared-{secrets.token_hex(8)}"
    try:
        for old in run.glob(".shared-*"):
            old.unlink(missing_ok=True)
        (run / token).write_text(token, encoding="utf-8")
        yield token
    finally:
        (run / token).unlink(missing_ok=True)
