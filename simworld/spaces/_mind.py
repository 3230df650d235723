"""A network that decides: the cohort around it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simworld.kernel import Array, Cohort, Role, Seats
from simworld.spaces._network import Network


class NetworkMind(Cohort):
    """Decides by a network, for all of its members in one pass."""

    def __init__(self, network: Network, greedy: bool = True) -> None:
        self._network, self._greedy = network, greedy

    def check(self, role: Role) -> None:
        """The role must be the one that it was trained for, in all that counts."""
        wrong = self._network.misfit(role)
        if wrong:
            raise ValueError(f"the policy was trained for something else: {wrong}")

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:
        """What the network finds best, or a draw from what it gives."""
        network, n = self._network, len(seats.members)
        if self._greedy:
            return network.decided(seen, n)
        outputs = network.outputs(network.seen.told(seen, n))
        chance = seats.draw("policy.choice", "uniform", (network.logits,)) if network.logits else np.zeros((n, 0))
        normal = seats.draw("policy.amount", "normal", (network.done.amounts,)) if network.done.amounts else None
        return network.drawn(outputs, network.allowed(seen, n), chance, normal)
