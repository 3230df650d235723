"""Fork a run: its episodes again from a tick on, with something changed, beside what they were."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from simworld.errors import RunError
from simworld.execution._sources import import_folder, source_files
from simworld.kernel import Json
from simworld.recording import read_manifest
from simworld.scenario import Scenario, load

_FORKED = "-fork"
_BASE = "base"
"""The only arm of a scenario that has none."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a fork changes, and when."""

    at: int
    """The tick; everything before it stays as it was."""
    values: Mapping[str, Json] = field(default_factory=dict)
    """By dotted key."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Other kinds of mind by role, or by role and place as in ``player.1``; their parameters are those of the kind."""
    without: Mapping[str, str | Sequence[int]] = field(default_factory=dict)
    """Who leaves, by role: members, or ``all``."""


@contextmanager
def forked(run: Path, change: Change, arms: Sequence[str] = ()) -> Iterator[Scenario]:
    """The scenario of a run with a second arm beside each, in which something is changed.

    The first ones are the run's own episodes: whoever executes the scenario with ``reuse`` takes them over.

    Args:
        run: A run directory.
        change: What is changed.
        arms: Which arms are forked; all by default.

    Raises:
        RunError: Not a run directory, or it has no such arm.
        ScenarioError: The change cannot be made.
    """
    manifest = read_manifest(run)
    try:
        data: dict[str, Any] = yaml.safe_load((run / "resolved.yaml").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise RunError(f"{run / 'resolved.yaml'}: not readable ({error})") from error
    known = data.get("arms") or {_BASE: {}}
    unknown = [arm for arm in arms if arm not in known]
    if unknown:
        raise RunError(f"{run}: no arm {unknown[0]!r}; it has {', '.join(known)}")
    values = {**_minds(change.kinds, data, run), **change.values}
    intervention = {"at": change.at, "set": values, "without": dict(change.without)}
    data["arms"] = {
        name: values
        for arm, own in known.items()
        if not arms or arm in arms
        for name, values in (
            (arm, own),
            (f"{arm}{_FORKED}", {**own, "interventions": [*data.get("interventions", []), intervention]}),
        )
    }
    data |= {"name": f"{manifest.scenario[:70]}-fork", "claims": []}
    with tempfile.TemporaryDirectory(prefix="simworld-") as folder:
        for name, content in source_files(run).items():
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / name).write_bytes(content)
        path = Path(folder) / "fork.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
        yield load(path, import_from=import_folder(run, manifest) if not manifest.sources else None)


def _minds(kinds: Mapping[str, str], data: Mapping[str, Any], run: Path) -> dict[str, Json]:
    """Whole blocks for other kinds, with as many seats as there are."""
    found: dict[str, Json] = {}
    for target, kind in kinds.items():
        role, _, place = target.partition(".")
        groups = data["roles"].get(role)
        if groups is None:
            raise RunError(f"{run}: no role {role!r} to replace a mind in; it has {', '.join(data['roles'])}")
        groups = groups if isinstance(groups, list) else [groups]
        if len(groups) > 1 and not place:
            raise RunError(
                f"{run}: role {role!r} has {len(groups)} minds; accepted: {role}.0 to {role}.{len(groups) - 1}"
            )
        number = int(place or 0) if (place or "0").isdecimal() else len(groups)
        if number >= len(groups):
            raise RunError(f"{run}: role {role!r} has no place {place!r}; accepted: 0 to {len(groups) - 1}")
        block: Json = {"kind": kind, "count": groups[number].get("count", 1)}
        found[f"roles.{role}.{number}" if len(groups) > 1 else f"roles.{role}"] = block
    return found
