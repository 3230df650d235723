"""A run is watched and controlled from outside through two small files in its directory."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from simworld.errors import RunError
from simworld.execution._board import Board, Wish
from simworld.gateway import Spent

_CONTROL, _BOARD = "control", "board.json"


@dataclass(frozen=True, slots=True)
class Posted:
    """What whoever works on a run has last written of where it is."""

    running: tuple[tuple[int, int], ...] = ()
    """(episode number, tick) of everything under way."""
    spent: Spent = field(default_factory=Spent)
    wish: Wish = "go"
    """What is wished of its workers."""


def post(run: Path, board: Board) -> None:
    """Write down where a run is, by renaming.

    Raises:
        RunError: It cannot be written.
    """
    posted = Posted(tuple(board.running()), board.spent(), board.wish)
    waiting = run / f"{_BOARD}.tmp"
    try:
        waiting.write_text(json.dumps(asdict(posted)), encoding="utf-8")
        waiting.replace(run / _BOARD)
    except OSError as error:
        raise RunError(f"cannot write {run / _BOARD}: {error.strerror or error}") from error


def read_posted(run: Path) -> Posted:
    """What was last written; nothing is known of a run that has just begun."""
    try:
        data = json.loads((run / _BOARD).read_text(encoding="utf-8"))
        running = tuple((int(number), int(tick)) for number, tick in data["running"])
        return Posted(running, Spent(**data["spent"]), data["wish"])
    except (OSError, ValueError, KeyError, TypeError):
        return Posted()


def ask_of_run(run: Path, wish: Wish) -> None:
    """Ask whoever works on a run to stop, to wait, or to go on; heard within a second.

    Raises:
        RunError: It cannot be written.
    """
    waiting = run / f"{_CONTROL}.tmp"
    try:
        waiting.write_text(wish, encoding="utf-8")
        waiting.replace(run / _CONTROL)
    except OSError as error:
        raise RunError(f"cannot write {run / _CONTROL}: {error.strerror or error}") from error


def wish_of(run: Path) -> Wish:
    """What is asked of a run; ``go`` where nobody has asked for anything, or nobody can tell for what."""
    try:
        wish = (run / _CONTROL).read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return "go"
    return "stop" if wish == "stop" else "pause" if wish == "pause" else "go"


def hear(run: Path, board: Board) -> None:
    """Pass on what was asked of a run."""
    wish = wish_of(run)
    if wish == "stop" and not board.stopping:
        board.stop()
    board.pause(wish == "pause")


def clear_wishes(run: Path) -> None:
    """Nothing is asked of a run that begins, or goes on."""
    for name in (_CONTROL, _BOARD):
        (run / name).unlink(missing_ok=True)
