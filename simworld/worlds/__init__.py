"""Worlds that ship with simworld, one package each."""

from __future__ import annotations

__all__: list[str] = []
