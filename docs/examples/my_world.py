"""A world: a common pasture that grows back, and herders who take from it."""

from typing import Annotated

import numpy as np
from annotated_types import Gt

from simworld.kernel import Field, Role, World


class Commons(World):
    """A stock that grows logistically; every year all herders take at once, and share what there is if it is short."""

    roles = (
        Role(
            "herder",
            obs=(Field("stock", meaning="what is on the pasture", shared=True), Field("taken", meaning="last year")),
            act=(Field("take", low=0.0, high=100.0, meaning="what to take this year"),),
        ),
    )
    measures = (Field("stock", meaning="on the pasture after the harvest"), Field("inequality", meaning="of the takes"))

    def __init__(self, growth: Annotated[float, Gt(0)] = 0.4):
        self.growth = growth

    def reset(self, turn):
        self.stock = 100.0
        herders = turn.join("herder", turn.seats("herder"))
        self.taken = np.zeros(turn.seats("herder"))
        turn.wake("herder", herders, 0)

    def observe(self, role, members):
        return {"stock": np.array(self.stock), "taken": self.taken[members]}

    def step(self, moment, turn):
        acts = moment.acts.get("herder")
        if acts is None:  # all of them still wait for an answer
            return
        wanted = acts["take"]
        self.taken[acts.members] = wanted * min(1.0, self.stock / max(wanted.sum(), 1e-9))
        turn.reward("herder", acts.members, self.taken[acts.members])
        self.stock -= self.taken[acts.members].sum()
        self.stock += self.growth * self.stock * (1 - self.stock / 100.0)
        turn.emit(stock=self.stock, inequality=float(self.taken[acts.members].std()))
        turn.wake("herder", acts.members, turn.tick + 1)
