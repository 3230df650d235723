"""What a PettingZoo environment is called and declares: its agents as roles, its spaces as fields."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from gymnasium import spaces
from pettingzoo.utils.conversions import aec_to_parallel_wrapper
from pettingzoo.utils.wrappers import AssertOutOfBoundsWrapper, OrderEnforcingWrapper

from simworld.errors import ContractError
from simworld.kernel import Field, Role
from simworld.spaces import Foreign, foreign

Api: TypeAlias = Literal["auto", "parallel", "aec"]
"""Which of PettingZoo's two interfaces is used; auto: the parallel one if the environment has it."""

TEXT = "text"
"""The field that holds what the environment renders as text."""
_GUARDS = (OrderEnforcingWrapper, AssertOutOfBoundsWrapper)
_NUMBERED = re.compile(r"^(.*?)_?(\d+)$")


@dataclass(frozen=True)
class Seats:
    """One role: agents with the same spaces."""

    role: Role
    agents: tuple[str, ...]
    """PettingZoo's names of its members, in their order."""
    seen: Foreign
    done: Foreign


@dataclass(frozen=True)
class Zoo:
    """What an environment declares."""

    parallel: bool
    """It steps all agents at once."""
    seats: tuple[Seats, ...]
    make: Callable[[], Any]
    """Makes one."""


@functools.lru_cache(maxsize=32)
def declared(env: str, args: str, api: Api, text: bool) -> Zoo:
    """Look at an environment: one is made, and closed again.

    Args:
        env: Module of the environment, or ``module:function``.
        args: Arguments by name, as JSON.
        api: Which interface.
        text: Whether what it renders as text is seen.

    Raises:
        ValueError: There is none of that name, or it cannot be hosted.
    """
    make, parallel = _maker(env, json.loads(args), api, text=False)
    try:
        one = make()
    except Exception as error:
        hint = f"; accepted: {_accepted(env)}" if isinstance(error, TypeError) and args != "{}" else ""
        raise ValueError(
            f"env {env!r} cannot be made: {type(error).__name__}: {' '.join(str(error).split())}{hint}"
        ) from error
    try:
        _check_env(one, text)
        parallel = hasattr(one, "step") and not hasattr(one, "agent_iter") if parallel is None else parallel
        groups = _groups(one)
        seats = tuple(_seats(name, agents, one, text) for name, agents in groups.items())
    except ContractError as error:
        raise ValueError(f"env {env!r}: {error}") from error
    finally:
        one.close()
    return Zoo(parallel, seats, _maker(env, json.loads(args), api, text)[0])


def _accepted(env: str) -> str:
    """What an environment can be made with, as far as its signature tells."""
    module_name, _, attribute = env.partition(":")
    module = importlib.import_module(module_name)
    # Modules of PettingZoo pass anything on to the class raw_env.
    for name in (attribute, "raw_env", "parallel_env", "env"):
        made = getattr(module, name, None) if name else None
        if callable(made):
            kinds = inspect.signature(made).parameters.values()
            named = [p.name for p in kinds if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}]
            if named:
                return ", ".join(named)
    return "what its documentation says"


def _check_env(env: Any, text: bool) -> None:
    """Raise ContractError if it cannot be hosted."""
    if not hasattr(env, "possible_agents"):
        raise ContractError("it does not say who may ever act (possible_agents), so nobody can be seated")
    modes = env.metadata.get("render_modes", [])
    if text and "ansi" not in modes:
        raise ContractError(f"text: it renders no text; it renders {', '.join(modes) or 'nothing'}")


