"""Robots that somebody steers by a handful of moves: a language model, or a person."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, cast

import numpy as np
from annotated_types import Ge, Gt, Le

from simworld.kernel import Action, Agent, Array, Field, Json, Role, Seat, Value
from simworld_agents.navigator._seeing import check_moves, moved
from simworld_agents.prompts import Prompt

_FOLDER = Path(__file__).parent / "prompts"
SYSTEM = Prompt(_FOLDER / "robot_system.j2", ("who", "radius", "seconds", "moves", "rules", "goal", "persona"))
TURN = Prompt(_FOLDER / "robot.j2", ("past", "far", "pace", "people", "names"))

MOVES: Mapping[str, tuple[float, float, str]] = {
    "go": (1.0, 0.0, "straight to the goal at full speed"),
    "slow": (0.4, 0.0, "straight to the goal, slowly"),
    "left": (1.0, 50.0, "at full speed, half left of the way to the goal"),
    "right": (1.0, -50.0, "at full speed, half right of the way to the goal"),
    "wait": (0.0, 0.0, "stand still"),
}
"""Share of the greatest speed, degrees to the left of the way to the goal, and both in words."""
_HOLD = "wait"
"""What is done without an answer."""
_STILL = 0.1
"""Slower than this, in m/s, nobody comes nearer or goes away."""
_LONGEST_THOUGHT = 300

_SEES = ("position", "velocity", "heading", "aim", "offset", "speed", "radius", "near", "dt")


class _Steered(Agent):
    """Keeps to a move between two questions."""

    sees: ClassVar[tuple[str, ...]] = _SEES
    mind: ClassVar[tuple[Field, ...]] = (Field("move", "str", meaning="the move that it keeps to"),)
    seconds = 1.0
    """How long a move is kept to, s."""

    def __post_init__(self) -> None:
        """Begin without a move."""
        self._move, self._left = _HOLD, 0
        self._drove = (-1, -1)

    def check(self, role: Role) -> None:
        """Raise ValueError unless the role moves by velocity, or as a unicycle."""
        check_moves(role)

    async def act(self, seen: Mapping[str, Value], seat: Seat) -> Action:
        """Ask which move to make, if the last one is over; and move."""
        move, left, drives = self._move, self._left, (int(_number(seen.get("robot", -1))), seat.tick)
        if drives[0] >= 0 and drives != (self._drove[0], self._drove[1] + 1):
            left = 0  # an operator who takes over: what it chose for another robot, or another time, is no answer here
        if left == 0:
            move = await self.choose(seen, seat)
            left = max(1, round(self.seconds / _number(seen["dt"])))
        # Memory changes only after the answer, so that the decision can be executed again.
        self._move, self._left, self._drove = move, left - 1, drives
        seat.show(move=move)
        return _done(move, seen, seat.role)

    @abstractmethod
    async def choose(self, seen: Mapping[str, Value], seat: Seat) -> str:
        """One of the moves."""


@dataclass(eq=False)
class LlmRobot(_Steered):
    """A robot that asks a language model which of a handful of moves to make, once a second.

    It tells the model how far the goal is and where the people near it are. Without a usable answer it waits.
    """

    model: str = "default"
    """Which of the scenario's models it asks."""
    seconds: Annotated[float, Gt(0)] = 1.0
    """How long a move is kept to, in s."""
    persona: str = ""
    """Who it is, in a sentence or two of the prompt."""
    rules: str = "Do not touch anybody, and leave people the room to walk as they would without you."
    """What it is to heed, in a sentence or two of the prompt."""
    goal: str = "minimise time until you arrive"
    """What it is asked to reach."""
    window: Annotated[int, Ge(0), Le(100)] = 5
    """How many of its latest moves the prompt shows."""

    asks = ("model",)
    mind: ClassVar[tuple[Field, ...]] = (
        *_Steered.mind,
        Field("thought", "str", meaning="what it said that it thinks, in its own words"),
    )
    prompts: ClassVar[Mapping[str, str]] = {p.name: p.digest for p in (SYSTEM, TURN)}

    def __post_init__(self) -> None:
        """Begin without a past."""
        super().__post_init__()
        self._past: tuple[str, ...] = ()

    async def choose(self, seen: Mapping[str, Value], seat: Seat) -> str:
        """Ask the model."""
        answer = await seat.ask.model(self._content(seen, seat))
        said = cast("Mapping[str, Any]", answer.value)
        seat.show(thought=str(said.get("thought") or "")[:_LONGEST_THOUGHT])
        move = str(said["move"])
        self._past = (*self._past, move)[-self.window :] if self.window else ()
        return move

    def _content(self, seen: Mapping[str, Value], seat: Seat) -> Mapping[str, Json]:
        system = SYSTEM.render(
            who=f"{seat.role.name} {seat.member}",
            radius=f"{_number(seen['radius']):.1f}",
            seconds=f"{self.seconds:g}",
            moves=[(name, what) for name, (_, _, what) in MOVES.items()],
            rules=self.rules,
            goal=self.goal,
            persona=self.persona,
        )
        offset, velocity = _vector(seen["offset"]), _vector(seen["velocity"])
        user = TURN.render(
            past=self._past,
            far=f"{math.hypot(*offset):.1f}",
            pace=f"{math.hypot(*velocity):.1f}",
            people=_people(seen),
            names=list(MOVES),
        )
        return {
            "model": self.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "schema": {
                "type": "object",
                "properties": {"thought": {"type": "string"}, "move": {"enum": list(MOVES)}},
                "required": ["thought", "move"],
                "additionalProperties": False,
            },
            "fallback": {"thought": "", "move": _HOLD},
            "about": {"prompts": [SYSTEM.digest[:12], TURN.digest[:12]]},
        }


