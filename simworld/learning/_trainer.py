"""One training, from one seed: somebody learns, held-out seeds are played in our kernel, checkpoints are kept."""

from __future__ import annotations

import json
import operator
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simworld.errors import ContractError
from simworld.execution import waited, wish_of
from simworld.files import beside
from simworld.kernel import Array, Cohort, Seats
from simworld.learning._metrics import Metrics
from simworld.learning._school import Classroom, learner_of
from simworld.learning._stage import Part, Stage
from simworld.scenario import load
from simworld.spaces import Lesson, Network, Trained
from simworld.threads import pin_threads

DONE, STOPPED = "done", "stopped"
"""How a training ends that does not fail."""


@dataclass(frozen=True, slots=True)
class Job:
    """One training: plain data, which a worker process gets."""

    run: Path
    """The run directory, absolute."""
    seed: int
    """Number of the training."""
    import_from: str

    @property
    def name(self) -> str:
        """What the tables and files call it."""
        return f"seed-{self.seed:03d}"


def train_one(job: Job) -> str:
    """Train from one seed until its steps are done; goes on from its checkpoint. Says how it ended.

    Returns:
        ``DONE``, or ``STOPPED`` if that was asked for.

    Raises:
        ScenarioError: The learner does not accept a setting.
        ContractError: It does not do what ``Learner`` says.
        RunError: What was trained cannot be read.
    """
    pin_threads()
    with beside(job.import_from):
        trainer = _Trainer(job)
        try:
            return trainer.train()
        finally:
            trainer.close()


