"""What an earlier process sealed, checked before a run goes on: episodes that are not whole any more are made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import pyarrow as pa

from simworld.errors import RunError
from simworld.recording._sealed import sealed_source
from simworld.recording._sealing import block_span, episodes_of, part_path, split, table_dir, table_files

_ASIDE = "damaged"
_ALWAYS = ("measures", "agents", "asks", "faults", "telemetry", "chain")
_RETURN = "return."


def mend(run: Path, episodes: Sequence[str], done: int) -> dict[str, str]:
    """See that every finished episode has all its tables; one that has not is not finished any more.

    What files say of themselves is read, not their rows. Those that cannot be used, and whatever else there is of their
    episodes, go to ``damaged/``: these episodes can be run again, and nothing is thrown away.

    Args:
        run: The run directory; its lock is held.
        episodes: Its episodes in canonical order.
        done: So many of them were finished.

    Returns:
        What was wrong, by path in the run directory.

    Raises:
        RunError: A file cannot be read or moved.
    """
    try:
        return _Mending(run, episodes).all(done)
    except OSError as error:
        raise RunError(f"{error.filename or run}: {error.strerror or error}, so the run cannot go on") from error


class _Mending:
    """The work on one run."""

    def __init__(self, run: Path, episodes: Sequence[str]) -> None:
        self._run, self._episodes = run, episodes
        self._numbers = {episode: number for number, episode in enumerate(episodes)}
        own = {folder.name: folder for folder in sorted((run / "tables").glob("*/"))}
        # The rows in `episodes` go first: what has none is not finished, whatever else there is of it.
        first = {"episodes": table_dir(run, "episodes")}
        self._folders = {**first, **own, "chain": table_dir(run, "chain")}
        self._wrong: dict[str, str] = {}

    def all(self, done: int) -> dict[str, str]:
        """Check all, and take out what is not whole."""
        lost: set[str] = set()
        for table, folder in self._folders.items():
            for path in sorted(folder.glob("*.arrow")):
                if why := self._fault(path, table):
                    self._wrong[self._name(path)] = why
                    self._put_aside(path)
                    lost.update(self._named(path) if table == "episodes" else ())
            self._loosen(folder, len(self._episodes))
        held = {
            table: {episode for path in table_files(folder) for episode in episodes_of(path)}
            for table, folder in self._folders.items()
        }
        finished = held["episodes"]
        if len(finished) < done:
            self._tell("episodes", f"has {len(finished)} of {done} episodes that were finished")
        lost -= finished  # another file has them
        for table, lacking in self._lacking(held).items():
            self._tell(table, f"lacks {len(lacking)} of {len(finished)} finished episodes, {lacking[0]} first")
            lost.update(lacking)
        # Parts are made of finished episodes: one that is not was lost since.
        for folder in self._folders.values():
            lost.update(e for path in folder.glob("part-*.arrow") for e in episodes_of(path) if e not in finished)
        if lost:
            for folder in self._folders.values():
                self._take_out(folder, lost)
        return self._wrong

    def _fault(self, path: Path, table: str) -> str:
        """What is wrong with a sealed file; nothing, mostly. Raises OSError if that cannot be seen."""
        with path.open("rb"):
            pass  # a file that we may not read is no damaged one
        try:
            source = sealed_source(path)
        except RunError:
            return "is damaged"
        if (source.schema.metadata or {}).get(b"simworld.table") != table.encode():
            return "is of another table"
        stranger = next((episode for episode in source.episodes if episode not in self._numbers), None)
        if stranger is not None:
            return f"holds {stranger}, which is no episode of this run"
        if not path.name.startswith("part-") and source.episodes != self._named(path):
            return f"holds {', '.join(source.episodes[:3])}, which its name does not say"
        return ""

    def _named(self, path: Path) -> tuple[str, ...]:
        """The episodes that a file holds by its name; of a part nothing is known."""
        if path.name.startswith("part-"):
            return ()
        span = block_span(path)
        return (path.stem,) if span is None else tuple(self._episodes[span[0] : span[0] + span[1]])

    def _lacking(self, held: Mapping[str, Set[str]]) -> dict[str, list[str]]:
        """Finished episodes by the tables that they must have and have not."""
        found: dict[str, list[str]] = {}
        for path in table_files(self._folders["episodes"]):
            roles = [n.removeprefix(_RETURN) for n in sealed_source(path).schema.names if n.startswith(_RETURN)]
            for table in (*_ALWAYS, *(f"decisions.{role}" for role in roles)):
                missing = [episode for episode in episodes_of(path) if episode not in held.get(table, ())]
                if missing:
                    found.setdefault(table, []).extend(missing)
        return found

    def _loosen(self, folder: Path, until: int) -> None:
        """Make parts files of their episodes again, but for those at the front that are in order, below a number."""
        last, front = -1, True
        for number, path in enumerate(sorted(folder.glob("part-*.arrow"))):
            own = [self._numbers[episode] for episode in episodes_of(path)]
            front = front and path == part_path(folder, number) and last < own[0] and own[-1] < until
            last = own[-1]
            if not front:
                self._split(path)

    def _take_out(self, folder: Path, lost: Set[str]) -> None:
        """Put all aside that a table has of these episodes; parts end before the first of them."""
        self._loosen(folder, min(self._numbers[episode] for episode in lost))
        for path in sorted(folder.glob("*.arrow")):
            own = set(episodes_of(path))
            if own <= lost:
                self._put_aside(path)
            elif own & lost:
                for single in self._split(path):
                    if single.stem in lost:
                        self._put_aside(single)

    def _split(self, path: Path) -> list[Path]:
        try:
            return split(path)
        except (pa.ArrowException, KeyError) as error:
            raise RunError(f"{path}: damaged ({error}); another run of the scenario: --new") from error

    def _put_aside(self, path: Path) -> None:
        place = self._run / _ASIDE / path.relative_to(self._run)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)

    def _tell(self, table: str, what: str) -> None:
        self._wrong[self._name(self._folders.get(table, table_dir(self._run, table)))] = what

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._run))
