"""What a Mesa model is called and declares: its reporters as measures, its agents as roles with columns."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import mesa
import numpy as np
from mesa.experimental.devs import ABMSimulator, DEVSimulator

from simworld.hosts._mesa_dice import Dice
from simworld.hosts._mesa_seats import MesaSeat
from simworld.kernel import Array, Field, Role

Kind: TypeAlias = Literal["number", "whole", "truth", "text"]
"""What a reporter reports."""
Clock: TypeAlias = Literal["auto", "abm", "devs", "none"]
"""Which of Mesa's simulators drives the model, if any; auto: an ABMSimulator if its constructor takes one."""

_DTYPES: Mapping[Kind, Literal["float64", "int64", "bool", "str"]] = {
    "number": "float64",
    "whole": "int64",
    "truth": "bool",
    "text": "str",
}


@dataclass(frozen=True)
class Told:
    """One column of a role: where it comes from, and its field."""

    name: str
    """The reporter's name, or the attribute's path."""
    field: Field
    reported: bool
    """By the model's own DataCollector, else read from the agent."""


@dataclass(frozen=True)
class Kinds:
    """One class of agents."""

    role: Role
    cls: type[Any]
    columns: tuple[Told, ...] = ()
    seat: MesaSeat | None = None
    """The adapter, if a mind decides for them."""


@dataclass(frozen=True)
class Declared:
    """What a model declares."""

    make: Callable[[int], tuple[Any, Any]]
    """From a seed to a model and its simulator, which may be None."""
    measures: Mapping[str, str]
    """Its reporters of numbers, by the name of their measure."""
    attributes: Mapping[str, str]
    """Attributes of the model that are measures, by the name of the measure."""
    kinds: tuple[Kinds, ...]
    left_out: tuple[str, ...]
    """Reporters of the model that report no number."""


