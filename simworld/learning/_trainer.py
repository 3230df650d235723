"""One training, from one seed: RLlib learns, held-out seeds are played in our kernel, checkpoints are kept."""

from __future__ import annotations

import itertools
import shutil
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simworld.errors import RunError, ScenarioError
from simworld.execution import waited, wish_of
from simworld.kernel import Array, Cohort, Group, Kernel, Seats
from simworld.learning._extract import network_of
from simworld.learning._metrics import Metrics
from simworld.learning._stage import Part, Stage
from simworld.scenario import TrainBlock, load
from simworld.spaces import ActionVector, Network, NetworkMind, ObservationVector
from simworld.threads import pin_threads

_SINGLE_BUFFERS = ("EpisodeReplayBuffer", "PrioritizedEpisodeReplayBuffer")
_APART = 1_000_000
"""Seeds of episodes of two trainings, and of those of the scenario, are so far apart."""
_ENV = "simworld"
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
        ScenarioError: RLlib does not accept a setting.
        RunError: What was trained cannot be read.
    """
    pin_threads()
    trainer = _Trainer(job)
    try:
        return trainer.train()
    finally:
        trainer.close()


class _Trainer:
    def __init__(self, job: Job) -> None:
        import torch  # noqa: PLC0415

        torch.set_num_threads(1)
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
        self._algo = self._built()
        if self._before is not None:
            self._algo.restore_from_path(str(self._checkpoint))
        # Of the world alone: probes that do not pay are not followed here.
        shown = [f for f in self._stage.kernel.world.measures if f.name in scenario.model.measures]
        self._measures = [f.name for f in shown]
        self._metrics = Metrics(job.run, job.name, -1 if self._before is None else self._before[0], shown)
        self._begun = time.monotonic()

    def train(self) -> str:
        """Iterate, evaluate, keep."""
        iteration, steps = self._before or (0, 0)
        kept = iteration
        if self._before is None:
            self._evaluate(0, 0, self.networks(0, 0))
        while steps < self._block.steps:
            if not waited(lambda: wish_of(self._job.run)):
                if iteration > kept:
                    self._keep(iteration, steps, self.networks(iteration, steps))
                return STOPPED
            result = self._algo.train()
            iteration += 1
            told = result["env_runners"]
            steps += int(sum(told["num_agent_steps_sampled"].values()))
            seconds = time.monotonic() - self._begun
            row = self._row(iteration, steps) | {"return": _number(told.get("episode_return_mean"))}
            self._metrics.add("training", [row | {"seconds": seconds}])
            if iteration % self._block.evaluate_every == 0 or steps >= self._block.steps:
                networks = self.networks(iteration, steps)
                self._evaluate(iteration, steps, networks)
                self._keep(iteration, steps, networks)
                kept = iteration
        return DONE

    def close(self) -> None:
        """Let go of everything."""
        self._metrics.close()
        self._algo.stop()
        # RLlib makes a folder for logs that it does not write here.
        shutil.rmtree(self._algo.logdir, ignore_errors=True)
        self._stage.close()

    def _row(self, iteration: int, steps: int) -> dict[str, Any]:
        return {"episode": self._job.name, "training_seed": self._job.seed, "iteration": iteration, "steps": steps}

    def _evaluate(self, iteration: int, steps: int, networks: Mapping[str, Network]) -> None:
        """Play the scenario's own seeds with what was learned, in the kernel and without RLlib."""
        rows = []
        for seed in self._seeds:
            stage = _played(self._part, networks, seed)
            told = {f"measure.{name}": value for name, value in stage.measured(self._measures).items()}
            rows.append(self._row(iteration, steps) | {"seed": seed, "return": _earned(stage)} | told)
        self._metrics.add("evaluation", rows)

    def networks(self, iteration: int, steps: int) -> dict[str, Network]:
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
        found = {}
        for policy, role in self._policies().items():
            sized = self._stage.role(role)
            seen, done = ObservationVector.of(self._part.seen_role(sized)), ActionVector.of(sized)
            module = self._algo.get_module(policy)
            found[policy] = network_of(module, seen, done, self._block.activation, about | {"role": role})
        return found

    def _keep(self, iteration: int, steps: int, networks: Mapping[str, Network]) -> None:
        """Keep a checkpoint to go on from, and the policies, each by renaming."""
        waiting = self._checkpoint.with_suffix(".tmp")
        shutil.rmtree(waiting, ignore_errors=True)
        self._algo.save_to_path(str(waiting))
        (waiting / "steps").write_text(f"{iteration} {steps}\n", encoding="utf-8")
        old = self._checkpoint.with_suffix(".old")
        shutil.rmtree(old, ignore_errors=True)
        with suppress(FileNotFoundError):
            self._checkpoint.rename(old)
        waiting.rename(self._checkpoint)
        shutil.rmtree(old, ignore_errors=True)
        folder = self._job.run / "policies"
        folder.mkdir(exist_ok=True)
        for policy, network in networks.items():
            unfinished = folder / f"{policy}-{self._job.name}.tmp"
            network.save(unfinished)
            unfinished.replace(folder / f"{policy}-{self._job.name}.npz")

    def _policies(self) -> dict[str, str]:
        """Roles by policy: one for each role, or for each learner."""
        found = {}
        for role in self._part.roles:
            if self._block.policies == "shared":
                found[role] = role
            else:
                found |= {f"{role}_{member}": role for member in self._stage.members(role)}
        return found

    def _built(self) -> Any:
        from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig  # noqa: PLC0415
        from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec  # noqa: PLC0415
        from ray.rllib.core.rl_module.rl_module import RLModuleSpec  # noqa: PLC0415
        from ray.tune.registry import register_env  # noqa: PLC0415

        from simworld.learning._rllib_env import VectorEnv  # noqa: PLC0415

        block, policies = self._block, self._policies()
        shared = block.policies == "shared"
        first = self._part.scenario.model.seed + _APART * (self._job.seed + 1) + (self._before or (0, 0))[1]
        # RLlib copies what makes an environment: it may hold nothing of this object. Each has seeds of its own.
        part, side, places = self._part, block.environments, itertools.count()
        stride = side * (block.workers + 1)
        register_env(_ENV, lambda told: VectorEnv(part, first + told.worker_index * side + next(places), stride))
        model = DefaultModelConfig(fcnet_hiddens=list(block.hidden), fcnet_activation=block.activation)
        masked = {p: bool(ActionVector.of(self._stage.role(role)).mask) for p, role in policies.items()}
        specs = {policy: RLModuleSpec(model_config=model, **_masking(masked[policy])) for policy in policies}
        config = (
            settings_of(block)
            .environment(_ENV, disable_env_checking=True)
            .framework("torch")
            .multi_agent(
                policies=set(policies),
                policy_mapping_fn=lambda agent, _, **__: agent.rpartition("_")[0] if shared else agent,
            )
            .rl_module(rl_module_spec=MultiRLModuleSpec(rl_module_specs=specs))
            .env_runners(num_env_runners=block.workers, num_envs_per_env_runner=block.environments)
            .learners(num_learners=0, num_gpus_per_learner=0)
            .debugging(seed=self._job.seed, log_level="ERROR")
        )
        try:
            return config.build_algo()
        except (TypeError, ValueError) as error:
            raise ScenarioError(_refused(block, error)) from error


