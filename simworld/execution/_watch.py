"""What a run tells those who look on: displays implement it, execution only calls it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from simworld.execution._board import Board
from simworld.execution._spec import EpisodeResult, EpisodeSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """What is going to be run."""

    run: Path
    """The run directory."""
    name: str
    """Name of the scenario."""
    episodes: int
    """Episodes of the run, finished ones included."""
    done: int
    """Episodes that an earlier process finished."""
    horizon: int
    """Ticks of an episode (the longest, if cells differ)."""
    arms: tuple[str, ...]
    """Names of the arms, if there are any."""
    jobs: int
    """Worker processes."""
    resumed: bool
    """Whether this continues an earlier process's work."""
    labels: tuple[tuple[str, str, int], ...] = ()
    """(id, arm, seed) of every episode, by its number."""
    horizons: tuple[int, ...] = ()
    """Ticks of every episode, by its number."""
    ticks_done: int = 0
    """Ticks of the episodes that an earlier process finished."""
    mended: Mapping[str, str] = field(default_factory=dict)
    """What was wrong with its tables, by path: the episodes are run again."""

    @staticmethod
    def of(run: Path, name: str, specs: Sequence[EpisodeSpec], finished: Set[str], jobs: int) -> Plan:
        """That of a run with these episodes, of which these ids are finished."""
        return Plan(
            run,
            name,
            len(specs),
            len(finished),
            max(s.horizon for s in specs),
            tuple(dict.fromkeys(s.arm for s in specs if s.arm)),
            jobs,
            bool(finished),
            tuple((s.id, s.arm, s.seed) for s in specs),
            tuple(s.horizon for s in specs),
            sum(s.horizon for s in specs if s.id in finished),
        )


class Watcher(Protocol):
    """A display. It polls the board; it is never told of single ticks."""

    def preparing(self, what: str) -> None:
        """Something is done before the run begins that may take seconds."""

    def started(self, plan: Plan, board: Board) -> None:
        """The run begins."""

    def ended(self, result: EpisodeResult) -> None:
        """An episode is over."""

    def aside(self) -> AbstractContextManager[None]:
        """Entered while somebody is asked at the terminal: nothing is drawn there meanwhile."""

    def stopping(self) -> None:
        """Somebody has asked to stop, by Ctrl-C or a signal; called once, from the signal's handler."""

    def finished(self, run: Path, status: str, reason: str) -> None:
        """The run is over, and its tables are sealed."""


class Unwatched:
    """Shows nothing."""

    def preparing(self, what: str) -> None:
        """Nothing."""

    def started(self, plan: Plan, board: Board) -> None:
        """Nothing."""

    def ended(self, result: EpisodeResult) -> None:
        """Nothing."""

    def aside(self) -> AbstractContextManager[None]:
        """Nothing is drawn anyway."""
        return nullcontext()

    def stopping(self) -> None:
        """Nothing."""

    def finished(self, run: Path, status: str, reason: str) -> None:
        """Nothing."""
