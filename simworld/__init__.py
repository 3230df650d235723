"""simworld: simulate societies of heterogeneous agents, study their behaviour, and rewind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simworld.learning import env

__version__ = "0.1.0"
__all__ = ["__version__", "env"]


def __getattr__(name: str) -> object:
    """Import `env` on first use: everything else needs neither PettingZoo nor gymnasium."""
    if name != "env":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from simworld.learning import env  # noqa: PLC0415

    globals()["env"] = env
    return env
