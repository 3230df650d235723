"""Answers that people have withdrawn are taken out of the tables: what was answered, and what was decided by it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from simworld.errors import RunError
from simworld.kernel import PARTICIPANT, REDACTED, Array, AskKey
from simworld.recording._columns import coded, codes_of, texts_of
from simworld.recording._sealed import Source, seal, sealed_source
from simworld.recording._sealing import table_dir, table_files

Withdrawn: TypeAlias = dict[str, set[AskKey]]
"""Asks whose answers were withdrawn, by episode."""

_DECISION = ("role", "agent", "decision")
_ASK = (*_DECISION, "ask")


def redact_tables(run: Path, withdrawn: Withdrawn) -> None:
    """Blank everything that tells an answer: digests, reasons and times, and what was done and shown by it.

    What the society made of it stays: rewards, measures, what others saw. Unfinished streams of these episodes are
    removed. For whoever holds the run's lock.

    Raises:
        RunError: A table is damaged, or cannot be written.
    """
    try:
        for folder in [*sorted((run / "tables").glob("*/")), table_dir(run, "chain")]:
            for episode in withdrawn:
                (folder / f"{episode}.arrows").unlink(missing_ok=True)
            if folder.name in {"asks", "telemetry", "faults"} or folder.name.startswith("decisions."):
                for path in table_files(folder):
                    _redact_file(path, folder.name, withdrawn)
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"cannot redact the tables of {run}: {error}") from error


def _redact_file(path: Path, table: str, withdrawn: Withdrawn) -> None:
    source = sealed_source(path)
    if not withdrawn.keys() & set(source.episodes):
        return
    found = [_redacted(batch, table, withdrawn) for batch in source.batches()]
    if not any(hit for _, hit in found):
        return
    batches = [batch for batch, _ in found]
    texts: dict[str, dict[str, None]] = {}
    for batch in batches:
        for name, known in texts_of(batch).items():
            texts.setdefault(name, {}).update(dict.fromkeys(known))
    vocabulary = {name: list(known) for name, known in texts.items()}
    seal(path, [Source(source.schema, source.episodes, source.rows, lambda: iter(batches), lambda: vocabulary)])


def _redacted(batch: pa.RecordBatch, table: str, withdrawn: Withdrawn) -> tuple[pa.RecordBatch, bool]:
    hit = _hits(batch, table, withdrawn)
    if not hit.any():
        return batch, False
    if table == "telemetry":
        hit &= np.array([key != PARTICIPANT for key in batch.column("key").to_pylist()], bool)
    columns = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if field.name in _TELLING.get(table, ()) or field.name.startswith(("act.", "mind.")):
            column = _blank(column, hit)  # noqa: PLW2901
        elif field.name == "fault":
            column = _named(column, hit)  # noqa: PLW2901
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema), True


_TELLING = {"asks": ("answer_digest",), "telemetry": ("value", "text"), "faults": ("detail",)}
"""Columns that tell an answer."""


def _hits(batch: pa.RecordBatch, table: str, withdrawn: Withdrawn) -> Array:
    """Which rows tell of an answer that was withdrawn."""
    rows = batch.to_pydict() if batch.num_rows else {}
    names = _ASK if table in {"asks", "telemetry"} else _DECISION
    wanted: dict[str, set[tuple[object, ...]]] = {e: {k[: len(names)] for k in keys} for e, keys in withdrawn.items()}
    role = [table.removeprefix("decisions.")] * batch.num_rows
    keys = zip(*(rows.get(name, role) for name in names), strict=True)
    return np.array([key in wanted.get(e, ()) for e, key in zip(rows.get("episode", ()), keys, strict=True)], bool)


def _blank(column: pa.Array, hit: Array) -> pa.Array:
    """The column with nulls where something is hit."""
    kept: Collection[int | None] = [None if gone else place for place, gone in enumerate(hit.tolist())]
    return column.take(pa.array(kept, pa.int64()))


def _named(column: pa.Array, hit: Array) -> pa.Array:
    """The column of faults that says why."""
    texts = column.dictionary.to_pylist()
    texts = texts if REDACTED in texts else [*texts, REDACTED]
    codes = np.where(hit, np.int32(texts.index(REDACTED)), codes_of(column)).astype(np.int32)
    return coded(codes, texts)
