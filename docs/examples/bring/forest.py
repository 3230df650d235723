"""A Mesa model as one has it: a forest in which fire spreads from tree to tree."""

import mesa
from mesa.discrete_space import CellAgent, OrthogonalVonNeumannGrid


class Tree(CellAgent):
    """A tree that is fine, on fire, or burnt."""

    def __init__(self, model, cell, condition):
        super().__init__(model)
        self.cell, self.condition = cell, condition

    def step(self):
        if self.condition == "on fire":
            for tree in self.cell.neighborhood.agents:
                if tree.condition == "fine":
                    tree.condition = "on fire"
            self.condition = "burnt"


class Forest(mesa.Model):
    """Trees stand at random; those in the first column burn at the beginning."""

    def __init__(self, density=0.6, size=30, seed=None):
        super().__init__(seed=seed)
        grid = OrthogonalVonNeumannGrid((size, size), random=self.random)
        for cell in grid.all_cells:
            if self.random.random() < density:
                Tree(self, cell, "on fire" if cell.coordinate[0] == 0 else "fine")
        self.datacollector = mesa.DataCollector({"burnt": self.burnt}, {"condition": "condition"})
        self.datacollector.collect(self)

    def burnt(self):
        return sum(tree.condition == "burnt" for tree in self.agents) / len(self.agents)

    def step(self):
        self.agents.shuffle_do("step")
        self.datacollector.collect(self)
        self.running = any(tree.condition == "on fire" for tree in self.agents)
