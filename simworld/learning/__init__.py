"""Learning: scenarios as environments for learners, training, and what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simworld.lazy import lazily

if TYPE_CHECKING:
    from simworld.learning._aec import SimworldAECEnv
    from simworld.learning._env import env
    from simworld.learning._parallel import SimworldParallelEnv
    from simworld.learning._single import SimworldEnv
    from simworld.learning._train import Training, train

_MODULES = {
    "SimworldAECEnv": "_aec",
    "SimworldEnv": "_single",
    "SimworldParallelEnv": "_parallel",
    "Training": "_train",
    "env": "_env",
    "train": "_train",
}

__all__ = ["SimworldAECEnv", "SimworldEnv", "SimworldParallelEnv", "Training", "env", "train"]

__getattr__, __dir__ = lazily(__name__, _MODULES)
