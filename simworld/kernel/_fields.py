"""What a seat sees and does, declared: typed fields with units and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from simworld.errors import ActionError, ContractError

Array: TypeAlias = npt.NDArray[Any]
"""An array whose dtype and shape a declared field fixes at run time."""

Members: TypeAlias = npt.NDArray[np.int64]
"""Sorted member numbers of one role, without duplicates."""

_DTYPES = ("bool", "int64", "float64", "str")
_KINDS = {"bool": "b", "int64": "iu", "float64": "fiu", "str": "OU"}
"""Kinds of numpy dtypes that become a field's dtype without a silent change of meaning."""


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
    flow: bool = False
    """A measure of what happens in a tick rather than of how things stand (a stock): an episode's number is the mean of
    its samples, not the last one."""
    missing: bool = False
    """A number that may be unknown: nan stands for it. A learner is told so, besides a number that it can work with."""
    masks: str = ""
    """An observation, bool of shape (n,), that says which of the n values of this action field are allowed now, from
    its lowest on."""
    recorded: bool = True
    """Whether an observation is in the tables. What others' rows hold anyway, such as where everybody stands, need not
    be in each row: minds see it, learners and general minds do not."""
    numpy_dtype: np.dtype[Any] = field(init=False, repr=False, compare=False)
    """The dtype of the arrays that carry this field."""
    bounded: bool = field(init=False, repr=False, compare=False)
    """Whether it has a lowest or highest value."""
    sizes: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Shape for one member, in numbers; only of a role that is sized."""
    one: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Shape of an array for one member."""
    limits: tuple[float, float] | None = field(init=False, repr=False, compare=False)
    """Closed interval that actions must lie in, or None if there is nothing to check (a number is never nan)."""

    def __post_init__(self) -> None:
        """Check the declaration itself, and compute once what every array of every moment is checked against."""
        _check_name("field", self.name)
        if self.dtype not in _DTYPES:
            raise ContractError(f"field {self.name!r}: dtype {self.dtype!r} is not one of {', '.join(_DTYPES)}")
        prepare = object.__setattr__
        prepare(self, "numpy_dtype", np.dtype(object if self.dtype == "str" else self.dtype))
        prepare(self, "bounded", self.low is not None or self.high is not None)
        prepare(self, "sizes", self.shape)
        prepare(self, "one", self.shape if self.shared else (1, *self.shape))
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        prepare(self, "limits", (low, high) if self.bounded or self.dtype == "float64" else None)
        if self.bounded and (self.dtype not in {"int64", "float64"} or not low <= high):
            raise ContractError(f"field {self.name!r}: bounds {low:g} to {high:g} do not fit dtype {self.dtype}")
        if self.default is not None and np.asarray(self.default).dtype.kind not in _KINDS[self.dtype]:
            raise ContractError(f"field {self.name!r}: default {self.default!r} is not of dtype {self.dtype}")
        if self.missing and self.dtype != "float64":
            raise ContractError(f"field {self.name!r}: dtype {self.dtype} has no nan that could stand for missing")
        # nan says "leave it as it is", whatever the bounds.
        if isinstance(self.default, int | float) and self.bounded and (self.default < low or self.default > high):
            raise ContractError(f"field {self.name!r}: default {self.default!r} lies outside {low:g} to {high:g}")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle and copy by declaration: what was computed once is computed again."""
        return (Field, tuple(getattr(self, f.name) for f in fields(self) if f.init))

    def __deepcopy__(self, memo: object) -> Field:
        """Declarations never change: a copy is the same."""
        return self

    @property
    def leavable(self) -> bool:
        """An action field that whoever does not know its world leaves to its default: a text, or "as it is" (nan)."""
        return self.default is not None and (self.dtype == "str" or self.default != self.default)

    @property
    def blank(self) -> Any:
        """What stands in an array where there is no value."""
        return {"bool": False, "int64": 0, "float64": np.nan, "str": ""}[self.dtype]


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

    def __post_init__(self) -> None:
        """Check the declaration itself."""
        _check_name("role", self.name)
        if self.name == "world":
            raise ContractError("role name 'world': that is what the world's own streams of chance are called")
        for kind, declared in (("obs", self.obs), ("act", self.act), ("traits", self.traits)):
            names = [f.name for f in declared]
            if len(set(names)) < len(names):
                raise ContractError(f"role {self.name!r}: {kind} declares a field twice: {names}")
            shared = [f.name for f in declared if (f.shared or not f.recorded) and kind != "obs"]
            if shared:
                raise ContractError(
                    f"role {self.name!r}: only observations can be shared or not recorded; {kind} has {shared}"
                )
        for one in self.obs:
            if one.masks:
                _check_mask(self, one)

    @property
    def logged(self) -> tuple[Field, ...]:
        """Observations that are recorded."""
        return tuple(f for f in self.obs if f.recorded)

    def __deepcopy__(self, memo: object) -> Role:
        """Declarations never change: a copy is the same."""
        return self

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

        obs, act, traits = (tuple(map(fixed, f)) for f in (self.obs, self.act, self.traits))
        return replace(self, obs=obs, act=act, traits=traits)


def _check_name(what: str, name: str) -> None:
    if not name or not name.replace("_", "a").isalnum():
        raise ContractError(f"{what} name {name!r}: letters, digits and underscores are accepted")


def _check_mask(role: Role, mask: Field) -> None:
    """Raise ContractError unless it is a mask of one of the role's actions."""
    action = next((f for f in role.act if f.name == mask.masks), None)
    bounds = (None, None) if action is None else (action.low, action.high)
    if action is None or action.dtype != "int64" or action.shape or None in bounds:
        accepted = [f.name for f in role.act if f.dtype == "int64" and not f.shape and None not in (f.low, f.high)]
        raise ContractError(
            f"role {role.name!r}: {mask.name!r} masks {mask.masks!r};"
            f" accepted: an action field that is a whole number within bounds, which are {accepted}"
        )
    assert action.low is not None
    assert action.high is not None
    values = int(action.high) - int(action.low) + 1
    if mask.dtype != "bool" or mask.shape != (values,):
        raise ContractError(
            f"role {role.name!r}: {mask.name!r} is {mask.dtype} of shape {mask.shape};"
            f" accepted: bool of shape {(values,)}, one for every value of {mask.masks!r}"
        )


def is_unicode(text: str) -> bool:
    """Whether a text can be written down: a lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def freeze(array: Array) -> None:
    """Make an array read-only."""
    # By position: the keyword takes three times as long, and this is done for every array of every moment.
    array.setflags(False)  # type: ignore[call-arg]


def as_field(declared: Field, values: object, what: str) -> Array:
    """Values as an array of the field's dtype, without any silent change of kind.

    Raises:
        ActionError: The values are of another kind (text for a number, a fraction for a whole number, ragged).
    """
    try:
        array = np.asarray(values, dtype=object if declared.dtype == "str" else None)
    except ValueError as error:
        raise ActionError(f"{what} {declared.name!r}: found values of several shapes; accepted: one") from error
    found = array.dtype
    if declared.dtype == "str":
        strange = [v for v in array.flat if not isinstance(v, str) or not is_unicode(v)]
        if strange:
            raise ActionError(f"{what} {declared.name!r}: found {strange[0]!a}; accepted: str, in Unicode")
    elif array.size and not (found.kind in _KINDS[declared.dtype] and np.can_cast(found, declared.numpy_dtype)):
        raise ActionError(f"{what} {declared.name!r}: found {found}; accepted: {declared.dtype}")
    return array.astype(declared.numpy_dtype, copy=False)
