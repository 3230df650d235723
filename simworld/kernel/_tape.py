"""The tape: every ask of an episode with its answer, written before the answer is used."""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO, TypeAlias

from simworld.errors import RedactedError, TapeError
from simworld.kernel._asks import Answer, Ask, AskKey, Json

_MAGIC = b"simworld tape 2\n"
_HEAD = Struct("<cII")
"""Of a frame: its sort, the length of what follows, and its CRC-32."""
_CHECK = Struct("<I")
"""After it the CRC-32 of the head itself: a length that is wrong must not look like a torn end."""
_FIRST, _NEXT = b"F", b"N"
"""The first frame of a compressed stream with line numbers from 0, and a further one of the same."""
_LONG = 40
"""Texts from this length on are kept line by line: prompts repeat most of theirs."""
_MOST_LINES = 100_000
"""After so many lines another stream begins, so that memory stays bounded."""
_REFERENCE = "\0"
TAKEN = "taken"
"""In the telemetry of an answer that was taken from another tape: it was paid there."""
PARTICIPANT = "participant"
"""In the telemetry of a person's answer: who it was, by pseudonym. It goes with the answer wherever that is taken."""
REDACTED = "redacted"
"""The fault of an answer that was withdrawn: its value is gone."""
_ADVICE = "restore the file from a copy, or begin a new run with --new"


Keep: TypeAlias = Callable[[Ask, Answer], None]
"""Keeps an answer durably."""


class Tape:
    """The asks of one episode and their answers.

    Opening an existing file reads what it holds; new answers are appended, after a torn end is cut off. Without a path
    the tape is kept in memory only. Safe to write from the threads in which answers arrive.

    The file is a sequence of frames, one per answer, each flushed to the operating system before the answer is used.
    Frames are compressed as one stream, and every line of a long text is stored once.
    """

    def __init__(self, path: Path | None = None, first: Keep | None = None) -> None:
        """Open a tape; ``first`` is told of every new answer before it is kept here."""
        self._path, self._first = path, first
        self._known: dict[AskKey, tuple[str, Answer]] = {}
        self._writer: _Writer | None = None
        self._lock = threading.Lock()
        self._closed = False
        if path is not None and path.exists():
            for ask, answer in read_tape(path):
                self._known[ask.key] = (ask.digest, answer)

    def __len__(self) -> int:
        return len(self._known)

    def get(self, ask: Ask) -> Answer | None:
        """The taped answer, or None if this ask was never answered.

        Raises:
            TapeError: At this place of the tape another question was asked.
            RedactedError: The answer was withdrawn.
        """
        found = self._known.get(ask.key)
        if found is None:
            return None
        if found[0] != ask.digest:
            raise TapeError(
                f"{ask}: the tape holds another question here (digest {found[0][:12]}, now {ask.digest[:12]})"
            )
        return _there(ask, found[1])

    def put(self, ask: Ask, answer: Answer) -> None:
        """Append one answer and flush it to the operating system; an answer already kept is not kept twice."""
        with self._lock:
            if ask.key in self._known:
                return
            if self._closed:
                raise TapeError(f"{ask}: the tape is closed")
            if self._first is not None:
                self._first(ask, answer)
            if self._path is not None:
                self._write(self._path, ask, answer)
            # Known only once it is written: an answer that could not be kept must not be used.
            self._known[ask.key] = (ask.digest, answer)

    def _write(self, path: Path, ask: Ask, answer: Answer) -> None:
        writer, self._writer = self._writer, None
        try:
            writer = writer or _Writer(path)
            writer.write(ask, answer)
        except OSError as error:
            raise TapeError(f"{path}: cannot be written: {error.strerror or error}") from error
        # Kept only if all went well: half of an answer may be on disk, and a new writer cuts that off.
        self._writer = writer

    def close(self) -> None:
        """Keep no more: an answer that comes later has nobody to use it."""
        with self._lock:
            self._closed = True
            self._writer = None


