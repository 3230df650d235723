"""A person at the terminal from which the run was started."""

from __future__ import annotations

import json
import os
import select
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TextIO

from simworld.errors import StoppedError
from simworld.kernel import Json
from simworld.people._person import PersonReply, PersonRequest

_BLOCK = 4096
_LOOK = 0.2
"""Seconds between looks whether anybody still wants to know."""
_HELP = ("", "?")
"""What is typed by whoever does not know what to type."""
_NOBODY = "no more input: from here on nobody answers at this terminal, and fallbacks stand in"
_KEYS = "Ctrl-C stops the run, and what is open is asked again when it goes on; Ctrl-D: you answer nothing any more"


class Terminal:
    """Asks on standard error and reads a line from standard input; a deadline ends the wait.

    One is enough for a process: by whatever names a scenario calls who sits there, it is one person, who is asked one
    question after the other. Once the input has ended nobody answers here any more.
    """

    at_once = 1

    def __init__(
        self,
        source: TextIO | None = None,
        out: TextIO | None = None,
        stopping: Callable[[], bool] = bool,
        aside: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Sit down at a terminal.

        Args:
            source: What is read; standard input by default.
            out: Where questions are shown; standard error by default.
            stopping: Whether the run was asked to stop: then nobody is asked any more.
            aside: Entered while a question is open: nobody else draws on the screen meanwhile.
        """
        self._source, self._out = source, out
        self._stopping, self._aside = stopping, aside
        self._turn = threading.Lock()
        self._pending = b""
        self._ended = self._said_ended = False
        self._closed = False

    def reply(self, request: PersonRequest) -> PersonReply | None:
        """Show the question until there is an accepted answer, the deadline has passed, or the input ends.

        Raises:
            StoppedError: The run was asked to stop before any of it: it asks again when it goes on.
        """
        with self._turn:
            if self._unwanted:
                raise StoppedError(f"{request.who} was not asked any more")
            if self._said_ended:
                return None
            with self._aside():
                if not self._ended:
                    return self._asked(request)
                self._say_ended()
                return None

    def close(self) -> None:
        """Wait for nobody any more; the terminal itself is not ours to close."""
        self._closed = True

    @property
    def _unwanted(self) -> bool:
        return self._closed or self._stopping()

    def _asked(self, request: PersonRequest) -> PersonReply | None:
        begun = time.monotonic()
        self._drop_typed()
        self._say("\n".join(_shown(request)) + "\n> ")
        while True:
            passed = time.monotonic() - begun
            line = self._line(request, None if request.deadline is None else request.deadline - passed)
            passed = time.monotonic() - begun
            if line is None:
                if self._ended:
                    self._say_ended()
                else:
                    self._say("\n(too late)\n")
                return None
            if line.strip() in _HELP and line.strip() not in request.options:
                self._say(f"{_words(f'accepted: {request.accepted}')}{_left(request, passed)}\n{_KEYS}\n> ")
                continue
            try:
                value = request.value_of(line)
            except ValueError as error:
                self._say(f"{_words(str(error))}{_left(request, passed)}\n> ")
            else:
                return PersonReply(value, passed, "terminal")

    def _say_ended(self) -> None:
        self._said_ended = True
        self._say(f"\n({_NOBODY})\n")

    def _say(self, text: str) -> None:
        # Standard error as it is now: a display that is drawn takes its place, and gives it back.
        out = self._out or sys.stderr
        out.write(text)
        out.flush()

    def _drop_typed(self) -> None:
        """What was typed before a question is seen is no answer to it, nor is half a line that came too late."""
        number = self._number
        if number is not None and os.isatty(number) and _in_front(number):
            termios.tcflush(number, termios.TCIFLUSH)
            self._pending = b""

    @property
    def _number(self) -> int | None:
        source = self._source or sys.stdin
        return None if source is None else source.fileno()  # there may be no standard input at all

    def _line(self, request: PersonRequest, seconds: float | None) -> str | None:
        """The next line, or None: too late, or the input has ended. Raises StoppedError if nobody wants it any more."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while b"\n" not in self._pending and not self._ended:
            left = _LOOK if deadline is None else min(_LOOK, deadline - time.monotonic())
            if self._unwanted:
                again = "it is asked again when the run goes on" if self._stopping() else "nobody needs it any more"
                self._say(f"\n(not answered: {again})\n")
                raise StoppedError(f"{request.who} was not answered any more")
            if left <= 0:
                return None
            self._read(left)
        line, _, self._pending = self._pending.partition(b"\n")
        # A last line that nothing ends is one.
        return None if self._ended and not line else line.decode(errors="replace")

    def _read(self, seconds: float) -> None:
        """Read what comes within so many seconds."""
        number = self._number
        if number is None:
            self._ended = True
            return
        ready, _, _ = select.select([number], [], [], seconds)
        if ready:
            try:
                # Past the buffers of TextIO: select knows nothing of what they hold.
                data = os.read(number, _BLOCK)
            except OSError:
                data = b""  # the terminal is gone, and whoever sat there
            self._ended = not data
            self._pending += data


def _in_front(number: int) -> bool:
    """Whether this process may change what a terminal holds: one in the background would be halted for it."""
    try:
        return os.tcgetpgrp(number) == os.getpgrp()
    except OSError:
        return True  # a terminal that controls nobody


def _shown(request: PersonRequest) -> list[str]:
    """A question in full."""
    place = f"[{request.place} of {request.among}] " if request.among > 1 else ""
    whom = "" if request.person == "default" else f" {request.person}"
    question, *more = _words(request.question).split("\n")
    lines = ["", f"{place}{request.who} asks{whom}: {question}", *(f"  {line}" for line in more)]
    lines += [line for name, value in request.context.items() for line in _told(name, value, "  ")]
    lines += [f"  {number}) {_words(option)}" for number, option in enumerate(request.options, 1)]
    if not request.options:
        lines.append(f"  ({request.accepted})")
    if request.cost is not None:
        lines.append(f"  (an answer costs {request.cost:g})")
    return [*lines, f"  (? says what is accepted{_left(request, 0.0)})"]


def _left(request: PersonRequest, passed: float) -> str:
    return "" if request.deadline is None else f"; {max(0.0, request.deadline - passed):.3g} seconds left"


def _told(name: str, value: Json, indent: str) -> list[str]:
    """Something that a person may want to know, with what lies in it below it."""
    if isinstance(value, Mapping):
        inner = [line for key, one in value.items() for line in _told(key, one, f"{indent}  ")]
        return [f"{indent}{_words(name)}:", *inner]
    first, *more = _words(value).split("\n")
    return [f"{indent}{_words(name)}: {first}", *(f"{indent}  {line}" for line in more)]


def _words(value: Json) -> str:
    """A value as it is typed. What others have said may be in it: signs that steer a terminal are not let through."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(sign if sign.isprintable() or sign == "\n" else " " if sign == "\t" else "\ufffd" for sign in text)
