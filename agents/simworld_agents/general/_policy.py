"""A trained policy: a small network of numbers, without the library that trained it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from simworld.files import located
from simworld.kernel import Array, Cohort, Role, Seats
from simworld.spaces import Network


class Policy(Cohort):
    """Decides by a network that ``simworld train`` has trained, or that was saved by ``Network.save``.

    What it sees and does is what it was trained for: the fields of its role, in the same order and bounds.
    """

    reads: ClassVar[tuple[str, ...]] = ("checkpoint",)

    def __init__(self, checkpoint: str, greedy: bool = True) -> None:
        """Load the network.

        Args:
            checkpoint: The file, relative to where simworld is run or to the scenario.
            greedy: Do what the network finds best; else draw from what it gives, as in training.

        Raises:
            ValueError: There is no such file, or it holds no network.
        """
        self._network = Network.load(located(checkpoint))
        self._greedy = greedy

    def check(self, role: Role) -> None:
        """The role must be the one that it was trained for, in all that counts."""
        wrong = self._network.misfit(role)
        if wrong:
            raise ValueError(f"the policy was trained for something else: {wrong}")

    def act(self, seen: Mapping[str, Array], seats: Seats) -> Mapping[str, Array]:
        """One pass for all."""
        network, n = self._network, len(seats.members)
        outputs = network.outputs(network.seen.told(seen, n))
        mask = network.done.mask
        allowed = np.broadcast_to(seen[mask], (n, seen[mask].shape[-1])) if mask else None
        if self._greedy:
            return network.best(outputs, allowed)
        chance = seats.draw("policy.choice", "uniform", (network.logits,)) if network.logits else np.zeros((n, 0))
        normal = seats.draw("policy.amount", "normal", (network.done.amounts,)) if network.done.amounts else None
        return network.drawn(outputs, allowed, chance, normal)
