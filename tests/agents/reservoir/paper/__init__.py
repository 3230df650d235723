"""Paper mode: the release's random streams, its spectral radius, its order of draws.

The product has chance and eigenvalues of its own; it takes these from outside, so that its arithmetic can be compared
digit by digit, and its claims with the paper's own seeds. ``python -m paper`` prints all experiments.
"""

from ._bodies import develop, power_radius, seeds
from ._checks import CHECKS
from ._play import SENTINEL, constant, costs, noisy, play

__all__ = ["CHECKS", "SENTINEL", "constant", "costs", "develop", "noisy", "play", "power_radius", "seeds"]
