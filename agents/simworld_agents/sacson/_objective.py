"""What a policy is trained to make small, by gradients through its own motion and through the model of people.

J = J_nav + w_cp J_cp + w_ps J_ps (SACSoN), with a bar on contact that is the same for all weights. J_nav is the mean
distance to the aim over the eight steps, in m; the paper's, which is over images and sub-goals, does not carry over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from simworld.kernel import Role
from simworld.spaces import ActionVector
from simworld.worlds.plaza import FloatArray
from simworld_agents.navigator import Costs
from simworld_agents.sacson._fitting import Net
from simworld_agents.sacson._pednet import SCALE, STEPS, Encounters, filled
from simworld_agents.sacson._walks import Walk

CONTACT = 100.0
"""What coming nearer than the clearance costs, per square metre: far more than any way round."""
CLEARANCE = 0.1
"""In m between surfaces."""
TERMS = ("navigation", "contact", "perturbation", "personal_space")


@dataclass(frozen=True)
class States:
    """Moments in which a robot decides, m of them with n people each; in metres and along the axes of the world."""

    vector: FloatArray
    """What the policy sees, shape (m, width)."""
    robot: FloatArray
    """x, y, heading of the robot, shape (m, 3)."""
    robot_past: FloatArray
    """Where it was, the latest first and now included, shape (m, 8, 2)."""
    aim: FloatArray
    """Where it heads for, shape (m, 2)."""
    people: FloatArray
    """x, y, vx, vy, radius of each, nan where there is nobody, shape (m, n, 5)."""
    past: FloatArray
    """Where they were, shape (m, n, 8, 2)."""

    def __len__(self) -> int:
        return len(self.robot)

    @staticmethod
    def of(walk: Walk) -> States:
        """All moments of a walk in which there is a robot."""
        own = np.flatnonzero(~np.isnan(walk.aim[:, 0]))
        back = np.maximum(own[:, None] - np.arange(STEPS), 0)
        people = walk.people[back][..., :2].transpose(0, 2, 1, 3)
        n = people.shape[1]
        past = filled(people.reshape(-1, STEPS, 2)).reshape(len(own), n, STEPS, 2)
        pose = np.concatenate([walk.robot[own, :2], walk.heading[own, None]], axis=1)
        was = filled(walk.robot[back][..., :2])
        return States(walk.vector[own], pose, was, walk.aim[own], walk.people[own], past)

    @staticmethod
    def joined(parts: list[States]) -> States:
        """One after the other."""
        names = ("vector", "robot", "robot_past", "aim", "people", "past")
        return States(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


class Objective:
    """The terms of J for moments that were prepared once, as torch computes them."""

    def __init__(self, torch: Any, states: States, role: Role, net: Net, costs: Costs, dt: float) -> None:
        self._torch, self._net, self._costs, self._dt = torch, net, costs, dt
        self._does = ActionVector.of(role)
        bounds = np.array([(part.low, part.high) for part in self._does.parts for _ in range(part.size)])
        self._low, self._high = (self._tensor(side) for side in bounds.T)
        self.vector = self._tensor(states.vector)
        self._robot, self._aim = self._tensor(states.robot), self._tensor(states.aim)
        self._there = self._tensor(~np.isnan(states.people[..., 0]))
        people = np.nan_to_num(states.people)
        self._people = self._tensor(people)
        self._prepare(states, dt)

    def _prepare(self, states: States, dt: float) -> None:
        """What the model of people is told of the past, for each person, and where that person's frame is."""
        m, n = states.people.shape[:2]
        past = np.nan_to_num(states.past).reshape(m * n, STEPS, 2)
        was = np.repeat(states.robot_past, n, axis=0)
        stays = np.repeat(states.robot[:, None, :2], STEPS, axis=1).repeat(n, axis=0)
        with_robot = Encounters(past, was, stays, np.ones(m * n), dt)
        without = Encounters(past, was, stays, np.zeros(m * n), dt)
        at, ahead = with_robot.frames()
        self._shape = (m, n)
        self._at, self._ahead = self._tensor(at).reshape(m, n, 2), self._tensor(ahead).reshape(m, n, 2)
        self._going = self._tensor(with_robot.going()).reshape(m, n, 1, 2)
        self._known, self._stays = (self._tensor(part).reshape(m, n, -1) for part in with_robot.inputs())
        self._alone, self._nowhere = (self._tensor(part).reshape(m, n, -1) for part in without.inputs())

    def terms(self, rows: Any, outputs: Any) -> Mapping[str, Any]:
        """Each term of J for b moments, from what the policy gives there, shape (b, 8 * actions): means over them."""
        torch = self._torch
        path = self._driven(rows, torch.tanh(outputs).reshape(len(rows), STEPS, -1))
        away = (path - self._aim[rows, None]).norm(dim=2)
        found = {"navigation": away.mean()}
        there = self._there[rows]
        people, times = self._people[rows], self._dt * torch.arange(1, STEPS + 1)
        on = people[:, :, None, :2] + times[:, None] * people[:, :, None, 2:4]
        # Whoever is met: the robot's own radius is that of the people.
        reach = 2.0 * people[:, :, None, 4]
        gap = (path[:, None] - on).norm(dim=3) - reach
        found["contact"] = ((torch.relu(CLEARANCE - gap) ** 2).mean(dim=2) * there).sum(dim=1).mean()
        would = self._with(rows, path)
        close = torch.relu(self._costs.kept - ((path[:, None] - would).norm(dim=3) - reach)) ** 2
        found["personal_space"] = self._over_people(close.mean(dim=2), there)
        if self._costs.reference == "stopped":
            otherwise = self._asked(rows, self._known[rows], self._stays[rows])
        else:
            otherwise = self._asked(rows, self._alone[rows], self._nowhere[rows])
        apart = ((would - otherwise.detach()) ** 2).sum(dim=3)
        if self._costs.courteous:
            # Who gets on as far as otherwise, along the own way, is not held up.
            behind = ((otherwise - would) * self._ahead[rows, :, None]).sum(dim=3)
            apart = apart * (behind > 0.0)
        found["perturbation"] = self._over_people(apart.mean(dim=2), there)
        return found

    def total(self, terms: Mapping[str, Any]) -> Any:
        """J."""
        weighted = (
            self._costs.perturbation * terms["perturbation"] + self._costs.personal_space * terms["personal_space"]
        )
        return terms["navigation"] + CONTACT * terms["contact"] + weighted

    def _over_people(self, values: Any, there: Any) -> Any:
        """The mean over those who are there, and then over moments."""
        return ((values * there).sum(dim=1) / there.sum(dim=1).clamp(min=1.0)).mean()

    def _driven(self, rows: Any, amounts: Any) -> Any:
        """Where the robot would be in each of the next ticks, shape (b, 8, 2), from amounts in (-1, 1)."""
        torch = self._torch
        moves = self._low + (amounts + 1.0) / 2.0 * (self._high - self._low)
        at, names = self._robot[rows, :2], [part.name for part in self._does.parts]
        if names == ["velocity"]:
            speed = moves.norm(dim=2, keepdim=True).clamp(min=1e-6)
            moves = moves * torch.clamp(self._high[0] / speed, max=1.0)
            return at[:, None] + torch.cumsum(moves * self._dt, dim=1)
        forward, turn = moves[..., names.index("forward")], moves[..., names.index("turn")]
        after = self._robot[rows, 2:3] + torch.cumsum(turn * self._dt, dim=1)
        # The chord of the arc points half-way between the headings, and is shorter than the arc.
        half = turn * self._dt / 2.0
        chord = forward * self._dt * torch.sinc(half / torch.pi)
        steps = torch.stack([torch.cos(after - half), torch.sin(after - half)], dim=2) * chord[..., None]
        return at[:, None] + torch.cumsum(steps, dim=1)

    def _with(self, rows: Any, path: Any) -> Any:
        """Where people would be if the robot went that way, shape (b, n, 8, 2)."""
        torch = self._torch
        way = path[:, None] - self._at[rows, :, None]
        ahead = self._ahead[rows, :, None]
        x = (way * ahead).sum(dim=3)
        y = way[..., 1] * ahead[..., 0] - way[..., 0] * ahead[..., 1]
        plan = (torch.stack([x, y], dim=3) / SCALE).clamp(-1.0, 1.0)
        return self._asked(rows, self._known[rows], plan.flatten(2))

    def _asked(self, rows: Any, past: Any, plan: Any) -> Any:
        """What the model says, in the axes of the world."""
        b, n = past.shape[:2]
        going = self._going[rows].reshape(b * n, 1, 2)
        found = self._net.ahead(past.reshape(b * n, -1), plan.reshape(b * n, -1), going, self._dt).reshape(
            b, n, STEPS, 2
        )
        ahead = self._ahead[rows, :, None]
        x = found[..., 0] * ahead[..., 0] - found[..., 1] * ahead[..., 1]
        y = found[..., 0] * ahead[..., 1] + found[..., 1] * ahead[..., 0]
        return self._at[rows, :, None] + self._torch.stack([x, y], dim=3)

    def _tensor(self, values: Any) -> Any:
        return self._torch.tensor(np.asarray(values), dtype=self._torch.float32)
