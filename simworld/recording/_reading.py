"""Reading a run back: which episodes are finished, how they went, and their hash chains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from simworld.errors import RunError
from simworld.recording._run import Manifest
from simworld.recording._sealed import sealed_source
from simworld.recording._sealing import file_digest, table_dir, table_files

Link: TypeAlias = tuple[int, int, bytes]
"""(tick, priority, link) of one moment."""


@dataclass(frozen=True, slots=True)
class EpisodeRow:
    """How one finished episode went, from the table ``episodes``."""

    episode: str
    status: str
    moments: int
    decisions: int
    faults: int
    error: str | None


def read_episodes(run: Path) -> list[EpisodeRow]:
    """All finished episodes of a run, in no particular order.

    Raises:
        RunError: A sealed table is damaged.
    """
    names = ["episode", "status", "moments", "decisions", "faults", "error"]
    try:
        return [
            EpisodeRow(*(row[name] for name in names))
            for batch in _batches(run, "episodes")
            for row in batch.select(names).to_pylist()
        ]
    except (pa.ArrowException, KeyError) as error:
        raise RunError(f"{table_dir(run, 'episodes')}: damaged ({error})") from error


def read_links(run: Path) -> Mapping[str, Sequence[Link]]:
    """The hash chains of a run's finished episodes, by episode.

    Raises:
        RunError: A sealed table is damaged.
    """
    found: dict[str, list[Link]] = {row.episode: [] for row in read_episodes(run)}
    for batch in _batches(run, "chain"):
        columns = [batch.column(name).to_pylist() for name in ("episode", "tick", "priority", "link")]
        for episode, tick, priority, link in zip(*columns, strict=True):
            if episode in found:
                found[episode].append((tick, priority, link))
    return found


def damaged_files(run: Path, manifest: Manifest) -> dict[str, str]:
    """What is wrong with a run's sealed files, by their paths: missing, changed, or not the run's own.

    Nothing can be said of a run whose manifest has no digests: it did not come to its end.
    """
    if not manifest.tables:
        return {}
    known = {name: digest for table in manifest.tables.values() for name, digest in table.files.items()}
    found = {}
    for name, digest in known.items():
        if not (run / name).is_file():
            found[name] = "is missing"
        elif file_digest(run / name) != digest:
            found[name] = "its digest is not the one in run.json"
    for path in [*run.glob("tables/*/*.arrow*"), *run.glob("tape/chain/*.arrow*")]:
        if path.suffix == ".tmp":
            continue  # a file that somebody died over: no table, and nobody reads it
        if path.suffix in {".arrows", ".old"} and manifest.done < manifest.episodes:
            continue  # of an episode that is not finished: nothing is claimed of it
        if str(path.relative_to(run)) not in known:
            found[str(path.relative_to(run))] = "is none of those in run.json"
    return found


def _batches(run: Path, table: str) -> Iterator[pa.RecordBatch]:
    for path in table_files(table_dir(run, table)):
        try:
            yield from sealed_source(path).batches()
        except (pa.ArrowException, KeyError, OSError) as error:
            raise RunError(f"{path}: damaged ({error})") from error
