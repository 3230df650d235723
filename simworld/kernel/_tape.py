"""The tape: every ask of an episode with its answer, written before the answer is used."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import IO

from simworld.errors import TapeError
from simworld.kernel._asks import Answer, Ask, AskKey


class Tape:
    """The asks of one episode and their answers, one JSON line each.

    Opening an existing file reads what it holds and cuts off a torn last line; new answers are appended. Without
    a path the tape is kept in memory only. Safe to write from the threads in which answers arrive.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known: dict[AskKey, tuple[str, Answer]] = {}
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()
        if path is not None and path.exists():
            self._load(path)

    def __len__(self) -> int:
        return len(self._known)

    def get(self, ask: Ask) -> Answer | None:
        """The taped answer, or None if this ask was never answered.

        Raises:
            TapeError: At this place of the tape another question was asked.
        """
        found = self._known.get(ask.key)
        if found is None:
            return None
        if found[0] != ask.digest:
            role, member, decision, number = ask.key
            raise TapeError(
                f"{role} {member}, decision {decision}, ask {number}: the tape holds another question"
                f" (digest {found[0][:12]}, now {ask.digest[:12]})"
            )
        return found[1]

    def put(self, ask: Ask, answer: Answer) -> None:
        """Append one answer and flush it to the operating system; an answer already kept is not kept twice."""
        with self._lock:
            if ask.key in self._known:
                return
            self._known[ask.key] = (ask.digest, answer)
            if self._path is None:
                return
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("ab")
            line = {
                "key": ask.key,
                "digest": ask.digest,
                "kind": ask.kind,
                "content": ask.content,
                "after": ask.after,
                "value": answer.value,
                "fault": answer.fault,
                "telemetry": answer.telemetry,
            }
            self._file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file, if one was opened."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _load(self, path: Path) -> None:
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with path.open("r+b") as file:
                file.truncate(whole)
        for number, line in enumerate(data[:whole].splitlines(), 1):
            try:
                entry = json.loads(line)
                role, member, decision, ask = entry["key"]
                answer = Answer(entry["value"], entry["fault"], entry["telemetry"])
                self._known[(role, member, decision, ask)] = (entry["digest"], answer)
            except (ValueError, KeyError, TypeError) as error:
                raise TapeError(f"{path}:{number}: not a line of a tape ({error})") from error
