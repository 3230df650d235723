"""Sealed files: canonical rows in canonical batches. Their bytes depend on the rows alone, not on when they came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from simworld.errors import RunError
from simworld.recording._columns import Vocabulary, coded, codes_of, numbers, taken, texts_of

_BATCH_ROWS = 65_536
_BATCH_BYTES = 16 * 2**20
_SMALL_BYTES = 2**18
_CODEC = "zstd"
_EPISODES = "simworld.episodes"


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


def sealed_source(path: Path) -> Source:
    """A sealed file.

    Raises:
        RunError: It is damaged, or none of ours.
    """
    try:
        with _opened(path) as reader:
            notes, schema, rows = reader.metadata or {}, reader.schema, reader.count_rows()
        episodes = notes[_EPISODES.encode()].decode()
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise RunError(f"{path}: not a sealed table, or damaged ({error})") from error

    def read() -> Iterator[pa.RecordBatch]:
        with _opened(path) as reader:
            for i in range(reader.num_record_batches):
                yield reader.get_batch(i)

    def texts() -> Mapping[str, Sequence[str]]:
        if not rows:
            return {}
        # Only the columns that have some: the others would be decompressed for nothing.
        places = [i for i, field in enumerate(schema) if pa.types.is_dictionary(field.type)]
        with _opened(path, places) as reader:
            return texts_of(reader.get_batch(0))

    return Source(schema, tuple(episodes.split("\n")), rows, read, texts)


@contextmanager
def _opened(path: Path, columns: Sequence[int] | None = None) -> Iterator[pa.ipc.RecordBatchFileReader]:
    """A sealed file, and which of its columns are read; all by default."""
    small = path.stat().st_size <= _SMALL_BYTES
    # A small file is read at once and by one thread: to map it, and to hand it to others, takes longer than to read it.
    options = pa.ipc.IpcReadOptions(included_fields=columns, use_threads=not small and pa.cpu_count() > 1)
    source = pa.BufferReader(path.read_bytes()) if small else pa.memory_map(str(path))
    with source, pa.ipc.open_file(source, options=options) as reader:
        yield reader


class SealedFile:
    """A sealed file that is being written, under a temporary name until it is complete.

    Rows are added in canonical order, in batches of any size; the file's batches have a size that the schema fixes.
    Its vocabularies are known beforehand: the file's episodes in their order, all other texts sorted.
    """

    def __init__(
        self, path: Path, schema: pa.Schema, episodes: Sequence[str], texts: Mapping[str, Sequence[str]]
    ) -> None:
        self._path, self._schema, self._size = path, schema, batch_rows(schema)
        self.texts = {name: list(episodes) if name == "episode" else sorted(t) for name, t in texts.items()}
        self._pieces: list[pa.RecordBatch] = []
        self._count = 0
        self._unfinished = path.with_name(path.name + ".tmp")
        self._file = pa.OSFile(str(self._unfinished), "wb")
        # Handing work to a pool of one thread takes longer than doing it.
        options = pa.ipc.IpcWriteOptions(compression=_CODEC, use_threads=pa.cpu_count() > 1)
        self._out = pa.ipc.new_file(self._file, schema, options=options, metadata={_EPISODES: "\n".join(episodes)})

    def add(self, batch: pa.RecordBatch) -> None:
        """Append rows."""
        rest = self._unified(batch)
        while self._count + rest.num_rows >= self._size:
            here = self._size - self._count
            head = [rest.slice(0, here)]
            if not self._pieces and here < rest.num_rows:
                # Arrow writes the head of a batch with a bitmap that is too long; what is joined anew has its own.
                head = [rest.slice(0, 1), rest.slice(1, here - 1)]
            self._write([*self._pieces, *head])
            rest = rest.slice(here)
        if rest.num_rows:
            self._pieces.append(rest)
            self._count += rest.num_rows

    def close(self) -> None:
        """Complete the file and give it its name."""
        if self._pieces:
            self._write(self._pieces)
        self._out.close()
        self._file.close()
        self._unfinished.replace(self._path)

    def drop(self) -> None:
        """Give it up."""
        self._file.close()
        self._unfinished.unlink(missing_ok=True)

    def _write(self, pieces: Sequence[pa.RecordBatch]) -> None:
        self._out.write_batch(pieces[0] if len(pieces) == 1 else pa.concat_batches(pieces))
        self._pieces, self._count = [], 0

    def _unified(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The same rows with the file's vocabularies."""
        columns = batch.columns
        for i, field in enumerate(self._schema):
            texts = self.texts.get(field.name)
            if texts is None:
                continue
            known = columns[i].dictionary.to_pylist()
            if known != texts:
                vocabulary = Vocabulary(texts)
                # The place after the last is that of -1: null.
                codes = [*map(vocabulary.code, known), -1]
                columns[i] = coded(np.array(codes, np.int32)[codes_of(columns[i])], texts)
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)