class TwinTape(Tape):
    """The tape of a fork: up to it that of its base; after it, the same question at the same place is answered alike.

    What is taken from the base is kept here, too: a fork is replayed from its own tape.
    """

    def __init__(self, path: Path | None, base: Path, first: Keep | None = None) -> None:
        super().__init__(path, first)
        self.strict = True
        """Nothing has been changed yet: every question has an answer on the base's tape."""
        self._base = {ask.key: (ask.digest, answer) for ask, answer in read_tape(base)} if base.exists() else {}

    def get(self, ask: Ask) -> Answer | None:
        """The taped answer, here or in the base.

        Raises:
            TapeError: Before the fork, the base was asked something else here, or nothing.
        """
        found = super().get(ask)
        if found is not None:
            return found
        digest, answer = self._base.get(ask.key, ("", None))
        if answer is None or digest != ask.digest:
            if self.strict:
                raise TapeError(f"{ask}: the tape of what is forked has another question here, or none")
            return None
        who = {PARTICIPANT: answer.telemetry[PARTICIPANT]} if PARTICIPANT in answer.telemetry else {}
        taken = replace(_there(ask, answer), telemetry={TAKEN: True, **who})
        self.put(ask, taken)
        return taken


def read_tape(path: Path) -> Iterator[tuple[Ask, Answer]]:
    """All asks of a tape with their answers, in the order in which they were kept; a torn end is passed over.

    Raises:
        TapeError: It is not a tape, or damaged.
    """
    for ask, digest, answer, _ in _read(path):
        if ask.digest != digest:
            raise TapeError(f"{path}: {ask}: the question is not the one that was taped; {_ADVICE}")
        yield ask, answer


def redact_tape(path: Path, withdrawn: Callable[[Ask, Answer], bool]) -> list[Ask]:
    """Write a tape anew without the answers that were withdrawn; returns the questions that they had answered.

    Nobody may write to it meanwhile. The questions stay, and who was asked; who follows the tape is told at its place.

    Raises:
        TapeError: It is damaged, or cannot be written.
    """
    kept = list(read_tape(path))
    gone = [ask for ask, answer in kept if answer.fault != REDACTED and withdrawn(ask, answer)]
    if not gone:
        return []
    keys, waiting = {ask.key for ask in gone}, path.with_suffix(".tmp")
    waiting.unlink(missing_ok=True)
    tape = Tape(waiting)
    for ask, answer in kept:
        tape.put(ask, _blank(answer) if ask.key in keys else answer)
    tape.close()
    try:
        with waiting.open("rb") as file:
            os.fsync(file.fileno())
        waiting.replace(path)
    except OSError as error:
        raise TapeError(f"{path}: cannot be written: {error.strerror or error}") from error
    return gone


def _blank(answer: Answer) -> Answer:
    """What stays of an answer that was withdrawn: whose it was."""
    who = {PARTICIPANT: answer.telemetry[PARTICIPANT]} if PARTICIPANT in answer.telemetry else {}
    return Answer(None, REDACTED, "withdrawn by the person who gave it", answer.source, who)


def _there(ask: Ask, answer: Answer) -> Answer:
    if answer.fault == REDACTED:
        raise RedactedError(f"{ask}: the answer was withdrawn by the person who gave it")
    return answer


