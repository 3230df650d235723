"""Learns when to ask from what would have been: every choice is run in a branch of the society; GRPO does the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt

from simworld.kernel import Field
from simworld.spaces import Adam, Groups, Grpo, Learner, Lesson, School, Watch, gradient, probabilities
from simworld.worlds.plaza import FloatArray
from simworld_agents.hila_robot._branches import Branches, Follow, Noted
from simworld_agents.hila_robot._cues import CHOICES, CUES, candidates
from simworld_agents.hila_robot._mind import HilaRobot
from simworld_agents.hila_robot._policy import CallPolicy, Rule, Way

FOLLOW = Follow()
_DRAWN = Rule(choose="drawn")
_RATE = 0.05
"""Step size of Adam."""


@dataclass(frozen=True)
class How(Grpo):
    """GRPO without divergence, and with more entropy than HILA's.

    Yielding is bad on average: with less entropy it may be dropped before it is found where it is good.
    """

    kl: Annotated[float, Ge(0)] = 0.0
    entropy: Annotated[float, Ge(0)] = 0.03


HOW = How()


class HilaRobotLearner(Learner):
    """Trains when a robot goes on, yields, or asks an operator, with perturbation as a cost (HILA with SACSoN's cost).

    Episodes are played with choices drawn from the policy. Before each choice the society is branched: once for each
    of the three, once without the robot, with all chance shared. A choice is worth what the world pays the robot in
    the seconds that follow, calls included, less a weight times how far people are from where they would be without
    it. The three are the group of GRPO (HILA's equations 4 to 6). Nothing about people or operators is modelled: what
    a choice does is seen, not foretold.
    """

    told: ClassVar[tuple[Field, ...]] = (
        Field("earned", meaning="what choices are worth, as likely as the policy has them, on average"),
        Field("best", meaning="what the best of the three is worth, on average"),
        Field("moved", unit="m", meaning="by how much people are pushed aside, on average"),
        *(Field(name, meaning=f"probability to {name}") for name in CHOICES),
    )
    needs_torch: ClassVar[bool] = False
    reads: ClassVar[tuple[str, ...]] = ("model",)

    def __init__(
        self,
        way: Way = "planner",
        model: str = "",
        follow: Follow = FOLLOW,
        episodes: Annotated[int, Gt(0)] = 5,
        how: How = HOW,
        updates: Annotated[int, Ge(0)] = 10,
    ) -> None:
        """How to train.

        Args:
            way: How the robot goes its way.
            model: A model of people by which it foretells, as ``algo: sacson`` leaves it; by default a social force.
            follow: How branches are followed, and what perturbation costs in them.
            episodes: How many are played in each iteration.
            how: Advantages, clip, and weights of divergence and entropy.
            updates: Gradient steps in each iteration; each sees all choices of its episodes.
        """
        self._way, self._model, self._follow = way, model, follow
        self._episodes, self._how, self._updates = episodes, how, updates

    def begin(self, school: School) -> None:
        """Begin with a policy to which all choices are alike."""
        if set(school.roles) != {"robot"}:
            raise ValueError(f"learners: found {', '.join(school.roles)}; accepted by hila_robot: robot")
        role = school.roles["robot"]
        policy = CallPolicy(way=self._way, model=self._model)
        if policy.misfit(role):
            raise ValueError(f"{policy.misfit(role)}; accepted by hila_robot: the robots of operated_plaza")
        if school.outside:
            raise ValueError(
                f"choices are followed in branches, in which {school.outside[0]} have no part; accepted: a scenario"
                " without them"
            )
        HilaRobot.following(policy)  # the model of people is there
        self._school, self._weights, self._adam, self._played = school, np.zeros(len(CUES)), Adam(len(CUES)), 0

    def iterate(self) -> Lesson:
        """Play episodes, and learn from all their choices."""
        seen, worth, moved = [], [], []
        for number in range(self._played, self._played + self._episodes):
            mind, notes = HilaRobot.following(self.policies()["robot"], _DRAWN), Noted()
            branches = Branches(mind, self._follow)
            self._school.play({"robot": mind}, number, notes, watch=Watch(1, branches.look))
            for moment in (moment for moment in branches.worth if moment in notes.seen):
                seen.append(notes.seen[moment])
                worth.append(branches.worth[moment])
                moved.append(branches.moved[moment])
        self._played += self._episodes
        if not seen:
            raise ValueError(f"no robot chose anything in {self._episodes} episodes; accepted: a longer horizon")
        cues = candidates(np.array(seen))
        allowed = np.ones(cues.shape[:2], dtype=np.bool_)
        chances = probabilities(self._weights, cues, allowed)
        told = self._told(chances, np.array(worth), np.array(moved))
        self._learn(Groups(cues, allowed, np.array(worth), chances))
        return Lesson(len(seen), told=told)

    def policies(self) -> Mapping[str, CallPolicy]:
        """The policy as it is."""
        return {"robot": CallPolicy(self._weights.copy(), self._way, self._model)}

    def save(self, folder: Path) -> None:
        """All numbers."""
        folder.mkdir()
        counts = np.array([self._adam.steps, self._played])
        with (folder / "hila_robot.npz").open("wb") as file:
            np.savez(file, weights=self._weights, moments=self._adam.moments, counts=counts)

    def restore(self, folder: Path) -> None:
        """All numbers."""
        with np.load(folder / "hila_robot.npz", allow_pickle=False) as found:
            self._weights, self._adam.moments = found["weights"], found["moments"]
            self._adam.steps, self._played = (int(count) for count in found["counts"])

    def _told(self, chances: FloatArray, worth: FloatArray, moved: FloatArray) -> dict[str, float]:
        shares = dict(zip(CHOICES, chances.mean(axis=0).tolist(), strict=True))
        earned, aside = ((chances * values).sum(axis=1).mean() for values in (worth, moved))
        return {"earned": float(earned), "best": float(worth.max(axis=1).mean()), "moved": float(aside)} | shares

    def _learn(self, groups: Groups) -> None:
        """Steps of Adam."""
        old, initial = self._weights.copy(), np.zeros(len(CUES))
        for _ in range(self._updates):
            slope, _ = gradient(self._weights, groups, self._how, initial, old)
            self._weights = self._adam.step(self._weights, slope, _RATE)
