"""An episode that another run has: its tables are taken over, byte for byte as if it had been recorded here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from simworld.errors import RunError
from simworld.recording._columns import codes_of, taken
from simworld.recording._encoding import Encoder
from simworld.recording._kept import remove
from simworld.recording._schema import EpisodeKey, EpisodeTables
from simworld.recording._sealed import Source, seal, sealed_source
from simworld.recording._sealing import table_dir


class Shelf:
    """Where the tables of a finished run hold which episode: looked up once, for many episodes."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._files: dict[str, dict[str, Path]] = {}

    def rows(self, table: str, episode: str) -> Source | None:
        """The rows of one episode in a table: of its own file, or of the part that holds it."""
        if table not in self._files:
            folder = table_dir(self.run, table)
            parts = {e: part for part in sorted(folder.glob("part-*.arrow")) for e in sealed_source(part).episodes}
            own = {path.stem: path for path in folder.glob("*.arrow") if not path.name.startswith("part-")}
            self._files[table] = own | parts
        path = self._files[table].get(episode)
        if path is None:
            return None
        source = sealed_source(path)
        return source if source.episodes == (episode,) else _with_texts(_only(source, episode))


def adopt(run: Path, other: Shelf, tables: EpisodeTables) -> bool:
    """Take an episode over from another run, its row in ``episodes`` last; False if its tables are declared otherwise.

    Args:
        run: The run that shall have it.
        other: The run that has it, finished.
        tables: What the episode's tables are here: arm and parameters may be called otherwise.

    Raises:
        RunError: A table is damaged, or cannot be written.
    """
    key, schemas = tables.key, tables.schemas()
    found = {name: source for name in schemas if (source := other.rows(name, key.episode)) is not None}
    if "episodes" not in found or any(
        not source.schema.equals(schemas[name], check_metadata=True)
        for name, source in found.items()
        if name != "episodes"
    ):
        return False
    try:
        for name, source in found.items():
            folder = table_dir(run, name)
            folder.mkdir(parents=True, exist_ok=True)
            remove(folder, key.episode)
            if name != "episodes":
                seal(folder / f"{key.episode}.arrow", [source])
        tape = Path("tape") / f"{key.episode}.tape"
        if (other.run / tape).exists():
            shutil.copyfile(other.run / tape, run / tape)
        batch = _relabelled(found["episodes"], schemas["episodes"], key)
        last = Source(batch.schema, (key.episode,), 1, lambda: iter([batch]), dict)
        seal(table_dir(run, "episodes") / f"{key.episode}.arrow", [_with_texts(last)])
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"cannot take {key.episode} over from {other.run}: {error}") from error
    return True


def _only(source: Source, episode: str) -> Source:
    def read() -> Iterator[pa.RecordBatch]:
        for batch in source.batches():
            column = batch.column("episode")
            code = column.dictionary.to_pylist().index(episode)
            places = np.flatnonzero(codes_of(column) == code)
            if len(places):
                yield pa.RecordBatch.from_arrays([taken(c, places) for c in batch.columns], schema=batch.schema)

    rows = sum(batch.num_rows for batch in read())
    return Source(source.schema, (episode,), rows, read, dict)


def _with_texts(source: Source) -> Source:
    """The source with the texts that occur in its rows."""
    names = [f.name for f in source.schema if pa.types.is_dictionary(f.type)]
    found: dict[str, dict[str, None]] = {name: {} for name in names}
    for batch in source.batches():
        for name in names:
            column = batch.column(name)
            known = column.dictionary.to_pylist()
            found[name] |= dict.fromkeys(known[code] for code in np.unique(codes_of(column)) if code >= 0)
    texts = {name: list(own) for name, own in found.items()} if source.rows else {}
    return Source(source.schema, source.episodes, source.rows, source.batches, lambda: texts)


def _relabelled(source: Source, schema: pa.Schema, key: EpisodeKey) -> pa.RecordBatch:
    """The row in ``episodes`` as this run calls its arm and its parameters."""
    known = next(batch for batch in source.batches()).to_pylist()[0]
    own = {"arm": key.arm, "cell": key.cell} | {f"param.{name}": value for name, value in key.parameters.items()}
    row = []
    for field in list(schema)[1:]:
        value = own.get(field.name, known.get(field.name))
        row.append(str(value) if pa.types.is_string(field.type) and value is not None else value)
    return Encoder(schema, key.episode, 1.0).rows([tuple(row)])
