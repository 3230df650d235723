"""An unfinished run is continued: what died over it leaves no trace, and what was lost of it is made again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from simworld.cli._console import wide_console
from simworld.dashboard import make_display
from simworld.execution import Order, Unwatched, execute, replay_run
from simworld.recording import damaged_files, read_manifest
from simworld.scenario import load
from simworld_analysis import open_run


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


def _missing(first: Path, second: Path) -> None:
    first.unlink()


def _swapped(first: Path, second: Path) -> None:
    shutil.copy(second, first)


def _truncated(first: Path, second: Path) -> None:
    first.write_bytes(first.read_bytes()[:-100])


@pytest.mark.parametrize("harm", [_missing, _swapped, _truncated])
def test_finished_episodes_whose_tables_were_lost_are_run_again_and_it_is_said(
    stopped, tiny, run, tmp_path, digests, harm, capsys
):
    harm(*sorted((stopped / "tables" / "decisions.worker").glob("*.arrow")))
    outcome = execute(Order(load(tiny), tmp_path / "runs"), make_display("json", wide_console()))
    assert (outcome.run, outcome.status) == (stopped, "success")
    told = capsys.readouterr()
    launch = json.loads(told.out.splitlines()[0])
    assert launch["done"] == 1
    assert "tables/decisions.worker" in launch["mended"]
    assert "note: tables/decisions.worker lacks 1 of 2 finished episodes" in told.err
    assert read_manifest(stopped).mended == launch["mended"]
    assert digests(stopped) == digests(run(tiny, out="undisturbed").run)
    assert replay_run(stopped).identical
    assert len(open_run(stopped).table("decisions.worker")) == 6 * 12 * 13


def test_a_run_that_lacks_tables_of_an_episode_does_not_give_it_to_another(stopped, tiny, tmp_path):
    file = sorted((stopped / "tables" / "decisions.worker").glob("*.arrow"))[0]
    file.unlink()
    replace(read_manifest(stopped), tables={}).write(stopped)  # as if it had been killed
    other = execute(Order(load(tiny, ["horizon=12"]), tmp_path / "runs", new=True, reuse=True))
    assert other.run != stopped
    assert len(read_manifest(other.run).adopted) == 1
    assert len(open_run(other.run).table("decisions.worker")) == 6 * 12 * 13
