"""The tape: every ask of an episode with its answer, written before the answer is used."""

from __future__ import annotations

import json
import threading
from pathlib import Path

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
        self._whole = False
        """The file is there, and ends with a whole line."""
        self._lock = threading.Lock()
        self._closed = False
        if path is not None:
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
            raise TapeError(
                f"{ask}: the tape holds another question here (digest {found[0][:12]}, now {ask.digest[:12]})"
            )
        return found[1]

    def put(self, ask: Ask, answer: Answer) -> None:
        """Append one answer and flush it to the operating system; an answer already kept is not kept twice."""
        with self._lock:
            if ask.key in self._known:
                return
            if self._closed:
                raise TapeError(f"{ask}: the tape is closed")
            if self._path is not None:
                self._write(self._path, ask, answer)
            # Known only once it is written: an answer that could not be kept must not be used.
            self._known[ask.key] = (ask.digest, answer)

    def close(self) -> None:
        """Keep no more: an answer that comes later has nobody to use it."""
        with self._lock:
            self._closed = True

    def _write(self, path: Path, ask: Ask, answer: Answer) -> None:
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
        # Models do send lone surrogates; json reads them back as they were.
        data = json.dumps(line, ensure_ascii=False).encode(errors="surrogatepass") + b"\n"
        if not self._whole:
            path.parent.mkdir(parents=True, exist_ok=True)
            _whole_lines(path)
        self._whole = False
        # Opened for each answer: that is nothing beside an ask, and no file stays open if an episode fails.
        with path.open("ab") as file:
            file.write(data)
        self._whole = True

    def _load(self, path: Path) -> None:
        for number, line in enumerate(_whole_lines(path), 1):
            try:
                entry = json.loads(line)
                role, member, decision, ask = entry["key"]
                answer = Answer(entry["value"], entry["fault"], entry["telemetry"])
                self._known[(role, member, decision, ask)] = (entry["digest"], answer)
            except (ValueError, KeyError, TypeError) as error:
                raise TapeError(f"{path}:{number}: not a line of a tape ({error})") from error


def _whole_lines(path: Path) -> list[bytes]:
    """The lines of a tape, after cutting off a torn last one."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)
    return data[:whole].split(b"\n")[:-1]
