"""Another program's spaces as fields: what its agents see and do becomes columns of ours, and our actions its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from simworld.errors import ContractError
from simworld.kernel import Array, Field

Space: TypeAlias = gym.Space[Any]
"""A gymnasium space."""

_MASK = "action_mask"
"""What PettingZoo calls the part of an observation that says which actions are legal."""


@dataclass(frozen=True)
class _Leaf:
    """One field of a space: where it stands in it, and which entry it is where each has its own bounds."""

    path: tuple[str | int, ...]
    space: Space
    field: Field
    entry: int | None = None


@dataclass(frozen=True)
class Foreign:
    """A space, and the fields that carry its values."""

    space: Space
    leaves: tuple[_Leaf, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields."""
        return tuple(leaf.field for leaf in self.leaves)

    def told(self, value: Any) -> dict[str, Array]:
        """A value of the space as one array for each field, of the field's shape."""
        found = {}
        for leaf in self.leaves:
            part = _at(value, leaf.path)
            part = part if leaf.entry is None else np.asarray(part).reshape(-1)[leaf.entry]
            array = np.empty((), dtype=object) if leaf.field.dtype == "str" else np.asarray(part)
            if leaf.field.dtype == "str":
                array[()] = str(part)
            found[leaf.field.name] = array.astype(leaf.field.numpy_dtype).reshape(leaf.field.sizes)
        return found

    def all_told(self, values: Sequence[Any]) -> dict[str, Array]:
        """Values of several members as one array for each field, shape (n, ...)."""
        if self._simple:
            field = self.leaves[0].field
            return {field.name: np.array(values, dtype=field.numpy_dtype).reshape(len(values), *field.sizes)}
        told = [self.told(value) for value in values]
        if len(told) == 1:
            return {name: array[np.newaxis] for name, array in told[0].items()}
        return {field.name: np.stack([one[field.name] for one in told]) for field in self.fields}

    def all_done(self, fields: Mapping[str, Array]) -> list[Any]:
        """The space's own values of several members, from their fields, shape (n, ...)."""
        if self._simple and isinstance(self.space, spaces.Discrete):
            chosen: list[Any] = fields[self.leaves[0].field.name].tolist()
            return chosen
        n = len(next(iter(fields.values())))
        return [self.done({name: values[at] for name, values in fields.items()}) for at in range(n)]

    @property
    def _simple(self) -> bool:
        """It is one field of numbers, and nothing else."""
        first = self.leaves[0]
        return len(self.leaves) == 1 and not first.path and first.entry is None and first.field.dtype != "str"

    def done(self, fields: Mapping[str, Array]) -> Any:
        """The space's own value from one member's fields."""
        if not self.leaves[0].path:
            return self._part(self.space, self.leaves, fields)
        return _built(self.space, (), self.leaves, fields, self._part)

    def _part(self, space: Space, leaves: tuple[_Leaf, ...], fields: Mapping[str, Array]) -> Any:
        first = leaves[0]
        if first.entry is not None:
            flat = [fields[leaf.field.name] for leaf in leaves]
            value = np.asarray(flat, dtype=space.dtype).reshape(space.shape)
        elif isinstance(space, spaces.Text):
            return str(fields[first.field.name])
        else:
            value = np.asarray(fields[first.field.name]).astype(space.dtype)
        if isinstance(space, spaces.Discrete):
            return int(value)
        # Rounding to float32 must not lead beyond a bound.
        return np.clip(value, space.low, space.high) if isinstance(space, spaces.Box) else value


def foreign(space: Space, name: str, masks: str = "") -> Foreign:
    """The fields of a space.

    Args:
        space: Box, Discrete, MultiDiscrete, MultiBinary, Text, or a Dict or Tuple of them.
        name: What a field is called if the space is a single one; parts of a Dict have their own names.
        masks: The action that a part called ``action_mask`` is about, if there is one.

    Raises:
        ContractError: The space is empty, has no fixed size (a Sequence, a Graph), or is of a sort that is not known.
    """
    leaves = []
    for path, part in _parts(space, ()):
        label = "_".join(str(step) for step in path) or name
        if masks and path and path[-1] == _MASK:
            field = Field(label, "bool", part.shape or (), masks=masks, meaning="which actions are legal now")
            leaves.append(_Leaf(path, part, field))
        else:
            leaves += _leaves(path, part, _word(label))
    if not leaves:
        raise ContractError(f"{name}: the space {space} has no entries")
    return Foreign(space, tuple(leaves))


