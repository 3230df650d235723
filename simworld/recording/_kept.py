"""What a recorder needs to go on in another process, and the streams that it goes on from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from simworld.errors import RunError, SnapshotError

SEALED = (".arrow", ".arrow.tmp")
LEFTOVERS = (".arrows", ".arrows.old", *SEALED)
"""Endings of what an attempt at an episode leaves in the folder of a table."""
_PIECE = 2**20


@dataclass(frozen=True, slots=True)
class Prefix:
    """What a stream held at a moment; what lies behind it came later, and may be torn."""

    batches: int = 0
    length: int = 0
    """Bytes."""
    digest: str = ""
    """SHA-256 of these bytes, hexadecimal."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A recorder between two moments: plain data."""

    streams: Mapping[str, Prefix]
    """What each stream holds, by table: it goes on from these bytes and no others."""
    encoders: Mapping[str, object]
    """Vocabularies, by table."""
    ledgers: Mapping[str, Mapping[str, object]]
    """Rows that are still open, by role."""
    own: Mapping[str, object]


class Growing:
    """A stream that grows, and the digest of what it holds: every byte is read once, soon after it was written."""

    def __init__(self, path: Path) -> None:
        self._path, self._length, self._digest = path, 0, hashlib.sha256()

    def prefix(self, batches: int) -> Prefix:
        """What it holds now, with so many batches; from then on it survives a power cut. Raises OSError."""
        if not batches:
            return Prefix()  # not even its head need be on disk
        with self._path.open("rb") as file:
            file.seek(self._length)
            while piece := file.read(_PIECE):
                self._digest.update(piece)
                self._length += len(piece)
            os.fsync(file.fileno())
        return Prefix(batches, self._length, self._digest.hexdigest())


def set_aside(streams: Mapping[str, Path], kept: Kept) -> Mapping[str, Path]:
    """Give the streams of an earlier attempt another name, from which they are copied as far as they are known.

    Raises:
        SnapshotError: A stream does not hold what it held when the recorder was kept; then nothing is changed.
        RunError: They cannot be renamed.
    """
    found = {}
    for name, path in streams.items():
        prefix = kept.streams.get(name)
        if prefix is None:
            raise SnapshotError(f"{path}: not a stream of this snapshot")
        if prefix.batches:
            found[name] = _holding(path, prefix)
    try:
        for name, path in found.items():
            if path == streams[name]:
                found[name] = path.rename(_aside(path))
    except OSError as error:
        raise RunError(f"cannot record: {error}") from error
    return found


def _holding(path: Path, prefix: Prefix) -> Path:
    """The stream, or what was set aside of it, that begins with these bytes."""
    for file in (_aside(path), path):  # after a crash while it was copied the whole one has the other name
        if _digest(file, prefix.length) == prefix.digest:
            return file
    raise SnapshotError(f"{path}: not the stream of this snapshot (it is missing, or holds something else)")


def _aside(path: Path) -> Path:
    return path.with_name(path.name + ".old")


def _digest(path: Path, length: int) -> str:
    """Of the first bytes of a file; empty if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while length and (piece := file.read(min(length, _PIECE))):
                digest.update(piece)
                length -= len(piece)
    except OSError:
        return ""
    return digest.hexdigest()


def first_batches(path: Path, count: int) -> Iterator[pa.RecordBatch]:
    """The first batches of a stream, which may be torn behind them."""
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
        for _ in range(count):
            yield reader.read_next_batch()


def remove(folder: Path, episode: str, endings: Iterable[str] = LEFTOVERS) -> None:
    """Remove what an attempt at an episode left in the folder of a table. Raises OSError."""
    for ending in endings:
        (folder / f"{episode}{ending}").unlink(missing_ok=True)
