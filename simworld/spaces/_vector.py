"""Observations as one vector of numbers, and vectors of numbers as actions: what networks work with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from simworld.errors import ContractError
from simworld.kernel import Array, Field, Role

FloatArray: TypeAlias = npt.NDArray[np.float32]
"""An array of float32."""
IntArray: TypeAlias = npt.NDArray[np.int64]
"""An array of int64."""

_MOST_CHOICES = 64
"""Whole numbers with at most so many values are seen as one of them (one-hot), others as an amount."""


@dataclass(frozen=True, slots=True)
class SeenPart:
    """One field's stretch of the vector."""

    name: str
    way: Literal["flag", "choice", "scaled", "squashed"]
    """How it is told: 0 or 1; one-hot; from -1 to 1 over its bounds; or sign(x) log(1 + |x|) without bounds."""
    size: int
    """Entries of the field for one member."""
    low: float = 0.0
    high: float = 0.0
    missing: bool = False
    """It may be unknown: then its entries are 0, and as many more say 1 where it is known."""
    shared: bool = False

    @property
    def width(self) -> int:
        """Numbers in the vector."""
        each = int(self.high - self.low) + 1 if self.way == "choice" else 2 if self.missing else 1
        return self.size * each

    def told(self, values: Array, n: int) -> FloatArray:
        """The numbers for n members, shape (n, width)."""
        flat = np.broadcast_to(values, (n, *values.shape)) if self.shared else values
        flat = flat.reshape(n, self.size).astype(np.float64)
        if self.way == "choice":
            hot: FloatArray = (flat[:, :, None] == np.arange(self.low, self.high + 1)).astype(np.float32)
            return hot.reshape(n, self.width)
        if self.way == "scaled":
            half = (self.high - self.low) / 2.0
            flat = (flat - (self.low + half)) / half if half else np.zeros_like(flat)
        elif self.way == "squashed":
            flat = np.sign(flat) * np.log1p(np.abs(flat))
        if self.missing:
            known = ~np.isnan(flat)
            flat = np.concatenate([np.where(known, flat, 0.0), known], axis=1)
        return flat.astype(np.float32)


@dataclass(frozen=True, slots=True)
class ObservationVector:
    """How the observation fields of a role become one vector of float32; texts and masks are left out."""

    parts: tuple[SeenPart, ...]

    @property
    def width(self) -> int:
        """Length of the vector."""
        return sum(part.width for part in self.parts)

    @staticmethod
    def of(role: Role) -> ObservationVector:
        """That of a sized role.

        Raises:
            ContractError: It sees nothing that a number can tell.
        """
        parts = tuple(_seen(f) for f in role.logged if f.dtype != "str" and not f.masks)
        if not sum(part.width for part in parts):
            raise ContractError(f"role {role.name!r} sees no numbers: there is nothing to learn from")
        return ObservationVector(parts)

    def told(self, seen: Mapping[str, Array], n: int) -> FloatArray:
        """The vectors of n members, shape (n, width), from their observation fields."""
        return np.concatenate([part.told(np.asarray(seen[part.name]), n) for part in self.parts], axis=1)

    def as_data(self) -> list[dict[str, Any]]:
        """Plain data, from which ``from_data`` makes the same."""
        return [asdict(part) for part in self.parts]

    @staticmethod
    def from_data(data: Sequence[Mapping[str, Any]]) -> ObservationVector:
        """From plain data."""
        return ObservationVector(tuple(SeenPart(**part) for part in data))


@dataclass(frozen=True, slots=True)
class DonePart:
    """One action field among the numbers that a network gives."""

    name: str
    choices: int
    """How many values it has, or 0: an amount."""
    size: int
    """Entries of the field for one member."""
    shape: tuple[int, ...]
    low: float = -math.inf
    high: float = math.inf
    truth: bool = False
    """It is a bool."""
    mask: str = ""
    """The observation field that says which values are allowed."""

    def done(self, given: Array) -> Array:
        """The field's values, shape (n, *shape), from indices of its values or from amounts in [-1, 1]."""
        if self.choices:
            values = given.astype(np.int64) + int(self.low)
            shaped = values.reshape(-1, *self.shape)
            return shaped.astype(np.bool_) if self.truth else shaped
        amounts = given.astype(np.float64)
        if math.isfinite(self.low) and math.isfinite(self.high):
            amounts = self.low + (np.clip(amounts, -1.0, 1.0) + 1.0) / 2.0 * (self.high - self.low)
        # Rounding must not lead beyond a bound; where there is one bound only, it is the end.
        return np.clip(amounts, self.low, self.high).reshape(-1, *self.shape)


