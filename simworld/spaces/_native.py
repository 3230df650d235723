"""The spaces of a role: its observation and action fields as gymnasium spaces, and values to and fro."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from simworld.errors import ActionError, ContractError
from simworld.kernel import Array, Field, Role
from simworld.spaces._vector import ActionVector, ObservationVector

Space: TypeAlias = gym.Space[Any]
"""A gymnasium space."""

_MASK, _OBSERVATIONS = "action_mask", "observations"
_WHOLE = np.iinfo(np.int64)


class RoleSpaces:
    """What a member of a role sees and does, as spaces: one field is its own space, several are a Dict by name.

    Numbers are Boxes of float32 (a single one of shape (1,)), whole numbers between bounds Discrete (or MultiDiscrete),
    truth values Discrete(2) (or MultiBinary). A number that may be missing comes with ``<name>_known``; nan is told as
    0. Texts are left out, and so are
    action fields that may be left as they are (a default of nan).
    """

    def __init__(self, role: Role) -> None:
        self.role = role
        self._seen = [f for f in role.logged if f.dtype != "str"]
        self._done = [f for f in role.act if not f.leavable]
        if not self._seen or not self._done:
            lacking = "sees no numbers" if not self._seen else "decides nothing"
            raise ContractError(f"role {role.name!r} {lacking}: it cannot be played from outside")
        ActionVector.of(role)  # refuses what has no space
        self._zeros = {f.name: _at_zero(f) for f in self._seen}
        """What stands for a missing number."""
        inner: dict[str, Space] = {}
        for field in self._seen:
            inner[field.name] = _space(field)
            if field.missing:
                inner[f"{field.name}_known"] = _truths(field)
        self._plain = len(inner) == 1
        self.observation: Space = next(iter(inner.values())) if self._plain else spaces.Dict(inner)
        """What a member sees."""
        self._order = list(self.observation) if isinstance(self.observation, spaces.Dict) else []
        acts = {field.name: _space(field) for field in self._done}
        self.action: Space = next(iter(acts.values())) if len(acts) == 1 else spaces.Dict(acts)
        """What a member does."""

    def told(self, seen: Mapping[str, Array]) -> list[Any]:
        """Observations of n members, one value of the observation space for each."""
        n = _members(self.role, seen)
        columns: dict[str, Any] = {}
        for field in self._seen:
            values = np.asarray(seen[field.name])
            values = np.broadcast_to(values, (n, *values.shape)) if field.shared else values
            if field.missing:
                known = values == values  # noqa: PLR0124  nan is not itself; isnan takes longer
                values = np.where(known, values, self._zeros[field.name])
                columns[f"{field.name}_known"] = known.astype(np.int8) if field.sizes else known.astype(np.int64)
            columns[field.name] = _numbers(field, values, n)
        if self._plain:
            return list(next(iter(columns.values())))
        order = self._order
        rows = zip(*[columns[name] for name in order], strict=True)
        return [dict(zip(order, row, strict=True)) for row in rows]

    def sampled(self, seen: Any) -> Any:
        """Any action, drawn by the action space, that the masks in what is seen allow."""
        masks = {f.masks: seen if self._plain else seen[f.name] for f in self._seen if f.masks}
        if not masks:
            return self.action.sample()
        if isinstance(self.action, spaces.Dict):
            return {name: space.sample(masks.get(name)) for name, space in self.action.items()}
        return self.action.sample(next(iter(masks.values())))

    def done(self, actions: list[Any], who: list[str]) -> dict[str, Array]:
        """Action fields of several members, from one value of the action space each.

        Raises:
            ActionError: One of them is outside its space.
        """
        fields = {}
        for field in self._done:
            space = self.action
            values = actions
            if isinstance(space, spaces.Dict):
                values = [a.get(field.name) if isinstance(a, Mapping) else None for a in actions]
                space = space[field.name]
            column = _column(field, values)
            if column is None:
                wrong = next((i for i, value in enumerate(values) if _column(field, [value]) is None), 0)
                raise ActionError(f"{who[wrong]}: found action {actions[wrong]!r}; accepted: {self.action}")
            fields[field.name] = column
        return fields


class VectorSpaces:
    """What a member of a role sees and does, as networks have it: a vector in, indices and amounts out.

    A vector is a Box; with a masked choice it is a Dict of ``observations`` and ``action_mask``, as RLlib's own masking
    takes it. What is done is Discrete, MultiDiscrete or Box, or a Tuple of choices and amounts.
    """

    def __init__(self, role: Role) -> None:
        self.role = role
        self.seen, self.acts = ObservationVector.of(role), ActionVector.of(role)
        vector = spaces.Box(-np.inf, np.inf, (self.seen.width,), np.float32)
        box = spaces.Box(-1.0, 1.0, (self.acts.amounts,), np.float32)
        choices = self.acts.choices
        self.observation: Space = vector
        """What a member sees."""
        if self.acts.mask:
            self.observation = spaces.Dict({_MASK: spaces.Box(0.0, 1.0, (choices[0],)), _OBSERVATIONS: vector})
        self.action: Space = box
        """What a member does."""
        if choices:
            discrete: Space = spaces.Discrete(choices[0]) if len(choices) == 1 else spaces.MultiDiscrete(list(choices))
            self.action = spaces.Tuple((discrete, box)) if self.acts.amounts else discrete

    def told(self, seen: Mapping[str, Array]) -> list[Any]:
        """Observations of n members, one value of the observation space for each."""
        n, mask = _members(self.role, seen), self.acts.mask
        vectors = self.seen.told(seen, n)
        if not mask:
            return list(vectors)
        allowed = np.broadcast_to(seen[mask], (n, seen[mask].shape[-1])).astype(np.float32)
        return [{_MASK: m, _OBSERVATIONS: v} for m, v in zip(allowed, vectors, strict=True)]

    def done(self, actions: list[Any], who: list[str]) -> dict[str, Array]:  # noqa: ARG002  a network's are in its space
        """Action fields of several members, from one value of the action space each."""
        n, choices, amounts = len(actions), self.acts.choices, self.acts.amounts
        both = bool(choices) and bool(amounts)
        chosen = np.array([a[0] if both else a for a in actions]).reshape(n, -1) if choices else np.zeros((n, 0))
        told = np.array([a[1] if both else a for a in actions]).reshape(n, -1) if amounts else np.zeros((n, 0))
        return self.acts.done(chosen, told)


def _members(role: Role, seen: Mapping[str, Array]) -> int:
    """Of how many members these observations are; what all share says nothing of that."""
    return next((len(seen[f.name]) for f in role.obs if not f.shared), 1)


def _space(field: Field) -> Space:
    if field.dtype == "bool":
        return _truths(field)
    if field.dtype == "float64":
        low, high = (-np.inf if field.low is None else field.low), (np.inf if field.high is None else field.high)
        return spaces.Box(np.float32(low), np.float32(high), field.sizes or (1,), np.float32)
    if field.low is None or field.high is None:
        low = _WHOLE.min if field.low is None else math.ceil(field.low)
        high = _WHOLE.max if field.high is None else math.floor(field.high)
        return spaces.Box(low, high, field.sizes or (1,), np.int64)
    low, high = math.ceil(field.low), math.floor(field.high)
    if not field.sizes:
        return spaces.Discrete(high - low + 1, start=low)
    return spaces.MultiDiscrete(np.full(field.sizes, high - low + 1), start=np.full(field.sizes, low))


def _truths(field: Field) -> Space:
    return spaces.MultiBinary(field.sizes) if field.sizes else spaces.Discrete(2)


def _at_zero(field: Field) -> float:
    """What stands for a missing number: 0, or the bound that is nearest to it."""
    return float(np.clip(0.0, field.low, field.high)) if field.bounded else 0.0


def _numbers(field: Field, values: Array, n: int) -> Array:
    if field.dtype == "bool":
        return values.astype(np.int8 if field.sizes else np.int64)
    if field.dtype == "float64":
        # Counting takes a fifth of the time of ``any`` where there is little to look at.
        if not field.missing and np.count_nonzero(values != values):  # noqa: PLR0124
            values = np.where(np.isnan(values), _at_zero(field), values)
        return values.astype(np.float32).reshape(n, *(field.sizes or (1,)))
    return values if field.sizes or None not in (field.low, field.high) else values.reshape(n, 1)


_KINDS = {"bool": "biu", "int64": "iu", "float64": "fiu"}


def _column(field: Field, values: list[Any]) -> Array | None:
    """One field of several actions as an array of the field's own kind; None if one of them is not accepted."""
    try:
        column = np.asarray(values)
    except ValueError:
        return None
    if column.dtype.kind not in _KINDS[field.dtype] or column.size != len(values) * math.prod(field.sizes):
        return None
    column = column.reshape(len(values), *field.sizes)
    if field.dtype == "bool":
        return column.astype(np.bool_) if ((column == 0) | (column == 1)).all() else None
    if field.limits is not None:
        low, high = field.limits
        if field.dtype == "float64":
            # The space has float32 bounds, which rounding may have put beyond ours.
            low, high = min(low, float(np.float32(low))), max(high, float(np.float32(high)))
        if np.count_nonzero((column >= low) & (column <= high)) < column.size:
            return None
    column = column.astype(field.numpy_dtype)
    # Only what is rounded may be beyond a bound; whole numbers would become floats.
    clips = field.bounded and field.limits is not None and field.dtype == "float64"
    return column.clip(*field.limits) if clips and field.limits is not None else column
