"""What simworld asks of every world and every agent: run `pytest` in this folder."""

from my_agent import Careful
from my_world import Commons

from simworld.testing import AgentSuite, WorldSuite


class TestCommons(WorldSuite):
    """The pasture."""

    def world(self):
        return Commons()


class TestCareful(AgentSuite):
    """The herder."""

    role = "herder"

    def world(self):
        return Commons()

    def agent(self):
        return Careful()
