"""An episode that another run has: its tables are taken over, byte for byte as if it had been recorded here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa

from simworld.errors import RunError
from simworld.recording._encoding import Encoder
from simworld.recording._kept import remove
from simworld.recording._schema import EpisodeKey, EpisodeTables
from simworld.recording._sealed import Merged, Source, sealed_source, with_texts
from simworld.recording._sealing import episodes_of, table_dir, table_files
from simworld.recording._sheaf import Sheaf


class Shelf:
    """Where the tables of a finished run hold which episode: looked up once, for many episodes."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._files: dict[str, dict[str, Path]] = {}
        self._open: dict[str, Merged] = {}
        """By table, the merged file that an episode was taken from last: the next one is mostly there, too."""

    def rows(self, table: str, episode: str) -> Source | None:
        """The rows of one episode in a table: of its own file, or of the part that holds it."""
        if table not in self._files:
            files = table_files(table_dir(self.run, table))
            self._files[table] = {episode: path for path in files for episode in episodes_of(path)}
        path = self._files[table].get(episode)
        if path is None:
            return None
        if len(episodes_of(path)) == 1:
            return sealed_source(path)
        if table not in self._open or self._open[table].path != path:
            self._open[table] = Merged(path)
        return self._open[table].only(episode)


def adopt(run: Path, other: Shelf, tables: EpisodeTables, sheaf: Sheaf) -> bool:
    """Take an episode over from another run into a sheaf of this one.

    Returns False if its tables are declared otherwise there, or are not all there.

    Args:
        run: The run that shall have it.
        other: The run that has it, finished.
        tables: What the episode's tables are here: arm and parameters may be called otherwise.
        sheaf: Takes its tables, to be sealed with those of others.

    Raises:
        RunError: A table is damaged, or cannot be written.
    """
    key, schemas = tables.key, tables.schemas()
    found = {name: source for name in schemas if (source := other.rows(name, key.episode)) is not None}
    if found.keys() != schemas.keys() or any(
        source.episodes != (key.episode,)
        or (name != "episodes" and not source.schema.equals(schemas[name], check_metadata=True))
        for name, source in found.items()
    ):
        return False
    try:
        for name in found:
            folder = table_dir(run, name)
            folder.parent.mkdir(exist_ok=True)
            folder.mkdir(exist_ok=True)
            remove(folder, key.episode)
        tape = Path("tape") / f"{key.episode}.tape"
        if (other.run / tape).exists():
            shutil.copyfile(other.run / tape, run / tape)
        batch = _relabelled(found["episodes"], schemas["episodes"], key)
        last = Source(batch.schema, (key.episode,), 1, lambda: iter([batch]), dict)
        sheaf.add(key.episode, {**found, "episodes": with_texts(last)})
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"cannot take {key.episode} over from {other.run}: {error}") from error
    return True


def _relabelled(source: Source, schema: pa.Schema, key: EpisodeKey) -> pa.RecordBatch:
    """The row in ``episodes`` as this run calls its arm and its parameters."""
    known = next(batch for batch in source.batches()).to_pylist()[0]
    own = {"arm": key.arm, "cell": key.cell} | {f"param.{name}": value for name, value in key.parameters.items()}
    row = []
    for field in list(schema)[1:]:
        value = own.get(field.name, known.get(field.name))
        row.append(str(value) if pa.types.is_string(field.type) and value is not None else value)
    return Encoder(schema, key.episode, 1.0).rows([tuple(row)])
