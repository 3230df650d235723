"""How many episodes a study takes: from a pilot, for an interval of a wanted width, and what they will cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis._values import baselines, ended_episodes, episode_values
from simworld_analysis.statistics import Estimate, episodes_for, mean_interval

_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Need:
    """What one number of the study takes."""

    what: str
    """A variant, or the difference of two."""
    pilot: Estimate
    """What the pilot says of it."""
    spread: float
    """Its standard deviation between episodes, or between pairs of them."""
    episodes: int
    """For an interval of the wanted width."""


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """How many episodes each variant needs, and what the whole study costs."""

    measure: str
    unit: str
    half_width: float
    needs: tuple[Need, ...]
    variants: int
    pilot_episodes: int
    """Of each variant."""
    per_episode: Mapping[str, float]
    """Mean cost of an episode of the pilot: seconds, asks, tokens, usd."""

    @property
    def episodes(self) -> int:
        """Episodes of each variant: what the number with the largest spread takes."""
        return max(need.episodes for need in self.needs)

    @property
    def cost(self) -> dict[str, float]:
        """Of the whole study, as ``per_episode``."""
        return {key: value * self.episodes * self.variants for key, value in self.per_episode.items()}


def plan_study(
    pilot: Run, measure: str, half_width: float | None = None, relative: float = 0.05, baseline: str | None = None
) -> StudyPlan:
    """Plan a study by a pilot of it.

    What counts are differences to an arm at the same parameters, paired by seed; of a single variant, its mean.

    Args:
        pilot: A run with a few episodes of every variant.
        measure: What is to be estimated.
        half_width: Half the 95 % interval that is wanted; without it, ``relative`` times the baseline's mean.
        relative: A share.
        baseline: The arm that the others are compared with; the first by default.

    Raises:
        OpenError: The pilot has fewer than two episodes of a variant, there is no such measure or arm, or no number of
            episodes gives such a width.
    """
    frame = episode_values(pilot, measure).dropna(subset=["value"])
    columns = {str(v): f.set_index("seed")["value"] for v, f in frame.groupby("variant", sort=False)}
    if not columns or min(map(len, columns.values())) < 2:
        raise OpenError(f"{pilot.path.name} has fewer than two episodes of a variant with {measure!r}: no spread")
    against = baselines(frame, baseline)
    first = next(iter(against.values()), next(iter(columns)))
    width = half_width if half_width is not None else relative * abs(float(columns[first].mean()))
    if not 0.0 < width < float("inf"):
        raise OpenError(
            f"the mean of {measure!r} in {first or 'the pilot'} is {columns[first].mean():g}: a share of it is no"
            " width; accepted: a half width in the measure's unit"
        )
    pairs = [(one, base) for one, base in against.items() if one != base]
    numbers = {} if pairs else {one or "all": values for one, values in columns.items()}
    numbers |= {f"{one} − {base}": (columns[one] - columns[base]).dropna() for one, base in pairs}
    needs = []
    for what, values in numbers.items():
        x = values.to_numpy(dtype=np.float64)
        if len(x) < 2:
            raise OpenError(f"{what}: fewer than two seeds in common")
        spread = float(x.std(ddof=1)) if np.isfinite(x).all() else float("nan")
        try:
            needs.append(Need(what, mean_interval(x, _LEVEL), spread, episodes_for(spread, width, _LEVEL)))
        except ValueError as error:
            raise OpenError(f"{what}: {error}") from error
    unit = pilot.units("measures").get(measure, "") if pilot.has("measures") else ""
    fewest = min(map(len, columns.values()))
    return StudyPlan(measure, unit, width, tuple(needs), len(columns), fewest, episode_cost(pilot, len(frame)))


def episode_costs(run: Run) -> dict[str, tuple[dict[str, float], int]]:
    """Cost of a mean episode of each arm that was run here, and how many of them: what was taken over is not counted.

    Seconds are each arm's own; asks, tokens and money are those of a mean episode of the run.
    """
    frame = ended_episodes(run)
    frame = frame[~frame["episode"].isin(run.manifest.get("adopted", {}).keys())]
    if not len(frame):
        return {}
    spent = run.manifest.get("spent", {})
    rest = {key: float(spent.get(key, 0.0)) / len(frame) for key in ("asks", "tokens", "usd")}
    seconds = frame["episode"].map(run.seconds_of()).fillna(0.0)
    means = seconds.groupby(frame["arm"]).agg(["mean", "size"])
    return {str(arm): ({"seconds": float(row["mean"]), **rest}, int(row["size"])) for arm, row in means.iterrows()}


def episode_cost(run: Run, episodes: int) -> dict[str, float]:
    """Cost of a mean episode: its own time, and what its asks came to (seconds, asks, tokens, usd).

    Args:
        run: The run.
        episodes: How many of its episodes are over.
    """
    spent = run.manifest.get("spent", {})
    # What was taken over from earlier runs was timed there, and paid there.
    paid = max(1, episodes - len(run.manifest.get("adopted", {})))
    costs = {key: float(spent.get(key, 0.0)) / paid for key in ("asks", "tokens", "usd")}
    return {"seconds": run.seconds() / episodes, **costs}
