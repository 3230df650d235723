"""Learning to defer from a log of an expert's answers: every case is put to the expert, then an objective is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le

from simworld.kernel import Acts, Array, Field, Silent
from simworld.spaces import Learner, Lesson, School
from simworld.worlds.casework import Stage
from simworld_agents.caseworker import TeamMember, answers_in_words, rounds_of, stage_of, unseen
from simworld_agents.deferring._fitting import Aim, Bar, Log, fitted, utility
from simworld_agents.deferring._objectives import ALPHAS, ObjectiveName
from simworld_agents.deferring._policy import Deferral, DeferringMind

Share = Annotated[float, Ge(0), Le(1)]
"""From 0 to 1."""
_FEWEST = 4
"""Cases in a log: a quarter of them is held out."""
_KEPT = ("topic", "features", "key", "right")


class Answers(Silent):
    """Notes what experts answered: the cases on which members asked, and the answers that they had a round later."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.decisions = 0
        self.setting: Mapping[str, Array] = {}
        """What is the same for everybody."""
        self._asked: dict[tuple[int, int], tuple[int, int, Array]] = {}
        self._told: dict[tuple[int, int], int] = {}

    def decided(self, role: str, tick: int, acts: Acts) -> None:  # noqa: ARG002
        """Who asks about which case, and what they know of it a round later."""
        if role != "member":
            return
        seen = acts.seen
        self.decisions += len(acts)
        self.setting = self.setting or {name: seen[name] for name in ("stage", "known", "noise", "cost_defer")}
        asks = (acts["move"] == seen["moves"].shape[1] - 1) & (seen["round"] == 1)
        for row in np.flatnonzero(asks).tolist():
            case = int(seen["team"][row]), int(seen["case"][row])
            if case not in self._asked:
                self._asked[case] = int(acts.members[row]), int(seen["topic"][row]), seen["features"][row].copy()
        for row in np.flatnonzero(seen["round"] == 2).tolist():
            case = int(seen["team"][row]), int(seen["case"][row])
            if case in self._asked and self._asked[case][0] == int(acts.members[row]):
                self._told[case] = int(seen["reply"][row])

    def log(self, stage: Stage, seed: int) -> Log:
        """The cases with the right answers, as far as the expert was heard: who refuses is not right about a case.

        Args:
            stage: The settings, with all topics from the first case on.
            seed: Of the episode.
        """
        number, parts = int(self.setting["stage"]), []
        for case in sorted({case for _, case in self._told}):
            teams = np.array(sorted(team for team, other in self._told if other == case))
            rows = [self._asked[team, case] for team in teams.tolist()]
            topic, features = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
            dealt = stage.deal(number, seed, case, teams)
            if not np.array_equal(dealt.topic, topic):
                raise ValueError("world.stage.unseen_from: accepted by deferring: 0")
            if not np.array_equal(dealt.features, features):
                raise ValueError("cases are not those of the stage")
            answers = np.array([self._told[team, case] for team in teams.tolist()])
            parts.append(Log(topic, features, dealt.key, answers == dealt.key))
        if not parts:
            what = "no expert is asked, or none is heard before the horizon"
            raise ValueError(f"{what}; accepted by deferring: an expert, and ticks enough for its answers")
        return Log.joined(parts)


