"""`execute`: a scenario becomes a run directory, or continues one."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from simworld.errors import RunError
from simworld.execution._board import Board
from simworld.execution._control import clear_wishes, hear, post
from simworld.execution._directory import begun, earlier_runs, make_run, now
from simworld.execution._episode import read_tape_of
from simworld.execution._executors import Executor, InProcess, LocalProcesses
from simworld.execution._merging import Merging, all_processors
from simworld.execution._outside import Conditions, check_outside
from simworld.execution._plan import check, models_of, prompts_of, specs_of
from simworld.execution._ray import Cluster, RayCluster, connected
from simworld.execution._reuse import reuse
from simworld.execution._sources import sources_of
from simworld.execution._spec import EpisodeResult, EpisodeSpec
from simworld.execution._storage import Storage
from simworld.execution._watch import Plan, Unwatched, Watcher
from simworld.execution._withdrawal import redact_withdrawn
from simworld.gateway import STAND_INS, Spent
from simworld.kernel import TAKEN, said_by
from simworld.people import Participants, RunBox
from simworld.recording import (
    EpisodeRow,
    FolderLock,
    FoundRun,
    Manifest,
    RunLock,
    compact,
    drop_unfinished,
    find_run,
    inventory,
    mend,
    read_episodes,
    read_manifest,
)
from simworld.scenario import Scenario, cells, claims_beyond, scenario_digest
from simworld.threads import pin_threads

_HEAR = 0.5
"""Seconds between looks at what is asked of the run, and notes of where it is."""
_COUNT = 4
"""So many of them between notes of what is spent."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to run, where, and how."""

    scenario: Scenario
    out: Path = Path("runs")
    """Folder in which run directories are made."""
    jobs: int | None = None
    """Episodes at once: 1 is this process, more are worker processes. By default 1, or a cluster's number of CPUs."""
    new: bool = False
    """Start another run even if this scenario was run before."""
    reuse: bool = False
    """Take over episodes that runs in the same folder have, instead of running them again."""
    again: bool = False
    """Start another run if this scenario's is finished; one that is not is continued."""
    cluster: Cluster | None = None
    """The Ray cluster that runs the episodes; None is this machine, without Ray."""
    snapshot_seconds: float = 60.0
    """Seconds between snapshots of an episode that asks nobody; 0 for none."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    run: Path
    status: str
    """success, partial, error, interrupted or budget."""
    reason: str = ""
    finished_before: bool = False
    """Nothing was run: an earlier run of the same scenario is finished."""


def execute(order: Order, watcher: Watcher | None = None) -> Outcome:
    """Run a scenario: a new run directory, or the unfinished one of the same scenario.

    Raises:
        ScenarioError: The scenario does not fit its world.
        RunError: The directory cannot be written, another process is running this scenario there, or the cluster cannot
            be reached.
    """
    pin_threads()
    watcher = Unwatched() if watcher is None else watcher
    scenario = order.scenario
    check(scenario)
    digest, sources = scenario_digest(scenario), sources_of(scenario)
    finished, _ = _earlier(order, digest, sources)
    if finished is not None:
        return finished
    with ExitStack() as stack:
        jobs = order.jobs or 1
        if order.cluster is not None:
            if order.cluster.storage:
                Storage(order.cluster.storage)
            jobs = stack.enter_context(connected(order.cluster.address, order.jobs, watcher.preparing))
        check_outside(scenario, jobs, order.cluster is not None)
        # The same command a second time, at the same moment, must find this run and not make another.
        with FolderLock(order.out):
            finished, unfinished = _earlier(order, digest, sources)
            if finished is not None:
                return finished
            # An unfinished run of the same scenario is continued; if another process holds it, its lock says so.
            run = unfinished or _create(order, digest, sources)
            stack.enter_context(RunLock(run))
        return _Run(order, jobs, run, unfinished is not None, watcher).go()


def _earlier(order: Order, digest: str, sources: Mapping[str, str]) -> tuple[Outcome | None, Path | None]:
    """An earlier run of the same scenario: how it ended if it is finished, else where it can be continued."""
    finished, unfinished = (None, None) if order.new else earlier_runs(order.out, digest, sources)
    if finished is not None and not order.again:
        reason = read_manifest(finished.path).reason
        return Outcome(finished.path, finished.status, reason, finished_before=True), None
    return None, None if unfinished is None else unfinished.path


def _create(order: Order, digest: str, sources: Mapping[str, str]) -> Path:
    scenario = order.scenario
    earlier = [found for found in find_run(order.out, digest) if found.sources == sources]
    manifest = replace(
        begun(scenario, scenario.name, digest, sources),
        seeds=tuple(scenario.seeds),
        episodes=len(cells(scenario)) * len(scenario.seeds),
        measures=tuple(scenario.model.measures),
        watch=tuple(scenario.model.watch),
        claims=tuple(claim.as_data() for claim in scenario.model.claims),
        late_claims=_late(scenario, earlier),
        models=models_of(scenario),
        prompts=prompts_of(scenario),
    )
    return make_run(order.out, scenario, manifest)


def _late(scenario: Scenario, earlier: Sequence[FoundRun]) -> dict[str, str]:
    """Claims that the first run of the same episodes did not make: to see them once more is no new evidence."""
    models = {model for models in models_of(scenario).values() for model in models}
    if models - STAND_INS or scenario.model.people:
        return {}  # a language model, or a person, may answer otherwise the next time
    for found in earlier:
        seen = read_manifest(found.path)
        if seen.done:
            return dict.fromkeys(claims_beyond(scenario.model, seen.claims), found.path.name)
    return {}


class _Run:
    """One process's work on a run."""

    def __init__(self, order: Order, jobs: int, run: Path, resumed: bool, watcher: Watcher) -> None:
        self._order, self._jobs, self._run, self._watcher = order, jobs, run, watcher
        self._conditions = Conditions.of(order.scenario, jobs)
        self._board = Board(jobs, self._conditions.budget)
        specs = specs_of(order.scenario, run)
        self._specs = [replace(spec, snapshot_seconds=order.snapshot_seconds) for spec in specs]
        self._resumed = resumed
        self._writing = threading.Lock()
        self._begun, self._minutes = time.monotonic(), 0.0

    def go(self) -> Outcome:
        """Run what is missing, seal, and say how it ended."""
        scenario, specs = self._order.scenario, self._specs
        drop_unfinished(self._run)
        # Whoever answered on a tape that answers here may withdraw here, too; and guests have other names.
        Participants(self._run).bring(n for tape in self._conditions.tapes.values() for n in tape.participants)
        RunBox(self._run).clear()  # of whoever died here: what is asked is asked again
        known = read_manifest(self._run)
        self._minutes = known.spent.get("minutes", 0.0)
        # Before anything is taken over: others have paid for that.
        self._board.carry(_carried(known, self._run, specs) if self._resumed else Spent())
        wrong = mend(self._run, [s.id for s in specs], known.done) if self._resumed else {}
        if wrong:
            self._update(mended={**known.mended, **wrong})
        finished = {row.episode for row in read_episodes(self._run)}
        if self._order.reuse:
            try:
                finished |= self._adopt([s for s in specs if s.id not in finished])
            except KeyboardInterrupt:
                reason = "stopped while known episodes were taken over; the same command again continues"
                rows = read_episodes(self._run)
                self._update(status="interrupted", reason=reason, ended=now(), done=len(rows))
                self._watcher.finished(self._run, "interrupted", reason)
                raise
        missing = [s for s in specs if s.id not in finished]
        # Digests of an earlier end are those of files that this process may write again.
        self._update(status="running", reason="", ended=None, done=len(finished), tables={})
        plan = Plan.of(self._run, scenario.name, specs, finished, self._jobs)
        plan = replace(plan, resumed=self._resumed, mended=wrong)
        self._watcher.started(plan, self._board)
        status, reason = "error", "stopped by an error"
        try:
            with self._counted():
                status, reason = self._execute(missing, len(finished))
        except KeyboardInterrupt:
            status, reason = "interrupted", "stopped at once; the same command again continues"
            raise
        except BaseException as error:
            reason = f"{type(error).__name__}: {said_by(error)}"
            raise
        finally:
            self._update(status=status, reason=reason, ended=now())
            self._watcher.finished(self._run, status, reason)
        return Outcome(self._run, status, reason)

    def _adopt(self, missing: list[EpisodeSpec]) -> set[str]:
        """Take over what earlier runs have; claims that they did not make were not made in time."""
        manifest = read_manifest(self._run)
        self._watcher.preparing("looking for episodes that earlier runs have")
        taken = reuse(self._run, missing, manifest)
        late = dict(manifest.late_claims)
        for name in dict.fromkeys(taken.values()):
            earlier = read_manifest(self._run.parent / name)
            late |= dict.fromkeys(claims_beyond(self._order.scenario.model, earlier.claims), name)
        self._update(adopted={**manifest.adopted, **taken}, late_claims=late)
        return set(taken)

    def _execute(self, missing: list[EpisodeSpec], done: int) -> tuple[str, str]:
        ids = [s.id for s in self._specs]
        with _stopping(self._board, self._left(), self._watcher), Merging(self._run, ids) as merging:
            for result in self._results(missing):
                self._watcher.ended(result)
                done += result.status != "interrupted"
                if merging.now_and_then():
                    self._update(done=done)
        complete = done == len(ids)
        # Of workers that died here; and of an earlier driver's, which may have outlived it by a moment.
        drop_unfinished(self._run)
        with all_processors():
            compact(self._run, ids, final=complete)
        if complete:
            with suppress(OSError):
                (self._run / "snapshots").rmdir()
        rows = read_episodes(self._run)
        self._update(done=done, tables=inventory(self._run), faults=sum(r.faults for r in rows))
        if any(s.asks for s in self._specs):
            RunBox(self._run).clear(answers=complete)  # all are on tape
            with self._writing:
                redact_withdrawn(self._run)
        if not complete:
            so_far = f"{done} of {len(ids)} episodes done"
            if self._board.over_budget:
                return "budget", f"the budget is spent ({so_far}); the same command with a larger one continues"
            return "interrupted", f"{so_far}; the same command again continues"
        return _verdict(rows, self._order.scenario.model.faults.most)

    def _results(self, missing: list[EpisodeSpec]) -> Iterator[EpisodeResult]:
        """Run episodes; those that take answers of others from their tapes come after these."""
        bases = {s.id: s.base for s in self._specs if s.base and s.asks}
        waves: dict[int, list[EpisodeSpec]] = {}
        for spec in missing:
            waves.setdefault(_depth(spec.id, bases), []).append(spec)
        for _, wave in sorted(waves.items()):
            if not self._board.stopping:
                yield from self._executor(len(wave)).run(wave)

    def _executor(self, episodes: int) -> Executor:
        jobs = min(self._jobs, max(1, episodes))
        if self._order.cluster is not None:
            return RayCluster(self._board, self._conditions, jobs, self._order.cluster)
        if jobs > 1:
            return LocalProcesses(self._board, self._conditions, jobs)
        return InProcess(self._board, self._conditions, self._watcher.aside)

    def _update(self, **changes: object) -> None:
        minutes = self._minutes + (time.monotonic() - self._begun) / 60
        spent = {**asdict(self._board.spent()), "minutes": minutes}
        with self._writing:
            replace(read_manifest(self._run), spent=spent, **changes).write(self._run)  # type: ignore[arg-type]

    def _left(self) -> float | None:
        """Minutes that the budget still allows, over all processes that worked on this run."""
        most = self._conditions.budget.minutes
        return None if most is None else max(0.0, most - self._minutes)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Hears what is asked from outside, and writes down where the run is and what is spent.

        A process that is killed must not forget what it spent.
        """
        over = threading.Event()

        clear_wishes(self._run)

        def count() -> None:
            for number in itertools.count(1):
                if over.wait(_HEAR):
                    return
                hear(self._run, self._board)
                # A full disk refuses the tables, too, and there it ends the run in one line.
                with suppress(RunError):
                    post(self._run, self._board)
                    if number % _COUNT == 0:
                        self._update()

        counter = threading.Thread(target=count, name="simworld-spent", daemon=True)
        counter.start()
        try:
            yield
        finally:
            over.set()
            counter.join()
            clear_wishes(self._run)


def _carried(before: Manifest, run: Path, specs: list[EpisodeSpec]) -> Spent:
    """What earlier processes have spent: what they wrote down, or what their tapes tell, whichever is more."""
    asks, tokens, usd = 0, 0, 0.0
    for spec in (s for s in specs if s.id not in before.adopted):
        for ask, answer in read_tape_of(run, spec.id):
            if ask.kind == "model" and TAKEN not in answer.telemetry:
                told: Any = answer.telemetry
                asks += 1
                tokens += told.get("prompt_tokens", 0) + told.get("completion_tokens", 0)
                usd += told.get("usd", 0.0)
    spent = before.spent
    known = Spent(int(spent.get("asks", 0)), int(spent.get("tokens", 0)), spent.get("usd", 0.0))
    return Spent(max(asks, known.asks), max(tokens, known.tokens), max(usd, known.usd))


def _depth(episode: str, bases: Mapping[str, str]) -> int:
    """How many others come before an episode, each the base of the next."""
    depth = 0
    while episode in bases:
        episode, depth = bases[episode], depth + 1
    return depth


def _verdict(rows: list[EpisodeRow], most: float) -> tuple[str, str]:
    """A run is a success only if its own tables say so."""
    failed = [r for r in rows if r.status != "success"]
    if failed:
        first = failed[0].error or ""
        status = "error" if len(failed) == len(rows) else "partial"
        return status, f"{len(failed)} of {len(rows)} episodes failed: {first}"
    decisions, faults = sum(r.decisions for r in rows), sum(r.faults for r in rows)
    if not any(r.moments for r in rows):
        return "partial", "nothing happened: no moment in any episode"
    if faults > most * decisions:
        return "partial", f"{faults} faults in {decisions} decisions; accepted: {most:.2%}"
    return "success", ""


@contextmanager
def _stopping(board: Board, minutes: float | None, watcher: Watcher) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) asks all workers to stop after their moment; the second stops at once.

    The end of the time that the budget allows asks them, too.
    """
    asked = False
    timer = threading.Timer(60 * minutes, board.stop, kwargs={"budget": True}) if minutes is not None else None

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        board.stop()
        watcher.stopping()

    try:
        before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: whoever runs us there stops us in his own way
        before = {}
    try:
        if timer is not None:
            timer.daemon = True
            timer.start()
        yield
    finally:
        if timer is not None:
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