def _maker(env: str, args: Mapping[str, Any], api: Api, text: bool) -> tuple[Callable[[], Any], bool | None]:
    """What makes an environment, and whether it is a parallel one if that is known."""
    module_name, colon, attribute = env.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"env {env!r} cannot be imported: {type(error).__name__}: {reason}") from error
    if colon:
        made = getattr(module, attribute, None)
        if not callable(made):
            raise ValueError(f"env {env!r}: {module_name} has no {attribute!r} that makes one")
        return _Maker(module_name, attribute, args, text), None if api == "auto" else api == "parallel"
    wanted = {"auto": ("parallel_env", "env"), "parallel": ("parallel_env",), "aec": ("env",)}[api]
    found = next((name for name in wanted if callable(getattr(module, name, None))), "")
    if not found:
        raise ValueError(f"env {env!r} has no {' and no '.join(wanted)}; accepted: a module of PettingZoo's sort")
    return _Maker(module_name, found, args, text), found == "parallel_env"


@dataclass(frozen=True)
class _Maker:
    """Makes environments; plain data, so that a world can be pickled."""

    module: str
    name: str
    args: Mapping[str, Any]
    text: bool

    def __call__(self) -> Any:
        made: Any = getattr(importlib.import_module(self.module), self.name)
        args = dict(self.args)
        if self.text and "render_mode" not in args:
            args["render_mode"] = "ansi"
        return _unguarded(made(**args))


def _unguarded(env: Any) -> Any:
    """The environment without PettingZoo's outer guards, which cost more than many a game.

    They only raise where calls come in a wrong order, or actions are outside their space: the host keeps the order, and
    the kernel has checked the actions. All other wrappers stay: they may be part of the rules.
    """
    if type(env) is aec_to_parallel_wrapper:
        env.aec_env = _unguarded(env.aec_env)
    while type(env) in _GUARDS:
        env = env.env
    return env


def _groups(env: Any) -> dict[str, list[str]]:
    """Agents by role: those whose names differ by a number, and whose spaces are equal."""
    numbered: dict[str, list[str]] = {}
    for agent in env.possible_agents:
        found = _NUMBERED.match(str(agent))
        numbered.setdefault(found[1] if found and found[1] else str(agent), []).append(agent)
    roles: dict[str, list[str]] = {}
    for name, agents in numbered.items():
        first = agents[0]
        alike = all(
            env.observation_space(a) == env.observation_space(first) and env.action_space(a) == env.action_space(first)
            for a in agents
        )
        for role, own in ((name, agents),) if alike else ((str(a), [a]) for a in agents):
            if _word(role) in roles:
                raise ContractError(
                    f"its agents {roles[_word(role)][0]} and {own[0]} would both be of the role {_word(role)!r};"
                    " accepted: names that differ by more than signs"
                )
            roles[_word(role)] = own
    return roles


def _seats(name: str, agents: list[str], env: Any, text: bool) -> Seats:
    observation, action = env.observation_space(agents[0]), env.action_space(agents[0])
    masked = isinstance(action, spaces.Discrete) and isinstance(observation, spaces.Dict)
    done = foreign(action, "action")
    seen = foreign(observation, "observation", "action" if masked else "")
    obs = seen.fields
    if text:
        obs = (*obs, Field(TEXT, "str", shared=True, meaning="what the environment shows, as text"))
    traits = (Field("agent", "str", meaning="what PettingZoo calls it"),)
    return Seats(Role(name, obs, done.fields, traits), tuple(agents), seen, done)


def idle(seats: Seats, env: Any, agent: str, seen: Any) -> Any:
    """What is done for an agent whose seat is empty: the lowest value that is allowed, or the number nearest to 0."""
    space = env.action_space(agent)
    mask = seen.get("action_mask") if isinstance(seen, Mapping) else None
    if isinstance(space, spaces.Discrete):
        return int(space.start) + (0 if mask is None else int(np.argmax(mask)))
    fields = {}
    for field in seats.done.fields:
        blank = np.full(field.sizes, "" if field.dtype == "str" else 0, dtype=field.numpy_dtype)
        fields[field.name] = np.clip(blank, field.low, field.high) if field.bounded else blank
    return seats.done.done(fields)


def _word(text: str) -> str:
    """A name of a role: letters, digits and underscores."""
    word = re.sub(r"[^A-Za-z0-9_]", "_", text)
    return word if word and word[0].isalpha() else f"agent_{word}"
