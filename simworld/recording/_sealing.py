"""Where the files of a run are, and how those of many episodes become few."""

from __future__ import annotations

import functools
import hashlib
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from simworld.errors import RunError
from simworld.recording._sealed import Merged, Source, seal, sealed_source

_PART_EPISODES = 1024
_PART_ROWS = 1_000_000
_LARGE_ROWS = 250_000
"""An episode of so many rows is a part by itself: merging large files costs more than it saves."""
_BLOCK_EPISODES = 64
_MANY_FILES = 256
"""A table of fewer files is left as it is until the end: blocks are merged twice."""
_BLOCK_BYTES = 4 * 2**20
"""Larger blocks are not worth merging before the end: their files are few, and would be written twice."""
_TRIES = 100
_T = TypeVar("_T")
_BLOCK = re.compile(r"block-(\d+)-(\d+)")


@dataclass(frozen=True, slots=True)
class TableFiles:
    """What a run's manifest says about one table."""

    rows: int
    files: Mapping[str, str]
    """SHA-256 of every sealed file, hexadecimal, by its path in the run directory."""


def table_dir(run: Path, table: str) -> Path:
    """Where the files of a table are; the hash chain lies with the tape."""
    return run / "tape" / "chain" if table == "chain" else run / "tables" / table


def block_path(folder: Path, start: int, count: int) -> Path:
    """The file of a table that holds so many episodes in canonical order, from the number ``start`` on."""
    return folder / f"block-{start:07d}-{count}.arrow"


def block_span(path: Path) -> tuple[int, int] | None:
    """The number of the first episode in a block, and how many it holds; None for a file that is no block."""
    found = _BLOCK.fullmatch(path.stem)
    return None if found is None else (int(found[1]), int(found[2]))


def part_path(folder: Path, number: int) -> Path:
    """The file of a table that is its part with this number."""
    return folder / f"part-{number:05d}.arrow"


