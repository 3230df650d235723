"""An agent: takes a share of the stock, a smaller one when the stock has shrunk."""

from simworld.kernel import Agent, Field


class Careful(Agent):
    """Takes its fair share of what grows back, and half of that while the stock is low."""

    mind = (Field("worry", meaning="how far the stock is below its capacity, 0 to 1"),)

    def __init__(self, share: float = 0.02):
        self.share = share

    def act(self, seen, seat):
        worry = 1.0 - seen["stock"] / 100.0
        seat.show(worry=worry)
        return {"take": self.share * seen["stock"] * (0.5 if worry > 0.5 else 1.0)}
