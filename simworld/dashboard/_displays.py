"""Four ways to show a run: live for a terminal, plain for a pipe, json for machines, none."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from simworld.dashboard._live import Progress, View, render_view
from simworld.dashboard._snapshot import Episode, Label, read_episode, watched, whole_sample
from simworld.execution import Board, EpisodeResult, Plan, Unwatched, Watcher

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

    from simworld_analysis import Run

Display: TypeAlias = Literal["auto", "live", "plain", "json", "none"]
"""How a run is shown; ``auto`` chooses by what standard output is."""

_REFRESH = 0.25
_LOOK = 1.0
"""Seconds between looks into the run directory: its tables are flushed about as often."""
_SERIES = 6
_LEAST = 3
"""Samples that an episode needs to take the place of another one on the screen."""
_PLAIN_EVERY = 5.0


def make_display(kind: Display, console: Console) -> Watcher:
    """The display of a kind; ``auto`` is live on a terminal, plain in a pipe or in continuous integration."""
    if kind == "auto":
        kind = "live" if console.is_terminal and not os.environ.get("CI") else "plain"
    if kind == "live":
        return LiveDisplay(console)
    if kind == "plain":
        return _Plain()
    return _Json() if kind == "json" else Unwatched()


class _Polled:
    """Progress in ticks, polled from the board by a thread of its own, off the path of the simulation."""

    every = _REFRESH

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._ended = 0
        self._failed = 0
        self._ticks = 0
        """Ticks of the episodes that are over."""
        self._most = 0

    def preparing(self, what: str) -> None:
        # On standard error: what a run prints on the other may be read by a program.
        os.write(2, f"{what} ...\n".encode())

    def started(self, plan: Plan, board: Board) -> None:
        self._plan, self._board = plan, board
        self._ended, self._ticks = plan.done, plan.ticks_done
        self._begun = time.monotonic()
        for name, what in plan.mended.items():
            sys.stderr.write(
                f"note: {name} {what}: run again, and what is left of it put aside in {plan.run}/damaged\n"
            )
        self.open()
        self._thread = threading.Thread(target=self._poll, name="display", daemon=True)
        self._thread.start()

    def ended(self, result: EpisodeResult) -> None:
        self._ended += result.status == "success"
        self._failed += result.status == "failed"
        self._ticks += self._plan.horizons[result.number] if result.status in {"success", "failed"} else 0

    def aside(self) -> AbstractContextManager[None]:
        return nullcontext()

    def stopping(self) -> None:
        # Past the buffers of Python: whoever is interrupted may be writing to them.
        os.write(2, b"\nstopping: the moment under way and answers that are on their way; Ctrl-C again stops at once\n")

    def finished(self, run: Path, status: str, reason: str) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self.close(run, status, reason)

    def ticks(self) -> tuple[int, int]:
        """Ticks done and ticks to do, over all episodes."""
        total = sum(self._plan.horizons)
        now = self._ticks + sum(tick for _, tick in self._board.running())
        # An episode leaves the board a moment before its end is reported: progress never goes back for that.
        self._most = min(max(self._most, now), total)
        return self._most, total

    def seconds_left(self) -> float | None:
        """Estimated wall time to the end, or None before anything is known."""
        done, total = self.ticks()
        fresh = done - self._plan.ticks_done
        if fresh <= 0 or self._board.wish == "pause":
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


class LiveDisplay(_Polled):
    """The dashboard: progress from the board, everything else from the run directory."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._live: Live | None = None
        self._read: set[str] = set()
        self._episode: Episode | None = None
        self._newest: Label | None = None
        """The episode that was over last, as far as that is known."""
        self._looked = 0.0
        self._drawing = threading.Lock()
        self._lifted = 0
        """So many want the screen for themselves."""

    def open(self) -> None:
        with self._drawing:
            self._raise()

    def show(self) -> None:
        with self._drawing:
            if time.monotonic() - self._looked >= _LOOK:
                self._look()
                self._looked = time.monotonic()
            self._draw()

    @contextmanager
    def aside(self) -> Iterator[None]:
        with self._drawing:
            self._lifted += 1
            self._lift()
        try:
            yield
        finally:
            with self._drawing:
                self._lifted -= 1
                # At once: where questions follow each other closely, a look at the society is what lies between them.
                self._draw()

    def close(self, run: Path, status: str, reason: str) -> None:  # noqa: ARG002
        with self._drawing:
            self._lift()

    def _draw(self) -> None:
        if self._lifted or self._over.is_set():
            return
        live = self._live or self._raise()
        width, height = self._console.size
        live.update(render_view(self.view(), width, height), refresh=True)

    def _raise(self) -> Live:
        """Put the dashboard up: another one each time, for it would clear lines that are not there any more."""
        from rich.live import Live  # noqa: PLC0415

        self._live = Live(console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._live.start()
        return self._live

    def _lift(self) -> None:
        """Take the dashboard off the screen, and leave the screen as it was found."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def view(self) -> View:
        """All that is known now."""
        plan, spent = self._plan, self._board.spent()
        done, total = self.ticks()
        ended = self._ended + self._failed
        progress = Progress(
            plan.name,
            str(plan.run),
            plan.episodes,
            ended,
            self._failed,
            done / max(1, total),
            time.monotonic() - self._begun,
            self.seconds_left(),
            paused=self._board.wish == "pause",
        )
        shown = self._measures[0] if self._measures else ""
        arms = {arm: tuple(values) for arm, values in self._arms.items() if values}
        return View(progress, self._episode, arms, shown, self._models, spent.asks, spent.tokens, spent.usd)

    def started(self, plan: Plan, board: Board) -> None:
        self._measures: tuple[str, ...] = ()
        self._watch: tuple[str, ...] = ()
        self._models: tuple[str, ...] = ()
        # In the order of the scenario, whichever is finished first.
        self._arms: dict[str, list[float]] = {arm: [] for arm in plan.arms or ("",)}
        super().started(plan, board)

    def _look(self) -> None:
        """Read what is new in the run directory. What cannot be read yet is looked for again later."""
        from simworld_analysis import OpenError, open_run  # noqa: PLC0415

        try:
            run = open_run(self._plan.run)
            if not self._models:
                manifest = run.manifest
                self._models = tuple(dict.fromkeys(m for ms in manifest.get("models", {}).values() for m in ms))
                self._watch = tuple(manifest.get("watch", ()))
            if not self._measures and "measures" in run.tables:
                self._measures = tuple(run.manifest.get("measures") or run.measures)[:_SERIES]
            self._look_at_episode(run)
            self._look_at_arms(run)
        except OpenError:
            return

    def _look_at_episode(self, run: Run) -> None:
        labels = [Label(*self._plan.labels[number]) for number, _ in self._board.running()]
        if labels and self._measures:
            # Without a word from the scenario, anew each time: a table that had no rows may have some now.
            watch = self._watch or watched(run, labels[0])
            found = read_episode(run, labels[0], self._measures, watch)
            samples = 0 if found is None else max(map(len, found.series.values()))
            if self._episode is None or self._episode.label == labels[0] or samples >= _LEAST:
                self._episode = found or self._episode

    def _look_at_arms(self, run: Run) -> None:
        if not self._measures or "episodes" not in run.sizes():
            return
        rows = run.arrow("episodes", columns=["episode", "arm", "seed", "status"]).to_pylist()
        for row in rows:
            if row["status"] == "success" and row["episode"] not in self._read:
                label = Label(row["episode"], row["arm"] or "", row["seed"])
                number = whole_sample(run, label, self._measures[0])
                if number is not None:
                    self._read.add(label.id)
                    self._arms.setdefault(label.arm, []).append(number)
                    self._newest = label
        # Short episodes are over before there is anything to read of them: then the last one that is over is shown.
        running = {self._plan.labels[number][0] for number, _ in self._board.running()}
        newest, shown = self._newest, None if self._episode is None else self._episode.label
        if newest is not None and newest != shown and (shown is None or shown.id not in running):
            watch = self._watch or watched(run, newest)
            self._episode = read_episode(run, newest, self._measures, watch) or self._episode


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
        paused = self._board.wish == "pause"
        eta = ", paused (simworld continue)" if paused else "" if left is None else f", about {left:.0f} s left"
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
            mended=dict(plan.mended),
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


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
