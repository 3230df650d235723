"""What a measure is: a function of a run with declared needs, found by its name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from simworld_analysis._open import OpenError, Run

if TYPE_CHECKING:
    import pandas as pd

Level: TypeAlias = Literal["individual", "interaction", "human-agent"]
"""Whose behaviour it is."""

_REGISTRY: dict[str, Measure] = {}


class NotApplicableError(ValueError):
    """A measure does not apply to a run; the message says why."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A function of a run, with what it needs."""

    name: str
    level: Level
    unit: str
    meaning: str
    """One phrase: first line of the function's docstring."""
    needs: Mapping[str, tuple[str, ...]]
    """Columns by table; ``{role}`` and other options of the function stand for what they are given as."""
    of: Callable[..., pd.DataFrame]
    """The function: a run and options in, a frame with ``episode`` and ``value`` out."""
    names: Mapping[str, object]
    """What the annotations of the function's options refer to."""

    @property
    def options(self) -> dict[str, object]:
        """Its options with their defaults; those without one must be given."""
        parameters = list(inspect.signature(self.of).parameters.values())[1:]
        return {p.name: p.default for p in parameters}

    @property
    def kinds(self) -> dict[str, Any]:
        """The types of its options."""
        parameters = list(inspect.signature(self.of).parameters.values())[1:]
        return {p.name: eval(p.annotation, dict(self.names)) for p in parameters}


def measure(
    level: Level, unit: str, needs: Mapping[str, Sequence[str]]
) -> Callable[[Callable[..., pd.DataFrame]], Callable[..., pd.DataFrame]]:
    """Declare a function of a run as a measure, and check what it needs before it is called.

    Args:
        level: Whose behaviour it is.
        unit: Of its value; empty if it has none.
        needs: Columns by table; ``{option}`` stands for what the option is given as.
    """

    def declare(function: Callable[..., pd.DataFrame]) -> Callable[..., pd.DataFrame]:
        signature = inspect.signature(function)

        def of(run: Run, *args: Any, **options: Any) -> pd.DataFrame:
            try:
                bound = signature.bind(run, *args, **options)
            except TypeError as error:
                raise NotApplicableError(_misfit(_REGISTRY[function.__name__], args, options, error)) from error
            bound.apply_defaults()
            given = {name: value for name, value in bound.arguments.items() if name != next(iter(signature.parameters))}
            if wrong := wrong_option(_REGISTRY[function.__name__], given):
                raise NotApplicableError(f"{function.__name__}: {wrong}")
            check_needs(run, _filled(needs, given))
            return function(*bound.args, **bound.kwargs)

        of.__doc__, of.__name__ = function.__doc__, function.__name__
        of.__signature__ = signature  # type: ignore[attr-defined]  # what help() and options show
        meaning = (inspect.getdoc(function) or "").partition("\n")[0]
        declared = {table: tuple(columns) for table, columns in needs.items()}
        _REGISTRY[function.__name__] = Measure(
            function.__name__, level, unit, meaning, declared, of, function.__globals__
        )
        return of

    return declare


def all_measures() -> list[Measure]:
    """All that are declared: by level, then by name."""
    levels = {"individual": 0, "interaction": 1, "human-agent": 2}
    return sorted(_REGISTRY.values(), key=lambda m: (levels[m.level], m.name))


def find_measure(name: str, emitted: Iterable[str] = ()) -> Measure:
    """A measure by its name.

    Args:
        name: The name.
        emitted: What the world emits besides, for the message.

    Raises:
        OpenError: There is none.
    """
    found = _REGISTRY.get(name)
    if found is None:
        known = [*emitted, *_REGISTRY]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"accepted: {', '.join(known)}"
        raise OpenError(f"there is no measure {name!r}; {hint}")
    return found


