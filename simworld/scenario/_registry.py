"""Finding worlds and minds by the name that a scenario gives them.

A scenario may import what it names (``module:Class``, or whatever an installed package has registered), so loading
one runs code: a scenario is as trusted as the programs on this machine. Read a stranger's before you load it.

A registered class may stand for a family: its attribute ``family`` names a parameter, a text, that is written behind
the short name, as in ``axelrod:TitForTat``.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from simworld.errors import ScenarioError, UserError
from simworld.files import folder_beside
from simworld.scenario._beside import check_beside
from simworld.scenario._explain import instead, listing
from simworld.scenario._parameters import Parameters, parameters_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Category: TypeAlias = Literal["world", "agent", "learner"]
"""What a kind is: the rules, a mind (an agent or a cohort), or who trains one."""

GROUP = "simworld"
"""The entry-point group; names in it are ``world.<kind>``, ``agent.<kind>`` and ``learner.<kind>``."""

_RESERVED: dict[str, tuple[str, ...]] = {"world": ("kind",), "agent": ("kind", "count"), "learner": ()}
_BASES = {"world": "a World", "agent": "an Agent or a Cohort", "learner": "a Learner"}


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A world, a mind or a learner that a scenario may name."""

    category: Category
    """World, agent or learner."""
    kind: str
    """The name under which it was found."""
    cls: type
    """The class."""
    parameters: Parameters
    """What its constructor takes, but for what the kind itself says."""
    family: str = ""
    """The parameter that is written behind the short name, if the class stands for a family."""

    @property
    def whole(self) -> bool:
        """Whether it can be built: of a family, it must be said which one is meant."""
        return not self.family or bool(self.kind.partition(":")[2])

    @property
    def spelling(self) -> str:
        """How a scenario writes it, such as ``always`` or ``axelrod:<strategy>``."""
        return self.kind if self.whole else f"{self.kind.partition(':')[0]}:<{self.family}>"

    @property
    def summary(self) -> str:
        """First line of the docstring, or nothing."""
        lines = (inspect.getdoc(self.cls) or "").splitlines() if "__doc__" in vars(self.cls) else []
        return lines[0] if lines else ""


def find(category: Category, kind: str) -> Found:
    """Find a class by its short name, as one of a family, or as ``module:Class``; this imports its module.

    Raises:
        ScenarioError: The kind is unknown, its module cannot be imported, or it is the wrong sort of class.
    """
    name, colon, which = kind.partition(":")
    cls = _registered(category, name) if not colon or name in known(category) else None
    family = getattr(cls, "family", "")
    if cls is None or (colon and not family):
        # What is registered and no family leaves its name to a module.
        cls, family = _import(category, kind, f"kind {kind!r}"), ""
    fixed = ((family, which),) if family else ()
    return Found(category, kind, cls, parameters_of(cls, _RESERVED[category], fixed), family)


def kinds(category: Category) -> dict[str, str]:
    """All registered kinds of a category, as they are written, with the first line of each docstring.

    This imports each. A family is one entry: ``axelrod:<strategy>``.

    Raises:
        ScenarioError: One of them cannot be imported or is the wrong sort of class.
    """
    return {found.spelling: found.summary for found in (find(category, kind) for kind in known(category))}


def known(category: Category) -> list[str]:
    """All registered short names of a category, sorted; this imports none."""
    start = f"{category}."
    return sorted(name.removeprefix(start) for name in _entries(tuple(sys.path)) if name.startswith(start))


def learner_kind(algo: str) -> str | None:
    """The kind of a learner that is found by name, here or in a module; None: it is an algorithm of RLlib."""
    return algo if ":" in algo or algo in known("learner") else None


def build(found: Found, params: Mapping[str, object], where: str = "") -> object:
    """Construct what was found.

    Args:
        found: The class and its parameters.
        params: Values by parameter, as they stand in a scenario; what is left out takes its default.
        where: File, line and key of the block, for messages.

    Raises:
        ScenarioError: A parameter is unknown, missing or not accepted, or the constructor refuses the values.
    """
    start = f"{where}: " if where else ""
    if not found.whole:
        raise ScenarioError(f"{start}{not_whole(found)}")
    problems = found.parameters.check(params)[1]
    if problems:
        first = problems[0]
        raise ScenarioError(f"{start}{'.'.join(map(str, first.key))}: {first.message}")
    try:
        return found.parameters.construct(params)
    except Exception as error:  # whatever a constructor of somebody else's raises
        reason = " ".join(str(error).split()) or type(error).__name__
        if not isinstance(error, ValueError | UserError):
            reason = f"{type(error).__name__}: {reason}"
        raise ScenarioError(f"{start}{found.kind}: {reason}") from error


