from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Le

from simworld.errors import ScenarioError
from simworld.kernel import Agent, Cohort, Role, World
from simworld.scenario import Scenario, load

BASE = """\
world: {kind: @Town}
roles:
  worker: {kind: @Worker, skill: 1}
horizon: 5
"""


class Town(World):
    """A town.

    Args:
        rate: How fast it grows,
            per year.
        brackets: Which schedule it has.
    """

    roles = (Role("worker", least=1, most=1000), Role("planner", most=1))

    def __init__(
        self,
        rate: Annotated[float, Ge(0), Le(1)] = 0.5,
        brackets: Literal["us_2024", "flat"] = "flat",
        size: int = 3,
        cuts: tuple[float, ...] | None = None,
        names: frozenset[str] = frozenset(),
        weights: dict[str, float] | None = None,
        copy: bool = False,
    ) -> None:
        if size == 13:
            raise ValueError("a size of 13\nis unlucky")
        self.rate, self.cuts, self.names, self.weights = rate, cuts, names, weights

    def reset(self, turn): ...

    def observe(self, role, members):
        return {}

    def step(self, moment, turn): ...


class Mood(enum.Enum):
    CALM = "calm"
    ANGRY = "angry"


@dataclass
class Worker(Cohort):
    """A worker."""

    skill: float
    """How skilled it is."""
    tags: list[str] = field(default_factory=list)
    mood: Mood = Mood.CALM

    def act(self, seen, seats):
        return {}


class Fixed(Agent):
    """A planner that keeps its schedule."""

    def __init__(self, schedule: str = "flat", scale: float | list[float] = 1.0) -> None:
        self.schedule, self.scale = schedule, scale

    def act(self, seen, seat):
        return {}


class Saez(Agent):
    def __init__(self, form: str = "bracket", steps: int = 2) -> None:
        self.form = form

    def act(self, seen, seat):
        return {}


class Unfinished(World):
    pass


class BadDefault(Agent):
    def __init__(self, rate: Annotated[float, Le(1)] = 2.0) -> None: ...

    def act(self, seen, seat):
        return {}


class Endless(Agent):
    def __init__(self, cap: float = float("inf")) -> None: ...

    def act(self, seen, seat):
        return {}


class Reserved(Agent):
    def __init__(self, count: int = 1) -> None: ...

    def act(self, seen, seat):
        return {}


class Unreadable(Agent):
    def __init__(self, thing: object, other: Missing = None) -> None: ...  # noqa: F821

    def act(self, seen, seat):
        return {}


@pytest.fixture
def toys() -> str:
    """The module of the classes above, as a scenario names it."""
    return __name__


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a scenario; ``@Class`` names a class of this module."""

    def write(text: str | bytes, name: str = "x.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.replace("@", f"{__name__}:").encode())
        return path

    return write


@pytest.fixture
def scenario(write: Callable[..., Path]) -> Callable[..., Scenario]:
    """Load a scenario from text."""

    def scenario(text: str = BASE, *overrides: str, name: str = "x.yaml") -> Scenario:
        return load(write(text, name), [override.replace("@", f"{__name__}:") for override in overrides])

    return scenario


@pytest.fixture
def refused(scenario: Callable[..., Scenario], tmp_path: Path) -> Callable[..., str]:
    """The message for a scenario that cannot be used, without the folder."""

    def refused(text: str | bytes = BASE, *overrides: str) -> str:
        with pytest.raises(ScenarioError) as caught:
            scenario(text, *overrides)
        return str(caught.value).replace(f"{tmp_path}/", "").replace(f"{__name__}:", "@")

    return refused


@pytest.fixture(autouse=True)
def _leave_nothing_imported(tmp_path: Path) -> Iterator[None]:
    kept, names = sys.path[:], set(sys.modules)
    yield
    sys.path[:] = kept
    for name in set(sys.modules) - names:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", None)):
            del sys.modules[name]


@pytest.fixture
def plugins(tmp_path: Path) -> Callable[..., None]:
    """Install packages where nothing else is installed."""

    def install(package: str, code: str, **entries: str) -> None:
        (tmp_path / f"{package}.py").write_text(code)
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name.replace('__', '.')} = {value}" for name, value in entries.items()]
        (folder / "entry_points.txt").write_text("\n".join(["[simworld]", *lines]) + "\n")
        sys.path[:] = [str(tmp_path)]

    return install
