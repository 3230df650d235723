"""A person at a plain terminal."""

from __future__ import annotations

import os
import select
import sys
import time
from typing import TextIO

from simworld.people._person import PersonReply, PersonRequest

_BLOCK = 4096
_LOOK = 0.2
"""Seconds between looks whether anybody still wants to know."""


class Terminal:
    """Asks on standard error and reads a line from standard input; a deadline ends the wait."""

    at_once = 1

    def __init__(self, source: TextIO | None = None, out: TextIO | None = None) -> None:
        self._source, self._out = source or sys.stdin, out or sys.stderr
        self._pending = b""
        self._ended = False
        self._closed = False

    def reply(self, request: PersonRequest) -> PersonReply | None:
        """Show the question until there is an accepted answer, the deadline has passed, or the input ends."""
        begun = time.monotonic()
        self._say(_shown(request))
        while True:
            left = None if request.deadline is None else request.deadline - (time.monotonic() - begun)
            line = self._line(left)
            if line is None:
                self._say("(no more input)\n" if self._ended else "(too late)\n")
                return None
            try:
                value = request.value_of(line)
            except ValueError as error:
                self._say(f"{error}\n> ")
            else:
                return PersonReply(value, time.monotonic() - begun, "terminal")

    def close(self) -> None:
        """Wait for nobody any more; the terminal itself is not ours to close."""
        self._closed = True

    def _say(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()

    def _line(self, seconds: float | None) -> str | None:
        """The next line, or None: too late, or the input has ended."""
        deadline = None if seconds is None else time.monotonic() + seconds
        number = self._source.fileno()
        while b"\n" not in self._pending:
            left = _LOOK if deadline is None else min(_LOOK, deadline - time.monotonic())
            if self._ended or self._closed or left <= 0:
                return None
            ready, _, _ = select.select([number], [], [], left)
            if not ready:
                continue
            # Past the buffers of TextIO: select knows nothing of what they hold.
            data = os.read(number, _BLOCK)
            self._ended = not data
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode(errors="replace")


def _shown(request: PersonRequest) -> str:
    lines = ["", f"{request.who} asks: {request.question}"]
    lines += [f"  {name}: {value}" for name, value in request.context.items()]
    lines += [f"  {place}) {option}" for place, option in enumerate(request.options, 1)]
    if not request.options and request.form != "text":
        lines.append(f"  ({request.bounds})")
    if request.cost is not None:
        lines.append(f"  (an answer costs {request.cost:g})")
    if request.deadline is not None:
        lines.append(f"  ({request.deadline:g} seconds)")
    return "\n".join([*lines, "> "])