def compact(run: Path, episodes: Sequence[str], final: bool = True) -> None:
    """Merge sealed episodes into few files, in the canonical order given.

    All become parts: one closes when it holds 1,024 episodes or a million rows, or where the schema changes; an episode
    of 250,000 rows has its own. That depends on content alone, so parts are the same whenever and by whom they were
    made. While a run goes on (``final=False``), those parts are made that are full and that no unfinished episode comes
    before; where a table has many files, other finished episodes become blocks of 64. Meanwhile workers may seal more.

    Raises:
        RunError: An episode is missing (at the end), or the parts hold other episodes than those given.
    """
    folders = sorted((run / "tables").iterdir()) if (run / "tables").is_dir() else []
    # Tables of an episode without its row in `episodes` are a broken attempt at it, and will be written again.
    finished = finished_episodes(run)
    missing = next((episode for episode in episodes if episode not in finished), None)
    if final and missing is not None:
        raise RunError(f"{run}: episode {missing!r} is not finished, so the run cannot be completed")
    numbers = {episode: number for number, episode in enumerate(episodes)}
    counts = Counter(numbers[episode] // _BLOCK_EPISODES for episode in finished if episode in numbers)
    full = {block for block, count in counts.items() if count == _BLOCK_EPISODES}
    front = next((number for number, episode in enumerate(episodes) if episode not in finished), len(episodes))
    for folder in [*folders, table_dir(run, "chain")]:
        if not folder.is_dir():
            continue
        if final:
            _drop_merged(folder)
            _close_parts(folder, numbers, len(episodes), last=True)
        else:
            _close_parts(folder, numbers, front, last=False)
            _merge_blocks(folder, numbers, full)


def finished_episodes(run: Path) -> set[str]:
    """Episodes that are complete: their row in ``episodes`` is sealed, which is done last."""
    folder = table_dir(run, "episodes")
    return _unmoved(lambda: {episode for path in table_files(folder) for episode in episodes_of(path)})


def is_finished(run: Path, episode: str) -> bool:
    """Whether an episode is complete; quicker than to look for all of them."""
    folder = table_dir(run, "episodes")
    return (folder / f"{episode}.arrow").exists() or _unmoved(
        lambda: any(
            episode in _known(path, path.stat().st_mtime_ns)
            for merged in ("block-*.arrow", "part-*.arrow")
            for path in folder.glob(merged)
        )
    )


def table_files(folder: Path) -> list[Path]:
    """The sealed files that hold a table, no episode twice: what a crash left behind after merging is passed over."""
    singles: list[Path] = []
    blocks: list[Path] = []
    parts: list[Path] = []
    for path in sorted(folder.glob("*.arrow")):
        own = parts if path.name.startswith("part-") else blocks if _BLOCK.fullmatch(path.stem) else singles
        own.append(path)
    held = {episode for part in parts for episode in episodes_of(part)}
    found = list(parts)
    # What is merged holds all that each of its sources holds: the first episode of a file tells where it belongs.
    for path in [*sorted(blocks, key=lambda path: -len(episodes_of(path))), *singles]:
        if episodes_of(path)[0] not in held:
            held.update(episodes_of(path))
            found.append(path)
    return found


def episodes_of(path: Path) -> Sequence[str]:
    """The episodes that a sealed file holds. Raises RunError if it is damaged."""
    if not path.name.startswith(("part-", "block-")):
        return (path.stem,)
    return tuple(_known(path, path.stat().st_mtime_ns))


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


def split(path: Path) -> list[Path]:
    """Make a block, or a part, the files of its episodes again.

    Raises:
        RunError: It is damaged, or the disk does not take them.
    """
    episodes = episodes_of(path)
    paths = [path.with_name(f"{episode}.arrow") for episode in episodes]
    if len(episodes) == 1:
        return [path.rename(paths[0])]
    merged = Merged(path)
    for single, episode in zip(paths, episodes, strict=True):
        seal(single, [merged.only(episode)])
    path.unlink()
    return paths


def drop_unfinished(run: Path) -> None:
    """Remove sealed files that were never completed; for whoever holds the run's lock, while nobody writes for him.

    Raises:
        RunError: They cannot be removed.
    """
    try:
        for path in [*run.glob("tables/*/*.arrow.tmp"), *run.glob("tape/chain/*.arrow.tmp")]:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {run}: {error.strerror or error}") from error


# -- inside --------------------------------------------------------------------------------------------------------


def _unmoved(look: Callable[[], _T]) -> _T:
    """What is seen of a table whose files somebody else may merge meanwhile: then it is looked at again."""
    for _ in range(_TRIES):
        try:
            return look()
        except FileNotFoundError:
            continue
    return look()


@functools.lru_cache(maxsize=16_384)
def _known(path: Path, changed: int) -> Mapping[str, None]:  # noqa: ARG001  a file that was changed is another one
    """The episodes of a merged file: those never change, and every new episode looks at all of them."""
    try:
        return dict.fromkeys(sealed_source(path).episodes)
    except RunError:
        if path.exists():
            raise
        raise FileNotFoundError(path) from None


def _merge_blocks(folder: Path, numbers: Mapping[str, int], full: Set[int]) -> None:
    """Make blocks of 64 episodes of those that are full, where the files are small."""
    pieces: dict[int, list[Path]] = {}
    files = table_files(folder)
    for path in files if len(files) >= _MANY_FILES else ():
        first = numbers.get(episodes_of(path)[0], -1)
        if not path.name.startswith("part-") and first // _BLOCK_EPISODES in full:
            pieces.setdefault(first // _BLOCK_EPISODES, []).append(path)
    for block, paths in pieces.items():
        if len(paths) == 1 or sum(path.stat().st_size for path in paths) > _BLOCK_BYTES:
            continue
        sources = [sealed_source(path) for path in sorted(paths, key=lambda path: numbers[episodes_of(path)[0]])]
        # Some tables are not there for all arms of a scenario.
        whole = sum(len(source.episodes) for source in sources) == _BLOCK_EPISODES
        if whole and alike(sources) and all(source.rows < _LARGE_ROWS for source in sources):
            seal(block_path(folder, block * _BLOCK_EPISODES, _BLOCK_EPISODES), sources)
            for path in paths:
                path.unlink()


def alike(sources: Sequence[Source]) -> bool:
    """Whether rows of all these go into one file."""
    return all(source.schema.equals(sources[0].schema, check_metadata=True) for source in sources)


def _drop_merged(folder: Path) -> None:
    """Remove what a crash left behind between merging files and removing them; nobody seals any meanwhile."""
    for path in set(folder.glob("*.arrow")) - set(table_files(folder)):
        path.unlink()


def _close_parts(folder: Path, numbers: Mapping[str, int], until: int, last: bool) -> None:
    """Merge the episodes below a number into parts; the last part too, which might have room for more."""
    parts = sorted(folder.glob("part-*.arrow"))
    done = [numbers.get(episode, -1) for part in parts for episode in episodes_of(part)]
    if any(later <= earlier for earlier, later in pairwise([-1, *done])):
        raise RunError(f"{folder}: its parts hold other episodes than this run, or in another order")
    first = {numbers.get(episodes_of(path)[0], -1): path for path in table_files(folder) if path not in parts}
    waiting = deque(first[number] for number in sorted(first) if 0 <= number < until)
    group = _Group(folder, len(parts))
    while waiting:
        source = sealed_source(waiting[0])
        large = source.rows >= _LARGE_ROWS and len(source.episodes) == 1
        if large or (group.sources and not alike([group.sources[0], source])):
            group.close()
        if len(source.episodes) > 1 and not group.has_room(source):
            # A part ends somewhere within: where, its single episodes tell.
            waiting.extendleft(reversed(split(waiting.popleft())))
            continue
        group.add(waiting.popleft(), source)
        if large:
            group.close()
    if last:
        group.close()


class _Group:
    """Files that become a part."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder, self._number = folder, number
        self.sources: list[Source] = []
        self._paths: list[Path] = []

    def has_room(self, source: Source) -> bool:
        """Whether the part does not close before all of these are in it."""
        rows = sum(s.rows for s in self.sources) + source.rows
        return self._episodes() + len(source.episodes) <= _PART_EPISODES and rows < _PART_ROWS

    def add(self, path: Path, source: Source) -> None:
        """Take a file; the part is closed when it is full."""
        self.sources.append(source)
        self._paths.append(path)
        if self._episodes() >= _PART_EPISODES or sum(s.rows for s in self.sources) >= _PART_ROWS:
            self.close()

    def close(self) -> None:
        """Write the part, and remove what went into it."""
        if not self.sources:
            return
        part = part_path(self._folder, self._number)
        if len(self.sources) == 1:
            # A part of one file has its bytes.
            self._paths[0].rename(part)
        else:
            seal(part, self.sources)
            for path in self._paths:
                path.unlink()
        self.sources, self._paths = [], []
        self._number += 1

    def _episodes(self) -> int:
        return sum(len(source.episodes) for source in self.sources)


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
