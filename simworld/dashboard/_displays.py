"""Four ways to show a run: live for a terminal, plain for a pipe, json for machines, none."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from simworld.execution import Board, EpisodeResult, Plan

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

Display: TypeAlias = Literal["auto", "live", "plain", "json", "none"]
"""How a run is shown; ``auto`` chooses by what standard output is."""

_REFRESH = 0.2
_PLAIN_EVERY = 5.0


class Shown(Protocol):
    """A display: a watcher of runs."""

    def started(self, plan: Plan, board: Board) -> None:
        """The run begins."""

    def ended(self, result: EpisodeResult) -> None:
        """An episode is over."""

    def finished(self, run: Path, status: str, reason: str) -> None:
        """The run is over, and its tables are sealed."""


def make_display(kind: Display, console: Console) -> Shown:
    """The display of a kind; ``auto`` is live on a terminal, plain in a pipe or in continuous integration."""
    if kind == "auto":
        kind = "live" if console.is_terminal and not os.environ.get("CI") else "plain"
    if kind == "live":
        return _Live(console)
    if kind == "plain":
        return _Plain()
    return _Json() if kind == "json" else _Quiet()


class _Polled:
    """Progress in ticks, polled from the board by a thread of its own, off the path of the simulation."""

    every = _REFRESH

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._ended = 0
        self._failed = 0

    def started(self, plan: Plan, board: Board) -> None:
        self._plan, self._board = plan, board
        self._ended = plan.done
        self._begun = time.monotonic()
        self.open()
        self._thread = threading.Thread(target=self._poll, name="display", daemon=True)
        self._thread.start()

    def ended(self, result: EpisodeResult) -> None:
        self._ended += result.status == "success"
        self._failed += result.status == "failed"

    def finished(self, run: Path, status: str, reason: str) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self.close(run, status, reason)

    def ticks(self) -> tuple[int, int]:
        """Ticks done and ticks to do, over all episodes."""
        plan = self._plan
        under_way = sum(tick for _, tick in self._board.running())
        return min((self._ended + self._failed) * plan.horizon + under_way, self.total()), self.total()

    def total(self) -> int:
        """Ticks of the whole run."""
        return self._plan.episodes * self._plan.horizon

    def seconds_left(self) -> float | None:
        """Estimated wall time to the end, or None before anything is known."""
        done, total = self.ticks()
        fresh = done - self._plan.done * self._plan.horizon
        if fresh <= 0:
            return None
        return (time.monotonic() - self._begun) * (total - done) / fresh

    def _poll(self) -> None:
        while not self._over.wait(self.every):
            self.show()

    def open(self) -> None:
        """Begin to show."""

    def show(self) -> None:
        """Show where the run stands."""

    def close(self, run: Path, status: str, reason: str) -> None:
        """Stop showing."""


class _Live(_Polled):
    """A progress bar over episodes and ticks with the time left."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._bar: Progress | None = None

    def open(self) -> None:
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        plan = self._plan
        arms = f" · {len(plan.arms)} arms" if plan.arms else ""
        again = f" · resumed, {plan.done} done before" if plan.resumed else ""
        self._console.print(f"[bold]{plan.name}[/]  {plan.episodes} episodes of {plan.horizon} ticks{arms}{again}")
        self._console.print(f"[dim]{plan.run}[/]")
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("[dim]elapsed[/]"),
            TimeElapsedColumn(),
            TextColumn("[dim]left[/]"),
            TimeRemainingColumn(),
            console=self._console,
            auto_refresh=False,
            transient=True,
        )
        self._bar.start()
        self._task: TaskID = self._bar.add_task(self._label(), total=self.total())

    def show(self) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=self.ticks()[0], description=self._label())
            self._bar.refresh()

    def close(self, run: Path, status: str, reason: str) -> None:  # noqa: ARG002
        if self._bar is not None:
            self.show()
            self._bar.stop()

    def _label(self) -> str:
        failed = f" [red]({self._failed} failed)[/]" if self._failed else ""
        under_way = self._board.running()
        where = f" · tick {under_way[0][1]}/{self._plan.horizon}" if len(under_way) == 1 else ""
        return (
            f"episode {min(self._ended + self._failed + 1, self._plan.episodes)}/{self._plan.episodes}{failed}{where}"
        )


class _Plain(_Polled):
    """A line now and then."""

    every = _PLAIN_EVERY

    def open(self) -> None:
        plan = self._plan
        again = f", resumed ({plan.done} done before)" if plan.resumed else ""
        _say(f"{plan.name}: {plan.episodes} episodes of {plan.horizon} ticks{again}")
        _say(f"run: {plan.run}")

    def show(self) -> None:
        done, total = self.ticks()
        left = self.seconds_left()
        eta = "" if left is None else f", about {left:.0f} s left"
        _say(f"{self._ended + self._failed}/{self._plan.episodes} episodes, {100 * done // total} %{eta}")


class _Json(_Polled):
    """One JSON record per line on standard output: launch, progress, episode, done."""

    every = 1.0

    def open(self) -> None:
        plan = self._plan
        self._record(
            "launch",
            run=str(plan.run),
            scenario=plan.name,
            episodes=plan.episodes,
            done=plan.done,
            resumed=plan.resumed,
        )

    def show(self) -> None:
        done, total = self.ticks()
        self._record("progress", episodes=self._ended, ticks=done, of=total, seconds_left=self.seconds_left())

    def ended(self, result: EpisodeResult) -> None:
        super().ended(result)
        self._record("episode", id=result.id, status=result.status, moments=result.moments, faults=result.faults)

    def close(self, run: Path, status: str, reason: str) -> None:
        self._record("done", run=str(run), status=status, reason=reason)

    def _record(self, event: str, **values: object) -> None:
        _say(json.dumps({"event": event, **values}))


class _Quiet:
    """Nothing."""

    def started(self, plan: Plan, board: Board) -> None:
        """Nothing."""

    def ended(self, result: EpisodeResult) -> None:
        """Nothing."""

    def finished(self, run: Path, status: str, reason: str) -> None:
        """Nothing."""


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
