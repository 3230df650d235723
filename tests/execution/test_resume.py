"""An unfinished run is continued: what died over it leaves no trace, and what was lost of it is made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from simworld.execution import Order, Unwatched, execute, replay_run
from simworld.recording import damaged_files, read_manifest
from simworld.scenario import load


class Stopping(Unwatched):
    """Stops a run after so many episodes."""

    def __init__(self, episodes: int) -> None:
        self.left = episodes

    def started(self, plan, board):
        self.board = board

    def ended(self, result):
        self.left -= 1
        if self.left == 0:
            self.board.stop()


@pytest.fixture
def stopped(tiny, tmp_path) -> Path:
    """A run of which two episodes of six are finished."""
    outcome = execute(Order(load(tiny), tmp_path / "runs"), Stopping(2))
    assert outcome.status == "interrupted"
    assert read_manifest(outcome.run).done == 2
    return outcome.run


def half_written(run: Path, name: str) -> None:
    for folder in (run / "tables" / "measures", run / "tape" / "chain"):
        (folder / name).write_bytes(b"ARROW1 and no more")


class Haunted(Unwatched):
    """A worker of a driver that was killed a moment ago still begins a file."""

    def __init__(self, run: Path) -> None:
        self.run = run

    def ended(self, result):
        half_written(self.run, "block-0000004-4.arrow.tmp")


def test_files_that_a_killed_process_was_writing_do_not_make_the_finished_run_a_damaged_one(
    stopped, tiny, run, tmp_path, digests
):
    half_written(stopped, "block-0000000-64.arrow.tmp")
    outcome = execute(Order(load(tiny), tmp_path / "runs"), Haunted(stopped))
    assert (outcome.run, outcome.status) == (stopped, "success")
    assert not list(stopped.rglob("*.tmp"))
    assert digests(stopped) == digests(run(tiny, out="undisturbed").run)
    half_written(stopped, "e.arrow.tmp")  # of a run that an earlier version finished
    assert damaged_files(stopped, read_manifest(stopped)) == {}
    assert replay_run(stopped).identical
