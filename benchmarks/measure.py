"""What a benchmark reports."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console


def wide_console() -> Console:
    """A console that is wide enough for tables, also in a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=120)


@dataclass(frozen=True)
class Line:
    """One figure, and the bound it is held to, if there is one."""

    what: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the bound holds, or None without one."""
        if self.at_least is not None:
            return self.value >= self.at_least
        if self.at_most is not None:
            return self.value <= self.at_most
        return None

    @property
    def bound(self) -> str:
        """The bound in words."""
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        return "" if self.at_most is None else f"at most {self.at_most:g}"
