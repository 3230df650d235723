"""Follow a run that another process works on: what it posts in its directory, told to a display."""

from __future__ import annotations

import time
from pathlib import Path

from simworld.execution._board import Board
from simworld.execution._control import read_posted
from simworld.execution._plan import specs_of_run
from simworld.execution._spec import EpisodeResult
from simworld.execution._watch import Plan, Watcher
from simworld.recording import is_locked, read_episodes, read_manifest

_LOOK = 0.5
_SLOTS = 256
"""Episodes under way that are shown."""


def follow(run: Path, watcher: Watcher) -> str:
    """Tell a display of a run until nobody works on it any more; returns its status then.

    Raises:
        RunError: Not a run directory, or its scenario cannot be built again here.
    """
    manifest = read_manifest(run)
    specs = specs_of_run(run, manifest)
    by_id = {spec.id: spec for spec in specs}
    told = {row.episode for row in read_episodes(run)}
    board = Board(_SLOTS)
    watcher.started(Plan.of(run, manifest.scenario, specs, told, _SLOTS), board)
    status, reason = manifest.status, manifest.reason
    try:
        while True:
            alive = is_locked(run)
            posted = read_posted(run)
            board.show(posted.running)
            board.carry(posted.spent)
            board.pause(posted.wish == "pause")
            for row in read_episodes(run):
                if row.episode in by_id and row.episode not in told:
                    told.add(row.episode)
                    watcher.ended(EpisodeResult.of(by_id[row.episode], row))
            if not alive:
                break
            time.sleep(_LOOK)
        manifest = read_manifest(run)
        # Whoever worked on it may have been killed before writing down its end.
        status = "interrupted" if manifest.status == "running" else manifest.status
        reason = manifest.reason
    finally:
        watcher.finished(run, status, reason)
    return status
