"""Checking what determines an episode: the blocks against their models, and the parameters against their classes."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from simworld.errors import ScenarioError
from simworld.scenario._explain import Problem, Schema, explain, listing
from simworld.scenario._interventions import interventions_of, probes_of
from simworld.scenario._models import STAND_IN, Core, ModelBlock
from simworld.scenario._registry import Category, Found, brings_minds, find, not_whole
from simworld.scenario._yaml import Key

Model = TypeVar("Model", bound=BaseModel)
CORE = ("world", "roles", "horizon", "record", "models", "people", "interventions", "probes")
"""Keys that determine an episode, so arms and sweeps may set them."""


@cache
def schema_of(model: type[BaseModel]) -> Schema:
    """The JSON schema of a model."""
    return model.model_json_schema()


def validate(model: type[Model], data: Mapping[str, object]) -> tuple[Model | None, list[Problem]]:
    """The data as a model, or what is wrong with it."""
    try:
        return model.model_validate_json(json.dumps(data)), []
    except ValidationError as error:
        return None, explain(error.errors(include_url=False), data, schema_of(model))


@dataclass(frozen=True, slots=True)
class Block:
    """The world's block, or one group of a role."""

    key: Key
    """Where it lies in the scenario."""
    category: Category
    """World or agent."""
    data: Mapping[str, object]
    """The block as it is written."""


def blocks(core: Mapping[str, object]) -> Iterator[Block]:
    """All blocks that name a kind, in file order; what is malformed is passed over."""
    world = core.get("world")
    if isinstance(world, dict) and isinstance(world.get("kind"), str):
        yield Block(("world",), "world", world)
    roles = core.get("roles")
    for role, value in roles.items() if isinstance(roles, dict) else ():
        for key, group in groups_of(role, value):
            if isinstance(group, dict) and isinstance(group.get("kind"), str):
                yield Block(key, "agent", group)


def groups_of(role: str, value: object) -> list[tuple[Key, object]]:
    """The groups of a role with their places: one group need not stand in a list."""
    if isinstance(value, list):
        return [(("roles", role, index), group) for index, group in enumerate(value)]
    return [(("roles", role), value)]