def what_applies(run: Run) -> pd.DataFrame:
    """All measures, and whether they apply to a run: measure, level, applies, why (not), options, meaning."""
    import pandas as pd  # noqa: PLC0415

    rows = []
    for known in all_measures():
        why = ""
        lacking = lacking_option(known, ())
        if lacking:
            why = f"needs the option {lacking!r}"
        else:
            try:
                check_needs(run, _filled(known.needs, known.options))
            except NotApplicableError as error:
                why = str(error)
        rows.append((known.name, known.level, not why, why, ", ".join(known.options), known.meaning))
    return pd.DataFrame(rows, columns=["measure", "level", "applies", "why", "options", "meaning"])


def check_needs(run: Run, needs: Mapping[str, Sequence[str]]) -> None:
    """Raise NotApplicableError for the first table or column that a run lacks."""
    for table, columns in needs.items():
        if table not in run.tables:
            raise NotApplicableError(f"the run has no table {table!r}; it has {', '.join(run.tables)}")
        try:
            names = run.schema(table).names
        except OpenError as error:
            raise NotApplicableError(str(error)) from error
        for column in columns:
            if column not in names:
                alike = [n for n in names if n.partition(".")[0] == column.partition(".")[0]]
                raise NotApplicableError(
                    f"table {table!r} has no column {column!r}; it has {', '.join(alike or names)}"
                )


def lacking_option(known: Measure, given: Iterable[str]) -> str:
    """An option that a measure needs and was not given; empty if there is none."""
    lacking = [n for n, default in known.options.items() if default is inspect.Parameter.empty and n not in given]
    return lacking[0] if lacking else ""


def wrong_option(known: Measure, given: Mapping[str, object]) -> str:
    """What is wrong with the kind of an option's value; empty if nothing is."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415  loaded when a measure is computed

    for name, value in given.items():
        annotation = known.kinds[name]
        try:
            TypeAdapter(annotation).validate_python(value, strict=True)
        except ValidationError as error:
            accepted = "; ".join(dict.fromkeys(one["msg"] for one in error.errors()))
            return f"option {name!r}: found {value!r}; accepted: {accepted[0].lower()}{accepted[1:]}"
    return ""


def needed(known: Measure, options: Mapping[str, object]) -> dict[str, list[str]]:
    """The columns that a measure needs, by table, with these options and its defaults for the others."""
    return _filled(known.needs, {**known.options, **options})


def _misfit(known: Measure, args: Sequence[object], options: Mapping[str, object], error: TypeError) -> str:
    lacking = lacking_option(known, [*list(known.options)[: len(args)], *options])
    if lacking:
        return f"{known.name} needs the option {lacking!r}"
    wrong = [name for name in options if name not in known.options]
    return f"{known.name} has no option {wrong[0]!r}; it has {', '.join(known.options)}" if wrong else str(error)


def _filled(needs: Mapping[str, Sequence[str]], given: Mapping[str, object]) -> dict[str, list[str]]:
    """Needs with the options put in; a column of an option that is None is not needed."""
    filled: dict[str, list[str]] = {}
    for table, columns in needs.items():
        wanted = [c for c in columns if not any(f"{{{n}}}" in c for n, v in given.items() if v is None)]
        filled[table.format(**given)] = [c.format(**given) for c in wanted]
    return filled


def decisions(run: Run, role: str, columns: Sequence[str]) -> pd.DataFrame:
    """The decisions of a role, without closing rows: episode, tick, agent and these columns, in the order of time."""
    table = f"decisions.{role}"
    frame = run.table(table, list(dict.fromkeys(["episode", "tick", "agent", "end", *columns])))
    frame = frame[frame["end"].isna()].drop(columns="end")
    frame["episode"] = frame["episode"].astype(str)
    return frame.sort_values(["episode", "tick", "agent"], kind="stable", ignore_index=True)


def framed(data: object, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A frame of rows or columns; what imports pandas only when a measure is computed."""
    import pandas as pd  # noqa: PLC0415

    return pd.DataFrame(data, columns=columns)  # type: ignore[call-overload,no-any-return]
