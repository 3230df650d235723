"""The Axelrod library, imported on first use: it takes seconds, and not everybody has it."""

from __future__ import annotations

import difflib
import inspect
import multiprocessing
import sys
import typing
from collections.abc import Mapping
from typing import Any, TypeAlias

from simworld.worlds.games import Payoffs

Option: TypeAlias = bool | int | float | str
"""What an option of a strategy may be."""

_CHEATS = {
    "inspects_source": "reads its opponent's program",
    "manipulates_source": "rewrites its opponent's program",
    "manipulates_state": "changes its opponent's memory",
}
"""What strategies do that need more than what was played, by what the library calls it."""


def library() -> Any:
    """The module.

    Raises:
        ValueError: It is not installed.
    """
    if (loaded := sys.modules.get("axelrod")) is not None:
        return loaded
    before = multiprocessing.get_start_method(allow_none=True)
    try:
        import axelrod  # noqa: PLC0415  seconds
    except ModuleNotFoundError as error:
        raise ValueError(f"found no module {error.name!r}; it comes with: pip install 'simworld[games]'") from error
    finally:
        # The library decides for the whole process how it starts others; that is not ours to change.
        multiprocessing.set_start_method(before, force=True)
    return axelrod


def player(strategy: str, options: Mapping[str, Option], payoffs: Payoffs, noise: float) -> Any:
    """One who plays a strategy in matches of unknown length, and is told what they pay and how noisy they are.

    Raises:
        ValueError: There is no such strategy, it plays unfairly, or it does not take these options.
    """
    axelrod = library()
    cls = _strategy(strategy, axelrod)
    _check(cls, options)
    made = cls(**options)
    told = axelrod.Game(r=payoffs.reward, s=payoffs.sucker, t=payoffs.temptation, p=payoffs.punishment)
    made.set_match_attributes(length=float("inf"), game=told, noise=noise)
    return made


def _strategy(name: str, axelrod: Any) -> Any:
    known = {cls.__name__: cls for cls in axelrod.all_strategies}
    cls = known.get(name)
    if cls is None:
        # Letters large or small: names are long, and nobody knows them by heart.
        low = {each.lower(): each for each in known}
        near = difflib.get_close_matches(name.lower(), low, 1, cutoff=0)
        raise ValueError(f"found no strategy {name!r} among the library's {len(known)}; the nearest is {low[near[0]]}")
    cheats = [words for trait, words in _CHEATS.items() if cls.classifier.get(trait)]
    if cheats:
        raise ValueError(f"{name} {' and '.join(cheats)}; accepted: strategies that go by what was played")
    return cls


def _check(cls: Any, options: Mapping[str, Option]) -> None:
    """Whether its constructor takes these; lists and players cannot be written in a scenario."""
    accepted = {name: sorts for name, each in _parameters(cls).items() if (sorts := _sorts(each))}
    for name, value in options.items():
        if name not in accepted:
            raise ValueError(f"options: found {name!r}; accepted: {', '.join(accepted) or 'none'}")
        if type(value) not in accepted[name] and not (type(value) is int and float in accepted[name]):
            words = " or ".join(_WORDS[sort] for sort in accepted[name])
            raise ValueError(f"options: {name}: found {value!r}; accepted: {words}")


_WORDS: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _parameters(cls: Any) -> dict[str, inspect.Parameter]:
    declared = inspect.signature(cls.__init__).parameters.values()
    return {each.name: each for each in declared if each.kind is each.POSITIONAL_OR_KEYWORD and each.name != "self"}


def _sorts(parameter: inspect.Parameter) -> tuple[type, ...]:
    """Which plain types a parameter takes, from its annotation or else from its default."""
    hint = type(parameter.default) if parameter.annotation is parameter.empty else parameter.annotation
    hints = typing.get_args(hint) or (hint,)
    return tuple(sort for sort in _WORDS if sort in hints)
