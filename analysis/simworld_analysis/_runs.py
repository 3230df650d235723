"""Many runs at once: those that a pattern finds, as one table with where each row comes from."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from simworld_analysis._open import OpenError, Run

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from simworld_analysis._dataset import Dataset


def open_runs(runs: str | Path | Iterable[str | Path]) -> Runs:
    """Open all runs that a pattern such as ``runs/*tax*`` finds, or those of a list.

    What a pattern finds and is no run directory is passed over, and named in ``skipped``; all that a list names must be
    run directories.

    Raises:
        OpenError: Nothing was found, or a directory of a list is not a run.
    """
    if not isinstance(runs, str | Path):
        return Runs([Run(Path(path)) for path in runs])
    opened, skipped = [], {}
    for path in sorted(Path(found) for found in glob.glob(str(runs))):
        try:
            if path.is_dir():
                opened.append(Run(path))
        except OpenError as error:
            skipped[path.name] = str(error)
    if not opened:
        raise OpenError(f"no run directory matches {str(runs)!r}" + "".join(f"; {why}" for why in skipped.values()))
    return Runs(opened, skipped)


class Runs:
    """Runs beside each other, in the order of their names (or of the list)."""

    def __init__(self, runs: Sequence[Run], skipped: Mapping[str, str] | None = None) -> None:
        self._runs = list(runs)
        self.skipped = dict(skipped or {})
        """Directories that a pattern found and that are no runs: why not, by name."""

    def __len__(self) -> int:
        return len(self._runs)

    def __getitem__(self, place: int) -> Run:
        return self._runs[place]

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def dataset(self, name: str, columns: Sequence[str] | None = None) -> Dataset:
        """One table of all of them, read lazily. Arguments and errors as of ``Dataset``."""
        from simworld_analysis._dataset import Dataset  # noqa: PLC0415  what needs pyarrow

        return Dataset(self._runs, name, columns)

    def table(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """One table of all of them as a pandas frame, with ``run``, ``arm``, ``seed`` and ``param.*`` before it."""
        return self.dataset(name, columns).pandas()

    def arrow(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """The same as a pyarrow table."""
        return self.dataset(name, columns).arrow()

    def overview(self) -> pd.DataFrame:
        """A row for each run: name, scenario, status, started, episodes done and planned, cost, faults, digest."""
        import pandas as pd  # noqa: PLC0415

        return pd.DataFrame([summary_row(run) for run in self._runs])

    def __repr__(self) -> str:
        names = [run.path.name for run in self._runs[:3]] + ["..."] * (len(self._runs) > 3)
        return f"Runs({len(self._runs)}: {', '.join(names)})"


def summary_row(run: Run) -> dict[str, object]:
    """What an index says of a run, from its ``run.json`` alone."""
    manifest = run.manifest
    spent = manifest.get("spent", {})
    models = [model for models in manifest.get("models", {}).values() for model in models]
    return {
        "run": run.path.name,
        "scenario": str(manifest.get("scenario", "")),
        "changed": ", ".join(map(str, manifest.get("overrides", ()))),
        "status": run.status,
        "started": str(manifest.get("started", "")),
        "done": int(manifest.get("done", 0)),
        "episodes": int(manifest.get("episodes", 0)),
        "minutes": float(spent.get("minutes", 0.0)),
        "asks": int(spent.get("asks", 0)),
        "tokens": int(spent.get("tokens", 0)),
        "usd": float(spent.get("usd", 0.0)),
        "faults": int(manifest.get("faults", 0)),
        "claims": len(manifest.get("claims", ())),
        "models": ", ".join(dict.fromkeys(models)),
        "digest": str(manifest.get("digest", "")),
    }