class _Writer:
    """Appends frames to a file, from its last whole frame on."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)  # never the run: somebody may have removed it
        if path.exists():
            whole = 0
            for _, _, _, end in _read(path):
                whole = end
            _cut(path, whole)
        self._path = path
        self._start = b"" if path.exists() and path.stat().st_size else _MAGIC
        self._begin()

    def _begin(self) -> None:
        self._pack = zlib.compressobj(wbits=-15)
        self._numbers: dict[str, int] = {}
        self._new: list[str] = []
        self._sort = _FIRST

    def write(self, ask: Ask, answer: Answer) -> None:
        """Append one answer, down to the operating system."""
        if len(self._numbers) > _MOST_LINES:
            self._begin()
        content, value = self._short(ask.content), self._short(answer.value)
        record = [ask.key, ask.digest, ask.kind, ask.after, content, value]
        record += [answer.fault, answer.detail, answer.source, answer.telemetry, self._new]
        # Models do send lone surrogates; json reads them back as they were.
        data = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")
        packed = self._pack.compress(data) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        head = _HEAD.pack(self._sort, len(packed), zlib.crc32(packed))
        self._append(self._start + head + _CHECK.pack(zlib.crc32(head)) + packed)
        self._start, self._sort, self._new = b"", _NEXT, []

    def _append(self, data: bytes) -> None:
        # Opened for each answer: that is nothing beside an ask, and no file stays open if an episode fails.
        number = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            while data:
                data = data[os.write(number, data) :]
        finally:
            os.close(number)

    def _short(self, value: Any) -> Json:
        """Plain data with long texts replaced by the numbers of their lines."""
        if isinstance(value, str):
            if len(value) < _LONG and not value.startswith(_REFERENCE):
                return value
            numbers, known = [], self._numbers
            for line in value.split("\n"):
                number = known.get(line)
                if number is None:
                    number = known[line] = len(known)
                    self._new.append(line)
                numbers.append(number)
            return _REFERENCE + ",".join(map(str, numbers))
        if isinstance(value, Mapping):
            return {key: self._short(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._short(inner) for inner in value]
        plain: Json = value
        return plain


def _read(path: Path) -> Iterator[tuple[Ask, str, Answer, int]]:
    """(ask, its digest as it was kept, answer, end of its frame in the file)."""
    try:
        opened = path.open("rb")
    except OSError as error:
        raise TapeError(f"{path}: cannot be read: {error.strerror or error}") from error
    with opened as file:
        magic = file.read(len(_MAGIC))
        if magic != _MAGIC:
            if _MAGIC.startswith(magic):
                return  # killed while beginning
            raise TapeError(f"{path}: not a tape of this version")
        unpack, lines = zlib.decompressobj(wbits=-15), [""]
        while (frame := _frame(file, path)) is not None:
            sort, packed = frame
            if sort == _FIRST:
                unpack, lines = zlib.decompressobj(wbits=-15), []
            try:
                key, digest, kind, after, content, value, *rest, new = json.loads(unpack.decompress(packed))
                lines += new
                role, member, decision, number = key
                ask = Ask((role, member, decision, number), kind, _long(content, lines), after)
                answer = Answer(_long(value, lines), *rest)
            except (ValueError, TypeError, IndexError, zlib.error) as error:
                raise _damaged(path, file, f" ({error})") from error
            yield ask, digest, answer, file.tell()


def _frame(file: BinaryIO, path: Path) -> tuple[bytes, bytes] | None:
    """(sort, content) of the next frame; None at the end, be it torn."""
    head, check = file.read(_HEAD.size), file.read(_CHECK.size)
    if len(check) < _CHECK.size:
        return None
    if _CHECK.unpack(check)[0] != zlib.crc32(head):
        if _only_zeros(file):
            return None
        raise _damaged(path, file)
    sort, length, crc = _HEAD.unpack(head)
    packed = file.read(length)
    if len(packed) < length:
        return None
    if zlib.crc32(packed) != crc or sort not in (_FIRST, _NEXT):
        # A whole frame ends with the mark of a flush, and never with a zero.
        if packed.endswith(b"\0") and _only_zeros(file):
            return None
        raise _damaged(path, file)
    return sort, packed


def _only_zeros(file: BinaryIO) -> bool:
    """Whether nothing but zeros follows: a file that was being made longer when the power failed."""
    while data := file.read(1 << 16):
        if data.strip(b"\0"):
            return False
    return True


def _damaged(path: Path, file: BinaryIO, why: str = "") -> TapeError:
    return TapeError(f"{path}: damaged before byte {file.tell()}{why}; {_ADVICE}")


def _long(value: Any, lines: list[str]) -> Any:
    if isinstance(value, str):
        if not value.startswith(_REFERENCE):
            return value
        return "\n".join([lines[int(number)] for number in value[1:].split(",")])
    if isinstance(value, dict):
        return {key: _long(inner, lines) for key, inner in value.items()}
    if isinstance(value, list):
        return [_long(inner, lines) for inner in value]
    return value


def _cut(path: Path, whole: int) -> None:
    """Cut off a torn end."""
    if whole < path.stat().st_size:
        with path.open("r+b") as file:
            file.truncate(whole)
