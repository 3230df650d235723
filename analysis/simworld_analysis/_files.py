"""The files of one table: sealed ones, and streams that may end anywhere; many schemas brought to one."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from simworld_analysis._open import OpenError


class TableFile:
    """One file of a table: sealed, or a stream that may end anywhere."""

    def __init__(self, path: Path) -> None:
        self.path, self.sealed = path, path.suffix == ".arrow"
        with path.open("rb"):
            pass  # FileNotFoundError: it was merged into a part meanwhile
        self.episodes = [path.stem]
        try:
            with pa.memory_map(str(path)) as source, _reader(source, self.sealed, None) as reader:
                self.schema: pa.Schema = reader.schema
                if self.sealed:
                    self.episodes = (reader.metadata or {})[b"simworld.episodes"].decode().split("\n")
        except (pa.ArrowInvalid, OSError, KeyError) as error:
            raise OpenError(f"{path}: damaged, or not a table ({error})") from error

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Those of these columns that it has; a stream is read to its last complete batch."""
        places = [i for i in (self.schema.get_field_index(c) for c in columns) if i >= 0]
        options = pa.ipc.IpcReadOptions(included_fields=places)
        try:
            with pa.memory_map(str(self.path)) as source, _reader(source, self.sealed, options) as reader:
                if self.sealed:
                    for i in range(reader.num_record_batches):
                        yield reader.get_batch(i)
                else:
                    yield from _complete(reader)
        except FileNotFoundError:
            raise
        except (pa.ArrowInvalid, OSError) as error:
            raise OpenError(f"{self.path}: damaged ({error})") from error

    def rows_of(self, episode: str, columns: Sequence[str], newest: int | None) -> pa.Table | None:
        """The rows of one episode, or at least so many of the newest, in whole batches; None if there are none.

        A column that other files of the table have, and this one has not, is null.
        """
        found: deque[pa.RecordBatch] = deque()
        kept = 0
        for batch in self.batches(["episode", *columns]):
            mine = batch
            if len(self.episodes) > 1:
                mine = batch.filter(pc.equal(batch.column(0).cast(pa.string()), episode))
            if mine.num_rows:
                found.append(mine)
                kept += mine.num_rows
            while newest is not None and len(found) > 1 and kept - found[0].num_rows >= newest:
                kept -= found.popleft().num_rows
        if not found:
            return None
        table = pa.Table.from_batches(list(found)).unify_dictionaries()
        for name in columns:
            if name not in table.column_names:
                table = table.append_column(name, pa.nulls(table.num_rows))
        return table.select(list(columns))


def batches(files: Sequence[TableFile], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of these files, in batches of one schema."""
    for file in files:
        for batch in file.batches(schema.names):
            if batch.num_rows:
                yield fitted(batch, schema)


def table(files: Sequence[TableFile], schema: pa.Schema) -> pa.Table:
    """The rows of these files as one table, with one dictionary per column."""
    return pa.Table.from_batches(list(batches(files, schema)), schema).unify_dictionaries()


def _reader(
    source: pa.NativeFile, sealed: bool, options: pa.ipc.IpcReadOptions | None
) -> pa.RecordBatchStreamReader | pa.RecordBatchFileReader:
    return (pa.ipc.open_file if sealed else pa.ipc.open_stream)(source, options=options)


def _complete(reader: pa.RecordBatchStreamReader) -> Iterator[pa.RecordBatch]:
    while True:
        try:
            batch = reader.read_next_batch()
        except (StopIteration, pa.ArrowInvalid, OSError):
            return
        yield batch


def chosen(folder: Path, names: Sequence[str]) -> list[TableFile]:
    """The files among these that hold the table, none of its episodes twice: parts, blocks, episodes, streams."""
    sealed = [TableFile(folder / n) for n in names if n.endswith(".arrow")]
    files: list[TableFile] = []
    done: set[str] = set()
    # What is merged holds all that each of its sources holds, so the first episode of a file tells whether it is one.
    parts = [f for f in sealed if f.path.name.startswith("part-")]
    for file in [*parts, *sorted((f for f in sealed if f not in parts), key=lambda f: -len(f.episodes))]:
        if file.episodes[0] not in done:
            files.append(file)
            done.update(file.episodes)
    streams = []
    for name in names:
        if name.endswith(".arrows") and name.removesuffix(".arrows") not in done:
            try:
                streams.append(TableFile(folder / name))
            except OpenError:
                continue  # its schema is not written yet
    return files + streams


def common(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """One schema for files whose minds, traits or sizes differ."""
    found: dict[str, pa.Field] = {}
    for schema in schemas:
        for field in schema:
            known = found.setdefault(field.name, field)
            if known.type != field.type:
                found[field.name] = known.with_type(_common_type(known.type, field.type))
    # What is noted of some files alone, such as the walls of one arm, does not hold for the table.
    notes = dict(schemas[0].metadata or {})
    for schema in schemas[1:]:
        notes = {key: note for key, note in notes.items() if (schema.metadata or {}).get(key) == note}
    return pa.schema(list(found.values()), metadata=notes or None)


def _common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    def is_list(kind: pa.DataType) -> bool:
        return bool(pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind))

    if one == other:
        return one
    if is_list(one) and is_list(other):
        return pa.list_(_common_type(one.value_type, other.value_type))
    if all(pa.types.is_integer(k) or pa.types.is_floating(k) for k in (one, other)):
        return pa.float64()
    return pa.string()


def selected(schema: pa.Schema, table: str, columns: Sequence[str] | None) -> pa.Schema:
    """The schema with these columns only. Raises OpenError for one that is not there."""
    if columns is None:
        return schema
    for name in columns:
        if schema.get_field_index(name) < 0:
            near = difflib.get_close_matches(name, schema.names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(schema.names)}"
            raise OpenError(f"table {table!r} has no column {name!r}; {hint}")
    return pa.schema([schema.field(name) for name in columns], metadata=schema.metadata)


def fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the columns of a schema: cast to their types, null where it has none."""
    columns = []
    for field in schema:
        place = batch.schema.get_field_index(field.name)
        if place < 0:
            columns.append(pa.nulls(batch.num_rows, field.type))
        else:
            column = batch.column(place)
            columns.append(column if column.type == field.type else column.cast(field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)
