"""Fork a run: its episodes again from a tick on, with something changed, beside what they were."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from simworld.errors import RunError, ScenarioError
from simworld.execution._plan import specs_of_run
from simworld.execution._sources import import_folder, source_files
from simworld.kernel import Json
from simworld.recording import Manifest, read_manifest
from simworld.scenario import Scenario, load

_FORKED = re.compile(r"-fork(\d*)$")
"""What the arms of a fork end in: each fork of a run of forks has a number of its own."""
_PLACE = re.compile(r"interventions\.\d+\.(at|set|without)\b[^:]*: (.*)$")
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
    with tempfile.TemporaryDirectory(prefix="simworld-") as folder:
        for name, content in source_files(run).items():
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / name).write_bytes(content)
        # The code as it was run, from its copy: an edit since then is no part of the change.
        import_from = folder if manifest.sources else import_folder(run, manifest)
        data = _changed(run, manifest, change, arms, import_from)
        path = Path(folder) / "fork.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
        try:
            scenario = load(path, import_from=import_from)
        except ScenarioError as error:
            raise ScenarioError(_as_options(error, change)) from error
        yield scenario


def _changed(run: Path, manifest: Manifest, change: Change, arms: Sequence[str], import_from: str) -> dict[str, Any]:
    """The run's scenario with the arms of a fork."""
    try:
        specs_of_run(run, manifest, import_from)
        data: dict[str, Any] = yaml.safe_load((run / "resolved.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RunError(f"{run / 'resolved.yaml'}: not readable ({' '.join(str(error).split())})") from error
    known = data.get("arms") or {_BASE: {}}
    unknown = [arm for arm in arms if arm not in known]
    if unknown:
        raise RunError(f"{run}: no arm {unknown[0]!r}; it has {', '.join(known)}")
    values = {**_minds(change.kinds, data, run), **change.values}
    suffix, planned = _suffix(known), data.get("interventions", [])
    intervention = {"at": change.at, "set": values, "without": dict(change.without)}
    data["arms"] = {
        name: values
        for arm, own in known.items()
        if not arms or arm in arms
        for name, values in (
            (arm, own),
            (
                f"{arm}{suffix}",
                {**own, "interventions": [*own.get("interventions", planned), intervention]},
            ),
        )
    }
    data |= {"name": f"{manifest.scenario[:70]}-fork", "claims": []}
    return data


def _suffix(arms: Iterable[str]) -> str:
    """What the arms with the change end in: another word than the forks have that are there already."""
    found = [match[1] for arm in arms if (match := _FORKED.search(arm))]
    return f"-fork{max(int(number or 1) for number in found) + 1}" if found else "-fork"


def _as_options(error: ScenarioError, change: Change) -> str:
    """What is wrong with a change, by the option that says it and once: the file that says it is a passing one."""
    lines = []
    for line in str(error).splitlines():
        found = _PLACE.search(line)
        if found is None:
            # How many more there are counts the arms, which all have the same problem.
            lines += [] if line.startswith("and ") else [line]
        else:
            told = {"at": f"--at {change.at}", "set": "--set or --replace", "without": "--without"}[found[1]]
            lines.append(f"{told}: {found[2]}")
    return "\n".join(dict.fromkeys(lines))


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
