"""Opening a run: its tables, also while it goes on or after it was killed."""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from types import ModuleType

    import pandas as pd
    import pyarrow as pa

    from simworld_analysis._files import TableFile
    from simworld_analysis.plots import Plots
SCHEMA_VERSION = "1"
_MANIFEST = "run.json"
_TRIES = 20
STAND_IN = "stand-in/"
"""How names of models begin that are none."""


_KINDS: dict[str, type] = {
    **dict.fromkeys(("status", "scenario", "digest", "started", "reason", "description", "simworld"), str),
    **dict.fromkeys(("done", "episodes", "faults"), int),
    **dict.fromkeys(("seeds", "claims", "measures", "watch", "overrides"), list),
    **dict.fromkeys(("models", "spent", "prompts", "sources", "environment", "late_claims", "tables"), dict),
}
"""What ``run.json`` holds, as far as somebody reads it."""
_NEEDED = ("status", "scenario")


class OpenError(ValueError):
    """What was to be opened is not a run, is damaged, or has no such table."""


def open_run(path: str | Path) -> Run:
    """Open a run directory.

    Raises:
        OpenError: It is not a run directory, or was written by another version of the layout.
    """
    return Run(Path(path))


def _alike(path: Path) -> str:
    """A run that may be meant: the one whose name contains what was given, or is close to it."""
    if any(letter in path.name for letter in "*?["):
        return "; for patterns there is open_runs"
    try:
        names = [p.name for p in path.parent.iterdir() if (p / _MANIFEST).is_file()]
    except OSError:
        return ""
    near = [name for name in names if path.name and path.name in name] or difflib.get_close_matches(path.name, names, 1)
    return f"; did you mean {path.parent / near[-1]}?" if near else ""


_OF_EPISODES = frozenset({"episodes", "measures", "agents", "asks", "faults"})
"""Tables of runs, which trainings do not have."""


