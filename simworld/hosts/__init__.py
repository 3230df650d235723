"""Hosts: worlds that are other people's, run unmodified: PettingZoo's environments and Mesa's models."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simworld.hosts._mesa import MesaWorld
    from simworld.hosts._mesa_seats import Itself, MesaSeat
    from simworld.hosts._pettingzoo import PettingZooWorld

# Loaded on first use: nobody needs both, and each takes a second to import.
_MODULES = {
    "Itself": "_mesa_seats",
    "MesaSeat": "_mesa_seats",
    "MesaWorld": "_mesa",
    "PettingZooWorld": "_pettingzoo",
}

__all__ = ["Itself", "MesaSeat", "MesaWorld", "PettingZooWorld"]


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
