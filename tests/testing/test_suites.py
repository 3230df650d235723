"""A suite that cannot fail is no suite: each finds what it is there to find."""

from __future__ import annotations

import numpy as np
import pytest

from simworld.kernel import Cohort, Field, Role, World
from simworld.testing import CohortSuite, WorldSuite


class Fine(World):
    roles = (Role("p", obs=(Field("x"),), act=(Field("a", low=0, high=1),)),)

    def reset(self, turn):
        self.x = np.zeros(turn.seats("p"))
        turn.wake("p", turn.join("p", turn.seats("p")), 0)

    def observe(self, role, members):
        return {"x": self.x[members]}

    def step(self, moment, turn):
        acts = moment.acts["p"]
        self.x[acts.members] += acts["a"]
        turn.wake("p", acts.members, turn.tick + 1)


class ShowsItsOwn(Fine):
    def observe(self, role, members):
        return {"x": self.x[:]} if len(members) == len(self.x) else {"x": self.x[members]}


class Forgetful(Cohort):
    count = 0

    def act(self, seen, seats):
        Forgetful.count += 1  # state outside the episode
        return {"a": np.full(len(seats.members), 0.5 + 1e-3 * (Forgetful.count % 97))}


class FineSuite(WorldSuite):
    def world(self):
        return Fine()


class TestFine(FineSuite):
    pass


def test_a_view_of_the_worlds_state_is_found():
    class Suite(WorldSuite):
        def world(self):
            return ShowsItsOwn()

    with pytest.raises((AssertionError, ValueError)):
        Suite().test_observations_are_fresh_arrays()


def test_state_outside_the_episode_is_found():
    class Suite(CohortSuite):
        role = "p"

        def world(self):
            return Fine()

        def cohort(self):
            return Forgetful()

    with pytest.raises(AssertionError):
        Suite().test_the_same_seed_gives_the_same_chain()
