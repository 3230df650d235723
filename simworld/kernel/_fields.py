"""What a seat sees and does, declared: typed fields with units and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from simworld.errors import ContractError

Array: TypeAlias = npt.NDArray[Any]
"""An array whose dtype and shape a declared field fixes at run time."""

Members: TypeAlias = npt.NDArray[np.int64]
"""Sorted member numbers of one role, without duplicates."""

_DTYPES = ("bool", "int64", "float64", "str")


@dataclass(frozen=True, slots=True)
class Field:
    """One typed quantity: of an observation, an action, a mind, a trait or a measure.

    The declaration is the codebook: name, unit and meaning travel into the tables as field metadata.
    """

    name: str
    """Short name; the column is ``obs.<name>``, ``act.<name>``, ``mind.<name>`` or the name itself."""
    dtype: Literal["bool", "int64", "float64", "str"] = "float64"
    """Type of one entry; ``str`` is kept as objects and recorded as text."""
    shape: tuple[int | str, ...] = ()
    """Shape for one member; a dimension may name a role: its number of seats."""
    unit: str = ""
    """Unit of one entry, for example ``USD/year``; empty if it has none."""
    meaning: str = ""
    """One phrase for the codebook."""
    low: float | None = None
    """Smallest value that is accepted, or no bound."""
    high: float | None = None
    """Largest value that is accepted, or no bound."""
    default: float | int | bool | str | None = None
    """What an action field holds if the mind leaves it out; without one it must be given."""
    shared: bool = False
    """An observation that is the same for all members of a moment: passed once, without the member axis."""
    numpy_dtype: np.dtype[Any] = field(init=False, repr=False, compare=False)
    """The dtype of the arrays that carry this field."""
    bounded: bool = field(init=False, repr=False, compare=False)
    """Whether it has a lowest or highest value."""

    def __post_init__(self) -> None:
        """Check the declaration itself."""
        if not self.name or not self.name.replace("_", "a").isalnum():
            raise ContractError(f"field name {self.name!r}: letters, digits and underscores are accepted")
        if self.dtype not in _DTYPES:
            raise ContractError(f"field {self.name!r}: dtype {self.dtype!r} is not one of {', '.join(_DTYPES)}")
        # Read for every array of every moment, so computed once.
        object.__setattr__(self, "numpy_dtype", np.dtype(object if self.dtype == "str" else self.dtype))
        object.__setattr__(self, "bounded", self.low is not None or self.high is not None)


@dataclass(frozen=True, slots=True)
class Role:
    """A kind of seat in a world."""

    name: str
    """Name of the role; its table is ``decisions.<name>``."""
    obs: tuple[Field, ...] = ()
    """What a member sees when it is due."""
    act: tuple[Field, ...] = ()
    """What a member decides."""
    traits: tuple[Field, ...] = ()
    """What a member is from birth on; recorded once in the table ``agents``."""
    least: int = 0
    """Fewest seats that a scenario may fill."""
    most: int | None = None
    """Most seats that a scenario may fill, or no limit."""
    credit: Literal["until_next", "explicit"] = "until_next"
    """Whether a reward goes to the latest decision, or to one that the world names by its index."""

    def sized(self, seats: Mapping[str, int]) -> Role:
        """The role with every dimension that names a role replaced by that role's number of seats.

        Raises:
            ContractError: A dimension names a role that the world does not have.
        """

        def fixed(one: Field) -> Field:
            if all(isinstance(d, int) for d in one.shape):
                return one
            unknown = [d for d in one.shape if isinstance(d, str) and d not in seats]
            if unknown:
                raise ContractError(f"field {one.name!r}: shape names {unknown}; roles are {list(seats)}")
            return replace(one, shape=tuple(seats[d] if isinstance(d, str) else d for d in one.shape))

        return replace(self, obs=tuple(map(fixed, self.obs)), act=tuple(map(fixed, self.act)))


_KINDS = {"bool": "b", "int64": "iu", "float64": "fiu", "str": "OU"}


def as_field(declared: Field, values: object, what: str) -> Array:
    """Values as an array of the field's dtype, without any silent change of kind.

    Raises:
        ContractError: The values are of another kind (text for a number, a fraction for a whole number, ragged).
    """
    try:
        array = np.asarray(values, dtype=object if declared.dtype == "str" else None)
    except ValueError as error:
        raise ContractError(f"{what} {declared.name!r}: {error}") from error
    if array.dtype.kind not in _KINDS[declared.dtype] and array.size:
        raise ContractError(f"{what} {declared.name!r}: found {array.dtype}; accepted: {declared.dtype}")
    return array.astype(declared.numpy_dtype, copy=False)
