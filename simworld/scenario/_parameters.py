"""The parameters of a class: what its constructor declares, checked strictly and made plain."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import enum
import functools
import inspect
import itertools
import json
import math
import re
import textwrap
import typing
from collections.abc import Mapping
from typing import Any

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, create_model
from pydantic.errors import PydanticUserError

from simworld.errors import ScenarioError
from simworld.scenario._explain import Problem, Schema, explain, found, unknown

_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)
# Fields of the model are prefixed: a parameter may be called `copy` or `json`, a field of a model may not.
_PREFIX = "p_"
_SECTION = re.compile(r"^(Args|Arguments|Parameters):\s*$")
_ENTRY = re.compile(r"^(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """The parameters of a class, as a model that a mapping from a scenario is checked against."""

    cls: type
    """The class."""
    model: type[BaseModel]
    """One field for every parameter."""
    names: tuple[str, ...]
    """The parameters in the order of the signature."""
    reserved: tuple[str, ...]
    """Keys of the block that are not parameters."""
    schema: Schema
    """JSON schema of the model."""
    fixed: tuple[tuple[str, str], ...] = ()
    """Parameters that the kind itself says, with their values: a block cannot."""

    def check(self, given: Mapping[str, object]) -> tuple[dict[str, object] | None, list[Problem]]:
        """The parameters with defaults filled in, as plain sorted data, or what is wrong with them."""
        problems = [
            Problem((key,), unknown(key, (*self.reserved, *self.names))) for key in given if key not in self.names
        ]
        known = {key: value for key, value in given.items() if key in self.names}
        try:
            model = self._validate(known)
        except ValidationError as error:
            details = error.errors(include_url=False)
            for detail in details:
                # What is wrong with a default is reported under the name of the model's field.
                first = str(detail["loc"][0])
                if first not in self.names:
                    detail["loc"] = (first.removeprefix(_PREFIX), *detail["loc"][1:])
            for problem in explain(details, {**self._defaults(), **known}, self.schema):
                whose = "" if problem.key[0] in given or problem.missing else "by default: "
                problems.append(Problem(problem.key, whose + problem.message))
            return None, problems
        resolved: dict[str, object] = {}
        for name in sorted(self.names):
            try:
                resolved[name] = _plain(getattr(model, _PREFIX + name))
            except ValueError as error:
                problems.append(Problem((name,), f"by default: {error}" if name not in given else str(error)))
        return (None if problems else resolved), problems

    def fill(self, given: Mapping[str, object]) -> dict[str, object]:
        """What is given plus the defaults of the rest, whether or not it is complete."""
        filled = dict(given)
        for name, default in sorted(self._defaults().items()):
            if name not in given:
                with contextlib.suppress(ValueError):
                    filled[name] = _plain(default)
        return filled

    def construct(self, given: Mapping[str, object]) -> object:
        """An object of the class; the parameters must have been checked.

        Raises:
            Exception: Whatever the constructor raises.
        """
        model = self._validate(dict(given))
        values = {name: getattr(model, _PREFIX + name) for name in self.names} | dict(self.fixed)
        signature = inspect.signature(self.cls)
        first = [values.pop(n) for n, p in signature.parameters.items() if p.kind is p.POSITIONAL_ONLY]
        return self.cls(*first, **values)

    def _defaults(self) -> dict[str, object]:
        declared = {name: self.model.model_fields[_PREFIX + name] for name in self.names}
        return {
            name: field.get_default(call_default_factory=True, validated_data={})
            for name, field in declared.items()
            if not field.is_required()
        }

    def _validate(self, known: Mapping[str, object]) -> BaseModel:
        # As JSON: strict about kinds, and still a list may become a tuple, and text a member of an enumeration.
        return self.model.model_validate_json(json.dumps(known))


@functools.lru_cache(maxsize=512)
def parameters_of(cls: type, reserved: tuple[str, ...], fixed: tuple[tuple[str, str], ...] = ()) -> Parameters:
    """Read the parameters of a class from its constructor's signature.

    Raises:
        ScenarioError: A type cannot be read or cannot be checked, or a name is one of the reserved keys.
    """
    label = f"{cls.__module__}:{cls.__qualname__}"
    signature = inspect.signature(cls).parameters
    for name, _ in fixed:
        if name not in signature:
            raise ScenarioError(f"{label}: family is {name!r}; accepted: a parameter of its constructor")
    try:
        hints = _hints(cls)
    except Exception as error:
        raise ScenarioError(f"{label}: the types of its parameters cannot be read: {_line(error)}") from error
    docs = _described(cls)
    fields: dict[str, Any] = {}
    names = []
    for name, parameter in signature.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or name in dict(fixed):
            continue
        if name in reserved:
            raise ScenarioError(f"{label}: a parameter is called {name!r}, which is a key of the block itself")
        declared = _field(cls, name, parameter, docs.get(name))
        fields[_PREFIX + name] = (hints.get(name, JsonValue), declared)
        names.append(name)
    try:
        model = create_model(cls.__name__, __config__=_STRICT, __module__=cls.__module__, **fields)
        schema = model.model_json_schema()
    except (PydanticUserError, pydantic_core.SchemaError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise ScenarioError(f"{label}: the type of a parameter cannot be checked: {reason}") from error
    return Parameters(cls, model, tuple(names), reserved, schema, fixed)


def _field(cls: type, name: str, parameter: inspect.Parameter, doc: str | None) -> Any:
    settings: dict[str, Any] = {"alias": name, "description": doc}
    if parameter.default is not parameter.empty:
        settings["default"] = parameter.default
    if _generated(cls):
        # The signature shows a factory as an opaque marker.
        declared = {f.name: f.default_factory for f in dataclasses.fields(cls)}.get(name, dataclasses.MISSING)
        if declared is not dataclasses.MISSING and parameter.default is not parameter.empty:
            del settings["default"]
            settings["default_factory"] = declared
    return Field(**settings)


def _hints(cls: type) -> dict[str, Any]:
    if _generated(cls):
        hints = typing.get_type_hints(cls, include_extras=True)
        return {n: h.type if isinstance(h, dataclasses.InitVar) else h for n, h in hints.items()}
    return typing.get_type_hints(inspect.getattr_static(cls, "__init__"), include_extras=True)


def _generated(cls: type) -> bool:
    """Whether the constructor was made by ``dataclass``: such code has no file."""
    code = getattr(inspect.getattr_static(cls, "__init__"), "__code__", None)
    return dataclasses.is_dataclass(cls) and code is not None and code.co_filename == "<string>"


def _plain(value: object) -> object:
    """A value as sorted JSON data, the same whatever order sets and mappings have.

    Raises:
        ValueError: A number is not finite.
    """
    if isinstance(value, enum.Enum):
        value = value.value
    elif isinstance(value, BaseModel):
        value = value.model_dump()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"found {value}; accepted: a finite number (None says: no bound)")
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, set | frozenset):
        return sorted((_plain(entry) for entry in value), key=lambda entry: json.dumps(entry, sort_keys=True))
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    try:
        plain: object = pydantic_core.to_jsonable_python(value)
    except pydantic_core.PydanticSerializationError as error:
        raise ValueError(f"found {found(repr(value))}; accepted: a value that JSON can hold") from error
    return plain


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")


def _described(cls: type) -> dict[str, str]:
    """What the docstrings say about each parameter: Args sections, and the lines under a dataclass's fields."""
    docs: dict[str, str] = {}
    for owner in reversed(cls.__mro__[:-1]):
        docs |= _under_fields(owner)
        docs |= _arguments(owner.__doc__ or "")
        docs |= _arguments(getattr(owner.__dict__.get("__init__"), "__doc__", None) or "")
    return docs


def _arguments(doc: str) -> dict[str, str]:
    docs: dict[str, str] = {}
    inside, indent, last = False, 0, ""
    for line in inspect.cleandoc(doc).splitlines():
        if _SECTION.match(line):
            inside, indent = True, 0
            continue
        depth = len(line) - len(line.lstrip())
        if not inside or not line.strip():
            continue
        if depth == 0:
            inside = False
            continue
        indent = indent or depth
        entry = _ENTRY.match(line.strip()) if depth == indent else None
        if entry:
            last = entry[1]
            docs[last] = entry[2]
        elif last:
            docs[last] = f"{docs[last]} {line.strip()}".strip()
    return docs


def _under_fields(cls: type) -> dict[str, str]:
    if not dataclasses.is_dataclass(cls):
        return {}
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return {}
    docs: dict[str, str] = {}
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for above, below in itertools.pairwise(body):
        if not (isinstance(above, ast.AnnAssign) and isinstance(above.target, ast.Name)):
            continue
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            docs[above.target.id] = inspect.cleandoc(below.value.value)
    return docs