class DeferringLearner(Learner):
    """Learns to defer from a log of an expert's answers: a classifier and a rejector, linear in the case by its topic.

    It plays episodes in which everybody always asks, notes what the expert answered, and fits an objective of the field
    to three quarters of all cases so far. By the rest it chooses alpha, and the bar that the expert's advantage must
    clear; there the fee counts.
    """

    told: ClassVar[tuple[Field, ...]] = (
        Field("log", unit="cases", meaning="so far, those that are held out included"),
        Field("alpha", meaning="of the objective, as it was chosen"),
        Field("utility", meaning="system accuracy less the fee for each case that is deferred, on held-out cases"),
        Field("system_accuracy", meaning="share of held-out cases that are right, deferred or kept"),
        Field("coverage", meaning="share of held-out cases that are kept"),
        Field("classifier_accuracy", meaning="share of held-out cases that the classifier would have right"),
        Field("expert_accuracy", meaning="share of held-out cases that the expert had right"),
    )
    needs_torch: ClassVar[bool] = False

    def __init__(
        self,
        objective: ObjectiveName = "one_vs_all",
        alphas: list[Share] | None = None,
        cost: Annotated[float, Ge(0)] | None = None,
        bar: Bar = "held_out",
        episodes: Annotated[int, Gt(0)] = 5,
        ridge: Annotated[float, Gt(0)] = 0.3,
    ) -> None:
        """What to learn.

        Args:
            objective: cross_entropy (Mozannar and Sontag 2020), realizable (Mozannar et al. 2023), one_vs_all (Verma
                and Nalisnick 2022), compare_confidence (Raghu et al. 2019), or selective: a threshold on confidence.
            alphas: Of cross_entropy and realizable: which to choose from; by default those of the papers.
            cost: The query fee, in right answers; by default what the world charges.
            bar: How the fee enters: held_out, by that bar for the advantage of the expert which is best on held-out
                cases; none, as it is, which is right if what scores say are probabilities (selective has a bar always).
            episodes: How many are played in each iteration.
            ridge: Half of it times the squared weights is added to the sum of losses.

        Raises:
            ValueError: Alphas for an objective without one.
        """
        if alphas is not None and (not alphas or objective not in ALPHAS):
            raise ValueError(f"alphas: found {alphas} for {objective}; accepted: some, for {', '.join(ALPHAS)}")
        self._objective, self._alphas, self._cost = objective, tuple(alphas or ()), cost
        self._bar, self._episodes, self._ridge = bar, episodes, ridge

    def begin(self, school: School) -> None:
        """Look at who learns, and at the stage: its rules must be the same in all episodes."""
        if set(school.roles) != {"member"}:
            raise ValueError(f"learners: found {', '.join(school.roles)}; accepted by deferring: member")
        role = school.roles["member"]
        if answers_in_words(role):
            raise ValueError("it learns from cases of the stage, and must see their features; world.source: stage")
        if lacking := unseen(role, DeferringMind.sees):
            raise ValueError(f"members do not see {lacking!r}; accepted: train.sees with all that deferring needs")
        plain = stage_of(role)
        if rounds_of(role) < 2:
            raise ValueError("world.rounds: accepted by deferring: at least 2, as answers show a round later")
        self._school, self._shape = school, (plain.topics, plain.classes)
        self._plain, self._played = plain, 0
        notes = [self._play(number) for number in range(2)]
        first, second = (one.setting for one in notes)
        if not (first and second):
            raise ValueError("nobody decides anything; accepted by deferring: members, and a horizon of some ticks")
        if first["stage"] != second["stage"]:
            raise ValueError("rules differ by episode; accepted by deferring: one stage, such as world.stage.number: 7")
        self._number = int(first["stage"])
        heard = sum(len(self._heard(one, number)) for number, one in enumerate(notes))
        if heard * self._episodes < 2 * _FEWEST:
            raise ValueError(f"{heard} answers in two episodes; accepted by deferring: {_FEWEST} in an iteration")
        fee = float(first["cost_defer"]) if self._cost is None else self._cost
        self._aim = Aim(self._objective, fee, self._alphas, self._bar, self._ridge)
        self._log = Log(np.zeros(0, np.int64), np.zeros((0, plain.features)), np.zeros(0, np.int64), np.zeros(0, bool))
        untaught = np.zeros((plain.topics, plain.classes + 1, plain.features + 1))
        self._policy = Deferral(self._objective, 1.0, untaught, self._number, fee)

    def iterate(self) -> Lesson:
        """Play, and fit to all cases so far."""
        logs, steps = [self._log], 0
        for number in range(self._played, self._played + self._episodes):
            notes = self._play(number)
            logs.append(self._heard(notes, number))
            steps += notes.decisions
        self._played += self._episodes
        self._log = Log.joined(logs)
        self._policy, held = fitted(self._aim, self._log, self._shape, self._number)
        asks = self._policy.defers(held.topic, held.features)
        kept = self._policy.answers(held.topic, held.features) == held.key
        told = {
            "log": float(len(self._log)),
            "alpha": self._policy.alpha if self._objective in ALPHAS else float("nan"),
            "utility": utility(self._policy, held),
            "system_accuracy": float(np.where(asks, held.right, kept).mean()),
            "coverage": float(1.0 - asks.mean()),
            "classifier_accuracy": float(kept.mean()),
            "expert_accuracy": float(held.right.mean()),
        }
        return Lesson(steps, told=told)

    def policies(self) -> Mapping[str, Deferral]:
        """What was fitted last."""
        return {"member": self._policy}

    def save(self, folder: Path) -> None:
        """The log, and the policy."""
        folder.mkdir()
        self._policy.save(folder / "policy.npz")
        arrays: dict[str, Array] = {name: getattr(self._log, name) for name in _KEPT}
        with (folder / "log.npz").open("wb") as file:
            np.savez(file, played=np.array(self._played), **arrays)  # type: ignore[arg-type]

    def restore(self, folder: Path) -> None:
        """The same."""
        self._policy = Deferral.load(folder / "policy.npz")
        with np.load(folder / "log.npz", allow_pickle=False) as found:
            self._played, self._log = int(found["played"]), Log(*(found[name] for name in _KEPT))

    def _heard(self, notes: Answers, number: int) -> Log:
        """The log of an episode."""
        plain, setting = self._plain, notes.setting
        known, noise = int(setting["known"]), float(setting["noise"])
        stage = Stage(plain.topics, known, plain.classes, plain.features, noise=noise)
        return notes.log(stage, self._school.episode_seed(number))

    def _play(self, number: int) -> Answers:
        """One episode in which all members always ask; what they know without the expert does not count."""
        notes = Answers()
        self._school.play({"member": TeamMember(policy="always_defer", lessons=1)}, number, notes)
        return notes
