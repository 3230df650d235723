"""Strategies of the Axelrod library as players of repeated games; it is installed with ``simworld[games]``."""

from __future__ import annotations

from simworld_agents.axelrod_field._player import AxelrodPlayer

__all__ = ["AxelrodPlayer"]
