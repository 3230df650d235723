"""From streams to sealed files: canonical rows in canonical batches, and few large files for many episodes.

The bytes of a sealed file depend on its rows alone: not on when they were flushed, nor on who merged them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from simworld.errors import RunError
from simworld.recording._columns import Vocabulary, coded, codes_of, taken, texts_of
from simworld.recording._writer import Stream

_BATCH_ROWS = 65_536
_BATCH_BYTES = 16 * 2**20
_PART_EPISODES = 64
_PART_ROWS = 1_000_000
_CODEC = "zstd"


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of one or more episodes: of a stream, of a sealed file, or in memory."""

    schema: pa.Schema
    episodes: tuple[str, ...]
    rows: int
    batches: Callable[[], Iterator[pa.RecordBatch]]
    """Opens it anew and reads it batch by batch."""
    texts: Callable[[], Mapping[str, Sequence[str]]]
    """The texts that occur, by dictionary column."""
    ordered: bool = True
    """Whether the rows are in canonical order: by (tick, agent, decision), or as they happened."""


@dataclass(frozen=True, slots=True)
class TableFiles:
    """What a run's manifest says about one table."""

    rows: int
    files: Mapping[str, str]
    """SHA-256 of every sealed file, hexadecimal, by its path in the run directory."""


def table_dir(run: Path, table: str) -> Path:
    """Where the files of a table are; the hash chain lies with the tape."""
    return run / "tape" / "chain" if table == "chain" else run / "tables" / table


def stream_source(stream: Stream, episode: str) -> Source:
    """A stream that was written to its end."""

    def read() -> Iterator[pa.RecordBatch]:
        with pa.memory_map(str(stream.path)) as file, pa.ipc.open_stream(file) as reader:
            yield from reader

    return Source(stream.schema, (episode,), stream.rows, read, lambda: stream.texts, stream.ordered)


def memory_source(stream: Stream, episode: str, batches: Sequence[pa.RecordBatch]) -> Source:
    """Rows that never reached the disk; the stream has taken note of them."""
    return Source(stream.schema, (episode,), stream.rows, lambda: iter(batches), lambda: stream.texts, stream.ordered)


def sealed_source(path: Path) -> Source:
    """A sealed file.

    Raises:
        RunError: It is damaged, or none of ours.
    """
    try:
        with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            notes, schema = reader.metadata or {}, reader.schema
        episodes, rows = notes[b"simworld.episodes"].decode(), int(notes[b"simworld.rows"])
    except (pa.ArrowInvalid, OSError, KeyError) as error:
        raise RunError(f"{path}: not a sealed table, or damaged ({error})") from error

    def read() -> Iterator[pa.RecordBatch]:
        with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            for i in range(reader.num_record_batches):
                yield reader.get_batch(i)

    def texts() -> Mapping[str, Sequence[str]]:
        return texts_of(next(read())) if rows else {}

    return Source(schema, tuple(episodes.split("\n")), rows, read, texts)


def seal(path: Path, sources: Sequence[Source]) -> None:
    """Write the rows of all sources into one sealed file, by a temporary name.

    Raises:
        RunError: The disk does not take it.
    """
    schema = sources[0].schema
    episodes = [e for s in sources for e in s.episodes]
    texts = _texts(schema, episodes, sources)
    notes = {"simworld.episodes": "\n".join(episodes), "simworld.rows": str(sum(s.rows for s in sources))}
    waiting = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            pa.OSFile(str(waiting), "wb") as file,
            pa.ipc.new_file(file, schema, options=pa.ipc.IpcWriteOptions(compression=_CODEC), metadata=notes) as out,
        ):
            for batch in _canonical(_unified(sources, schema, texts), batch_rows(schema)):
                out.write_batch(batch)
        waiting.replace(path)
    except OSError as error:
        raise RunError(f"cannot seal {path}: {error}") from error


def compact(run: Path, episodes: Sequence[str], final: bool = True) -> None:
    """Merge sealed episodes into parts, in the canonical order given.

    A part of a table closes when it holds 64 episodes or a million rows, or where the schema changes: by content,
    never by time. So it may be called again and again while a run goes on (``final=False``: only full parts are
    written, up to the first episode that is not finished), and at its end.

    Raises:
        RunError: An episode is missing (at the end), or the parts hold other episodes than those given.
    """
    folders = sorted((run / "tables").iterdir()) if (run / "tables").is_dir() else []
    for folder in [*folders, table_dir(run, "chain")]:
        if folder.is_dir():
            _compact_table(folder, episodes, final)


def covered(folder: Path) -> list[str]:
    """Episodes that are in the parts of a table, in their order."""
    return [e for part in sorted(folder.glob("part-*.arrow")) for e in sealed_source(part).episodes]


