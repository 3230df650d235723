"""`train`: several trainings of one scenario, side by side on Ray, in a run directory of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from simworld import __version__
from simworld.errors import RunError, ScenarioError, UserError
from simworld.execution import check, connected, keep_sources, sources_of
from simworld.learning._metrics import Row, read_rows
from simworld.learning._stage import Part
from simworld.learning._trainer import Job, require_torch, settings_of, train_one
from simworld.recording import (
    Environment,
    FolderLock,
    Manifest,
    RunLock,
    create_run,
    find_run,
    read_manifest,
)
from simworld.scenario import Scenario, resolve_text, scenario_digest
from simworld.threads import VARIABLES

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


@dataclass(frozen=True, slots=True)
class Trained:
    """How a training ended."""

    run: Path
    status: str
    """success, partial or interrupted."""
    reason: str = ""
    finished_before: bool = False


def train(order: Training, progress: Progress | None = None) -> Trained:
    """Train policies for the learners that a scenario names; an unfinished training goes on where it was.

    Raises:
        ScenarioError: The scenario has no ``train`` block, or nobody is called like its learners; or RLlib does not
            accept a setting.
        RunError: torch is not installed, the directory cannot be written, another process is training there, or all
            trainings failed.
    """
    require_torch()
    scenario = order.scenario
    block = scenario.model.train
    if block is None:
        raise ScenarioError(f"{scenario.path}: there is no block 'train'; accepted: train: {{learners: [...]}}")
    check(scenario)
    Part(scenario, block.learners, block.arm)
    settings_of(block)
    digest, sources = training_digest(scenario), sources_of(scenario)
    with ExitStack() as stack:
        with FolderLock(order.out):
            earlier = [] if order.new else [f for f in reversed(find_run(order.out, digest)) if f.sources == sources]
            for found in earlier:
                if found.status in {"success", "partial"}:
                    return Trained(found.path, found.status, read_manifest(found.path).reason, finished_before=True)
            run = earlier[0].path if earlier else _create(order, digest, sources)
            stack.enter_context(RunLock(run))
        (run / "control").unlink(missing_ok=True)
        jobs = stack.enter_context(connected(order.address, order.jobs))
        _update(run, status="running", reason="", ended=None)
        try:
            # Each training takes as many CPUs as it has processes; what the cluster has not is waited for.
            failures = _go(run, scenario, max(1, jobs // (1 + block.workers)), progress)
        except KeyboardInterrupt:
            _update(run, status="interrupted", reason="the same command again continues", ended=_now())
            raise
        return _closed(run, block.seeds, failures)


def training_digest(scenario: Scenario) -> str:
    """SHA-256 of what a training runs: the scenario's cells and seeds, and its ``train`` block."""
    import hashlib  # noqa: PLC0415

    assert scenario.model.train is not None
    told = json.dumps([scenario_digest(scenario), scenario.model.train.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _create(order: Training, digest: str, sources: Mapping[str, str]) -> Path:
    scenario = order.scenario
    assert scenario.model.train is not None
    name = f"{scenario.name}-train"
    run = create_run(order.out, name, digest, datetime.now(UTC))
    try:
        (run / "scenario.yaml").write_text(scenario.text, encoding="utf-8")
        (run / "resolved.yaml").write_text(resolve_text(scenario), encoding="utf-8")
        (run / "checkpoints").mkdir()
    except OSError as error:
        raise RunError(f"cannot write {run}: {error.strerror or error}") from error
    keep_sources(scenario, sources, run)
    Manifest(
        status="running",
        scenario=name,
        digest=digest,
        seeds=tuple(range(scenario.model.train.seeds)),
        episodes=scenario.model.train.seeds,
        started=_now(),
        description=scenario.model.description,
        source=str(scenario.path.resolve().parent),
        sources=sources,
        overrides=scenario.overrides,
        environment=Environment.here(dict.fromkeys(VARIABLES, 1)),
        simworld=__version__,
    ).write(run)
    return run


def _go(run: Path, scenario: Scenario, jobs: int, progress: Progress | None) -> list[str]:
    """Run the trainings, so many at once; returns what failed."""
    import ray  # noqa: PLC0415

    assert scenario.model.train is not None
    folder = str(scenario.path.resolve().parent)
    waiting = [Job(run.resolve(), seed, folder) for seed in range(scenario.model.train.seeds)]
    remote = ray.remote(num_cpus=1, max_retries=2)(train_one)
    flying: dict[Any, Job] = {}
    failures: list[str] = []
    try:
        while waiting or flying:
            while waiting and len(flying) < jobs:
                job = waiting.pop(0)
                flying[remote.remote(job)] = job
            done, _ = ray.wait(list(flying), timeout=_LOOK)
            for reference in done:
                job = flying.pop(reference)
                failures += _failure(ray, reference, job)
            _tell(run, progress)
    except KeyboardInterrupt:
        # They end after their iteration; those that have not begun do not.
        (run / "control").write_text("stop", encoding="utf-8")
        ray.wait(list(flying), num_returns=len(flying), timeout=60.0)
        raise
    return failures


def _failure(ray: Any, reference: Any, job: Job) -> list[str]:
    """Why a training failed; nothing if it did not."""
    try:
        ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, UserError):
            raise cause from error
        return [f"{job.name}: {type(cause).__name__}: {' '.join(str(cause).split())[:500]}"]
    except ray.exceptions.RayError as error:
        return [f"{job.name}: {' '.join(str(error).split())[:500]}"]
    return []


def _tell(run: Path, progress: Progress | None) -> None:
    if progress is not None:
        progress(metrics(run, "training"), metrics(run, "evaluation"))


def metrics(run: Path, table: str) -> dict[str, list[Row]]:
    """The rows of one of a training's tables, by training, as far as they are written."""
    folder = run / "tables" / table
    return {path.stem: read_rows(path) for path in sorted(folder.glob("*.arrows"))}


def _closed(run: Path, seeds: int, failures: Sequence[str]) -> Trained:
    scenario_steps = {name: rows[-1]["steps"] if rows else 0 for name, rows in metrics(run, "training").items()}
    finished = [name for name in scenario_steps if any((run / "policies").glob(f"*-{name}.npz"))]
    if len(failures) == seeds:
        _update(run, status="error", reason=failures[0], ended=_now())
        raise RunError(f"{run}: all trainings failed: {failures[0]}")
    stopped = (run / "control").exists()
    status = "interrupted" if stopped else "partial" if failures else "success"
    reason = "the same command again continues" if stopped else "; ".join(failures)
    _update(run, status=status, reason=reason, ended=_now(), done=len(finished))
    return Trained(run, status, reason)


def _update(run: Path, **changes: Any) -> None:
    replace(read_manifest(run), **changes).write(run)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
