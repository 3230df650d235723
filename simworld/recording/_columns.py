"""Between numpy and Arrow: one way to build a column, so that equal contents are equal bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from simworld.kernel import Array

_NUMBERS = {pa.int64(): np.int64, pa.float64(): np.float64}


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
        return text(values.tolist(), valid)
    if values.dtype == bool:
        bits = pa.py_buffer(np.packbits(values, bitorder="little"))
        return pa.Array.from_buffers(kind, len(values), [bitmap(valid), bits])
    # Bytes are taken as they are: those of another kind of number would be read as nonsense.
    assert kind == pa.from_numpy_dtype(values.dtype), f"{values.dtype} for a column of {kind}"
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(values), [bitmap(valid), data])


def text(values: Sequence[str], valid: Array | None = None) -> pa.Array:
    """Texts as an Arrow array; those under a null must be empty.

    From buffers, as ``pa.array`` looks for pandas and so imports it, half a second in every worker process.
    """
    # Of a text that is no Unicode, which a model may make, what cannot be written becomes a question mark.
    encoded = [value.encode(errors="replace") for value in values]
    ends = np.cumsum([0, *map(len, encoded)])
    if ends[-1] >= 2**31:
        raise pa.ArrowInvalid(f"{ends[-1]} bytes of text in one column of a batch; accepted: below 2 GiB")
    buffers = [bitmap(valid), pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


def column(values: Iterable[object], kind: pa.DataType) -> pa.Array:
    """Python values as an Arrow array; None is null."""
    given = list(values)
    valid = np.array([value is not None for value in given], bool)
    if pa.types.is_string(kind):
        return text(["" if value is None else value for value in given], valid)  # type: ignore[misc]
    dtype = _NUMBERS.get(kind)
    if dtype is not None:
        filled = np.array([0 if value is None else value for value in given])
        if not len(filled) or dtype is np.float64 or filled.dtype == np.int64:
            return flat(filled.astype(dtype), kind, valid)
    return pa.array(given, kind)


def coded(codes: Array, values: Sequence[str]) -> pa.Array:
    """A dictionary column from int32 codes, -1 for null."""
    valid = codes >= 0
    if not valid.all():
        codes = np.where(valid, codes, np.int32(0))
    return pa.DictionaryArray.from_arrays(flat(codes, pa.int32(), valid), text(values))


def codes_of(column: pa.Array) -> Array:
    """The codes of a dictionary column, -1 for null."""
    codes, valid = numbers(column.indices), validity(column)
    return codes if valid is None else np.where(valid, codes, np.int32(-1))


def numbers(column: pa.Array) -> Array:
    """The numbers of a column, whatever lies under a null; without pandas, which ``to_numpy`` would import."""
    kind = {pa.int64(): np.int64, pa.int32(): np.int32}[column.type]
    return np.frombuffer(column.buffers()[1], kind, len(column), column.offset * np.dtype(kind).itemsize)


def validity(column: pa.Array) -> Array | None:
    """Which entries are not null; None where all are."""
    bits = column.buffers()[0]
    if bits is None or not column.null_count:
        return None
    end = column.offset + len(column)
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=end, bitorder="little")[column.offset :].astype(bool)


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
        return column.take(flat(order, pa.int64()))
    places = (order[:, None] * kind.list_size + np.arange(kind.list_size)).ravel()
    child = taken(column.values.slice(column.offset * kind.list_size), places)
    valid = validity(column)
    valid = None if valid is None else valid[order]
    return pa.Array.from_buffers(kind, len(order), [bitmap(valid)], children=[child])
