"""Hosts: worlds that are other people's, run unmodified: PettingZoo's environments and Mesa's models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simworld.lazy import lazily

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

__getattr__, __dir__ = lazily(__name__, _MODULES)