def settings_of(block: TrainBlock) -> Any:
    """The configuration of RLlib's algorithm with a scenario's settings. This imports RLlib: it takes seconds.

    Raises:
        ScenarioError: There is no such algorithm, or it has no such setting.
    """
    with warnings.catch_warnings():
        # Of environments that come with RLlib, and that nobody here has asked for.
        warnings.simplefilter("ignore")
        from ray.tune.registry import get_trainable_cls  # noqa: PLC0415

        try:
            config = get_trainable_cls(block.algo).get_default_config()  # type: ignore[no-untyped-call]
            config.training(**block.settings)
        except Exception as error:  # RLlib and Tune raise what they like
            raise ScenarioError(_refused(block, error)) from error
    # By default those that replay have a buffer for a single agent, in which several are lost.
    buffer = getattr(config, "replay_buffer_config", None)
    if buffer and buffer["type"] in _SINGLE_BUFFERS:
        config.training(replay_buffer_config={**buffer, "type": f"MultiAgent{buffer['type']}"})
    return config


def check_algorithm(block: TrainBlock, part: Part) -> None:
    """Raise ScenarioError if the algorithm cannot decide what learners decide: RLlib's own words for it lead astray."""
    if block.algo == "PPO":
        return
    stage = Stage(part)
    stage.reset(part.scenario.model.seed)
    stage.close()
    for role in part.roles:
        done = ActionVector.of(stage.role(role))
        choices, amounts = len(done.choices), done.amounts
        if done.mask:
            # RLlib's one module that knows masks is PPO's.
            raise ScenarioError(
                f"train.algo: found {block.algo}, and role {role!r} may not always do everything; accepted: PPO"
            )
        if block.algo == "DQN" and (amounts or choices != 1):
            raise ScenarioError(
                f"train.algo: found DQN, and role {role!r} decides {choices} choices and {amounts} amounts; accepted:"
                " one choice and no amount, or another algorithm, such as PPO, APPO or SAC"
            )


def _refused(block: TrainBlock, error: Exception) -> str:
    reason = " ".join(str(error).split("To suppress all")[0].split())
    return f"train: RLlib does not accept {block.algo} with these settings: {reason}"


def _masking(masked: bool) -> dict[str, Any]:
    """The module of RLlib that takes no action which is not allowed, where some are not."""
    if not masked:
        return {}
    from ray.rllib.examples.rl_modules.classes.action_masking_rlm import (  # noqa: PLC0415
        ActionMaskingTorchRLModule,
    )

    return {"module_class": ActionMaskingTorchRLModule}


def _played(part: Part, networks: Mapping[str, Network], seed: int) -> Stage:
    """An episode in which all learners do what their networks find best, at its end."""
    world, seating, changes = part.society()
    for role, place in part.outer:
        groups = list(seating[role])
        mind = NetworkMind(networks[role]) if role in networks else _Each(networks)
        groups[place] = Group(mind, groups[place].count, "policy")
        seating[role] = groups
    return Stage.inside(part, Kernel(world, seating, seed, part.cell.horizon), changes, seed)


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

    def __init__(self, networks: Mapping[str, Network]) -> None:
        self._networks = networks

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


def _number(value: object) -> float:
    return float("nan") if value is None else float(value)  # type: ignore[arg-type]


def require_torch() -> None:
    """Raise RunError, and say how to get it, unless torch is there."""
    from importlib.util import find_spec  # noqa: PLC0415

    if find_spec("torch") is None:
        raise RunError("training needs torch, which is not installed: pip install 'simworld[train]'")