class _Trainer:
    def __init__(self, job: Job) -> None:
        self._job = job
        scenario = load(job.run / "resolved.yaml", import_from=job.import_from)
        assert scenario.model.train is not None
        self._block = scenario.model.train
        self._part = Part(scenario, self._block.learners, self._block.arm, self._block.sees)
        self._stage = Stage(self._part)
        self._stage.reset(scenario.model.seed)
        self._seeds: Sequence[int] = scenario.seeds
        self._checkpoint = job.run / "checkpoints" / job.name
        self._before = _steps_of(self._checkpoint)
        self._roles = {policy: self._part.seen_role(self._stage.role(role)) for policy, role in self._policies()}
        """As learners see them, by policy."""
        self._learner = learner_of(scenario, self._part)
        self._learner.begin(Classroom(self._part, self._block, job.seed, (self._before or (0, 0))[1], self._roles))
        if self._before is not None:
            self._learner.restore(self._checkpoint)
        # Of the world alone: probes that do not pay are not followed here.
        shown = [f for f in self._stage.kernel.world.measures if f.name in scenario.model.measures]
        self._measures = [f.name for f in shown]
        until = -1 if self._before is None else self._before[0]
        self._metrics = Metrics(job.run, job.name, until, shown, self._learner.told)
        self._begun = time.monotonic()

    def train(self) -> str:
        """Iterate, evaluate, keep."""
        iteration, steps = self._before or (0, 0)
        kept = iteration
        if self._before is None:
            self._evaluate(0, 0, self._learned(0, 0))
        while steps < self._block.steps:
            if not waited(lambda: wish_of(self._job.run)):
                if iteration > kept:
                    self._keep(iteration, steps, self._learned(iteration, steps))
                return STOPPED
            lesson = self._learner.iterate()
            iteration += 1
            done = operator.index(lesson.steps)
            if done <= 0:
                raise ContractError(f"{self._block.algo}: an iteration of {done} decisions; accepted: at least one")
            steps += done
            seconds = time.monotonic() - self._begun
            row = self._row(iteration, steps) | {"return": lesson.earned, "seconds": seconds} | self._told(lesson)
            self._metrics.add("training", [row])
            if iteration % self._block.evaluate_every == 0 or steps >= self._block.steps:
                learned = self._learned(iteration, steps)
                self._evaluate(iteration, steps, learned)
                self._keep(iteration, steps, learned)
                kept = iteration
        return DONE

    def close(self) -> None:
        """Let go of everything."""
        self._metrics.close()
        self._learner.close()
        self._stage.close()

    def _row(self, iteration: int, steps: int) -> dict[str, Any]:
        return {"episode": self._job.name, "training_seed": self._job.seed, "iteration": iteration, "steps": steps}

    def _evaluate(self, iteration: int, steps: int, learned: Mapping[str, Trained]) -> None:
        """Play the scenario's own seeds with what was learned, in the kernel and without the learner."""
        rows = []
        for seed in self._seeds:
            # As new in each episode: who goes on learning begins where the training has left it.
            minds = {role: learned[role].mind() if role in learned else _Each(learned) for role in self._part.roles}
            stage = self._part.played(minds, seed)
            told = {f"measure.{name}": value for name, value in stage.measured(self._measures).items()}
            rows.append(self._row(iteration, steps) | {"seed": seed, "return": _earned(stage)} | told)
        self._metrics.add("evaluation", rows)

    def _learned(self, iteration: int, steps: int) -> dict[str, Trained]:
        """What was learned so far, by policy."""
        from simworld import __version__  # noqa: PLC0415

        about = {
            "algorithm": self._block.algo,
            "training_seed": self._job.seed,
            "iteration": iteration,
            "steps": steps,
            "learners": list(self._block.learners),
            "simworld": __version__,
        }
        found = self._learner.policies()
        for policy, role in self._roles.items():
            wrong = found[policy].misfit(role) if policy in found else f"found {', '.join(found) or 'none'}"
            if wrong:
                raise ContractError(f"{self._block.algo}: nothing learned for the policy {policy!r}: {wrong}")
        return {policy: found[policy].said(about | {"role": role.name}) for policy, role in self._roles.items()}

    def _told(self, lesson: Lesson) -> dict[str, float]:
        """Numbers of the learner's own, by column; nan where it tells none."""
        names = [field.name for field in self._learner.told]
        if odd := sorted(set(lesson.told) - set(names)):
            raise ContractError(
                f"{self._block.algo}: it tells {odd[0]!r}; declared in told: {', '.join(names) or 'none'}"
            )
        return {f"told.{name}": lesson.told.get(name, float("nan")) for name in names}

    def _keep(self, iteration: int, steps: int, learned: Mapping[str, Trained]) -> None:
        """Keep a checkpoint to go on from, and the policies, each by renaming."""
        waiting = self._checkpoint.with_suffix(".tmp")
        shutil.rmtree(waiting, ignore_errors=True)
        self._learner.save(waiting)
        (waiting / "steps").write_text(f"{iteration} {steps}\n", encoding="utf-8")
        old = self._checkpoint.with_suffix(".old")
        shutil.rmtree(old, ignore_errors=True)
        with suppress(FileNotFoundError):
            self._checkpoint.rename(old)
        waiting.rename(self._checkpoint)
        shutil.rmtree(old, ignore_errors=True)
        folder = self._job.run / "policies"
        folder.mkdir(exist_ok=True)
        for policy, what in learned.items():
            unfinished = folder / f"{policy}-{self._job.name}.tmp"
            what.save(unfinished)
            unfinished.replace(folder / f"{policy}-{self._job.name}.npz")
        # For whoever tells how to seat them: trainings side by side write the same.
        unfinished = folder / f"{self._job.name}.tmp"
        seats = {policy: {"kind": what.kind, **what.settings} for policy, what in learned.items()}
        unfinished.write_text(json.dumps(seats), encoding="utf-8")
        unfinished.replace(folder / "seats.json")
        learned_besides = self._job.run / "learned"
        for name, content in self._learner.files().items():
            learned_besides.mkdir(exist_ok=True)
            path = learned_besides / f"{Path(name).stem}-{self._job.name}{Path(name).suffix}"
            path.with_suffix(".tmp").write_bytes(content)
            path.with_suffix(".tmp").replace(path)

    def _policies(self) -> Iterator[tuple[str, str]]:
        """Policies and their roles: one for each role, or for each learner."""
        for role in self._part.roles:
            if self._block.policies == "shared":
                yield role, role
            else:
                yield from ((f"{role}_{member}", role) for member in self._stage.members(role))


def _earned(stage: Stage) -> float:
    """What a learner earned in an episode: the mean over all of them."""
    total, count = 0.0, 0
    for role in stage.part.roles:
        members = stage.members(role)
        total += float(stage.ear.earned[role][members].sum())
        count += len(members)
    return total / max(1, count)


class _Each(Cohort):
    """Each member has a network of its own."""

    def __init__(self, learned: Mapping[str, Trained]) -> None:
        self._networks = {policy: what for policy, what in learned.items() if isinstance(what, Network)}

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:
        """One after the other: there are few."""
        shared = {f.name for f in seats.role.obs if f.shared}
        parts = []
        for place, member in enumerate(seats.members.tolist()):
            one = {name: v if name in shared else v[place : place + 1] for name, v in seen.items()}
            parts.append(self._networks[f"{seats.role.name}_{member}"].decided(one, 1))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _steps_of(checkpoint: Path) -> tuple[int, int] | None:
    """Iterations and steps of a checkpoint; None if there is none."""
    for folder in (checkpoint, checkpoint.with_suffix(".old")):
        try:
            iteration, steps = (folder / "steps").read_text(encoding="utf-8").split()
            if folder != checkpoint:
                folder.rename(checkpoint)
            return int(iteration), int(steps)
        except (OSError, ValueError):
            continue
    return None