def _parts(space: Space, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Space]]:
    if isinstance(space, spaces.Dict):
        for key in space:
            yield from _parts(space[key], (*path, key))
    elif isinstance(space, spaces.Tuple):
        for place, part in enumerate(space):
            yield from _parts(part, (*path, place))
    else:
        yield path, space


def _leaves(path: tuple[str | int, ...], space: Space, name: str) -> list[_Leaf]:
    if isinstance(space, spaces.Discrete):
        low, high = int(space.start), int(space.start) + int(space.n) - 1
        return [_Leaf(path, space, Field(name, "int64", low=low, high=high))]
    if isinstance(space, spaces.MultiBinary):
        return [_Leaf(path, space, Field(name, "int64", tuple(space.shape), low=0, high=1))]
    if isinstance(space, spaces.Text):
        return [_Leaf(path, space, Field(name, "str"))]
    if isinstance(space, spaces.MultiDiscrete):
        given: Any = space  # of several possible dtypes
        start: Array = np.zeros(space.shape, dtype=np.int64) + np.asarray(given.start, dtype=np.int64)
        last: Array = start + np.asarray(given.nvec, dtype=np.int64) - 1
        return _bounded(path, space, Field(name, "int64", tuple(space.shape)), (start, last))
    if isinstance(space, spaces.Box):
        kind = np.dtype(space.dtype).kind
        field = Field(name, {"f": "float64", "b": "bool"}.get(kind, "int64"), tuple(space.shape))  # type: ignore[arg-type]
        return [_Leaf(path, space, field)] if kind == "b" else _bounded(path, space, field, (space.low, space.high))
    raise ContractError(
        f"a space of the sort {type(space).__name__} ({name!r});"
        " accepted: Box, Discrete, MultiDiscrete, MultiBinary, Text, and Dict and Tuple of them"
    )


def _bounded(path: tuple[str | int, ...], space: Space, field: Field, bounds: tuple[Array, Array]) -> list[_Leaf]:
    """One field if all entries have the same bounds; else one for each entry, where they are few."""
    low, high = (np.asarray(b).reshape(-1) for b in bounds)
    alike = bool(low.size) and bool((low == low[0]).all() and (high == high[0]).all())
    if alike or low.size > _MOST_ENTRIES:
        # Of many entries with different bounds the widest are told: they are checked again by their owner.
        least, most = (float(low.min()), float(high.max())) if low.size else (-np.inf, np.inf)
        return [_Leaf(path, space, _within(field, least, most))]
    one = replace(field, shape=())
    return [
        _Leaf(path, space, _within(replace(one, name=f"{field.name}_{i}"), float(low[i]), float(high[i])), i)
        for i in range(low.size)
    ]


_MOST_ENTRIES = 16


def _within(field: Field, low: float, high: float) -> Field:
    """The field with the bounds that say something: not those of the number format."""
    widest = np.iinfo(np.int64) if field.dtype == "int64" else np.finfo(np.float32)
    bottom = None if low <= widest.min else low
    top = None if high >= widest.max else high
    return replace(field, low=bottom, high=top)


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _built(space: Space, path: tuple[str | int, ...], leaves: tuple[_Leaf, ...], fields: Any, part: Any) -> Any:
    """A value of a Dict or Tuple, from its parts."""
    if isinstance(space, spaces.Dict):
        return {key: _built(space[key], (*path, key), leaves, fields, part) for key in space}
    if isinstance(space, spaces.Tuple):
        return tuple(_built(one, (*path, i), leaves, fields, part) for i, one in enumerate(space))
    return part(space, tuple(leaf for leaf in leaves if leaf.path == path), fields)


def _word(label: str) -> str:
    """A label as a field's name: letters, digits and underscores."""
    return "".join(c if c.isalnum() or c == "_" else "_" for c in label)
