"""Tables for other programs, such as R: CSV or Parquet files with a codebook."""

from __future__ import annotations

import csv
import json
import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from simworld_analysis._dataset import Dataset
from simworld_analysis._files import fitted
from simworld_analysis._open import OpenError, Run

Form: TypeAlias = Literal["csv", "parquet"]
"""What is written: CSV opens everywhere, Parquet keeps types and is a tenth of the size."""


def export_run(
    run: Run, to: Form, folder: Path, tables: Sequence[str] = (), told: Callable[[str], None] = print
) -> Path:
    """Write tables of a run, one file each, and ``codebook.csv`` with unit and meaning of every column.

    Every row says its arm, seed and parameters of the sweep. In CSV, a vector is a column for each of its entries
    (``act.rates.0``), one of no fixed length is a JSON text; nothing is an empty field.

    Args:
        run: The run, finished or not.
        to: csv or parquet.
        folder: Where to; it must not exist yet.
        tables: Which tables; all by default.
        told: Is told of each table when it is written.

    Raises:
        OpenError: The folder is there already, there is no such table, or a file is damaged.
    """
    if folder.exists() or folder.is_symlink():
        raise OpenError(f"{folder} exists already; nothing is overwritten: choose another folder or remove it")
    names = list(tables) or [name for name in run.tables if run.has(name) and name != "chain"]
    for name in names:
        run.schema(name)  # what is not there is said before anything is written
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: nothing that is there already is touched, and whatever stops this leaves nothing behind.
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        codebook = []
        for name in names:
            rows, schema = _write(run, name, to, unfinished / f"{name}.{to}")
            codebook += [(name, f.name, str(f.type), _note(f, "unit"), _note(f, "meaning")) for f in schema]
            told(f"{name}: {rows:,} rows")
        with (unfinished / "codebook.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("table", "column", "type", "unit", "meaning"), *codebook])
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _write(run: Run, name: str, to: Form, path: Path) -> tuple[int, pa.Schema]:
    """Write one table batch by batch; (rows, schema as it was written)."""
    data, rows = Dataset([run], name), 0
    if to == "parquet":
        from pyarrow.parquet import ParquetWriter  # noqa: PLC0415

        with ParquetWriter(str(path), data.schema) as parquet:
            for batch in data.batches():
                parquet.write_batch(batch)
                rows += batch.num_rows
        return rows, data.schema
    from pyarrow.csv import CSVWriter  # noqa: PLC0415

    sizes = {f.name: f.type.list_size for f in data.schema if pa.types.is_fixed_size_list(f.type)}
    schema = _flat(data.schema, sizes)
    with CSVWriter(str(path), schema) as writer:
        for batch in data.batches():
            writer.write_batch(_flattened(batch, schema, sizes))
            rows += batch.num_rows
    return rows, schema


def _flat(schema: pa.Schema, sizes: dict[str, int]) -> pa.Schema:
    fields = []
    for field in schema:
        if field.name in sizes:
            entry = field.with_type(field.type.value_type)
            fields += [entry.with_name(f"{field.name}.{i}") for i in range(sizes[field.name])]
        elif pa.types.is_nested(field.type) or pa.types.is_dictionary(field.type) or _is_bytes(field.type):
            fields.append(field.with_type(pa.string()))
        else:
            fields.append(field)
    return pa.schema(fields)


def _flattened(batch: pa.RecordBatch, schema: pa.Schema, sizes: dict[str, int]) -> pa.RecordBatch:
    columns: dict[str, pa.Array] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name in sizes:
            for i in range(sizes[name]):
                columns[f"{name}.{i}"] = pc.list_element(column, i)
        elif _is_bytes(column.type):
            columns[name] = pa.array([None if v is None else v.hex() for v in column.to_pylist()], pa.string())
        elif pa.types.is_nested(column.type):
            columns[name] = pa.array([_text(value) for value in column.to_pylist()], pa.string())
        else:
            columns[name] = column
    return fitted(pa.RecordBatch.from_pydict(columns), schema)


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _text(value: list[object] | None) -> str | None:
    """A vector as JSON, which knows no NaN."""
    if value is None:
        return None
    return json.dumps([None if isinstance(v, float) and not math.isfinite(v) else v for v in value])


def _note(field: pa.Field, key: str) -> str:
    return str((field.metadata or {}).get(key.encode(), b"").decode())
