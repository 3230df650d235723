"""YAML 1.2 as plain data, safely, with the line of every key.

The events of PyYAML's parser are put together here instead of by its constructors, because those are YAML 1.1
(``no`` is a boolean, ``1e3`` is text, ``1:30`` is ninety), take duplicate keys silently, and recurse.
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import yaml

from simworld.errors import ScenarioError

Key: TypeAlias = "tuple[str | int, ...]"
"""Where a value lies: mapping keys and list indices from the top."""

MOST_BYTES = 10 * 2**20
MOST_NODES = 1_000_000
MOST_DEPTH = 64

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_BASES = {"0o": 8, "0x": 16}


@dataclass(slots=True, eq=False)
class Node:
    """A value with its place in the file; what an alias names is shared, never copied."""

    mark: tuple[int, int]
    """Line and column, both from 1."""
    value: object = None
    """The plain value; not to be changed, as aliases share it."""
    text: str | None = None
    """How a scalar is written; None for lists and mappings."""
    children: dict[str | int, Node] = field(default_factory=dict)
    """Entries of a list or mapping."""
    marks: dict[str | int, tuple[int, int]] = field(default_factory=dict)
    """Line and column of each entry: of its key in a mapping."""
    size: int = 1
    """How many values this one holds with all aliases written out."""
    height: int = 1
    """How deeply it is nested."""


@dataclass(slots=True, eq=False)
class _Open:
    """A list or mapping that has begun and not yet ended."""

    node: Node
    mapping: bool
    anchor: str | None
    key: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A file as plain data, with the places of its keys."""

    file: str
    """The name of the file, for messages."""
    text: str
    """The file as it was read."""
    root: Node
    """The top-level mapping."""

    @property
    def data(self) -> dict[str, object]:
        """The top-level mapping as plain data."""
        assert isinstance(self.root.value, dict)
        return self.root.value

    def mark(self, key: Key) -> tuple[int, int] | None:
        """Line and column of an entry, or None where the file has no such entry."""
        node, mark = self.root, (1, 1)
        for part in key:
            if part not in node.children:
                return None
            node, mark = node.children[part], node.marks[part]
        return mark


def read(path: str | os.PathLike[str]) -> Document:
    """Read a file.

    Raises:
        ScenarioError: It is missing, no regular file, too large, not UTF-8, or not what ``parse`` accepts.
    """
    place = os.fspath(path)
    file = place if place.isprintable() else repr(place)
    try:
        mode = os.stat(place).st_mode
        if not stat.S_ISREG(mode):
            what = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise ScenarioError(f"{file}: found {what}; accepted: a YAML file")
        with Path(place).open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else getattr(error, "strerror", None) or error
        raise ScenarioError(f"{file!s}: {reason}; accepted: a YAML file") from error
    if len(raw) > MOST_BYTES:
        raise ScenarioError(f"{file}: found more than {MOST_BYTES // 2**20} MiB; accepted: a smaller file")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        raise ScenarioError(f"{file}:{line}:{column}: found byte 0x{raw[error.start]:02x}; accepted: UTF-8") from error
    return parse(text, file)


def parse(text: str, file: str) -> Document:
    """Parse text that must hold one mapping.

    Raises:
        ScenarioError: It is empty, not YAML, no mapping, more than one document, has duplicate keys or tags, or
            is larger than ``MOST_NODES`` values with all aliases written out.
    """
    root = _compose(text, file)
    if root is None or root.value is None:
        raise ScenarioError(f"{file}:1:1: found nothing; accepted: a mapping such as 'horizon: 120'")
    if not isinstance(root.value, dict):
        line, column = root.mark
        what = "a list" if isinstance(root.value, list) else f"{root.value!r:.60}"
        raise ScenarioError(f"{file}:{line}:{column}: found {what}; accepted: a mapping such as 'horizon: 120'")
    return Document(file, text, root)


def parse_value(text: str, what: str) -> object:
    """Parse one value as it may stand behind a key.

    Raises:
        ScenarioError: It is not one YAML value; ``what`` begins the message.
    """
    root = _compose(text, what, located=False)
    return None if root is None else root.value


def scalar(text: str) -> bool | int | float | str | None:
    """The value of a plain scalar in the core schema of YAML 1.2.

    Raises:
        ValueError: An infinite number or NaN, or a whole number beyond 64 bits.
    """
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        # Digits first: very long numbers are refused before Python converts them.
        number = int(text, _BASES.get(text[:2], 10)) if len(text) < 100 else 2**64
        if not -(2**63) <= number < 2**63:
            raise ValueError(f"found {text:.30}; accepted: a whole number within 64 bits")
        return number
    if _FLOAT.fullmatch(text):
        value = float(text)
        if not math.isfinite(value):
            raise ValueError(f"found {text:.30}; accepted: a finite number")
        return value
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"found {text}; accepted: a finite number (null says: no bound)")
    return text


_HINTS = {
    "mapping values are not allowed": "a text with ': ' in it needs quotes",
    "could not find expected ':'": "a key is followed by ':' and a space",
    "did not find expected comment or line break": "a text that begins with > or | needs quotes",
}
"""What is mostly meant where YAML's own words are hard to read."""


