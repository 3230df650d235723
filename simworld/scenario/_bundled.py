"""Scenarios that come with simworld: found by a bare name from any folder."""

from __future__ import annotations

import difflib
from pathlib import Path

import simworld
from simworld.errors import ScenarioError


def bundled() -> dict[str, Path]:
    """Files by name, such as ``tax_policy`` or ``games/prisoners``; sorted."""
    package = Path(simworld.__file__).parent
    # In a checkout they stand beside the package, in a wheel inside it.
    beside = package.parent / "scenarios"
    folder = beside if (package.parent / "pyproject.toml").is_file() else package / "scenarios"
    files = sorted(folder.glob("**/*.yaml"))
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}


def located(path: Path) -> Path:
    """The file itself, or the bundled one that a bare name (no ending) stands for.

    Raises:
        ScenarioError: A bare name that is neither.
    """
    if path.suffix or path.is_absolute() or ".." in path.parts or path.exists():
        return path
    known = bundled()
    name = path.as_posix()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"accepted: a YAML file, or one of {', '.join(known)}"
    raise ScenarioError(f"{path}: no such file, nor a scenario that comes with simworld; {hint}")
