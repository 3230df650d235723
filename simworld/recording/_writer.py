"""A thread that turns rows into Arrow streams while the simulation goes on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from simworld.errors import RunError
from simworld.kernel import Array
from simworld.recording._columns import numbers, texts_of
from simworld.recording._sealed import SealedFile, Source, seal

_PENDING = 2
"""Batches that may wait for the disk before the simulation waits for them."""
_COMPRESSION = None
"""Of the streams. With lz4 they take a third of the room, but writing and sealing cost about a quarter more."""


@dataclass(slots=True)
class Stream:
    """One table of one episode while it is written."""

    path: Path
    schema: pa.Schema
    rows: int = 0
    batches: int = 0
    """Batches that are written."""
    ordered: bool = True
    """Whether all rows so far are in canonical order."""
    last: tuple[int, int, int] | None = None
    """Place in that order of the last row."""
    texts: dict[str, list[str]] = field(default_factory=dict)
    """Vocabularies of the dictionary columns: they grow, so that the last batch knows all of them."""
    ahead: SealedFile | None = None
    """The sealed file, written along as long as the rows come in its order and with the texts it began with."""

    @property
    def sealed(self) -> Path:
        """The sealed file that it becomes."""
        return self.path.with_suffix(".arrow")

    @property
    def sortable(self) -> bool:
        """Whether its canonical order is by (tick, agent, decision); other tables keep the order of events."""
        return bool(self.schema.metadata[b"simworld.table"].startswith(b"decisions."))

    def add(self, batch: pa.RecordBatch) -> None:
        """Take note of a batch that follows those before."""
        if self.sortable and self.ordered and batch.num_rows:
            tick, agent, decision = (numbers(batch.column(name)) for name in ("tick", "agent", "decision"))
            first = (int(tick[0]), int(agent[0]), int(decision[0]))
            self.ordered = (self.last is None or self.last <= first) and in_order(tick, agent, decision)
            self.last = (int(tick[-1]), int(agent[-1]), int(decision[-1]))
        self.rows += batch.num_rows
        self.texts = texts_of(batch)

    def seal_along(self, batch: pa.RecordBatch) -> None:
        """Write the batch that was just added into the sealed file, too, if that can be."""
        if self.rows == batch.num_rows and self.sortable and self.ordered:
            self.ahead = SealedFile(self.sealed, self.schema, self.texts["episode"], self.texts)
        if self.ahead is not None:
            if self.ordered and self.texts == self.ahead.texts:
                self.ahead.add(batch)
            else:
                self.give_up()

    def give_up(self) -> None:
        """Drop the sealed file that was written along: it will be made from the stream."""
        if self.ahead is not None:
            self.ahead.drop()
            self.ahead = None

    def seal(self, episode: str, batches: Sequence[pa.RecordBatch] | None = None) -> None:
        """Seal what was written, or these batches of a table that never reached the disk.

        Raises:
            RunError: The disk does not take it.
        """
        try:
            if self.ahead is not None:
                self.ahead.close()
            else:
                seal(self.sealed, [self.source(episode, batches)])
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"cannot seal {self.sealed}: {error}") from error

    def source(self, episode: str, batches: Sequence[pa.RecordBatch] | None = None) -> Source:
        """What was written, or these batches, as what a sealed file is made from."""
        read = self._read if batches is None else lambda: iter(batches)
        texts = self.texts
        return Source(self.schema, (episode,), self.rows, read, lambda: texts, self.ordered)

    def _read(self) -> Iterator[pa.RecordBatch]:
        with pa.memory_map(str(self.path)) as file, pa.ipc.open_stream(file) as reader:
            yield from reader


class Writer:
    """Writes batches to the streams of one episode, in a thread of its own with a bounded queue.

    An exception in the thread is raised in the thread that hands over or closes next; what is handed over after it
    is dropped. Used from one thread.
    """

    def __init__(self, streams: Mapping[str, Stream]) -> None:
        self.streams = streams
        self._queue: queue.Queue[tuple[Stream, Callable[[], pa.RecordBatch]] | threading.Event | None] = queue.Queue(
            _PENDING
        )
        self._error: BaseException | None = None
        self._open: dict[Path, tuple[pa.NativeFile, pa.RecordBatchWriter]] = {}
        # A daemon: a recorder that nobody closes must not keep the process alive.
        self._thread = threading.Thread(target=self._work, name="simworld-writer", daemon=True)
        self._thread.start()

    def put(self, table: str, make: Callable[[], pa.RecordBatch]) -> None:
        """Hand over a batch; it is made in the writer's thread, from arrays that belong to it alone.

        Raises:
            RunError: An earlier batch could not be written (the disk is full, for example).
        """
        self._check()
        self._queue.put((self.streams[table], make))

    def settle(self) -> None:
        """Wait until all that was handed over is in the files.

        Raises:
            RunError: A batch could not be written.
        """
        done = threading.Event()
        self._queue.put(done)
        done.wait()
        self._check()

    def close(self) -> None:
        """Write what is still waiting, and end the streams.

        Raises:
            RunError: A batch could not be written.
        """
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        self._check()

    def _check(self) -> None:
        if isinstance(self._error, OSError):
            raise RunError(f"cannot record: {self._error}") from self._error
        if self._error is not None:
            self._error.add_note("in the thread that writes an episode's tables")
            raise self._error

    def _work(self) -> None:
        try:
            # All of them at once: a table that has no rows yet can be opened, too.
            for stream in self.streams.values():
                self._start(stream)
        except BaseException as error:  # noqa: BLE001  raised again in the simulation's thread
            self._error = error
        while (job := self._queue.get()) is not None:
            if isinstance(job, threading.Event):
                job.set()
                continue
            # After an error the queue is still emptied, so that nobody waits at a full one.
            if self._error is None:
                try:
                    stream, make = job
                    batch = make()
                    self._open[stream.path][1].write_batch(batch)
                    stream.batches += 1
                    stream.add(batch)
                    stream.seal_along(batch)
                except BaseException as error:  # noqa: BLE001  the same
                    self._error = error
        for file, writer in self._open.values():
            try:
                writer.close()
                file.close()
            except BaseException as error:  # noqa: BLE001  the same
                self._error = self._error or error

    def _start(self, stream: Stream) -> None:
        # One thread: the others belong to the simulation. Growing dictionaries are sent by their new ends.
        options = pa.ipc.IpcWriteOptions(compression=_COMPRESSION, use_threads=False, emit_dictionary_deltas=True)
        file = pa.OSFile(str(stream.path), "wb")
        self._open[stream.path] = (file, pa.ipc.new_stream(file, stream.schema, options=options))


def in_order(tick: Array, agent: Array, decision: Array) -> bool:
    """Whether rows are sorted by (tick, agent, decision)."""
    later, same = tick[1:] > tick[:-1], tick[1:] == tick[:-1]
    if (later | (same & (agent[1:] > agent[:-1]))).all():
        return True
    twin = same & (agent[1:] == agent[:-1]) & (decision[1:] >= decision[:-1])
    return bool(np.all(later | (same & (agent[1:] > agent[:-1])) | twin))
