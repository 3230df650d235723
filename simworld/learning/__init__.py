"""Learning: scenarios as environments for learners, training, and what comes of it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

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


def __getattr__(name: str) -> object:
    """Import a public name on first use: gymnasium and PettingZoo take their time."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
