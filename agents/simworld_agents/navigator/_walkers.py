"""Minds for those who make their way: straight on, standing still, ORCA, social forces."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt

from simworld.kernel import Array, Cohort, Role, Seats
from simworld.worlds.plaza import FloatArray, from_walls
from simworld_agents.navigator._forces import (
    Circular,
    Helbing,
    Moussaid,
    Pairs,
    WallPotential,
    capped,
    circular,
    gathered,
    helbing,
    moussaid,
    summed,
    walls,
)
from simworld_agents.navigator._manners import mannered
from simworld_agents.navigator._orca import Neighbours, orca_velocity
from simworld_agents.navigator._seeing import View, check_moves, moved

_SKIN = 0.01
"""By so much, in metres, CrowdNav has everybody's radius larger than it is."""
_WALL_HORIZON = 1.0
"""Seconds for which no wall is to be run into; with more, nobody dares to go through a door at a slant."""


class Walker(Cohort):
    """Whoever makes its way on a plaza, on foot or as a robot of any body: says which velocity it wants."""

    sees: ClassVar[tuple[str, ...]] = (
        "position",
        "velocity",
        "goal",
        "aim",
        "speed",
        "radius",
        "people",
        "robots",
        "walls",
        "dt",
    )
    noise = 0.0
    """Standard deviation of what is added to each component of the velocity, m/s, drawn by address."""

    def check(self, role: Role) -> None:
        """Raise ValueError unless the role moves by velocity, or as a unicycle."""
        check_moves(role)

    @abstractmethod
    def steer(self, view: View) -> FloatArray:
        """The velocities that are wanted, m/s, shape (n, 2)."""

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:
        """Move as is wanted, noise included."""
        wanted = self.steer(View.of(seen, seats))
        if self.noise:
            wanted = wanted + self.noise * seats.draw("noise", "normal", (2,))
        heading = seen["heading"] if "heading" in seen else np.zeros(len(wanted))
        return moved(wanted, heading, float(seen["dt"]), seats.role)


class Straight(Walker):
    """Goes straight to its goal, whoever is in its way."""

    def __init__(self, noise: Annotated[float, Ge(0)] = 0.0) -> None:
        """It looks at its goal alone.

        Args:
            noise: Standard deviation of what is added to each component of the velocity, in m/s.
        """
        self.noise = noise

    def steer(self, view: View) -> FloatArray:
        """Straight on."""
        return mannered(view.towards(), view)


class Still(Walker):
    """Stays where it is: the control to whom no disturbance can be laid."""

    def steer(self, view: View) -> FloatArray:
        """Not at all."""
        return np.zeros_like(view.position)


class Orca(Walker):
    """Optimal reciprocal collision avoidance (van den Berg et al. 2011), as CrowdNav uses it for people and robots.

    Everybody expects everybody else to take on half of the avoidance, knows positions and velocities exactly, and keeps
    clear of walls as of things that stand.
    """

    def __init__(
        self,
        margin: Annotated[float, Ge(0)] = 0.0,
        horizon: Annotated[float, Gt(0)] = 5.0,
        distance: Annotated[float, Gt(0)] = 10.0,
        most: Annotated[int, Gt(0)] = 10,
        noise: Annotated[float, Ge(0)] = 0.0,
    ) -> None:
        """Parameters as in CrowdNav.

        Args:
            margin: By so much its own and others' radii are taken to be larger, in m (CrowdNav's safety_space).
            horizon: For how long nobody is to be run into, in s.
            distance: How far it looks, in m.
            most: How many others it heeds, the nearest.
            noise: Standard deviation of what is added to each component of the velocity, in m/s.
        """
        self.margin, self.horizon, self.distance, self.most, self.noise = margin, horizon, distance, most, noise

    def steer(self, view: View) -> FloatArray:
        """The velocity nearest to the straight way that runs into nobody."""
        preferred = mannered(view.towards(), view)
        around, horizon = self._around(view)
        return orca_velocity(view.velocity, preferred, view.speed, around, horizon, view.dt)

    def _around(self, view: View) -> tuple[Neighbours, float | FloatArray]:
        """Whom to avoid, walls first and then the nearest others; and for how long nothing is to be run into."""
        others, there = view.nearest(self.distance, self.most)
        bodies = view.bodies[others]
        still = view.stands_still(others, np.arange(len(others))[:, None])
        way = bodies[..., :2] - view.position[:, None]
        velocity = np.where(still[..., None], 0.0, bodies[..., 2:4])
        reach = view.radius[:, None] + bodies[..., 4] + 2.0 * (_SKIN + self.margin)
        share = np.where(still, 1.0, 0.5)
        count = len(view.walls)
        if not count:
            return Neighbours(way, velocity, reach, there, share), self.horizon
        to_walls, place = from_walls(view.position, view.walls)
        own = np.broadcast_to((view.radius + _SKIN)[:, None], (len(reach), count))
        away = (to_walls**2).sum(axis=2)
        near = away < (_WALL_HORIZON * view.speed + view.radius)[:, None] ** 2
        # An end of a wall is a disc to go round, its side is not; who touches it may slide along.
        side = ((place > 0.0) & (place < 1.0)) | (away <= own * own)
        horizon = np.concatenate([np.full_like(own, _WALL_HORIZON), np.full_like(reach, self.horizon)], axis=1)
        around = Neighbours(
            np.concatenate([to_walls, way], axis=1),
            np.concatenate([np.zeros_like(to_walls), velocity], axis=1),
            np.concatenate([own, reach], axis=1),
            np.concatenate([near, there], axis=1),
            np.concatenate([np.ones_like(own), share], axis=1),
            hard=count,
            flat=np.concatenate([side, np.zeros_like(there)], axis=1),
        )
        return around, horizon


