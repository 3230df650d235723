"""What a fork changes: effects in pairs that share everything before an intervention, and all chance after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis._values import episode_values
from simworld_analysis.comparison import welch
from simworld_analysis.statistics import Estimate, paired

FORKED = "-fork"
"""At the end of an arm's name: the arm with the intervention."""


@dataclass(frozen=True, slots=True)
class ForkEffect:
    """The effect of an intervention on a measure, in one variant."""

    variant: str
    """The variant without the intervention."""
    measure: str
    unit: str
    effect: Estimate
    """With the intervention minus without, seed by seed."""
    unpaired: Estimate
    """The same from two samples that share nothing, as large as these: what it would be without pairs."""

    @property
    def narrower(self) -> float:
        """How many times wider the unpaired interval is; nan where nothing differs."""
        return self.unpaired.half_width / self.effect.half_width if self.effect.half_width > 0.0 else float("nan")

    def as_dict(self) -> dict[str, object]:
        """As plain data."""
        told: dict[str, object] = {"variant": self.variant, "measure": self.measure, "unit": self.unit}
        for name, e in (("effect", self.effect), ("unpaired", self.unpaired)):
            numbers = {"value": e.value, "low": e.low, "high": e.high}
            told[name] = {key: value if np.isfinite(value) else None for key, value in numbers.items()} | {"n": e.n}
        return told | {"narrower": self.narrower if np.isfinite(self.narrower) else None}


def fork_effects(run: Run, measures: Sequence[str]) -> list[ForkEffect]:
    """The effects of a run of forks, by variant and measure.

    Raises:
        OpenError: The run is none of forks, or there is no such measure.
    """
    found = []
    units = run.units("measures") if "measures" in run.tables else {}
    for measure in measures:
        frame = episode_values(run, measure).dropna(subset=["value"])
        by_variant = {str(v): dict(zip(g["seed"], g["value"], strict=True)) for v, g in frame.groupby("variant")}
        names = frame.drop_duplicates("variant")[["variant", "arm"]].itertuples(index=False)
        for variant, arm in names:
            if not arm.endswith(FORKED):
                continue
            base = f"{arm.removesuffix(FORKED)}{variant.removeprefix(arm)}"
            if base not in by_variant:
                continue
            with_it, without = by_variant[variant], by_variant[base]
            seeds = sorted(with_it.keys() & without.keys())
            x, y = (np.array([own[seed] for seed in seeds]) for own in (with_it, without))
            found.append(ForkEffect(base, measure, units.get(measure, ""), paired(with_it, without), welch(x, y)))
    if not found:
        raise OpenError(f"{run.path} has no forks: no arm of it ends in {FORKED!r}")
    return found