def seal(path: Path, sources: Sequence[Source]) -> None:
    """Write the rows of all sources into one sealed file.

    Raises:
        RunError: The disk does not take it.
    """
    schema = sources[0].schema
    texts: dict[str, set[str]] = {f.name: set() for f in schema if pa.types.is_dictionary(f.type)}
    for source in sources:
        for name, found in source.texts().items():
            texts[name].update(found)
    try:
        file = SealedFile(
            path, schema, [e for s in sources for e in s.episodes], {n: list(t) for n, t in texts.items()}
        )
        try:
            for source in sources:
                for batch in source.batches() if source.ordered else _sorted(source):
                    file.add(batch)
        except BaseException:
            file.drop()
            raise
        file.close()
    except OSError as error:
        raise RunError(f"cannot seal {path}: {error}") from error


class Merged:
    """A sealed file of many episodes, to take out one after the other: in their order, every batch is read once."""

    def __init__(self, path: Path) -> None:
        self.path, self._source = path, sealed_source(path)
        self._spans: dict[str, list[tuple[int, int, int]]] = {episode: [] for episode in self._source.episodes}
        """Where the rows of an episode are: (batch, first, one after the last). They lie together."""
        self._number, self._batch = -1, None
        place = self._source.schema.get_field_index("episode")
        with _opened(path, [place]) as reader:
            for number in range(reader.num_record_batches):
                column = reader.get_batch(number).column(0)
                names, codes = column.dictionary.to_pylist(), codes_of(column)
                cuts = (np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist()
                for start, stop in pairwise([0, *cuts, len(codes)]):
                    self._spans[names[codes[start]]].append((number, start, stop))

    def only(self, episode: str) -> Source:
        """The rows of one of its episodes, in memory: those of large ones are files by themselves."""
        found = []
        for number, start, stop in self._spans[episode]:
            places, batch = np.arange(start, stop), self._read(number)
            found.append(pa.RecordBatch.from_arrays([taken(c, places) for c in batch.columns], schema=batch.schema))
        rows = sum(batch.num_rows for batch in found)
        return with_texts(Source(self._source.schema, (episode,), rows, lambda: iter(found), dict))

    def _read(self, number: int) -> pa.RecordBatch:
        if number != self._number:
            with _opened(self.path) as reader:
                self._number, self._batch = number, reader.get_batch(number)
        return self._batch


def with_texts(source: Source) -> Source:
    """The source with the texts that a recorder of its rows would know."""
    names = [f.name for f in source.schema if pa.types.is_dictionary(f.type)]
    found: dict[str, dict[str, None]] = {name: {} for name in names}
    for batch in source.batches():
        for name in names:
            column = batch.column(name)
            known = column.dictionary.to_pylist()
            # Recorders give `end` all texts that it may have, in every batch.
            codes = range(len(known)) if name == "end" else np.unique(codes_of(column))
            found[name] |= dict.fromkeys(known[code] for code in codes if code >= 0)
    texts = {name: list(own) for name, own in found.items()} if source.rows else {}
    return Source(source.schema, source.episodes, source.rows, source.batches, lambda: texts)


def batch_rows(schema: pa.Schema) -> int:
    """Rows of a canonical batch: fixed by the schema, fewer where rows are wide, whole bytes of bits."""
    width = sum(_width(f.type) for f in schema)
    return max(64, min(_BATCH_ROWS, _BATCH_BYTES // width) // 64 * 64)


def _width(kind: pa.DataType) -> int:
    """About how many bytes an entry takes."""
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size) * _width(kind.value_type)
    return 32 if pa.types.is_string(kind) else 8


def _sorted(source: Source) -> Iterator[pa.RecordBatch]:
    """The rows of a source by (tick, agent, decision); it is read whole."""
    table = pa.Table.from_batches(list(source.batches()), source.schema).unify_dictionaries().combine_chunks()
    if not table.num_rows:
        return
    keys = [numbers(table[name].chunk(0)) for name in ("decision", "agent", "tick")]
    order, size = np.lexsort(keys), batch_rows(source.schema)
    columns = [c.chunk(0) for c in table.columns]
    for start in range(0, len(order), size):
        here = [taken(c, order[start : start + size]) for c in columns]
        yield pa.RecordBatch.from_arrays(here, schema=source.schema)
