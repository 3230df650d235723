"""Columns that are places in a plane: what is drawn as a map, and as paths."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

_BACKDROP = b"simworld.backdrop"


def is_plane(kind: pa.DataType) -> bool:
    """Whether values are two numbers each."""
    import pyarrow as pa  # noqa: PLC0415  importing the analysis must stay cheap

    return bool(pa.types.is_fixed_size_list(kind) and kind.list_size == 2 and pa.types.is_floating(kind.value_type))


def is_position(field: pa.Field) -> bool:
    """Whether a column is a place in a plane: two numbers in metres."""
    return is_plane(field.type) and (field.metadata or {}).get(b"unit", b"") == b"m"


def places(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """A column of two numbers each, shape (n, 2); nan where there is none."""
    found = np.full((len(column), 2), np.nan)
    there = column.is_valid().to_numpy()
    found[there] = column.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, 2)
    return found


def backdrop(schema: pa.Schema) -> npt.NDArray[np.float64]:
    """What stands still beneath the positions of a table, such as walls: shape (n, 4), x and y of both ends.

    Args:
        schema: Of the rows of one episode: arms may have other walls.
    """
    note = (schema.metadata or {}).get(_BACKDROP)
    return np.array([] if note is None else json.loads(note), dtype=np.float64).reshape(-1, 4)
