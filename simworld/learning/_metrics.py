"""What a training writes down while it goes on: two tables of a run, a file for each training seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from simworld.kernel import Field

Row: TypeAlias = Mapping[str, float | int | str]


def _field(name: str, kind: pa.DataType, unit: str, meaning: str) -> pa.Field:
    return pa.field(name, kind, metadata={"unit": unit, "meaning": meaning})


_WHERE = (
    _field("episode", pa.string(), "", "the training: its seed"),
    _field("training_seed", pa.int64(), "", "seed of the training"),
    _field("iteration", pa.int64(), "", "updates of the networks so far"),
    _field("steps", pa.int64(), "decision", "decisions of learners so far"),
)
SCHEMAS = {
    "training": pa.schema(
        [
            *_WHERE,
            _field("return", pa.float64(), "reward", "mean over the episodes sampled last, summed over learners"),
            _field("seconds", pa.float64(), "s", "wall time of the training so far"),
        ],
        metadata={"simworld.table": "training"},
    ),
    "evaluation": pa.schema(
        [
            *_WHERE,
            _field("seed", pa.int64(), "", "seed of the episode: one that no training sees"),
            _field("return", pa.float64(), "reward", "mean over the learners of what they earned in the episode"),
        ],
        metadata={"simworld.table": "evaluation"},
    ),
}


def _longer(schema: pa.Schema, prefix: str, fields: Sequence[Field]) -> pa.Schema:
    """A schema with further columns."""
    more = [_field(f"{prefix}.{f.name}", pa.float64(), f.unit, f.meaning) for f in fields]
    return pa.schema([*schema, *more], metadata=schema.metadata)


class Metrics:
    """The tables of one training: rows are appended as they come, and kept from an earlier process up to a point."""

    def __init__(
        self, run: Path, training: str, until: int, measures: Sequence[Field] = (), told: Sequence[Field] = ()
    ) -> None:
        self._streams = {}
        self._schemas = {
            "training": _longer(SCHEMAS["training"], "told", told),
            "evaluation": _longer(SCHEMAS["evaluation"], "measure", measures),
        }
        for name, schema in self._schemas.items():
            path = run / "tables" / name / f"{training}.arrows"
            path.parent.mkdir(exist_ok=True)
            kept = [row for row in read_rows(path) if int(row["iteration"]) <= until]
            # Written anew by renaming: what is there stays readable until the new one is complete.
            waiting = path.with_suffix(".tmp")
            stream = pa.ipc.new_stream(str(waiting), schema)
            if kept:
                stream.write_batch(pa.RecordBatch.from_pylist([dict(row) for row in kept], schema))
            waiting.rename(path)
            self._streams[name] = stream

    def add(self, table: str, rows: Sequence[Row]) -> None:
        """Append rows, readable at once."""
        self._streams[table].write_batch(pa.RecordBatch.from_pylist([dict(r) for r in rows], self._schemas[table]))

    def close(self) -> None:
        """End the streams."""
        for stream in self._streams.values():
            stream.close()


def read_rows(path: Path) -> list[Row]:
    """The rows of a stream up to its last complete batch; none if it is not there."""
    rows: list[Row] = []
    try:
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            while True:
                rows += reader.read_next_batch().to_pylist()
    except (StopIteration, pa.ArrowInvalid, OSError):
        return rows
