"""Modules beside a scenario: importable by name, and always run as their files read now."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NoReturn

from simworld.errors import ScenarioError

_FOLDERS: set[str] = set()
"""Scenarios' folders that modules may come from."""
_RUN: dict[str, str] = {}
"""SHA-256 of the sources that this process has run, by path."""


def import_beside(folder: str | os.PathLike[str]) -> None:
    """Let ``module:Class`` name modules in this folder too, for the rest of the process.

    Installed modules come first: a file beside a scenario never stands in for one of theirs. Of several scenarios'
    folders the one that was named last comes first. The modules are compiled from their source each time: Python takes
    kept bytecode for a file of the same length written in the same second, and a run whose recorded sources differ from
    the code that it ran could not be replayed.
    """
    path = str(Path(folder).resolve())
    first = next((place for place, entry in enumerate(sys.path) if entry in _FOLDERS), len(sys.path))
    if path in _FOLDERS and sys.path[first : first + 1] != [path]:
        sys.path[:] = [entry for entry in sys.path if entry != path]
    if path not in sys.path:
        sys.path.insert(first, path)
        _FOLDERS.add(path)
    _read_afresh(path)


def source_beside(folder: Path, module: str) -> Path | None:
    """The file of a module in this folder, whether or not it is the one that Python takes; None: there is none."""
    parts = module.split(".")
    # As Python has it: the package, if there are both.
    options = (folder.joinpath(*parts, "__init__.py"), folder.joinpath(*parts).with_suffix(".py"))
    return next((path for path in options if path.is_file()), None)


def check_beside(folder: Path, module: str) -> None:
    """Check that a module of this folder, if it has been imported, is run as its file reads now.

    A process imports a module once: an edit since then, or a file of the same name beside another scenario, would be
    recorded as the code of a run that ran something else.

    Raises:
        ScenarioError: It is not.
    """
    loaded = sys.modules.get(module)
    if (
        not isinstance(getattr(loaded, "__loader__", None), _FromSource)
        or (own := source_beside(folder, module)) is None
    ):
        return
    run = str(getattr(loaded, "__file__", None))
    if _RUN.get(run) != _digest(own.read_bytes()):
        same = Path(run) == own
        what = "it has changed since this process imported it" if same else f"this process has imported {run} instead"
        raise ScenarioError(f"{own}: {what}; accepted: a new process (in a notebook: restart the kernel)")


def _digest(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()


class _FromSource(SourceFileLoader):
    """Loads a module from its source, and neither reads nor writes bytecode."""

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:  # type: ignore[override]
        """Compile it, and remember what it was."""
        _RUN[str(path)] = _digest(bytes(data))
        code: CodeType = super().source_to_code(data, path, _optimize=_optimize)
        return code

    def path_stats(self, path: str) -> NoReturn:
        """Say that nothing is known of the file's age; kept bytecode is then left alone."""
        raise OSError(f"{path}: always compiled from source")


class _Finder(FileFinder):
    """Finds modules in one folder, and in the packages below it."""

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = super().find_spec(fullname, target)
        for path in (spec.submodule_search_locations or ()) if spec else ():
            _read_afresh(path)
        return spec


_LOADERS: Sequence[tuple[type[ExtensionFileLoader] | type[SourceFileLoader], list[str]]] = (
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (_FromSource, SOURCE_SUFFIXES),
)


def _read_afresh(path: str) -> None:
    if not isinstance(sys.path_importer_cache.get(path), _Finder):
        sys.path_importer_cache[path] = _Finder(path, *_LOADERS)