@dataclass(frozen=True)
class Asked:
    """What a scenario says about a model."""

    model: str
    args: str = "{}"
    """By name, as JSON."""
    report: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Attributes to record, by role, or by ``model``."""
    kinds: tuple[tuple[str, Kind], ...] = ()
    """What reporters report, where their first values do not tell."""
    classes: tuple[str, ...] = ()
    seats: tuple[str, ...] = ()
    clock: Clock = "auto"
    told: Mapping[str, Kind] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """By name."""
        object.__setattr__(self, "told", dict(self.kinds))


@functools.lru_cache(maxsize=32)
def declared(asked: Asked) -> Declared:
    """Look at a model: one is made, and its reporters are asked once.

    Raises:
        ValueError: There is none of that name, or it cannot be hosted.
    """
    make = _Maker(asked)
    with Dice(0).rolled():
        model, simulator = make(0)
        seats = [_seat(name) for name in asked.seats]
        if not _collected(model):
            # Most models collect when they are made, some not before they have stepped.
            advance(model, simulator)
        reporters, values = _model_values(model)
        report = dict(asked.report)
        kinds = _kinds(asked, model, report, seats)
        _check_seed(asked, model, make.seed)
    forget(model)
    _distinct("measures of the model", [*reporters, *report.get("model", ())], _RESERVED)
    _distinct("classes of agents", [one.role.name for one in kinds])
    numbers = {_word(name): name for name in reporters if _is_number(values[name])}
    attributes = {_word(path): path for path in report.pop("model", ())}
    for path in attributes.values():
        if not _is_number(read(model, path)):
            raise ValueError(f"report: model: {path!r} is no number; accepted: attributes of the model that are")
    unknown = set(report) - {one.role.name for one in kinds}
    if unknown:
        known = ", ".join(["model", *(one.role.name for one in kinds)])
        raise ValueError(f"report: found {sorted(unknown)[0]!r}; accepted: {known}")
    columns = {column.name for one in kinds for column in one.columns}
    odd = next((name for name in asked.told if name not in columns), None)
    if odd is not None:
        raise ValueError(f"kinds: found {odd!r}; accepted: what is reported of agents: {', '.join(sorted(columns))}")
    left_out = tuple(name for name in reporters if name not in numbers.values())
    return Declared(make, numbers, attributes, tuple(kinds), left_out)


def _distinct(what: str, names: Sequence[str], taken: Collection[str] = ()) -> None:
    """Raise ValueError if two names are the same word, or one is taken."""
    known: dict[str, str] = {}
    for name in names:
        word = _word(name)
        if word in taken:
            raise ValueError(f"{what}: {name!r} is the name of another column; accepted: any but {', '.join(taken)}")
        if word in known:
            raise ValueError(f"{what}: {known[word]!r} and {name!r} are both called {word!r}; accepted: distinct names")
        known[word] = name


def _check_seed(asked: Asked, model: Any, name: str) -> None:
    """Raise ValueError if the constructor takes a seed and does not pass it on."""
    if name == "seed" and getattr(model, "_seed", 0) != 0:
        raise ValueError(
            f"model {asked.model!r} takes a seed and does not pass it on, so no run of it could be repeated;"
            " accepted: one whose constructor calls super().__init__(seed=seed)"
        )


class _Maker:
    """Makes models; plain data, so that a world can be pickled."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        cls = _found(asked.model, "model")
        if not (isinstance(cls, type) and issubclass(cls, mesa.Model)):
            raise ValueError(f"model {asked.model!r} is no mesa.Model")  # noqa: TRY004  a value in a scenario
        taken = inspect.signature(cls).parameters
        anything = any(p.kind is p.VAR_KEYWORD for p in taken.values())
        self.seed = next((name for name in ("seed", "rng") if name in taken), "seed" if anything else "")
        if not self.seed:
            raise ValueError(
                f"model {asked.model!r} takes no seed, so no run of it could be repeated;"
                " accepted: one whose constructor passes seed= on to mesa.Model"
            )
        given = json.loads(asked.args)
        accepted = [n for n, p in taken.items() if p.kind is not p.VAR_KEYWORD and n not in {self.seed, "simulator"}]
        strange = [name for name in given if name not in accepted and not (anything and name != self.seed)]
        if strange:
            raise ValueError(f"args: found {strange[0]!r}; accepted: {', '.join(accepted)}")
        self._clock: Clock = ("abm" if "simulator" in taken else "none") if asked.clock == "auto" else asked.clock
        if self._clock != "none" and "simulator" not in taken:
            raise ValueError(f"clock {asked.clock!r}: {asked.model!r} takes no simulator; accepted: auto, none")

    def __call__(self, seed: int) -> tuple[Any, Any]:
        """A model, and what drives it besides its step."""
        args = {**json.loads(self.asked.args), self.seed: seed}
        simulator = {"abm": ABMSimulator, "devs": DEVSimulator}.get(self._clock, lambda: None)()
        if simulator is not None:
            args["simulator"] = simulator
        try:
            model = _found(self.asked.model, "model")(**args)
        except Exception as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"model {self.asked.model!r} cannot be made: {type(error).__name__}: {reason}") from error
        if not hasattr(model, "_agents_by_type") and not hasattr(model, "agents"):
            raise ValueError(f"model {self.asked.model!r}: its constructor does not call super().__init__(seed=seed)")
        if simulator is not None and simulator.model is None:
            simulator.setup(model)
        return model, simulator


def _found(reference: str, what: str) -> Any:
    module_name, _, attribute = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{what} {reference!r} cannot be imported: {type(error).__name__}: {reason}") from error
    found = getattr(module, attribute, None) if attribute else None
    if found is None:
        raise ValueError(f"{what} {reference!r} is not there; accepted: module:Class")
    return found


def _seat(reference: str) -> MesaSeat:
    cls = _found(reference, "seat")
    if not (isinstance(cls, type) and issubclass(cls, MesaSeat)) or inspect.isabstract(cls):
        raise ValueError(f"seat {reference!r} is no MesaSeat; accepted: a class that defines observe and act")
    seat: MesaSeat = cls()
    agent = getattr(seat, "agent", None)
    if not (isinstance(agent, type) and issubclass(agent, mesa.Agent)):
        raise ValueError(f"seat {reference!r}: agent: found {agent!r}; accepted: a class of Mesa's agents")  # noqa: TRY004
    if not callable(getattr(agent, seat.method, None)):
        raise ValueError(f"seat {reference!r}: method: {agent.__name__} has no method {seat.method!r}")  # noqa: TRY004
    return seat


