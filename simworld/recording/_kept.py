"""What a recorder needs to go on in another process, and the streams that it goes on from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from simworld.errors import RunError

SEALED = (".arrow", ".arrow.tmp")
LEFTOVERS = (".arrows", ".arrows.old", *SEALED)
"""Endings of what an attempt at an episode leaves in the folder of a table."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A recorder between two moments: plain data."""

    batches: Mapping[str, int]
    """Complete batches in each stream, by table."""
    encoders: Mapping[str, object]
    """Vocabularies, by table."""
    ledgers: Mapping[str, Mapping[str, object]]
    """Rows that are still open, by role."""
    own: Mapping[str, object]


def set_aside(streams: Mapping[str, Path], kept: Kept) -> Mapping[str, Path]:
    """Give the streams of an earlier attempt another name, from which they are copied as far as they are known.

    Raises:
        RunError: A stream does not hold what it held when the recorder was kept; then nothing is changed.
    """
    found = {}
    # One that had no batch yet has nothing to copy: not even its head need be on disk.
    for name, path in ((name, path) for name, path in streams.items() if kept.batches[name]):
        # A crash while they were copied left some under the other name: those are the whole ones.
        old = path.with_name(path.name + ".old")
        found[name] = old if old.exists() else path
        try:
            for _ in first_batches(found[name], kept.batches[name]):
                pass
        except (OSError, KeyError, EOFError, pa.ArrowException) as error:
            raise RunError(f"{found[name]}: not the stream of this snapshot ({type(error).__name__})") from error
    for name, path in found.items():
        if path == streams[name]:
            found[name] = path.rename(path.with_name(path.name + ".old"))
    return found


def first_batches(path: Path, count: int) -> Iterator[pa.RecordBatch]:
    """The first batches of a stream, which may be torn behind them."""
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
        for number in range(count):
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                raise EOFError(f"{number} of {count} batches") from None
            yield batch


def remove(folder: Path, episode: str, endings: Iterable[str] = LEFTOVERS) -> None:
    """Remove what an attempt at an episode left in the folder of a table. Raises OSError."""
    for ending in endings:
        (folder / f"{episode}{ending}").unlink(missing_ok=True)