def inventory(run: Path) -> dict[str, TableFiles]:
    """Rows and digests of all sealed tables, for the manifest."""
    found = {}
    for folder in [*sorted((run / "tables").glob("*/")), table_dir(run, "chain")]:
        files = sorted(folder.glob("*.arrow"))
        table = "chain" if folder.parent.name == "tape" else folder.name
        if files:
            digests = {str(f.relative_to(run)): file_digest(f) for f in files}
            found[table] = TableFiles(sum(sealed_source(f).rows for f in files), digests)
    return found


# -- inside --------------------------------------------------------------------------------------------------------


def _compact_table(folder: Path, episodes: Sequence[str], final: bool) -> None:
    for scrap in folder.glob("*.arrow.tmp"):
        scrap.unlink()
    parts = len(list(folder.glob("part-*.arrow")))
    done = covered(folder)
    if done != list(episodes[: len(done)]):
        raise RunError(f"{folder}: its parts hold other episodes than this run, or in another order")
    for episode in done:
        # A crash between the part and this left it behind.
        (folder / f"{episode}.arrow").unlink(missing_ok=True)
    group: list[Source] = []
    for episode in episodes[len(done) :]:
        path = folder / f"{episode}.arrow"
        if not path.exists():
            if final:
                raise RunError(f"{path}: missing, so the table cannot be completed")
            return
        source = sealed_source(path)
        if group and not source.schema.equals(group[0].schema, check_metadata=True):
            parts = _close_part(folder, parts, group)
        group.append(source)
        if len(group) >= _PART_EPISODES or sum(s.rows for s in group) >= _PART_ROWS:
            parts = _close_part(folder, parts, group)
    if group and final:
        _close_part(folder, parts, group)


def _close_part(folder: Path, number: int, group: list[Source]) -> int:
    part = folder / f"part-{number:05d}.arrow"
    if len(group) == 1:
        # A part with one episode has the bytes of that episode's file.
        (folder / f"{group[0].episodes[0]}.arrow").rename(part)
    else:
        seal(part, group)
        for source in group:
            (folder / f"{source.episodes[0]}.arrow").unlink()
    group.clear()
    return number + 1


def _texts(schema: pa.Schema, episodes: Sequence[str], sources: Sequence[Source]) -> dict[str, Vocabulary]:
    """The vocabulary of every dictionary column: the file's episodes in their order, all others sorted."""
    found: dict[str, set[str]] = {f.name: set() for f in schema if pa.types.is_dictionary(f.type)}
    for source in sources:
        for name, texts in source.texts().items():
            found[name].update(texts)
    return {name: Vocabulary(episodes if name == "episode" else sorted(texts)) for name, texts in found.items()}


def _unified(sources: Sequence[Source], schema: pa.Schema, texts: Mapping[str, Vocabulary]) -> Iterator[pa.RecordBatch]:
    """All rows in canonical order, with one vocabulary per dictionary column."""
    for source in sources:
        for batch in source.batches() if source.ordered else _sorted(source):
            columns = batch.columns
            for i, field in enumerate(schema):
                if field.name in texts:
                    vocabulary = texts[field.name]
                    known = columns[i].dictionary.to_pylist()
                    if known == vocabulary.values():
                        continue
                    # The place after the last is that of -1: null.
                    codes = [*map(vocabulary.code, known), -1]
                    columns[i] = coded(np.array(codes, np.int32)[codes_of(columns[i])], vocabulary.values())
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _sorted(source: Source) -> Iterator[pa.RecordBatch]:
    """The rows of a source by (tick, agent, decision); it is read whole."""
    table = pa.Table.from_batches(list(source.batches()), source.schema).unify_dictionaries().combine_chunks()
    keys = [table[name].to_numpy() for name in ("decision", "agent", "tick")]
    order, size = np.lexsort(keys), batch_rows(source.schema)
    columns = [c.chunk(0) for c in table.columns] if len(order) else []
    for start in range(0, len(order), size):
        here = [taken(c, order[start : start + size]) for c in columns]
        yield pa.RecordBatch.from_arrays(here, schema=source.schema)


def _canonical(batches: Iterator[pa.RecordBatch], size: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of a fixed size; the last one may be smaller."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        rest = batch
        while count + rest.num_rows >= size:
            here = size - count
            yield _joined([*waiting, rest.slice(0, here)])
            rest, waiting, count = rest.slice(here), [], 0
        if rest.num_rows:
            waiting.append(rest)
            count += rest.num_rows
    if waiting:
        yield _joined(waiting)


def _joined(pieces: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    return pieces[0] if len(pieces) == 1 else pa.concat_batches(pieces)


def batch_rows(schema: pa.Schema) -> int:
    """Rows of a canonical batch: fixed by the schema, fewer where rows are wide, whole bytes of bits."""
    return max(64, min(_BATCH_ROWS, _BATCH_BYTES // _row_bytes(schema)) // 64 * 64)


def _row_bytes(schema: pa.Schema) -> int:
    """About how much room a row takes."""
    return sum(_width(f.type) for f in schema)


def _width(kind: pa.DataType) -> int:
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size) * _width(kind.value_type)
    return 32 if pa.types.is_string(kind) else 8


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
