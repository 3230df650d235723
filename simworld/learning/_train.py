"""`train`: several trainings of one scenario, side by side on Ray, in a run directory of their own."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from simworld.errors import RunError, ScenarioError, UserError
from simworld.execution import (
    Outcome,
    ask_of_run,
    begun,
    clear_wishes,
    connected,
    earlier_runs,
    make_run,
    now,
    sources_of,
)
from simworld.learning._metrics import Row, read_rows
from simworld.learning._school import check_learner, found_learner
from simworld.learning._stage import Part
from simworld.learning._trainer import DONE, STOPPED, Job, train_one
from simworld.recording import FolderLock, RunLock, Status, read_manifest
from simworld.scenario import Scenario, scenario_digest

_AGAIN = "the same command again continues"
_PATIENCE = 60.0
"""Seconds that trainings get to end their iteration."""
_LOOK = 0.5
"""Seconds between looks at what the trainings have written."""


@dataclass(frozen=True, slots=True)
class Training:
    """What to train, where, and how."""

    scenario: Scenario
    """A scenario with a ``train`` block."""
    out: Path = Path("runs")
    """Folder in which run directories are made."""
    jobs: int | None = None
    """Trainings at once; by default as many as there are CPUs."""
    new: bool = False
    """Start another run even if this one was trained before."""
    address: str = "local"
    """Which Ray cluster: ``local`` starts one; its nodes must see the run directory."""


class Progress(Protocol):
    """Is told how far the trainings are, several times a second."""

    def __call__(self, told: Mapping[str, Sequence[Row]], evaluated: Mapping[str, Sequence[Row]]) -> None:
        """Rows of the tables ``training`` and ``evaluation`` by training, as they are now."""


def train(order: Training, progress: Progress | None = None, say: Callable[[str], None] | None = None) -> Outcome:
    """Train policies for the learners that a scenario names; an unfinished training goes on where it was.

    Args:
        order: What to train.
        progress: Is told how far it is.
        say: Is told what takes seconds before it begins.

    Raises:
        ScenarioError: The scenario has no ``train`` block, or nobody is called like its learners; or RLlib does not
            accept a setting.
        RunError: torch is not installed, the directory cannot be written, another process is training there, or all
            trainings failed.
    """
    scenario = order.scenario
    block = scenario.model.train
    if block is None:
        raise ScenarioError(f"{scenario.path}: there is no block 'train'; accepted: train: {{learners: [...]}}")
    part = Part(scenario, block.learners, block.arm, block.sees)
    found = found_learner(scenario)
    digest = training_digest(scenario)
    sources = sources_of(scenario, None if found is None else (found.cls, block.settings))
    finished, _ = _earlier(order, digest, sources)
    if finished is not None:
        return finished
    tell = say or _silent
    if found is None:
        tell("loading RLlib")
    check_learner(scenario, part)
    with ExitStack() as stack:
        with FolderLock(order.out):
            finished, unfinished = _earlier(order, digest, sources)
            if finished is not None:
                return finished
            run = unfinished or _create(order, digest, sources)
            stack.enter_context(RunLock(run))
        clear_wishes(run)
        jobs = stack.enter_context(connected(order.address, order.jobs, tell))
        _update(run, status="running", reason="", ended=None)
        try:
            # Each training takes as many CPUs as it has processes; what the cluster has not is waited for.
            ended = _go(run, scenario, max(1, jobs // (1 + block.workers)), progress)
        except KeyboardInterrupt:
            _update(run, status="interrupted", reason=_AGAIN, ended=now())
            raise
        except UserError as error:
            _update(run, status="error", reason=str(error), ended=now())
            raise
        return _closed(run, ended)


def training_digest(scenario: Scenario) -> str:
    """SHA-256 of what a training runs: the scenario's cells and seeds, and its ``train`` block."""
    assert scenario.model.train is not None
    told = json.dumps([scenario_digest(scenario), scenario.model.train.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _earlier(order: Training, digest: str, sources: Mapping[str, str]) -> tuple[Outcome | None, Path | None]:
    """An earlier training of the same: how it ended if it is finished, else where it goes on."""
    finished, unfinished = (None, None) if order.new else earlier_runs(order.out, digest, sources)
    if finished is not None:
        reason = read_manifest(finished.path).reason
        return Outcome(finished.path, finished.status, reason, finished_before=True), None
    return None, None if unfinished is None else unfinished.path


def _create(order: Training, digest: str, sources: Mapping[str, str]) -> Path:
    scenario = order.scenario
    assert scenario.model.train is not None
    seeds = scenario.model.train.seeds
    manifest = begun(scenario, f"{scenario.name}-train", digest, sources)
    run = make_run(order.out, scenario, replace(manifest, seeds=tuple(range(seeds)), episodes=seeds))
    (run / "checkpoints").mkdir()
    return run


def _go(run: Path, scenario: Scenario, jobs: int, progress: Progress | None) -> dict[str, str]:
    """Run the trainings, so many at once; returns how each ended: ``done``, ``stopped``, or why it failed."""
    import ray  # noqa: PLC0415

    assert scenario.model.train is not None
    folder = str(scenario.folder)
    waiting = deque(Job(run.resolve(), seed, folder) for seed in range(scenario.model.train.seeds))
    remote = ray.remote(num_cpus=1, max_retries=2)(train_one)
    flying: dict[Any, Job] = {}
    ended: dict[str, str] = {}
    try:
        while waiting or flying:
            while waiting and len(flying) < jobs:
                job = waiting.popleft()
                flying[remote.remote(job)] = job
            done, _ = ray.wait(list(flying), timeout=_LOOK)
            for reference in done:
                job = flying.pop(reference)
                ended[job.name] = _ended(ray, reference)
            if progress is not None:
                progress(metrics(run, "training"), metrics(run, "evaluation"))
    except KeyboardInterrupt:
        # They end after their iteration; those that have not begun do not.
        ask_of_run(run, "stop")
        ray.wait(list(flying), num_returns=len(flying), timeout=_PATIENCE)
        raise
    return ended


def _ended(ray: Any, reference: Any) -> str:
    """How a training ended, or why it failed. Raises what concerns all of them."""
    try:
        return str(ray.get(reference))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from error
        return f"{type(error.cause).__name__}: {' '.join(str(error.cause).split())[:500]}"
    except ray.exceptions.RayError as error:
        return " ".join(str(error).split())[:500]


def metrics(run: Path, table: str) -> dict[str, list[Row]]:
    """The rows of one of a training's tables, by training, as far as they are written."""
    folder = run / "tables" / table
    return {path.stem: read_rows(path) for path in sorted(folder.glob("*.arrows"))}


def _closed(run: Path, ended: Mapping[str, str]) -> Outcome:
    done = [name for name, how in ended.items() if how == DONE]
    failures = [f"{name}: {how}" for name, how in ended.items() if how not in {DONE, STOPPED}]
    if len(failures) == len(ended):
        _update(run, status="error", reason=failures[0], ended=now())
        raise RunError(f"{run}: all trainings failed: {failures[0]}")
    stopped = len(done) + len(failures) < len(ended)
    status: Status = "interrupted" if stopped else "partial" if failures else "success"
    reason = _AGAIN if stopped else "; ".join(failures)
    _update(run, status=status, reason=reason, ended=now(), done=len(done))
    return Outcome(run, status, reason)


def _silent(_: str) -> None:
    """Nothing."""


def _update(run: Path, **changes: Any) -> None:
    replace(read_manifest(run), **changes).write(run)
