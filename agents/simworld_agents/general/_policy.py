"""A trained policy: a small network of numbers, without the library that trained it."""

from __future__ import annotations

from typing import ClassVar

from simworld.files import located
from simworld.spaces import Network, NetworkMind


class Policy(NetworkMind):
    """Decides by a network that ``simworld train`` has trained, or that was saved by ``Network.save``.

    What it sees and does is what it was trained for: the fields of its role, in the same order and bounds.
    """

    reads: ClassVar[tuple[str, ...]] = ("checkpoint",)

    def __init__(self, checkpoint: str, greedy: bool = True) -> None:
        """Load the network.

        Args:
            checkpoint: The file, relative to the scenario or to where simworld is run.
            greedy: Do what the network finds best; else draw from what it gives, as in training.

        Raises:
            ValueError: There is no such file, or it holds no network.
        """
        super().__init__(Network.load(located(checkpoint)), greedy)