@dataclass(frozen=True, slots=True)
class ActionVector:
    """How action fields of a role are decided by numbers: choices by their index, amounts from -1 to 1."""

    parts: tuple[DonePart, ...]

    @staticmethod
    def of(role: Role) -> ActionVector:
        """That of a sized role; what may be left as it is, is left to its default.

        Raises:
            ContractError: An action field can be decided neither as a choice nor as an amount.
        """
        masks = {f.masks: f.name for f in role.obs if f.masks}
        parts = tuple(_done(role, f, masks.get(f.name, "")) for f in role.act if not f.leavable)
        if not parts:
            raise ContractError(f"role {role.name!r} decides nothing: there is nothing to learn")
        return ActionVector(parts)

    @property
    def choices(self) -> tuple[int, ...]:
        """How many values each choice has, one after the other."""
        return tuple(part.choices for part in self.parts if part.choices for _ in range(part.size))

    @property
    def amounts(self) -> int:
        """How many amounts there are."""
        return sum(part.size for part in self.parts if not part.choices)

    @property
    def mask(self) -> str:
        """The observation field that says what is allowed, where the role decides one masked choice alone."""
        return self.parts[0].mask if len(self.parts) == 1 else ""

    def done(self, chosen: Array, amounts: Array) -> dict[str, Array]:
        """Action fields of n members.

        Args:
            chosen: Indices of the values chosen, shape (n, number of choices).
            amounts: Numbers in [-1, 1], shape (n, number of amounts); any number where a field has no two bounds.
        """
        done, at, beside = {}, 0, 0
        for part in self.parts:
            if part.choices:
                done[part.name] = part.done(chosen[:, at : at + part.size])
                at += part.size
            else:
                done[part.name] = part.done(amounts[:, beside : beside + part.size])
                beside += part.size
        return done

    def as_data(self) -> list[dict[str, Any]]:
        """Plain data, from which ``from_data`` makes the same; no bound is None."""
        return [{k: None if v in {math.inf, -math.inf} else v for k, v in asdict(p).items()} for p in self.parts]

    @staticmethod
    def from_data(data: Sequence[Mapping[str, Any]]) -> ActionVector:
        """From plain data."""
        parts = []
        for one in data:
            low, high = one["low"], one["high"]
            bounds = {"low": -math.inf if low is None else low, "high": math.inf if high is None else high}
            parts.append(DonePart(**{**one, **bounds, "shape": tuple(one["shape"])}))
        return ActionVector(tuple(parts))


def _seen(field: Field) -> SeenPart:
    size = math.prod(field.sizes)
    if field.dtype == "bool":
        return SeenPart(field.name, "flag", size, shared=field.shared)
    if field.low is None or field.high is None:
        return SeenPart(field.name, "squashed", size, missing=field.missing, shared=field.shared)
    few = field.dtype == "int64" and field.high - field.low < _MOST_CHOICES
    way: Literal["choice", "scaled"] = "choice" if few else "scaled"
    return SeenPart(field.name, way, size, float(field.low), float(field.high), field.missing, field.shared)


def _done(role: Role, field: Field, mask: str) -> DonePart:
    size = math.prod(field.sizes)
    if field.dtype == "bool":
        return DonePart(field.name, 2, size, field.sizes, 0.0, 1.0, truth=True)
    if field.dtype == "int64" and field.low is not None and field.high is not None:
        first, last = math.ceil(field.low), math.floor(field.high)
        return DonePart(field.name, last - first + 1, size, field.sizes, float(first), float(last), mask=mask)
    if field.dtype == "float64":
        low, high = field.limits or (-math.inf, math.inf)
        return DonePart(field.name, 0, size, field.sizes, float(low), float(high))
    wanted = "a text" if field.dtype == "str" else "a whole number without bounds"
    raise ContractError(
        f"role {role.name!r}: the action {field.name!r} is {wanted};"
        " accepted from a learner: numbers, truth values, and whole numbers between two bounds"
    )