def advance(model: Any, simulator: Any) -> None:
    """One step of a model, or one unit of the time of what drives it."""
    if simulator is None:
        model.step()
    else:
        simulator.run_for(1)


def forget(model: Any) -> None:
    """Let Mesa forget a model that is done with: it counts the agents of each, and would keep them all for that."""
    counts = getattr(mesa.Agent, "_ids", None)
    if isinstance(counts, dict):
        counts.pop(model, None)


def population(model: Any) -> object:
    """What differs if agents have come or gone: to look through them takes a while. None if that cannot be told."""
    counts = getattr(mesa.Agent, "_ids", None)
    if not isinstance(counts, dict) or model not in counts:
        return None
    # An agent's number is never given again: the next one tells of newcomers, and the sizes of those who left.
    return repr(counts[model]), {cls: len(agents) for cls, agents in model.agents_by_type.items()}


def _collected(model: Any) -> bool:
    """Whether all that a model's collector reports has been reported once."""
    collector = getattr(model, "datacollector", None)
    if not isinstance(collector, mesa.DataCollector):
        return True
    agents = not collector.agent_reporters or collector._agent_records
    typed = not collector.agenttype_reporters or collector._agenttype_records
    return bool(agents and typed and all(collector.model_vars.values()))


def _model_values(model: Any) -> tuple[list[str], dict[str, Any]]:
    """The model's reporters, and what each of them says now."""
    collector = getattr(model, "datacollector", None)
    if not isinstance(collector, mesa.DataCollector):
        return [], {}
    if not _collected(model):
        collector.collect(model)
    return list(collector.model_reporters), {k: v[-1] for k, v in collector.model_vars.items() if v}


def _kinds(asked: Asked, model: Any, report: Mapping[str, Sequence[str]], seats: Iterable[MesaSeat]) -> list[Kinds]:
    """The classes of agents that are recorded, or decided for, in the order in which the model has them."""
    collector = getattr(model, "datacollector", None)
    seated = {seat.agent: seat for seat in seats}
    classes = dict.fromkeys([*model.agent_types, *(_found(name, "class") for name in asked.classes), *seated])
    kinds = []
    bases = getattr(collector, "agenttype_reporters", {}).keys() - classes.keys()
    for base in bases:
        own = [cls.__name__ for cls in classes if issubclass(cls, base)]
        if own:
            raise ValueError(
                f"agenttype_reporters of {base.__name__}, whose agents are of {', '.join(own)}; accepted: reporters of"
                " these classes"
            )
    for cls in classes:
        name = role_name(cls)
        if cls in seated:
            seat = seated[cls]
            kinds.append(Kinds(Role(name, seat.obs, seat.act_fields, (_ID,)), cls, (), seat))
            continue
        columns = _reported(asked, collector, cls, model) if isinstance(collector, mesa.DataCollector) else []
        agents = list(model.agents_by_type.get(cls, ()))
        for path in report.get(name, ()):
            values = [read(agent, path) for agent in agents]
            columns.append(Told(path, _column(_word(path), values, asked.told.get(path)), reported=False))
        if columns:
            _distinct(f"the reporters of {cls.__name__}", [column.name for column in columns])
            kinds.append(Kinds(Role(name, tuple(c.field for c in columns), (), (_ID,)), cls, tuple(columns)))
    return kinds


_RESERVED = ("agents", "tick", "time", "episode")
"""Columns that measures have already."""
_ID = Field("unique_id", "int64", meaning="what Mesa calls it")


