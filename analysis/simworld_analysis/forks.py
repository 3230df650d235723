"""What a fork changes: effects in pairs that share everything before an intervention, and all chance after it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis._scenario import resolved_scenario
from simworld_analysis._values import episode_table, episode_values
from simworld_analysis.comparison import welch
from simworld_analysis.statistics import Estimate, paired

if TYPE_CHECKING:
    import pandas as pd

_FORKED = re.compile(r"-fork(\d*)$")
"""At the end of an arm's name: the arm with the intervention. A fork of forks is numbered."""


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
    until: int | None = None
    """The last tick at which any of the forks has a sample, if those without the intervention have later ones: then the
    effect compares different times."""

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
        return told | {"narrower": self.narrower if np.isfinite(self.narrower) else None, "until": self.until}


def fork_effects(run: Run, measures: Sequence[str]) -> list[ForkEffect]:
    """The effects of a run of forks, by variant and measure; of forks of forks the latest.

    Raises:
        OpenError: The run is none of forks, or there is no such measure.
    """
    found = []
    forked = _newest(run)
    if not forked:
        raise OpenError(f"{run.path} has no forks: no arm of it ends in '-fork'")
    units = run.units("measures") if "measures" in run.tables else {}
    for measure in measures:
        frame = episode_values(run, measure).dropna(subset=["value"])
        last = _last_ticks(run, measure, frame)
        by_variant = {str(v): dict(zip(g["seed"], g["value"], strict=True)) for v, g in frame.groupby("variant")}
        names = frame.drop_duplicates("variant")[["variant", "arm"]].itertuples(index=False)
        for variant, arm in names:
            if not arm.endswith(forked):
                continue
            base = f"{arm.removesuffix(forked)}{variant.removeprefix(arm)}"
            if base not in by_variant:
                continue
            with_it, without = by_variant[variant], by_variant[base]
            seeds = sorted(with_it.keys() & without.keys())
            x, y = (np.array([own[seed] for seed in seeds]) for own in (with_it, without))
            until = last[variant] if last and last[variant] < last[base] else None
            effect = ForkEffect(base, measure, units.get(measure, ""), paired(with_it, without), welch(x, y), until)
            found.append(effect)
    return found


def forks_over(run: Run) -> bool:
    """Whether any fork of a run is over, of forks of forks any of the latest."""
    forked = _newest(run)
    return bool(forked) and any(arm.endswith(forked) for arm in episode_table(run)["arm"])


def _newest(run: Run) -> str:
    """What the arms of the latest fork end in; empty if there is none."""
    arms: Iterable[str] = resolved_scenario(run)[0].get("arms") or episode_table(run)["arm"]
    found = {match[0]: int(match[1] or 1) for arm in arms if (match := _FORKED.search(arm))}
    return max(found, key=lambda suffix: found[suffix], default="")


def _last_ticks(run: Run, measure: str, frame: pd.DataFrame) -> dict[str, int]:
    """The tick of each variant's last sample; nothing of a measure that the world does not emit."""
    if measure not in run.measures:
        return {}
    samples = run.table("measures", ["episode", "tick", measure]).dropna(subset=[measure])
    last = samples.groupby("episode", observed=True)["tick"].max()
    ticks = frame["episode"].map(dict(zip(last.index.astype(str), last, strict=True)))
    return {str(variant): int(tick) for variant, tick in ticks.groupby(frame["variant"]).max().items()}
