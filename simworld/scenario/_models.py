"""What a scenario file may say: one model per block, field names as in the YAML."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

NAME = r"^[A-Za-z0-9_\-]{1,80}$"
WORD = r"^[A-Za-z][A-Za-z0-9_]{0,79}$"
KIND = r"^\S+$"
DOTTED = r"^[^\s.]+(\.[^\s.]+)*$"

ACCEPTED = {
    NAME: "letters, digits, _ and - (at most 80)",
    WORD: "letters, digits and _, a letter first (at most 80)",
    KIND: "a short name or module:Class",
    DOTTED: "a dotted key such as world.rate",
}
"""What each pattern means, for messages."""

Name: TypeAlias = Annotated[str, Field(pattern=NAME)]
Word: TypeAlias = Annotated[str, Field(pattern=WORD)]
Kind: TypeAlias = Annotated[str, Field(pattern=KIND)]
Dotted: TypeAlias = Annotated[str, Field(pattern=DOTTED)]
Value: TypeAlias = JsonValue

_CLOSED = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)
_OPEN = ConfigDict(frozen=True, extra="allow", strict=True, use_attribute_docstrings=True)


class WorldBlock(BaseModel):
    """The world and its parameters; every key but ``kind`` is a parameter of the kind."""

    model_config = _OPEN

    kind: Kind
    """Which world: a registered short name, or module:Class."""


class GroupBlock(BaseModel):
    """Members of a role that share a kind of mind; other keys are parameters of the kind."""

    model_config = _OPEN

    kind: Kind
    """Which mind: a registered short name, or module:Class."""
    count: Annotated[int, Field(ge=0, le=100_000_000)] = 1
    """How many members."""


class EveryBlock(BaseModel):
    """Record only some decisions of a role."""

    model_config = _CLOSED

    every: Annotated[int, Field(ge=1)]
    """Record every k-th decision of each member."""


class SweepBlock(BaseModel):
    """Which parameters to vary."""

    model_config = _CLOSED

    grid: dict[Dotted, Annotated[list[Value], Field(min_length=1)]] = {}
    """Lists of values by dotted key; all combinations are run, the last key varying fastest."""


class FaultsBlock(BaseModel):
    """A limit on decisions that were not the mind's own."""

    model_config = _CLOSED

    most: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of decisions with a fault above which the run ends ``partial``, from 0 to 1."""


class Core(BaseModel):
    """What determines an episode besides its seed; arms and sweeps may set these keys."""

    model_config = _CLOSED

    world: WorldBlock
    """The world and its parameters."""
    roles: dict[Word, GroupBlock | list[GroupBlock]]
    """Who fills which role: one group, or a list of groups."""
    horizon: Annotated[int, Field(ge=1)]
    """Length of an episode in ticks."""
    record: dict[Word, Literal["every", "none"] | EveryBlock] = {}
    """Which decisions of a role are recorded: every, none, or {every: k}; every if it is left out."""


class ScenarioFile(Core):
    """A simworld scenario: a world, who fills its roles, and which variants are run."""

    model_config = _CLOSED

    name: Name | None = None
    """Name of the scenario; the file's stem if it is left out."""
    description: str = ""
    """One line that says what the scenario is about."""
    seed: Annotated[int, Field(ge=0)] = 0
    """First seed; arms share seeds."""
    episodes: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """How many episodes each cell has, with seeds from ``seed`` on."""
    arms: dict[Name, dict[Dotted, Value]] = {}
    """Named variants: values by dotted key, set before a sweep is."""
    sweep: SweepBlock = SweepBlock()
    """Parameters to vary; every combination is run in every arm."""
    measures: list[Word] = []
    """What the summary shows; all measures of the world are in the tables."""
    faults: FaultsBlock = FaultsBlock()
    """How many faults a run may have."""
    claims: list[dict[str, Value]] = []
    """Statements that the run must bear out."""

    @model_validator(mode="after")
    def _seeds_fit(self) -> ScenarioFile:
        if self.seed + self.episodes > 2**63:
            raise ValueError("seed + episodes goes beyond 64 bits; accepted: a smaller seed")
        return self
