"""Where a value of a scenario comes from: a line of the file, an override, an arm or a sweep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from simworld.errors import ScenarioError
from simworld.scenario._explain import Problem, dotted
from simworld.scenario._yaml import Document, Key

_REPORTED = 5


@dataclass(frozen=True, slots=True)
class Patch:
    """A value that an arm or a sweep set in a cell."""

    target: Key
    """Where the value lies in the cell."""
    source: Key
    """Where it stands in the scenario."""

    @property
    def label(self) -> str:
        """The arm or the sweep, for messages."""
        return dotted(self.source[:2])


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a report, in the order of the file; what stems from overrides comes last."""

    order: tuple[bool, int, int]
    """Whether it stems from an override, then line and column."""
    text: str
    """The message with its place."""
    plain: str
    """The same without the variant's name: what is wrong in many variants is said once."""

    def ending(self, text: str) -> Line:
        """The same line with more at its end."""
        return Line(self.order, self.text + text, self.plain + text)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A file and the overrides that were applied to it."""

    document: Document
    """The file."""
    overrides: tuple[tuple[Key, str], ...] = ()
    """Where each override set a value, and its text."""

    def place(self, key: Key) -> tuple[str, tuple[bool, int, int], Key]:
        """The line or override that a value comes from, its order in a report, and the key that is named by it."""
        for target, text in reversed(self.overrides):
            if key[: len(target)] == target:
                return f"--set {text}", (True, 0, 0), target
        mark = self.document.mark(key)
        if mark is None:
            for target, text in reversed(self.overrides):
                if target[: len(key)] == key:
                    return f"--set {text}", (True, 0, 0), target
        while mark is None:
            key = key[:-1]
            mark = self.document.mark(key)
        return f"{self.document.file}:{mark[0]}:{mark[1]}", (False, *mark), ()

    def line(self, problem: Problem) -> Line:
        """A problem of the scenario itself as a line."""
        place, order, named = self.place(problem.key)
        name = "" if problem.key in ((), named) else f"{dotted(problem.key)}: "
        text = f"{place}: {name}{self._touched(problem.key, order)}{problem.message}"
        return Line(order, text, text)

    def cell_line(self, problem: Problem, patches: Iterable[Patch], variant: str) -> Line:
        """A problem of a cell as a line; the variant is named if its own values are not to blame by themselves."""
        for patch in reversed(list(patches)):
            if problem.key[: len(patch.target)] == patch.target:
                place, order, _ = self.place(patch.source + problem.key[len(patch.target) :])
                text = f"{patch.label}: {dotted(problem.key)}: {problem.message}"
                # A key of the sweep that is wrong is wrong at each of its values.
                plain = text if patch.source[0] == "sweep" else f"{place}: {text}"
                return Line(order, f"{place}: {text}", plain)
        line = self.line(problem)
        place = self.place(problem.key)[0]
        named = f"{place}: {variant}: {line.text.removeprefix(f'{place}: ')}"
        return Line(line.order, named, line.text) if variant else line

    def _touched(self, key: Key, order: tuple[bool, int, int]) -> str:
        """Name an override that changed the same block: it may have made a key of the file unacceptable."""
        block = key[:2] if key[:1] == ("roles",) else key[:1]
        texts = [text for target, text in self.overrides if block and target[: len(block)] == block]
        return f"with --set {texts[-1]}: " if texts and not order[0] else ""


def refuse(lines: Iterable[Line], cause: BaseException | None = None) -> None:
    """Raise one error for all lines, if there are any.

    Raises:
        ScenarioError: One line for each of the first few problems, and how many more there are.
    """
    first: dict[str, Line] = {}
    for line in lines:
        first.setdefault(line.plain, line)
    if not first:
        return
    texts = [line.text for line in sorted(first.values(), key=lambda line: line.order)]
    more = [f"and {len(texts) - _REPORTED} more"] if len(texts) > _REPORTED else []
    raise ScenarioError("\n".join(texts[:_REPORTED] + more)) from cause
