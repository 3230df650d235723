"""Learning with RLlib: its algorithms as a learner."""

from __future__ import annotations

import itertools
import shutil
import warnings
from pathlib import Path
from typing import Any

from simworld.errors import ScenarioError
from simworld.learning._extract import network_of
from simworld.learning._stage import Part, Stage
from simworld.scenario import TrainBlock, known
from simworld.spaces import ActionVector, Learner, Lesson, Network, ObservationVector, School

_SINGLE_BUFFERS = ("EpisodeReplayBuffer", "PrioritizedEpisodeReplayBuffer")
APART = 1_000_000
"""Seeds of episodes of two trainings, and of those of the scenario, are so far apart."""
_ENV = "simworld"


class Rllib(Learner):
    """An algorithm of RLlib, which runs episodes of its own."""

    def __init__(self, block: TrainBlock, part: Part) -> None:
        self._block, self._part = block, part
        self._school: School
        self._algo: Any = None

    def begin(self, school: School) -> None:
        """Build it. Raises ScenarioError: RLlib does not accept a setting."""
        import torch  # noqa: PLC0415

        torch.set_num_threads(1)
        self._school = school
        self._algo = self._built()

    def iterate(self) -> Lesson:
        """An iteration is RLlib's."""
        told = self._algo.train()["env_runners"]
        steps = int(sum(told["num_agent_steps_sampled"].values()))
        earned = told.get("episode_return_mean")
        return Lesson(steps, float("nan") if earned is None else float(earned))

    def policies(self) -> dict[str, Network]:
        """Read from RLlib's modules, and compared with them."""
        found = {}
        for policy, role in self._school.roles.items():
            seen, done = ObservationVector.of(role), ActionVector.of(role)
            found[policy] = network_of(self._algo.get_module(policy), seen, done, self._block.activation, {})
        return found

    def save(self, folder: Path) -> None:
        """As RLlib does."""
        self._algo.save_to_path(str(folder))

    def restore(self, folder: Path) -> None:
        """As RLlib does."""
        self._algo.restore_from_path(str(folder))

    def close(self) -> None:
        """Stop it."""
        if self._algo is None:
            return
        self._algo.stop()
        # RLlib makes a folder for logs that it does not write here.
        shutil.rmtree(self._algo.logdir, ignore_errors=True)

    def _built(self) -> Any:
        from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig  # noqa: PLC0415
        from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec  # noqa: PLC0415
        from ray.rllib.core.rl_module.rl_module import RLModuleSpec  # noqa: PLC0415
        from ray.tune.registry import register_env  # noqa: PLC0415

        from simworld.learning._rllib_env import VectorEnv  # noqa: PLC0415

        block, school = self._block, self._school
        shared = block.policies == "shared"
        first = self._part.scenario.model.seed + APART * (school.seed + 1) + school.steps
        # RLlib copies what makes an environment: it may hold nothing of this object. Each has seeds of its own.
        part, side, places = self._part, block.environments, itertools.count()
        stride = side * (block.workers + 1)
        register_env(_ENV, lambda told: VectorEnv(part, first + told.worker_index * side + next(places), stride))
        model = DefaultModelConfig(fcnet_hiddens=list(block.hidden), fcnet_activation=block.activation)
        masked = {policy: bool(ActionVector.of(role).mask) for policy, role in school.roles.items()}
        specs = {policy: RLModuleSpec(model_config=model, **_masking(masked[policy])) for policy in school.roles}
        config = (
            settings_of(block)
            .environment(_ENV, disable_env_checking=True)
            .framework("torch")
            .multi_agent(
                policies=set(school.roles),
                policy_mapping_fn=lambda agent, _, **__: agent.rpartition("_")[0] if shared else agent,
            )
            .rl_module(rl_module_spec=MultiRLModuleSpec(rl_module_specs=specs))
            .env_runners(num_env_runners=block.workers, num_envs_per_env_runner=block.environments)
            .learners(num_learners=0, num_gpus_per_learner=0)
            .debugging(seed=school.seed, log_level="ERROR")
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
    if "Unknown trainable" in reason:
        own = ", ".join([*known("learner"), "module:Class"])
        return f"train.algo: found {block.algo}; accepted: an algorithm of RLlib, such as PPO, or {own}"
    return f"train: RLlib does not accept {block.algo} with these settings: {reason}"


def _masking(masked: bool) -> dict[str, Any]:
    """The module of RLlib that takes no action which is not allowed, where some are not."""
    if not masked:
        return {}
    from ray.rllib.examples.rl_modules.classes.action_masking_rlm import (  # noqa: PLC0415
        ActionMaskingTorchRLModule,
    )

    return {"module_class": ActionMaskingTorchRLModule}
