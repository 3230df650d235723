"""What an episode is, as plain data: the unit that is distributed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from simworld.kernel import Json
from simworld.recording import EpisodeKey, EpisodeRow


def episode_id(cell: str, seed: int) -> str:
    """Stable name of an episode: its cell's digest and its seed."""
    return f"{cell[:12]}-{seed:06d}"


@dataclass(frozen=True, slots=True)
class EpisodeSpec:
    """One seeded run of one scenario cell; everything a worker process needs to execute it."""

    run: Path
    """The run directory."""
    number: int
    """Place in the run's canonical order: cells in file order, then seeds."""
    cell: str
    """Digest of the resolved cell."""
    resolved: Mapping[str, Json]
    """The resolved cell: world, roles, horizon, record, and the models and people whom its minds ask."""
    seed: int
    arm: str = ""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    """Sweep parameters by dotted key."""
    kinds: Mapping[str, object] = field(default_factory=dict)
    """Arrow types of the sweep parameters, over all cells."""
    import_from: str = ""
    """Folder from which `module:Class` kinds are imported: the scenario's own."""
    base: str = ""
    """Id of the same episode without its interventions; empty if it has none."""
    shared: int = 0
    """So many of its first interventions the base has, too: after them it goes its own way."""
    snapshot_seconds: float = 60.0
    """Seconds between snapshots, if it asks nobody; 0 for none. No part of identity."""

    @property
    def id(self) -> str:
        """Stable name of the episode: cell digest and seed."""
        return episode_id(self.cell, self.seed)

    @property
    def key(self) -> EpisodeKey:
        """What the tables call it."""
        return EpisodeKey(self.id, self.cell, self.arm, self.seed, self.parameters)

    @property
    def asks(self) -> bool:
        """Whether its minds ask models or people."""
        return any(self.resolved.get(kind) for kind in ("models", "people"))

    @property
    def horizon(self) -> int:
        """Ticks of the episode."""
        return int(self.resolved["horizon"])  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """How an episode ended."""

    number: int
    id: str
    status: str
    """``success``, ``failed`` or ``interrupted``."""
    decisions: int = 0
    faults: int = 0
    moments: int = 0
    chain: str = ""
    error: str = ""
    """What a failed episode failed of."""
    seconds: float = 0.0
    """Wall time: telemetry."""

    @staticmethod
    def of(spec: EpisodeSpec, row: EpisodeRow) -> EpisodeResult:
        """That of an episode which another process has recorded."""
        numbers = (row.decisions, row.faults, row.moments)
        return EpisodeResult(spec.number, spec.id, row.status, *numbers, error=row.error or "")
