"""What blocks of a scenario file have in common."""

from __future__ import annotations

from pydantic import ConfigDict

CLOSED = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)
"""Of a block that accepts its own keys alone, and values of their own types."""
