"""A suite that cannot fail is no suite: each finds what it is there to find."""

from __future__ import annotations

import numpy as np
import pytest

from simworld.errors import AskError, ContractError
from simworld.kernel import Agent, Answer, Cohort, Field, Role, World
from simworld.testing import AgentSuite, CohortSuite, WorldSuite


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

    with pytest.raises(ContractError, match=r"field 'x' shares its memory with self.x; accepted: a copy"):
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


class Careless(Agent):
    """Keeps something where a re-execution does not find it as it was."""

    diary = []

    async def act(self, seen, seat):
        answer = await seat.ask.model({"page": len(self.diary) % 2})
        self.diary.append(str(answer.value))
        return {"a": 0.5}


class Honest(Careless):
    async def act(self, seen, seat):
        answer = await seat.ask.model({"x": seen["x"]})
        return {"a": (float(seat.draw("mood")) + answer.value) / 2}


class AskingSuite(AgentSuite):
    role = "p"

    def world(self):
        return Fine()

    def agent(self):
        return Honest()

    def answer(self, ask):
        return Answer(0.25)


class TestHonest(AskingSuite):
    pass


def test_a_decision_that_is_another_one_when_executed_again_is_found():
    class Suite(AskingSuite):
        def agent(self):
            return Careless()

    with pytest.raises(AssertionError, match="asks otherwise"):
        Suite().test_a_decision_executed_again_is_the_same()


class Fickle(Careless):
    def act(self, seen, seat):
        self.diary.append("")
        return {"a": len(self.diary) % 7 / 7}


def test_an_agent_that_decides_otherwise_when_executed_again_is_found():
    class Suite(AskingSuite):
        def agent(self):
            return Fickle()

    with pytest.raises(AssertionError, match="decides otherwise"):
        Suite().test_a_decision_executed_again_is_the_same()


def test_a_suite_whose_minds_ask_says_what_is_missing():
    class Suite(AskingSuite):
        def answer(self, ask):
            return AgentSuite.answer(self, ask)

    with pytest.raises(AskError, match="the suite's answer"):
        Suite().test_something_happens()