class SocialForce(Walker):
    """Is driven to its goal and pushed off others and walls (Helbing and Molnár 1995, or Moussaïd et al. 2009)."""

    def __init__(
        self,
        law: Literal["moussaid", "helbing", "circular"] = "moussaid",
        strength: Annotated[float, Ge(0)] | None = None,
        relaxation: Annotated[float, Gt(0)] = 0.5,
        distance: Annotated[float, Gt(0)] = 5.0,
        fastest: Annotated[float, Gt(0)] = 1.3,
        noise: Annotated[float, Ge(0)] = 0.0,
    ) -> None:
        """Parameters as in PySocialForce (moussaid), socialforce (helbing) and CrowdNav++ (circular).

        Args:
            law: How one person pushes another.
            strength: Of the push: 5.1 m/s2, 2.1 m2/s2 or 2 m/s2 if it is left out.
            relaxation: Time in which the wanted velocity is taken up, in s.
            distance: How far it looks, in m.
            fastest: Greatest speed, as a multiple of the one that it likes.
            noise: Standard deviation of what is added to each component of the velocity, in m/s.
        """
        usual = {"moussaid": 5.1, "helbing": 2.1, "circular": 2.0}[law]
        self.law, self.strength = law, usual if strength is None else strength
        self.relaxation, self.distance, self.fastest, self.noise = relaxation, distance, fastest, noise

    def steer(self, view: View) -> FloatArray:
        """The velocity after a tick of these forces."""
        preferred = mannered(view.towards(), view)
        pull = (preferred - view.velocity) / self.relaxation
        push = self._push(view, preferred)
        if len(view.walls):
            push = push + walls(view.position, view.walls, 0.0, WallPotential())
        return capped(view.velocity + (pull + push) * view.dt, self.fastest * view.speed)

    def _push(self, view: View, preferred: FloatArray) -> FloatArray:
        bodies, pairs = view.bodies, Pairs(*view.pairs(self.distance))
        way = gathered(bodies[:, :2], pairs.by) - gathered(view.position, pairs.of)
        by = gathered(bodies[:, 2:4], pairs.by)
        if view.impassive:
            by = np.where(view.stands_still(pairs.by, pairs.of)[:, None], 0.0, by)
        if self.law == "moussaid":
            force = moussaid(way, gathered(view.velocity, pairs.of), by, Moussaid(strength=self.strength))
        elif self.law == "helbing":
            speed = np.sqrt(by[:, 0] ** 2 + by[:, 1] ** 2)[:, None]
            facing = by / np.where(speed > 0.0, speed, 1.0)
            force = helbing(way, by, facing, gathered(preferred, pairs.of), Helbing(potential=self.strength))
        else:
            touching = view.radius[pairs.of] + bodies[pairs.by, 4]
            force = circular(way, touching, Circular(strength=self.strength))
        return summed(pairs, force, len(view.position))
