"""A small adapter: what a mind sees of a sheep of Mesa's wolf-sheep model, and what its action makes the sheep do."""

from mesa.examples.advanced.wolf_sheep.agents import Sheep, Wolf

from simworld.hosts import MesaSeat
from simworld.kernel import Field


class SheepSeat(MesaSeat):
    """A sheep that is told where wolves and grass are, and says where to go."""

    agent = Sheep
    obs = (
        Field("energy", meaning="what is left of what was eaten"),
        Field("grass", "bool", (4,), meaning="grown grass: left, down, up, right"),
        Field("wolves", "int64", (4,), meaning="how many: left, down, up, right"),
    )
    act_fields = (Field("go", "int64", low=0, high=4, meaning="left, down, up, right, or stay"),)

    def observe(self, agent):
        there = self.around(agent)
        return {
            "energy": float(agent.energy),
            "grass": [any(getattr(a, "fully_grown", False) for a in cell.agents) for cell in there],
            "wolves": [sum(isinstance(a, Wolf) for a in cell.agents) for cell in there],
        }

    def act(self, agent, action):
        there = self.around(agent)
        if action["go"] < 4:
            agent.cell = there[action["go"]]
        agent.energy -= 1
        agent.feed()
        if agent.energy < 0:
            agent.remove()
        elif agent.random.random() < agent.p_reproduce:
            agent.spawn_offspring()

    def around(self, agent):
        return sorted(agent.cell.neighborhood, key=lambda cell: cell.coordinate)[:4]
