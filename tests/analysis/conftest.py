"""Runs written by hand: Arrow files and ``run.json`` are all that the analysis knows of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from simworld_analysis import Run, open_run

Rows = Mapping[str, Sequence[Any]]
HandRun = Callable[..., Run]


def write_run(path: Path, tables: Mapping[str, Rows], **manifest: Any) -> Run:
    """A finished run with these tables; every episode that they speak of is a successful one of its own seed."""
    names = list(dict.fromkeys(str(e) for rows in tables.values() for e in rows.get("episode", ())))
    given = dict(tables)
    episodes = {"episode": names, "arm": [""] * len(names), "seed": list(range(len(names)))}
    episodes |= {"status": ["success"] * len(names)} | dict(given.pop("episodes", {}))
    for name, rows in {"episodes": episodes, **given}.items():
        frame = pd.DataFrame(dict(rows))
        folder = path / "tables" / name
        folder.mkdir(parents=True)
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata({})
        with pa.ipc.new_file(
            folder / "part-000000.arrow",
            table.schema,
            metadata={"simworld.episodes": "\n".join(names)},
        ) as writer:
            writer.write_table(table)
    said = {"status": "success", "scenario": "hand", "schema_version": "1", "episodes": len(names), "done": len(names)}
    (path / "run.json").write_text(json.dumps(said | manifest))
    return open_run(path)


@pytest.fixture
def hand(tmp_path: Path) -> HandRun:
    """``hand(table=rows, ..., manifest={...})``: a run with these tables; ``decisions`` is that of role ``player``."""
    count = iter(range(1000))

    def write(manifest: Mapping[str, Any] | None = None, **tables: Rows) -> Run:
        named = {name.replace("decisions_", "decisions."): rows for name, rows in tables.items()}
        return write_run(tmp_path / f"run{next(count)}", named, **(manifest or {}))

    return write


@pytest.fixture
def decided() -> Callable[..., dict[str, Any]]:
    """Rows of decisions: ``decided(agents, ticks, act_hours=...)``; ``act_hours`` stands for ``act.hours``."""

    def rows(
        agent: Sequence[int], tick: Sequence[int], episode: str = "e0", **columns: Sequence[Any]
    ) -> dict[str, Any]:
        n, made = len(agent), [agent[:place].count(a) for place, a in enumerate(list(agent))]
        keys = {"episode": [episode] * n, "tick": tick, "agent": agent, "decision": made, "end": [None] * n}
        return keys | {name.replace("_", ".", 1): values for name, values in columns.items()}

    return rows


@pytest.fixture
def joined() -> Callable[..., dict[str, Any]]:
    """Rows of several episodes as those of one table."""

    def rows(*parts: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        return {name: [value for part in parts for value in part[name]] for name in parts[0]}

    return rows