def _compose(text: str, file: str, *, located: bool = True) -> Node | None:
    composer = _Composer(file, located=located)
    try:
        for event in _events(text):
            composer.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise composer.error((line, column), f"not YAML: {_reason(error, text, line)}") from error
    except yaml.YAMLError as error:
        raise ScenarioError(f"{file}: not YAML: {' '.join(str(error).split())}") from error
    except UnicodeEncodeError as error:
        raise ScenarioError(f"{file}: not YAML: half of a character") from error
    return composer.root


def _events(text: str) -> Iterator[yaml.Event]:
    # The stubs know the pure-Python loader only.
    yield from yaml.parse(text, Loader=_LOADER)


def _reason(error: yaml.MarkedYAMLError, text: str, line: int) -> str:
    lines = text.splitlines()
    shown = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in shown[: len(shown) - len(shown.lstrip())]:
        return "found a tab in the indentation; accepted: spaces"
    for problem, hint in _HINTS.items():
        if problem in str(error.problem):
            return f"{error.problem}; {hint}"
    parts = (error.context, error.problem)
    return " ".join(", ".join(str(part) for part in parts if part).split())


class _Composer:
    """Puts events together into nodes, without recursion, and counts while it does."""

    def __init__(self, file: str, *, located: bool) -> None:
        self.root: Node | None = None
        self._file, self._located = file, located
        self._open: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        start = event.start_mark
        mark = (start.line + 1, start.column + 1) if start is not None else (1, 1)
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, mark)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(str(event.anchor), mark)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event, mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = self._open.pop()
            if closed.anchor is not None:
                self._anchors[closed.anchor] = closed.node
            self._add(closed.node, closed.node.mark)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self.error(mark, "found a second document; accepted: one")

    def error(self, mark: tuple[int, int], message: str) -> ScenarioError:
        """An error at a place; a value on the command line has no lines."""
        place = f"{self._file}:{mark[0]}:{mark[1]}" if self._located else self._file
        return ScenarioError(f"{place}: {message}")

    def _scalar(self, event: yaml.ScalarEvent, mark: tuple[int, int]) -> None:
        if event.tag not in (None, "!", f"{_TAG}str"):
            raise self._tagged(event.tag, mark)
        # Long text weighs more, or aliases to it would pass the count.
        node = Node(mark, event.value, event.value, size=1 + len(event.value) // 32)
        is_key = bool(self._open) and self._open[-1].mapping and self._open[-1].key is None
        # Keys stay as they are written: `no: 1` and `2024: 1` name what they seem to name.
        if event.implicit[0] and not is_key:
            try:
                node.value = scalar(event.value)
            except ValueError as error:
                raise self.error(mark, str(error)) from error
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._add(node, mark)

    def _begin(self, event: yaml.CollectionStartEvent, mark: tuple[int, int]) -> None:
        mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", f"{_TAG}{'map' if mapping else 'seq'}"):
            raise self._tagged(event.tag, mark)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._open.append(_Open(Node(mark, {} if mapping else []), mapping, event.anchor))
        self._check(mark, 1, 1)

    def _alias(self, name: str, mark: tuple[int, int]) -> None:
        if name not in self._anchors:
            raise self.error(mark, f"alias *{name} comes before its anchor; accepted: &{name} further up")
        node = self._anchors[name]
        if node is None:
            raise self.error(mark, f"alias *{name} lies inside its own anchor; accepted: values that end")
        self._check(mark, node.size, node.height)
        self._add(node, mark)

    def _tagged(self, tag: str, mark: tuple[int, int]) -> ScenarioError:
        shown = tag.replace(_TAG, "!!")
        return self.error(mark, f"found the tag {shown!r:.80}; accepted: plain values without tags")

    def _check(self, mark: tuple[int, int], size: int, height: int) -> None:
        # A sum that runs past the limit stops the parse, so nothing is ever written out to be counted.
        depth = len(self._open) + height - 1
        if depth > MOST_DEPTH:
            raise self.error(mark, f"found values nested more than {MOST_DEPTH} deep; accepted: fewer levels")
        if self._open and self._open[-1].node.size + size > MOST_NODES:
            raise self.error(
                mark, f"found more than {MOST_NODES:,} values with all aliases written out; accepted: fewer"
            )

    def _add(self, node: Node, mark: tuple[int, int]) -> None:
        if not self._open:
            self.root = node
            return
        top = self._open[-1]
        if top.mapping and top.key is None:
            self._key(top, node, mark)
            return
        self._check(mark, node.size, node.height)
        owner = top.node
        owner.size += node.size
        owner.height = max(owner.height, node.height + 1)
        if top.mapping:
            assert isinstance(owner.value, dict)
            assert top.key is not None
            owner.value[top.key] = node.value
            owner.children[top.key] = node
            top.key = None
        else:
            assert isinstance(owner.value, list)
            owner.marks[len(owner.value)] = mark
            owner.children[len(owner.value)] = node
            owner.value.append(node.value)

    def _key(self, top: _Open, node: Node, mark: tuple[int, int]) -> None:
        if node.text is None:
            raise self.error(mark, "found a list or mapping as a key; accepted: text")
        if node.text == "<<":
            raise self.error(
                mark, "found the merge key '<<'; accepted: the keys written out (YAML 1.2 has no merge keys)"
            )
        if node.text in top.node.marks:
            first = top.node.marks[node.text][0]
            raise self.error(
                mark, f"{node.text}: found again; it stands in line {first} already; accepted: one of them"
            )
        self._check(mark, node.size, 1)
        top.node.size += node.size
        top.key = node.text
        top.node.marks[node.text] = mark
