"""What pedestrians and robots see and do on a plaza."""

from __future__ import annotations

from typing import Literal, TypeAlias

from simworld.kernel import Field, Role

Body: TypeAlias = Literal["holonomic", "unicycle"]
"""How a robot moves: in any direction, or forward along its heading, which it turns."""

BODY = ("x", "y", "vx", "vy", "radius")
"""What is seen of a body: position in m, velocity in m/s, radius in m."""
MANNERS = ("regular", "impassive", "surprised", "scared", "curious", "threatening")
"""How a person takes a robot (the types of HuNavSim), in the order of their numbers."""
FASTEST = 3.0
"""Nobody moves faster in x or in y, in m/s."""


def pedestrian_role(walls: int) -> Role:
    """The role of people on foot, in a scene with so many walls."""
    return Role(
        "pedestrian",
        obs=(
            Field("position", shape=(2,), unit="m", meaning="where it is"),
            Field("velocity", shape=(2,), unit="m/s", meaning="how it moved in the last tick"),
            Field("goal", shape=(2,), unit="m", meaning="where it wants to go"),
            Field("aim", shape=(2,), unit="m", meaning="where to head for now: the goal, or the door on the way"),
            Field("speed", unit="m/s", meaning="how fast it likes to walk"),
            Field("radius", unit="m", meaning="of its disc"),
            Field("reacts", "bool", meaning="it sees robots"),
            Field("manner", "int64", low=0, high=len(MANNERS) - 1, meaning=f"towards robots: {', '.join(MANNERS)}"),
            *_scene(walls),
        ),
        act=(Field("velocity", shape=(2,), unit="m/s", low=-FASTEST, high=FASTEST, meaning="how to move now"),),
        traits=(
            Field("speed", unit="m/s", meaning="how fast it likes to walk"),
            Field("reacts", "bool", meaning="it sees robots"),
            Field("manner", "str", meaning="how it takes robots"),
        ),
    )


def robot_role(body: Body, top: float, turn: float, near: int, walls: int) -> Role:
    """The role of robots.

    Args:
        body: How they move.
        top: Their greatest speed, in m/s.
        turn: How fast they turn at most, in rad/s.
        near: How many people they see one by one.
        walls: How many walls the scene has.
    """
    moves: tuple[Field, ...] = (
        Field("velocity", shape=(2,), unit="m/s", low=-top, high=top, meaning="how to move in this tick"),
    )
    if body == "unicycle":
        moves = (
            Field("forward", unit="m/s", low=0.0, high=top, meaning="speed along its heading in this tick"),
            Field("turn", unit="rad/s", low=-turn, high=turn, meaning="how fast to turn, to the left"),
        )
    axes = "x ahead and y to its left" if body == "unicycle" else "along the axes"
    return Role(
        "robot",
        obs=(
            Field("position", shape=(2,), unit="m", meaning="where it is"),
            Field("velocity", shape=(2,), unit="m/s", meaning="how it moved in the last tick"),
            Field("heading", unit="rad", meaning="where it faces, from the x axis to the left"),
            Field("goal", shape=(2,), unit="m", meaning="where it is to go"),
            Field("aim", shape=(2,), unit="m", meaning="where to head for now: the goal, or the door on the way"),
            Field("offset", shape=(2,), unit="m", meaning=f"from where it is to its aim, {axes}"),
            Field("speed", unit="m/s", meaning="its greatest speed"),
            Field("radius", unit="m", meaning="of its disc"),
            Field(
                "near",
                shape=(near, len(BODY)),
                missing=True,
                meaning=f"the nearest people, the nearest first: way there in m, velocity less its own, radius; {axes}",
            ),
            *_scene(walls),
        ),
        act=moves,
    )


def _scene(walls: int) -> tuple[Field, ...]:
    """All that there is, the same for everybody: in the tables each body has rows of its own."""
    bodies = f"{', '.join(BODY)} of each; nan where there is none"
    return (
        Field("people", shape=("pedestrian", len(BODY)), missing=True, shared=True, recorded=False, meaning=bodies),
        Field("robots", shape=("robot", len(BODY)), missing=True, shared=True, recorded=False, meaning=bodies),
        Field("walls", shape=(walls, 4), shared=True, recorded=False, unit="m", meaning="x, y of both ends"),
        Field("dt", unit="s", shared=True, recorded=False, meaning="how long a tick is"),
    )