@dataclass(slots=True, eq=False)
class Checker:
    """Checks cells, each kind and each block once."""

    cause: ScenarioError | None = None
    """The first error while a kind was looked up, with its own cause."""
    _found: dict[tuple[Category, str], Found | str] = field(default_factory=dict)
    _known: dict[tuple[Category, str], tuple[dict[str, object] | None, list[Problem]]] = field(default_factory=dict)

    def find(self, category: Category, kind: str) -> Found | str:
        """What a kind names, or why it cannot be used."""
        key = (category, kind)
        if key not in self._found:
            try:
                self._found[key] = find(category, kind)
            except ScenarioError as error:
                self.cause = self.cause or error
                self._found[key] = str(error)
        return self._found[key]

    def block(self, block: Block) -> tuple[dict[str, object] | None, list[Problem]]:
        """A block with all defaults, as plain data, or what is wrong with it."""
        key = (block.category, json.dumps(block.data, sort_keys=True))
        if key not in self._known:
            self._known[key] = self._block(block)
        resolved, problems = self._known[key]
        return resolved, [Problem(block.key + problem.key, problem.message) for problem in problems]

    def _block(self, block: Block) -> tuple[dict[str, object] | None, list[Problem]]:
        kind = str(block.data["kind"])
        found = self.find(block.category, kind)
        if isinstance(found, str):
            return None, [Problem(("kind",), found)]
        if not found.whole:
            return None, [Problem(("kind",), not_whole(found))]
        reserved = found.parameters.reserved
        given = {name: value for name, value in block.data.items() if name not in reserved}
        resolved, problems = found.parameters.check(given)
        if resolved is None:
            return None, problems
        own: dict[str, object] = {"kind": kind}
        if block.category == "agent":
            own["count"] = block.data.get("count", 1)
        return dict(sorted({**own, **resolved}.items())), problems

    def blocks(self, core: Mapping[str, object], problems: list[Problem]) -> dict[Key, dict[str, object]]:
        """All blocks that can be resolved; what is wrong with the others is added, once per place."""
        resolved = {}
        for block in blocks(core):
            made, wrong = self.block(block)
            known = {problem.key for problem in problems}
            problems += [problem for problem in wrong if problem.key not in known]
            if made is not None:
                resolved[block.key] = made
        return resolved

    def core(self, core: Mapping[str, object]) -> tuple[dict[str, object] | None, list[Problem]]:
        """What determines an episode, fully resolved, or what is wrong with it."""
        model, problems = validate(Core, core)
        resolved = self.blocks(core, problems)
        if model is None or problems:
            return None, problems
        written = core.get("roles", {})
        assert isinstance(written, dict)
        roles = {role: [resolved[key] for key, _ in groups_of(role, written[role])] for role in sorted(written)}
        record = {role: _recorded(model, role) for role in [*roles, *self.brought(core, model.record, roles)]}
        made = {"horizon": model.horizon, "record": record, "roles": roles, "world": resolved[("world",)]}
        asked, problems = self._asked(model, resolved)
        if problems:
            return None, problems
        whole = made | asked
        if model.interventions:
            # Models that only later minds ask are asked in the same episode.
            changes, problems = interventions_of(self, model.interventions, core, whole)
            whole = changes or whole
        if model.probes and not problems:
            probes, problems = probes_of(self, model.probes, core, made | asked)
            whole |= {"probes": probes}
        return (None if problems else whole), problems

    def brought(self, core: Mapping[str, object], names: Iterable[str], roles: Container[str]) -> list[str]:
        """Those of the names that may be roles for which the world itself brings minds: only the built world knows."""
        block = core.get("world")
        found = self.find("world", str(block["kind"])) if isinstance(block, dict) and "kind" in block else ""
        if isinstance(found, str) or not brings_minds(found.cls):
            return []
        return sorted(name for name in names if name not in roles)

    def _asked(
        self, model: Core, resolved: Mapping[Key, Mapping[str, object]]
    ) -> tuple[dict[str, object], list[Problem]]:
        """The models and people that the minds ask, and no others: what nobody asks does not determine an episode."""
        offers = {
            "model": {"default": {"model": STAND_IN}, **model.model_dump(by_alias=True)["models"]},
            "person": model.model_dump(by_alias=True)["people"],
        }
        used: dict[str, dict[str, object]] = {"model": {}, "person": {}}
        problems = []
        for key, block in resolved.items():
            found = self.find("agent", str(block["kind"])) if key[0] == "roles" else ""
            asks = () if isinstance(found, str) else getattr(found.parameters.cls, "asks", ())
            for kind in asks:
                name = str(block.get(kind, "default"))
                if name not in offers[kind]:
                    words = f"found no {kind} {name!r} in {_BLOCK[kind]!r}"
                    example = f", such as people: {{{name}: {{kind: web}}}}" if kind == "person" else ""
                    there = listing(list(offers[kind])) or "one that is there"
                    problems.append(Problem((*key, kind), f"{words}; accepted: {there}{example}"))
                else:
                    used[kind][name] = _whole(offers[kind][name])
        return {_BLOCK[kind]: dict(sorted(names.items())) for kind, names in used.items() if names}, problems


_BLOCK = {"model": "models", "person": "people"}


def _whole(offer: object) -> object:
    """A model with all its defaults, as plain sorted data; a person as it is."""
    if isinstance(offer, str):
        offer = {"model": offer}
    assert isinstance(offer, dict)
    if "kind" in offer:
        return dict(sorted(offer.items()))
    return dict(sorted(ModelBlock.model_validate(offer).model_dump(by_alias=True).items()))


def _recorded(model: Core, role: str) -> object:
    """How a role is recorded, in one spelling."""
    setting = model.record.get(role, "every")
    if isinstance(setting, str):
        return setting
    return "every" if setting.every == 1 else {"every": setting.every}