def not_whole(found: Found) -> str:
    """What is wrong with a kind that says the family, and not which of it."""
    return f"found {found.kind!r}, which is a family; accepted: {found.spelling}"


def _registered(category: Category, kind: str) -> type:
    entry = _entry(category, kind)
    return _import(category, entry.value.partition("[")[0].strip(), f"kind {kind!r}{_owner(entry)}")


@functools.lru_cache(maxsize=1024)
def _owner(entry: EntryPoint) -> str:
    """Who registered it, in words: the name of a distribution takes a millisecond to read."""
    return f" (registered by {entry.dist.name})" if entry.dist is not None else ""


def _entry(category: Category, kind: str) -> EntryPoint:
    entries = _entries(tuple(sys.path)).get(f"{category}.{kind}", [])
    if not entries:
        names = known(category)
        raise ScenarioError(f"unknown kind {kind!r}{instead(kind, [*names, 'module:Class'])}")
    values = {entry.value: entry for entry in entries}
    if len(values) > 1:
        owners = sorted(f"{e.dist.name if e.dist else 'somebody'} ({e.value})" for e in values.values())
        raise ScenarioError(f"kind {kind!r} is registered by {' and by '.join(owners)}; accepted: module:Class")
    return entries[0]


@functools.lru_cache(maxsize=4)
def _entries(path: tuple[str, ...]) -> dict[str, list[EntryPoint]]:  # noqa: ARG001  a changed path is another answer
    # Imported here: most commands never look a short name up, and scanning all distributions takes a while.
    from importlib.metadata import entry_points  # noqa: PLC0415

    entries: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        entries.setdefault(entry.name, []).append(entry)
    return entries


def _import(category: Category, reference: str, what: str) -> type:
    module_name, _, attribute = reference.partition(":")
    if (folder := folder_beside()) is not None:
        check_beside(folder, module_name)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ScenarioError(f"{what} cannot be imported: {type(error).__name__}: {reason}") from error
    cls: object = module
    for part in attribute.split("."):
        cls = getattr(cls, part, None)
    if cls is None:
        names = [
            name for name, value in vars(module).items() if _fits(category, value) and not inspect.isabstract(value)
        ]
        raise ScenarioError(f"{what}: {module_name} has no {attribute!r}{instead(attribute, names)}")
    if not _fits(category, cls):
        raise ScenarioError(f"{what} is {_sort(cls)}; accepted: {_BASES[category]}")
    assert isinstance(cls, type)
    if inspect.isabstract(cls):
        lacking = listing(sorted(getattr(cls, "__abstractmethods__", ())))
        raise ScenarioError(f"{what} is abstract; accepted: a class that defines {lacking}")
    return cls


def brings_minds(cls: type) -> bool:
    """Whether a world brings minds for roles that a scenario leaves open."""
    from simworld.kernel import World  # noqa: PLC0415

    return issubclass(cls, World) and cls.own_minds is not World.own_minds


def _fits(category: Category, cls: object) -> bool:
    tests = {"world": _is_world, "agent": _is_agent, "learner": _is_learner}
    return isinstance(cls, type) and tests[category](cls)


def _is_world(cls: type) -> bool:
    from simworld.kernel import World  # noqa: PLC0415  numpy is needed only once something is resolved

    return issubclass(cls, World)


def _is_agent(cls: type) -> bool:
    from simworld.kernel import Agent, Cohort  # noqa: PLC0415

    return issubclass(cls, Agent | Cohort)


def _is_learner(cls: type) -> bool:
    from simworld.spaces import Learner  # noqa: PLC0415

    return issubclass(cls, Learner)


def _sort(value: object) -> str:
    if not isinstance(value, type):
        return f"a {type(value).__name__}, not a class"
    return "a World" if _is_world(value) else "an Agent or a Cohort" if _is_agent(value) else "another sort of class"
