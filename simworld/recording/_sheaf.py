"""Short episodes that are sealed together: nine files for sixteen of them, and not nine each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from simworld.recording._sealed import Source, seal
from simworld.recording._sealing import alike, block_path, table_dir

BLOCKS = (64, 16, 4)
"""Episodes of a block; it begins at a multiple of its size."""
_ROWS = 100_000
"""Larger blocks are not worth it: an episode of so many rows takes longer than sealing it."""


class Sheaf:
    """The tables of finished episodes, in memory until ``write``; which is lost if the process dies before.

    Args:
        run: The run directory.
        numbers: Places of the episodes in the run's canonical order, by id.
    """

    def __init__(self, run: Path, numbers: Mapping[str, int]) -> None:
        self._run, self._numbers = run, numbers
        self._tables: dict[int, Mapping[str, Source]] = {}

    def add(self, episode: str, tables: Mapping[str, Source]) -> None:
        """Take an episode whose tables are complete."""
        self._tables[self._numbers[episode]] = tables

    def __len__(self) -> int:
        return len(self._tables)

    def write(self) -> None:
        """Seal all, in as few files as their places allow; the row in ``episodes`` of each after its other tables.

        Raises:
            RunError: The disk does not take it.
        """
        for start, count in self._blocks():
            together = [self._tables[number] for number in range(start, start + count)]
            for name in sorted(together[0], key=lambda name: name == "episodes"):
                sources, folder = [tables[name] for tables in together], table_dir(self._run, name)
                path = folder / f"{sources[0].episodes[0]}.arrow" if count == 1 else block_path(folder, start, count)
                seal(path, sources)
        self._tables.clear()

    def _blocks(self) -> Iterator[tuple[int, int]]:
        waiting = sorted(self._tables)
        while waiting:
            start = waiting[0]
            count = next((size for size in BLOCKS if start % size == 0 and self._fits(start, size)), 1)
            yield start, count
            waiting = [number for number in waiting if number >= start + count]

    def _fits(self, start: int, size: int) -> bool:
        """Whether these are all here, of the same tables and small."""
        found: Sequence[Mapping[str, Source]] = [
            self._tables[number] for number in range(start, start + size) if number in self._tables
        ]
        return (
            len(found) == size
            and all(tables.keys() == found[0].keys() for tables in found)
            and all(sum(t[name].rows for t in found) <= _ROWS and alike([t[name] for t in found]) for name in found[0])
        )