def _reported(asked: Asked, collector: Any, cls: type[Any], model: Any) -> list[Told]:
    """Columns that the model's own collector reports of a class."""
    none: list[Any] = []
    records = next(reversed(collector._agent_records.values()), none)
    ids = {agent.unique_id for agent in model.agents_by_type.get(cls, ())}
    rows = [record[2:] for record in records if record[1] in ids]
    names = list(collector.agent_reporters)
    own = collector.agenttype_reporters.get(cls, {})
    typed = next(reversed(collector._agenttype_records.values())).get(cls, none) if own else none
    columns = [(name, [row[place] for row in rows]) for place, name in enumerate(names)]
    columns += [(name, [record[2 + place] for record in typed]) for place, name in enumerate(own)]
    return [Told(name, _column(_word(name), values, asked.told.get(name)), reported=True) for name, values in columns]


def _column(name: str, values: Sequence[Any], kind: Kind | None) -> Field:
    """A column, as its first values tell what it holds; None stands for what is not there."""
    there = [value for value in values if value is not None]
    nameless = next((value for value in there if kind is None and str(value) == object.__repr__(value)), None)
    if nameless is not None:
        # Its text is where it lies in memory.
        raise ValueError(
            f"the agents' reporter {name!r} gives objects of {type(nameless).__name__}; accepted: numbers, truth"
            " values, texts and vectors"
        )
    array = _as_array(there)
    if kind is None:
        letter = "f" if array is None and not there else "U" if array is None else array.dtype.kind
        kind = "truth" if letter == "b" else "whole" if letter in "iu" else "number" if letter == "f" else "text"
        if len(there) < len(values) and kind in {"whole", "truth"}:
            kind = "number"
    shape = array.shape[1:] if kind != "text" and array is not None else ()
    return Field(name, _DTYPES[kind], shape, missing=kind == "number")


def _as_array(values: Sequence[Any]) -> Array | None:
    # A list may have another length next time: it is told as text, a tuple or an array as a vector.
    if not values or any(isinstance(value, list) for value in values):
        return None
    try:
        array = np.asarray(values)
    except ValueError:
        return None
    return array if array.dtype.kind in "biuf" and array.size else None


def column_of(told: Told, values: Sequence[Any], whose: str) -> Array:
    """Values of several agents as an array of the column's kind.

    Raises:
        ValueError: They are of another kind than the first values were.
    """
    one = told.field
    if one.dtype == "str":
        texts = np.empty(len(values), dtype=object)
        texts[:] = ["" if value is None else str(value) for value in values]
        return texts
    blank = np.full(one.sizes, one.blank) if one.shape else one.blank
    if one.shape and one.dtype == "float64":
        # Vectors and None together make no array.
        values = [blank if value is None else value for value in values]
    try:
        array = np.asarray(values)
        if array.dtype.kind == "O" and one.dtype == "float64":
            array = np.asarray([blank if value is None else value for value in values])
        if one.dtype == "float64" and array.dtype.kind in "biuf":
            return array.astype(np.float64).reshape(len(values), *one.sizes)
        if array.dtype.kind in ("biu" if one.dtype == "int64" else "b"):
            return array.astype(one.numpy_dtype).reshape(len(values), *one.sizes)
    except ValueError:
        pass
    odd = next((value for value in values if np.asarray(value).dtype.kind not in "biu"), values[0])
    raise ValueError(
        f"{whose}: the column {told.name!r} holds {one.dtype} by its first values, and now {odd!r};"
        f" say what it holds: kinds: {{{told.name}: number}} (or whole, truth, text)"
    )


def read(owner: Any, path: str) -> Any:
    """An attribute by its dotted path. Raises ValueError if it is not there."""
    for step in path.split("."):
        if not hasattr(owner, step):
            raise ValueError(f"report: {type(owner).__name__} has no attribute {step!r} (of {path!r})")
        owner = getattr(owner, step)
    return owner


def role_name(cls: type[Any]) -> str:
    """A class's name as that of a role: MoneyAgent is money_agent."""
    return _word(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower())


def _word(text: str) -> str:
    word = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_")
    return word if word[:1].isalpha() else f"x_{word}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number | np.bool_) or value is None
