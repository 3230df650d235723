"""A ward whose doctors ask a person, and somebody who sits at a real terminal."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

DEFERS = '''

class Defers(Agent):
    """Asks a person whether to treat."""

    asks = ("person",)

    def __init__(self, after: int = 0, deadline: float = 5.0, person: str = "default"):
        self.after, self.deadline, self.person = after, deadline, person

    async def act(self, seen, seat):
        answer = await seat.ask.person(
            {
                "question": "Treat?",
                "options": ["yes", "no"],
                "context": {"fever": seen["fever"], "tick": seat.tick},
                "deadline": self.deadline,
                "fallback": "no",
                "person": self.person,
            },
            after=self.after,
        )
        return {"treat": answer.value == "yes"}
'''
STUDY = """
world: {{kind: "desk:Ward"}}
roles: {{doctor: {{kind: "desk:Defers", count: 2{more}}}}}
horizon: 4
people: {people}
faults: {{most: 1.0}}
"""


@pytest.fixture
def study(tmp_path, ward_world):
    def write(people: str, more: str = "") -> Path:
        (tmp_path / "desk.py").write_text(ward_world('Field("treat", "bool")', 'Field("treated")') + DEFERS)
        (tmp_path / "study.yaml").write_text(STUDY.format(people=people, more=more))
        return tmp_path

    return write


_STEERS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SITS = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Makes a terminal the one that controls what is started there: else Ctrl-C is but a sign."""
_PATIENCE = 120.0
"""Seconds: a test that fails by time waits for something that never comes."""


class Sitting:
    """Somebody at a terminal of a hundred columns, from which a command was started."""

    def __init__(self, command: list[str], here: Path) -> None:
        self._ours, self._theirs = pty.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self.settings = termios.tcgetattr(self._theirs)
        environment = {key: value for key, value in os.environ.items() if key not in {"CI", "COLUMNS", "LINES"}}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SITS, *command],
            cwd=here,
            env={**environment, "TERM": "xterm-256color"},
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
        )
        self.raw = ""
        """All that was shown, with what steers the terminal."""
        self._seen = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def until(self, words: str) -> str:
        """Wait for words; returns what was shown since the last ones that were waited for, with them."""
        deadline = time.monotonic() + _PATIENCE
        while (found := self.raw.find(words, self._seen)) < 0:
            assert time.monotonic() < deadline, f"{words!r} is not shown: {self.raw[self._seen :][-2000:]!r}"
            if not self._read(0.1) and self.process.poll() is not None and not self._read(0.1):
                raise AssertionError(f"it ended without {words!r}: {self.raw[self._seen :][-2000:]!r}")
        shown, self._seen = self.raw[self._seen : found + len(words)], found + len(words)
        return shown

    def meanwhile(self, seconds: float) -> str:
        """What is shown in so many seconds, if nobody does anything."""
        begun, deadline = len(self.raw), time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._read(left)
        return self.raw[begun:]

    def end(self) -> int:
        """Wait until the command has ended; returns its exit code."""
        deadline = time.monotonic() + _PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end: {self.raw[self._seen :][-2000:]!r}"
            self._read(0.1)
        while self._read(0.1):
            pass
        return self.process.returncode

    @property
    def text(self) -> str:
        """All that was shown, in words."""
        return _STEERS.sub("", self.raw).replace("\r", "")

    @property
    def sane(self) -> bool:
        """Whether the terminal is as it was: its settings, and a cursor that is seen."""
        return termios.tcgetattr(self._theirs) == self.settings and self.raw.rfind("\x1b[?25h") >= self.raw.rfind(
            "\x1b[?25l"
        )

    def leave(self) -> None:
        """Nobody sits there any more."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], seconds)
        if ready:
            self.raw += self._decoder.decode(os.read(self._ours, 65536))
        return bool(ready)


@pytest.fixture
def sit() -> Iterator[Callable[..., Sitting]]:
    """``sit(here, *options)``: somebody runs the study of a folder from a terminal; ends with the test."""
    with ExitStack() as stack:

        def start(here: Path, *options: str) -> Sitting:
            command = [sys.executable, "-c", "from simworld.cli import main; main()", "run", "study.yaml", *options]
            sitting = Sitting(command, here)
            stack.callback(sitting.leave)
            return sitting

        yield start