@dataclass(eq=False)
class PersonRobot(_Steered):
    """A robot that a person steers by a handful of moves, asked at every decision with a deadline; no answer holds."""

    person: str = "default"
    """Which of the scenario's people it asks."""
    deadline: Annotated[float, Gt(0)] = 10.0
    """Seconds of the clock to answer; then the robot waits."""
    seconds: Annotated[float, Ge(0)] = 0.0
    """How long a move is kept to, in s; 0: a tick, so that every decision is asked for."""

    asks = ("person",)

    async def choose(self, seen: Mapping[str, Value], seat: Seat) -> str:
        """Ask the person."""
        offset = _vector(seen["offset"])
        people = [f"{p['distance']} m ({p['ahead']} ahead, {p['left']} left), {p['moves']}" for p in _people(seen)]
        content: dict[str, Json] = {
            "question": "Which move?",
            "options": list(MOVES),
            "context": {
                "goal": f"{math.hypot(*offset):.1f} m away",
                "people": "; ".join(people) or "nobody near",
                "moves": {name: what for name, (_, _, what) in MOVES.items()},
            },
            "deadline": self.deadline,
            "person": self.person,
            "fallback": _HOLD,
        }
        answer = await seat.ask.person(content)
        return str(answer.value)


def _done(move: str, seen: Mapping[str, Value], role: Role) -> Action:
    """The action of one robot that makes this move."""
    share, degrees, _ = MOVES[move]
    offset, speed = _vector(np.asarray(seen["aim"]) - np.asarray(seen["position"])), _number(seen["speed"])
    far = math.hypot(*offset)
    # Within a tick's way of the goal it stops there.
    pace = min(share * speed, far / _number(seen["dt"]))
    angle = math.atan2(offset[1], offset[0]) + math.radians(degrees)
    velocity = np.array([[pace * math.cos(angle), pace * math.sin(angle)]])
    done = moved(velocity, np.array([_number(seen["heading"])]), _number(seen["dt"]), role)
    return {name: values[0] for name, values in done.items()}


def _people(seen: Mapping[str, Value]) -> Sequence[Mapping[str, str]]:
    """The people near a robot, in words and numbers along its way to the goal."""
    near = cast("Array", seen["near"])
    offset = _vector(seen["offset"])
    far = max(math.hypot(*offset), 1e-9)
    ahead = np.array(offset) / far
    left = np.array([-ahead[1], ahead[0]])
    radius = _number(seen["radius"])
    told = []
    for x, y, vx, vy, size in near[~np.isnan(near[:, 0])].tolist():
        way, gap = np.array([x, y]), math.hypot(x, y) - size - radius
        closing = -(vx * x + vy * y) / max(math.hypot(x, y), 1e-9)
        how = "comes nearer" if closing > 0.0 else "goes away"
        told.append(
            {
                "distance": f"{max(gap, 0.0):.1f}",
                "ahead": f"{float(way @ ahead):.1f}",
                "left": f"{float(way @ left):.1f}",
                "moves": f"{how} at {abs(closing):.1f} m/s" if abs(closing) > _STILL else "keeps its distance",
            }
        )
    return told


def _number(value: Value) -> float:
    return float(cast("float", value))


def _vector(value: Value) -> tuple[float, float]:
    x, y = np.asarray(value, dtype=np.float64).tolist()
    return x, y
