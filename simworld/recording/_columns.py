"""Between numpy and Arrow: one way to build a column, so that equal contents are equal bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from simworld.kernel import Array


class Vocabulary:
    """The texts of a dictionary column in order of appearance; it only ever grows at its end."""

    __slots__ = ("_codes",)

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._codes: dict[str, int] = {v: i for i, v in enumerate(values)}

    def __len__(self) -> int:
        return len(self._codes)

    def code(self, value: str) -> int:
        """The number of a text, given out at its first appearance."""
        return self._codes.setdefault(value, len(self._codes))

    def encode(self, values: Iterable[str | None]) -> Array:
        """Numbers of many texts, int32; -1 stands for null."""
        return np.array([-1 if v is None else self.code(v) for v in values], dtype=np.int32)

    def values(self) -> list[str]:
        """All texts so far."""
        return list(self._codes)


def bitmap(valid: Array | None) -> pa.Buffer:
    """A validity bitmap, or None where nothing is null."""
    if valid is None or valid.all():
        return None
    return pa.py_buffer(np.packbits(valid, bitorder="little"))


def flat(values: Array, kind: pa.DataType, valid: Array | None = None) -> pa.Array:
    """Values of shape (n, ...) as an Arrow array; shaped fields become (nested) fixed-size lists.

    Numbers are passed without a copy: they must not change any more. Where ``valid`` is false the values must be
    blank (0, or an empty text), because what lies under a null is part of a file's bytes.
    """
    if pa.types.is_fixed_size_list(kind):
        inner = values.reshape(len(values) * kind.list_size, *values.shape[2:])
        child = flat(inner, kind.value_type)
        return pa.Array.from_buffers(kind, len(values), [bitmap(valid)], children=[child])
    if values.dtype == object:
        return pa.array(values.tolist(), kind, mask=None if valid is None else ~valid)
    if values.dtype == bool:
        bits = pa.py_buffer(np.packbits(values, bitorder="little"))
        return pa.Array.from_buffers(kind, len(values), [bitmap(valid), bits])
    # Bytes are taken as they are: those of another kind of number would be read as nonsense.
    assert kind == pa.from_numpy_dtype(values.dtype), f"{values.dtype} for a column of {kind}"
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(values), [bitmap(valid), data])


def coded(codes: Array, values: Sequence[str]) -> pa.Array:
    """A dictionary column from int32 codes, -1 for null."""
    valid = codes >= 0
    if not valid.all():
        codes = np.where(valid, codes, np.int32(0))
    return pa.DictionaryArray.from_arrays(flat(codes, pa.int32(), valid), pa.array(values, pa.string()))


def codes_of(column: pa.Array) -> Array:
    """The codes of a dictionary column, -1 for null."""
    filled: Array = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return filled


def texts_of(batch: pa.RecordBatch) -> dict[str, list[str]]:
    """The vocabularies of a batch's dictionary columns."""
    return {
        field.name: column.dictionary.to_pylist()
        for field, column in zip(batch.schema, batch.columns, strict=True)
        if pa.types.is_dictionary(field.type)
    }


def taken(column: pa.Array, order: Array) -> pa.Array:
    """Rows of a column in another order; blank stays blank under a null.

    Arrow's own ``take`` would turn the entries of a null list into nulls, which are other bytes.
    """
    kind = column.type
    if not pa.types.is_fixed_size_list(kind):
        return column.take(pa.array(order))
    places = (order[:, None] * kind.list_size + np.arange(kind.list_size)).ravel()
    child = taken(column.values.slice(column.offset * kind.list_size), places)
    valid = None if not column.null_count else column.is_valid().to_numpy(zero_copy_only=False)[order]
    return pa.Array.from_buffers(kind, len(order), [bitmap(valid)], children=[child])
