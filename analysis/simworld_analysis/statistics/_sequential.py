"""Designs that look at the data while they come in: every look spends part of the error rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from simworld_analysis.statistics._intervals import Estimate, mean_interval

_MOST = 2**30


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the data says."""

    number: int
    """From 1 on."""
    estimate: Estimate
    """With the interval of this look: narrower looks are paid for by wider intervals."""
    stop: bool
    """The interval is narrow enough, or this was the last look."""
    narrow: bool
    """Whether the wanted width was reached."""


@dataclass(frozen=True, slots=True)
class SequentialDesign:
    """Looks at 10, 20, ... episodes, say, that together err at most at alpha, whenever one stops.

    The spending function says how much of alpha is used up after a share of all episodes: ``obrien_fleming`` spends
    little at first, ``pocock`` evenly. What each look may spend is its own error rate (a union bound, so the
    design errs a little less often than alpha). It stops when the interval is narrow enough, which looks at spread only
    and not at where the estimate lies.

    Source: Lan and DeMets (1983).
    """

    looks: tuple[int, ...]
    """Numbers of episodes at which one looks, increasing."""
    half_width: float
    """Stop when half the interval is this narrow."""
    alpha: float = 0.05
    spending: Literal["obrien_fleming", "pocock"] = "obrien_fleming"

    def __post_init__(self) -> None:
        """Check the design. Raises ValueError for looks that do not increase, or numbers out of range."""
        if not self.looks or self.looks[0] < 2 or any(b <= a for a, b in zip(self.looks, self.looks[1:], strict=False)):
            raise ValueError(f"looks {self.looks}: increasing numbers of episodes from 2 on are accepted")
        if self.spending not in ("obrien_fleming", "pocock"):
            raise ValueError(f"spending {self.spending!r}; accepted: obrien_fleming, pocock")
        if not (0.0 < self.alpha < 1.0 and self.half_width > 0.0):
            raise ValueError(f"alpha {self.alpha}, half width {self.half_width}: accepted are 0 to 1, and above 0")

    def spends(self) -> tuple[float, ...]:
        """The error rate of each look; they add up to alpha."""
        shares = np.array(self.looks) / self.looks[-1]
        if self.spending == "pocock":
            used = self.alpha * np.log1p((np.e - 1.0) * shares)
        else:
            from scipy.special import ndtr, ndtri  # noqa: PLC0415

            used = 2.0 * (1.0 - ndtr(ndtri(1.0 - self.alpha / 2.0) / np.sqrt(shares)))
        return tuple(np.diff(used, prepend=0.0).tolist())

    def look(self, values: npt.ArrayLike) -> Look | None:
        """The look that is due with so many episodes; None if none is."""
        x = np.asarray(values, dtype=np.float64)
        if len(x) not in self.looks:
            return None
        number = self.looks.index(len(x))
        estimate = mean_interval(x, 1.0 - self.spends()[number])
        # That the first few episodes are equal does not say that all will be: a rare event has not happened yet.
        narrow = bool(0.0 < estimate.half_width <= self.half_width)
        return Look(number + 1, estimate, narrow or number == len(self.looks) - 1, narrow)

    def run(self, values: Sequence[float]) -> Look:
        """Go through the looks on data that are all there, and stop where the design does.

        Raises:
            ValueError: There are fewer numbers than the last look takes, and no look before it stops.
        """
        for count in self.looks:
            found = self.look(values[:count])
            if found is None:
                raise ValueError(f"found {len(values)} episodes; accepted: {count}, for the next look")
            if found.stop:
                return found
        raise AssertionError("the last look stops")


def episodes_for(spread: float, half_width: float, level: float = 0.95) -> int:
    """Episodes whose t interval has this half width, for a standard deviation that a pilot estimated; at least 2.

    Raises:
        ValueError: A width that is not positive, a spread that is not a number, or more than a billion episodes.
    """
    if not half_width > 0.0 or not spread >= 0.0:
        raise ValueError(
            f"half width {half_width!r}, spread {spread!r}: a positive number and one from 0 on are accepted"
        )
    from scipy.special import stdtrit  # noqa: PLC0415

    def too_few(n: int) -> bool:
        return bool(stdtrit(n - 1, 0.5 + level / 2.0) * spread / np.sqrt(n) > half_width)

    low, high = 1, 2
    while too_few(high):
        low, high = high, 2 * high
        if high > _MOST:
            raise ValueError(f"half width {half_width!r}: it takes more than a billion episodes")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if too_few(middle) else (low, middle)
    return high
