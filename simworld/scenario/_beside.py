"""Modules beside a scenario: importable by name, and always run as their files read now."""

from __future__ import annotations

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
from types import ModuleType
from typing import NoReturn


def import_beside(folder: str | os.PathLike[str]) -> None:
    """Let ``module:Class`` name modules in this folder too, for the rest of the process.

    Installed modules come first: a file beside a scenario never stands in for one of theirs. The modules are compiled
    from their source each time: Python takes kept bytecode for a file of the same length written in the same second,
    and a run whose recorded sources differ from the code that it ran could not be replayed.
    """
    path = str(Path(folder).resolve())
    if path not in sys.path:
        sys.path.append(path)
    _read_afresh(path)


class _FromSource(SourceFileLoader):
    """Loads a module from its source, and neither reads nor writes bytecode."""

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
