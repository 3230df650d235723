"""HILA's inner loop: episodes are played, every decision makes a group, and the policy is improved by GRPO."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt

from simworld.files import located
from simworld.kernel import Chance, Field
from simworld.spaces import Adam, Groups, Grpo, Learner, Lesson, School, gradient, probabilities
from simworld_agents.caseworker import CUES, FloatArray, answers_in_words, rounds_of, stage_of, unseen
from simworld_agents.hila._groups import Group, Met, groups_of, regret, values_of
from simworld_agents.hila._member import Hila
from simworld_agents.hila._policy import DeferencePolicy, Learns
from simworld_agents.hila._watching import Decisions, Replies, Watched

Loop = Literal["staged", "joint"]
"""Solvers stay as they are while the policy is trained, or learn on from what experts say (equation 8)."""


class HilaLearner(Learner):
    """Trains when a member of a team copies, answers anew or asks (HILA, Yang et al. 2026, its inner loop).

    Each iteration plays episodes with moves drawn from the policy; takes every decision as a group of candidates and
    works out what each was worth (equation 3), from the right answers, from what the member's solver takes to be
    likely, and from how often the expert was right on that topic so far; and improves the policy by gradients (GRPO,
    equations 4 to 6). The policy is linear in cues. Departure from the paper: solvers are linear, and learn on by
    being fitted anew (``loop: joint``) instead of by a term of the loss.
    """

    told: ClassVar[tuple[Field, ...]] = (
        Field("regret", meaning="by how much decisions are worth less than under the Bayes rule, on average"),
        Field("earned", meaning="what decisions are worth on average (equation 3)"),
        Field("eval", meaning="probability of taking over a peer's answer, or of staying"),
        Field("create", meaning="probability of answering anew"),
        Field("defer", meaning="probability of asking"),
    )
    needs_torch: ClassVar[bool] = False
    reads: ClassVar[tuple[str, ...]] = ("start",)

    def __init__(
        self,
        loop: Loop = "staged",
        group: Group = "expected",
        draws: Annotated[int, Gt(1)] = 4,
        how: Grpo | None = None,
        rate: Annotated[float, Gt(0)] = 0.05,
        updates: Annotated[int, Ge(0)] = 20,
        start: str = "",
    ) -> None:
        """How to train.

        Args:
            loop: Whether solvers learn on in training (joint) or not (staged).
            group: What makes a group: expected (all candidates, as likely as the policy has it), uniform (all alike,
                as in the authors' code), sampled (draws from the policy).
            draws: How many draws make a group.
            how: Advantages, clip, and weights of divergence and entropy.
            rate: Step size of Adam.
            updates: Gradient steps in each iteration; each sees all decisions of an episode.
            start: A policy to begin with, a file; by default one to which all moves are alike.

        Raises:
            ValueError: There is no such file, or it holds something else.
        """
        self._loop, self._group, self._draws, self._how = loop, group, draws, how or Grpo()
        self._rate, self._updates = rate, updates
        try:
            self._initial = (DeferencePolicy.load(located(start)) if start else DeferencePolicy()).weights
        except ValueError as error:
            raise ValueError(f"start: {error}") from error

    def begin(self, school: School) -> None:
        """Begin with the policy that there is at first."""
        if set(school.roles) != {"member"}:
            raise ValueError(f"learners: found {', '.join(school.roles)}; accepted by hila: member")
        if answers_in_words(school.roles["member"]):
            raise ValueError("the world's cases are in words; accepted by hila: source: stage")
        if lacking := unseen(school.roles["member"], Hila.sees):
            raise ValueError(f"members do not see {lacking!r}; accepted by hila: train.sees with all that it needs")
        if not rounds_of(school.roles["member"]):
            raise ValueError("world.rounds: found 0; accepted by hila: at least 1")
        self._school, self._chance = school, Chance(school.seed)
        self._weights, self._adam, self._iterations = self._initial.copy(), Adam(len(CUES)), 0
        topics = stage_of(school.roles["member"]).topics
        self._replies = np.zeros((topics, 2))
        self._requests = np.zeros(2)

    def iterate(self) -> Lesson:
        """Play an episode, and learn from it."""
        learns: Learns = "all" if self._loop == "joint" else "never"
        mind, notes = Watched.following(DeferencePolicy(self._weights, learns), greedy=False), Replies()
        self._school.play({"member": mind}, self._iterations, notes)
        if not mind.decisions:
            raise ValueError("nobody decides anything: the horizon ends before the first round of decisions")
        made, seed = Decisions.joined(mind.decisions), self._school.episode_seed(self._iterations)
        self._hear(notes, made, seed)
        met, key = self._met(made), made.keys(seed)
        values = values_of(met, np.eye(made.stage.classes)[key], made.costs)
        bayes = values_of(met, made.posterior(), made.costs)
        groups = groups_of(met, values, self._weights, self._group, self._luck(len(key)))
        told = self._told(groups, values.worth) | {"regret": regret(met, bayes, self._weights)}
        self._learn(groups)
        self._iterations += 1
        return Lesson(len(key), told=told)

    def _luck(self, n: int) -> FloatArray:
        """What the draws of this iteration's groups hang on, shape (2, n, draws); nothing where none are drawn."""
        draws = self._draws if self._group == "sampled" else 0
        names, rows = ("group/pick", "group/luck"), np.arange(n)
        return np.stack([self._chance.draw("uniform", name, self._iterations, rows, (draws,)) for name in names])

    def policies(self) -> Mapping[str, DeferencePolicy]:
        """The policy as it is."""
        return {"member": DeferencePolicy(self._weights.copy(), "all" if self._loop == "joint" else "never")}

    def save(self, folder: Path) -> None:
        """All numbers."""
        folder.mkdir()
        counts = np.array([self._adam.steps, self._iterations])
        with (folder / "hila.npz").open("wb") as file:
            np.savez(
                file,
                weights=self._weights,
                moments=self._adam.moments,
                counts=counts,
                replies=self._replies,
                requests=self._requests,
            )

    def restore(self, folder: Path) -> None:
        """All numbers."""
        with np.load(folder / "hila.npz", allow_pickle=False) as found:
            self._weights, self._adam.moments = found["weights"], found["moments"]
            self._replies, self._requests = found["replies"], found["requests"]
            self._adam.steps, self._iterations = (int(count) for count in found["counts"])

    def _hear(self, notes: Replies, made: Decisions, seed: int) -> None:
        """Count what experts said: right ones and all by topic, refusals and all."""
        for reply in notes.rows:
            self._requests += [reply.refuses, 1]
            if not reply.refuses:
                self._replies[reply.topic] += [reply.is_right(made.stage, made.number, seed), 1]

    def _met(self, made: Decisions) -> Met:
        """Decisions, with what is known of experts so far; of a topic that they were not asked about, what of all."""
        overall = (self._replies[:, 0].sum() + 1.0) / (self._replies[:, 1].sum() + 2.0)
        by_topic = (self._replies[:, 0] + overall) / (self._replies[:, 1] + 1.0)
        refused = self._requests[0] / max(self._requests[1], 1.0)
        return Met(made.candidates, made.answers, made.anew, by_topic[made.topic], float(refused))

    def _told(self, groups: Groups, worth: FloatArray) -> dict[str, float]:
        likely = probabilities(self._weights, groups.cues, groups.allowed)
        size = likely.shape[1] - 2
        earned = float((likely * np.where(groups.allowed, worth, 0.0)).sum(axis=1).mean())
        shares = {"eval": likely[:, :size].sum(axis=1), "create": likely[:, size], "defer": likely[:, size + 1]}
        return {"earned": earned} | {name: float(share.mean()) for name, share in shares.items()}

    def _learn(self, groups: Groups) -> None:
        """Steps of Adam."""
        old, initial = self._weights.copy(), self._initial
        for _ in range(self._updates):
            slope, _ = gradient(self._weights, groups, self._how, initial, old)
            self._weights = self._adam.step(self._weights, slope, self._rate)
