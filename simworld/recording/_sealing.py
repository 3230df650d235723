"""Where the files of a run are, and how those of many episodes become few."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from simworld.errors import RunError
from simworld.recording._sealed import Source, seal, sealed_source

_PART_EPISODES = 64
_PART_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class TableFiles:
    """What a run's manifest says about one table."""

    rows: int
    files: Mapping[str, str]
    """SHA-256 of every sealed file, hexadecimal, by its path in the run directory."""


def table_dir(run: Path, table: str) -> Path:
    """Where the files of a table are; the hash chain lies with the tape."""
    return run / "tape" / "chain" if table == "chain" else run / "tables" / table


def compact(run: Path, episodes: Sequence[str], final: bool = True) -> None:
    """Merge sealed episodes into parts, in the canonical order given.

    A part of a table closes when it holds 64 episodes or a million rows, or where the schema changes: by content,
    never by time. So it may be called again and again while a run goes on (``final=False``: only full parts are
    written, up to the first episode that is not finished), and at its end.

    Raises:
        RunError: An episode is missing (at the end), or the parts hold other episodes than those given.
    """
    folders = sorted((run / "tables").iterdir()) if (run / "tables").is_dir() else []
    # Tables of an episode without its row in `episodes` are a broken attempt at it, and will be written again.
    finished = finished_episodes(run)
    ready = list(itertools.takewhile(finished.__contains__, episodes))
    if final and len(ready) < len(episodes):
        raise RunError(f"{run}: episode {episodes[len(ready)]!r} is not finished, so the run cannot be completed")
    for folder in [*folders, table_dir(run, "chain")]:
        if folder.is_dir():
            _compact_table(folder, episodes, ready, final)


def finished_episodes(run: Path) -> set[str]:
    """Episodes that are complete: their row in ``episodes`` is sealed, which is done last."""
    folder = table_dir(run, "episodes")
    sealed = {p.stem for p in folder.glob("*.arrow") if not p.name.startswith("part-")}
    return sealed | set(covered(folder))


def covered(folder: Path) -> list[str]:
    """Episodes that are in the parts of a table, in their order."""
    found: list[str] = []
    for part in sorted(folder.glob("part-*.arrow")):
        found += _episodes_of(part, part.stat().st_mtime_ns)
    return found


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


@functools.lru_cache(maxsize=4096)
def _episodes_of(part: Path, changed: int) -> tuple[str, ...]:  # noqa: ARG001  a part that was changed is another one
    """Parts never change, and every new episode looks at all of them."""
    return sealed_source(part).episodes


def _compact_table(folder: Path, episodes: Sequence[str], ready: Sequence[str], final: bool) -> None:
    parts = len(list(folder.glob("part-*.arrow")))
    done = covered(folder)
    if done != list(episodes[: len(done)]):
        raise RunError(f"{folder}: its parts hold other episodes than this run, or in another order")
    for episode in done:
        # A crash between the part and this left it behind.
        (folder / f"{episode}.arrow").unlink(missing_ok=True)
    group: list[Source] = []
    for episode in ready[len(done) :]:
        source = sealed_source(folder / f"{episode}.arrow")
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


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