class Run:
    """A run directory, opened for reading. Every call reads what is there now: a run may still be going on.

    Rows come from sealed parts, sealed episodes, and the complete batches of the streams of episodes that are
    running or were killed; no episode is read twice. Units and meanings are in the schemas.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        manifest = path / _MANIFEST
        try:
            there = manifest.is_file()
        except OSError as error:
            raise OpenError(f"{path}: {error.strerror or error}") from error
        if not there:
            why = f"it has no {_MANIFEST}" if path.is_dir() else "there is no such folder"
            raise OpenError(f"{path} is not a run directory: {why}{_alike(path)}")
        _ = self.manifest  # what cannot be read is said at once

    @property
    def manifest(self) -> dict[str, Any]:
        """What ``run.json`` says now."""
        path = self.path / _MANIFEST
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OpenError(f"{path}: not readable ({error})") from error
        if not isinstance(data, dict):
            raise OpenError(f"{path}: not a manifest")
        found = data.get("schema_version")
        if found != SCHEMA_VERSION:
            raise OpenError(f"{path}: schema version {found!r}; accepted: {SCHEMA_VERSION!r}")
        for key, kind in _KINDS.items():
            if not isinstance(data.get(key, kind()), kind) or (key in _NEEDED and key not in data):
                raise OpenError(f"{path}: {key}: found {data.get(key)!r}; accepted: {kind.__name__}")
        if not all(isinstance(v, list) for v in data.get("models", {}).values()):
            raise OpenError(f"{path}: models: accepted: lists")
        if not all(isinstance(v, int | float) for v in data.get("spent", {}).values()):
            raise OpenError(f"{path}: spent: accepted: numbers")
        return data

    @property
    def status(self) -> str:
        """The manifest's status; ``interrupted`` where it says ``running`` but nobody works on it any more."""
        status = str(self.manifest.get("status"))
        return "interrupted" if status == "running" and not _is_locked(self.path) else status

    @property
    def stand_ins(self) -> tuple[str, ...]:
        """Models that its minds ask and that are no language models."""
        models = [model for models in self.manifest.get("models", {}).values() for model in models]
        return tuple(dict.fromkeys(model for model in models if model.startswith(STAND_IN)))

    @property
    def tables(self) -> list[str]:
        """Names of the tables that are there, sorted; ``chain`` is the hash chain."""
        return sorted(self._folders())

    def has(self, name: str) -> bool:
        """Whether anything of a table is there."""
        folder = self._folders().get(name)
        return folder is not None and bool(_listing(folder))

    def schema(self, name: str) -> pa.Schema:
        """Columns of a table over all its files, with ``unit`` and ``meaning`` as field metadata."""
        found: pa.Schema = _reading().common([f.schema for f in self._files(name)])
        return found

    def batches(self, name: str, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """A table batch by batch, for what does not fit into memory; every batch has the same schema.

        Args:
            name: The table.
            columns: Which columns, in which order; all by default.

        Raises:
            OpenError: No such table or column, or a damaged file.
        """
        reading, files = _reading(), self._files(name)
        schema = reading.selected(reading.common([f.schema for f in files]), name, columns)
        try:
            yield from reading.batches(files, schema)
        except FileNotFoundError as error:
            raise OpenError(f"{error.filename}: merged into a part while it was read; read the table again") from error

    def arrow(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A table as pyarrow's, with one dictionary per column. Arguments and errors as in ``batches``."""
        reading = _reading()
        for _ in range(_TRIES):
            files = self._files(name)
            schema = reading.selected(reading.common([f.schema for f in files]), name, columns)
            try:
                return reading.table(files, schema)
            except FileNotFoundError:
                continue  # merged into a part while it was read
        raise OpenError(f"table {name!r} of {self.path} changes faster than it can be read")

    def table(self, name: str, columns: Sequence[str] | None = None, arms: bool = False) -> pd.DataFrame:
        """A table as a pandas frame.

        Args:
            name: The table.
            columns: Which columns, in which order; all by default.
            arms: Add what each row's episode is one of: its ``arm``, its ``seed``, and its parameters of the sweep.

        Raises:
            OpenError: As in ``batches``.
        """
        read = list(columns) if columns is not None else self.schema(name).names
        hidden = arms and "episode" not in read
        frame: pd.DataFrame = self.arrow(name, ["episode", *read] if hidden else read).to_pandas()
        if not arms:
            return frame
        known = self.schema("episodes").names
        wanted = ["arm", "seed", *(n for n in known if n.startswith("param."))]
        episodes = self.arrow("episodes", ["episode", *(n for n in wanted if n not in frame.columns)]).to_pandas()
        which = frame["episode"].astype("category").cat
        # By the number of the episode, as texts of two tables take long to match row by row.
        one_each = episodes.astype({"episode": str}).set_index("episode").reindex(which.categories.astype(str))
        added = one_each.iloc[which.codes].set_index(frame.index)
        return frame.assign(**added).drop(columns=["episode"] if hidden else [])

    def latest(self, name: str, episode: str, columns: Sequence[str], rows: int = 1) -> pa.Table | None:
        """The newest rows of one episode, in their order: its last complete batch. None if there is nothing yet.

        Cheap enough to be called again and again while the episode goes on.

        Args:
            name: The table.
            episode: Which episode.
            columns: Which columns, in which order.
            rows: At least so many, if there are: with the last batch, those before it.

        Raises:
            OpenError: No such table, or a damaged file.
        """
        return self._of_episode(name, episode, columns, rows)

    def rows_of(self, name: str, episode: str, columns: Sequence[str]) -> pa.Table | None:
        """All rows of one episode, without reading those of others. None, and errors, as in ``latest``."""
        return self._of_episode(name, episode, columns, None)

    @property
    def measures(self) -> list[str]:
        """Names of the measures that the world emitted."""
        return [n for n in self.schema("measures").names if n not in ("episode", "tick", "time")]

    @property
    def plot(self) -> Plots:
        """Figures: ``run.plot.measure("gini")``."""
        from simworld_analysis.plots import Plots  # noqa: PLC0415  drawing is imported when something is drawn

        return Plots(self)

    def units(self, name: str) -> dict[str, str]:
        """Units of a table's columns; empty texts where there are none."""
        return {f.name: (f.metadata or {}).get(b"unit", b"").decode() for f in self.schema(name)}

    def whole(self, measure: str) -> Literal["last", "mean"]:
        """How the samples of an emitted measure become an episode's number: a flow's mean, a stock's last one.

        Raises:
            OpenError: The world emits no such measure.
        """
        if measure not in self.measures:
            raise OpenError(f"table 'measures' has no column {measure!r}; it has {', '.join(self.measures)}")
        metadata = self.schema("measures").field(measure).metadata or {}
        return "mean" if metadata.get(b"flow") == b"yes" else "last"

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Rows and bytes on disk of every table that holds something readable."""
        found = {}
        for name, folder in sorted(self._folders().items()):
            if _listing(folder):
                rows = sum(batch.num_rows for batch in self.batches(name, columns=["episode"]))
                found[name] = (rows, sum(map(_size, folder.iterdir())))
        return found

    def seconds(self) -> float:
        """Wall time of all its episodes together, as far as they are over."""
        return float(sum(self.seconds_of().values()))

    def seconds_of(self) -> dict[str, float]:
        """Wall time of each of its episodes, as far as they are over."""
        if not self.has("telemetry"):
            return {}
        noted = self.arrow("telemetry", ["episode", "key", "value", "role"]).to_pydict()
        rows = zip(noted["episode"], noted["key"], noted["value"], noted["role"], strict=True)
        # Those of an episode have no role; those of an ask have.
        return {str(episode): float(value) for episode, key, value, role in rows if key == "seconds" and role is None}

    def codebook(self, name: str | None = None) -> pd.DataFrame:
        """All columns of all tables, or of one: table, column, type, unit, meaning.

        Of a table that nobody has written to yet, nothing is known.

        Raises:
            OpenError: There is no such table.
        """
        if name is not None:
            self.schema(name)
        import pandas as pd  # noqa: PLC0415  importing this package must stay cheap

        rows = []
        for table in self.tables if name is None else [name]:
            with contextlib.suppress(OpenError):
                for f in self.schema(table):
                    notes = ((f.metadata or {}).get(key, b"").decode() for key in (b"unit", b"meaning"))
                    rows.append((table, f.name, str(f.type), *notes))
        return pd.DataFrame(rows, columns=["table", "column", "type", "unit", "meaning"])

    def __repr__(self) -> str:
        manifest = self.manifest
        return (
            f"Run({str(self.path)!r}: {manifest.get('scenario')}, {self.status},"
            f" {manifest.get('done')}/{manifest.get('episodes')} episodes)"
        )

    # -- inside ----------------------------------------------------------------------------------------------------

    def _folders(self) -> dict[str, Path]:
        folders = {f.name: f for f in (self.path / "tables").glob("*/")}
        if (self.path / "tape" / "chain").is_dir():
            folders["chain"] = self.path / "tape" / "chain"
        return folders

    def _of_episode(self, name: str, episode: str, columns: Sequence[str], rows: int | None) -> pa.Table | None:
        folder = self._folders().get(name)
        if folder is None:
            raise OpenError(f"{self.path} has no table {name!r}")
        reading = _reading()
        own = (folder / f"{episode}.arrows", folder / f"{episode}.arrow")
        for path in (*own, *sorted(folder.glob("block-*.arrow")), *sorted(folder.glob("part-*.arrow"))):
            try:
                file = reading.TableFile(path)
                found = file.rows_of(episode, columns, rows) if episode in file.episodes else None
            except FileNotFoundError:
                continue
            except OpenError:
                if path.suffix == ".arrow":
                    raise
                continue  # a stream whose schema is not written yet
            if found is not None:
                table: pa.Table = found
                return table
        return None

    def _files(self, name: str) -> list[TableFile]:
        """The files that hold a table: parts, then blocks and episodes that no part holds."""
        folder = self._folders().get(name)
        if folder is None:
            near = difflib.get_close_matches(name, self.tables, 1)
            near = [table for table in self.tables if table == f"decisions.{name}"] or near
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(self.tables) or 'none'}"
            if {"training", "evaluation"} & set(self.tables) and name in _OF_EPISODES:
                hint = "it is a training, and has no episodes of its own: simworld show and report tell of it"
            raise OpenError(f"{self.path} has no table {name!r}; {hint}")
        for _ in range(_TRIES):
            before = _listing(folder)
            try:
                files: list[TableFile] = _reading().chosen(folder, before)
            except FileNotFoundError:
                # Episodes are merged into a part while we look: look again.
                continue
            if _listing(folder) == before:
                if not files:
                    raise OpenError(f"{folder} holds nothing readable yet: no episode has come that far")
                return files
        raise OpenError(f"{folder} changes faster than it can be read")


def _reading() -> ModuleType:
    """What needs pyarrow, imported when the first table is read."""
    from simworld_analysis import _files  # noqa: PLC0415

    return _files


def _size(path: Path) -> int:
    """Bytes; 0 if it is gone, as files are merged while a run goes on."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _listing(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.suffix in (".arrow", ".arrows"))


def _is_locked(run: Path) -> bool:
    try:
        with (run / "run.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
