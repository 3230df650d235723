"""Conformance suites: subclass one, give it a factory, and pytest collects what every world or mind must keep."""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from simworld.errors import AskError
from simworld.kernel import Agent, Answer, Ask, Broker, Cohort, Group, Individuals, Kernel, Tape, World
from simworld.testing._helpers import Episode, Listener, RandomMind, ScriptedGateway, play
from simworld.testing._twice import Twice


class _Society(ABC):
    """What all suites check: a society of a world and its minds."""

    horizon = 12
    seed = 3

    @abstractmethod
    def world(self) -> World:
        """A new world."""

    def counts(self) -> Mapping[str, int]:
        """Seats by role."""
        return {role.name: max(role.least, min(3, role.most or 3)) for role in self.world().roles}

    def seating(self) -> dict[str, list[Group]]:
        """New minds for every role."""
        return {role: [Group(RandomMind(), count)] for role, count in self.counts().items()}

    def answer(self, ask: Ask) -> Answer:
        """Answers what minds ask; override it if they do."""
        raise AskError(f"{ask}: the suite's answer() says nothing")

    def played(
        self, absent: Mapping[str, Sequence[int]] | None = None, seating: Mapping[str, Sequence[Group]] | None = None
    ) -> Episode:
        """One episode."""
        missing = {role: np.array(who, dtype=np.int64) for role, who in (absent or {}).items()}
        broker = Broker(ScriptedGateway(self.answer))
        minds = self.seating() if seating is None else seating
        return play(self.world(), minds, self.seed, self.horizon, broker, absent=missing)

    def begun(self) -> tuple[Kernel, Broker]:
        """An episode in the middle of its life, and what answers the asks of it and of its copies."""
        kernel, broker = Kernel(self.world(), self.seating(), self.seed, self.horizon), self._broker(Tape())
        kernel.attach(Listener(), broker)
        kernel.run(until=self.horizon // 2)
        return kernel, broker

    def _broker(self, tape: Tape) -> Broker:
        return Broker(ScriptedGateway(self.answer), tape)

    def test_something_happens(self) -> None:
        """A society without a single decision tests nothing."""
        assert self.played().heard.rows

    def test_the_same_seed_gives_the_same_chain(self) -> None:
        """Determinism: nothing but seed and code decides."""
        assert self.played().links == self.played().links

    def test_a_pickled_episode_ends_as_the_original_does(self) -> None:
        """All state is plain data."""
        kernel, broker = self.begun()
        copy = pickle.loads(pickle.dumps(kernel))
        copy.attach(None, broker)
        kernel.run()
        copy.run()
        assert copy.chain == kernel.chain

    def test_a_branch_is_the_future_and_leaves_the_original_alone(self) -> None:
        """A branch shares chance, and nothing else."""
        kernel, broker = self.begun()
        before = kernel.chain
        branch = kernel.branch()
        branch.attach(None, broker)
        branch.run()
        assert kernel.chain == before
        kernel.run()
        assert branch.chain == kernel.chain


class WorldSuite(_Society):
    """What every world must keep, played by minds that act at random."""

    def test_observations_are_fresh_arrays(self) -> None:
        """What was seen must not change when the world steps."""
        kernel, _ = self.begun()
        while (moment := kernel.begin()) is not None:
            seen = {
                role.name: kernel.world.observe(role.name, kernel.roster(role.name).present())
                for role in kernel.world.roles
                if len(kernel.roster(role.name).present())
            }
            before = {(r, k): v.copy() for r, fields in seen.items() for k, v in fields.items()}
            kernel.finish(moment)
            for (role, name), array in before.items():
                same = np.array_equal(seen[role][name], array, equal_nan=array.dtype.kind == "f")
                assert same, f"observe({role!r}) hands out a view of {name!r}"

    def test_it_runs_with_any_member_absent(self) -> None:
        """A fork may leave out anybody."""
        for role, count in self.counts().items():
            for one in range(count):
                assert self.played({role: [one]}).kernel.closed

    def test_it_runs_with_a_whole_role_absent(self) -> None:
        """Even everybody."""
        for role, count in self.counts().items():
            assert self.played({role: range(count)}).kernel.closed


class CohortSuite(_Society):
    """What every cohort must keep, in a world of its kind."""

    role = ""
    """The role that it fills."""

    @abstractmethod
    def cohort(self) -> Cohort:
        """A new cohort."""

    def seating(self) -> dict[str, list[Group]]:
        """The cohort in its role, random minds elsewhere."""
        seating = super().seating()
        seating[self.role] = [Group(self.cohort(), self.counts()[self.role])]
        return seating

    def test_it_sees_and_does_what_it_declares(self) -> None:
        """Declared needs exist in the role."""
        role = next(r for r in self.world().roles if r.name == self.role)
        mind = self.cohort()
        assert set(mind.sees) <= {f.name for f in role.obs}
        assert set(mind.does) <= {f.name for f in role.act}

    def test_two_cohorts_of_one_law_are_one(self) -> None:
        """A member's action has the same bits whatever the batch."""
        count = self.counts()[self.role]
        if count < 2:  # a role with one seat has one batch only
            return
        seating = self.seating()
        seating[self.role] = [Group(self.cohort(), 1), Group(self.cohort(), count - 1)]
        assert self.played(seating=seating).links == self.played().links


class AgentSuite(CohortSuite):
    """What every agent must keep, in a world of its kind."""

    @abstractmethod
    def agent(self) -> Agent:
        """A new agent."""

    def cohort(self) -> Cohort:
        """Individuals, one agent each."""
        return Individuals(self.agent)

    def test_a_decision_executed_again_is_the_same(self) -> None:
        """A suspended decision is re-executed from its start: only what is seen, drawn and answered may count."""
        seating = self.seating()
        seating[self.role] = [Group(Individuals(lambda: Twice(self.agent())), self.counts()[self.role])]
        assert self.played(seating=seating).links == self.played().links
