"""One number for each episode: what claims, comparisons and summaries are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis.grammar import At

if TYPE_CHECKING:
    import pandas as pd


def episode_table(run: Run) -> pd.DataFrame:
    """The successful episodes of a run: episode, arm, seed, ``param.*`` and ``variant``, in their order.

    A variant is what an episode is one of: its arm, and its values of the sweep by the last part of their names (by
    the whole names where those would not tell them apart).
    """
    frame = ended_episodes(run)
    return frame[frame["status"] == "success"].drop(columns="status").reset_index(drop=True)


def ended_episodes(run: Run) -> pd.DataFrame:
    """All episodes that have ended: the columns of ``episode_table``, and ``status``."""
    known = run.schema("episodes").names
    params = [name for name in known if name.startswith("param.")]
    frame = run.table("episodes", ["episode", "arm", "seed", *params, "status"])
    frame["episode"], frame["arm"] = frame["episode"].astype(str), frame["arm"].astype(object).fillna("").astype(str)
    names = [name.removeprefix("param.") for name in params]
    short = [name.rpartition(".")[2] for name in names]
    shown = short if len(set(short)) == len(short) else names
    parts = [frame["arm"], *(name + "=" + frame[p].astype(str) for name, p in zip(shown, params, strict=True))]
    frame["variant"] = [" ".join(part for part in row if part) for row in zip(*parts, strict=True)]
    return frame


def episode_values(run: Run, measure: str, at: At | None = None, **options: object) -> pd.DataFrame:
    """One number for each successful episode, in the column ``value`` beside ``episode_table``.

    Args:
        run: The run.
        measure: A measure that the world emits, or one of ``simworld_analysis.measures`` by its name.
        at: How the samples of an episode become one number (for what the world emits); by default the mean of a flow,
            the last one of a stock.
        **options: Of the measure, if it is a function.

    Raises:
        OpenError: There is no such measure, or it does not apply to this run; the message says why.
    """
    frame = episode_table(run)
    if measure in run.measures:
        if options:
            raise OpenError(
                f"measure {measure!r} is emitted by the world; it takes no options, found {sorted(options)}"
            )
        values = _samples(run, measure, at or run.whole(measure))
    else:
        values = _computed(run, measure, at, options)
    return frame.assign(value=frame["episode"].map(values).astype(float))


def baselines(frame: pd.DataFrame, arm: str | None = None) -> dict[str, str]:
    """With which variant each one is compared: an arm at the same parameters, or else the first variant.

    Args:
        frame: With ``variant``, ``arm`` and ``param.*``, as ``episode_table`` gives it.
        arm: The arm; the first by default.

    Raises:
        OpenError: There is no such arm.
    """
    params = [name for name in frame.columns if name.startswith("param.")]
    rows = frame.drop_duplicates("variant")
    keys = {row["variant"]: (row["arm"], tuple(row[p] for p in params)) for _, row in rows.iterrows()}
    if not keys:
        return {}
    arms = list(dict.fromkeys(name for name, _ in keys.values()))
    if arm is not None and arm not in arms:
        raise OpenError(f"there is no arm {arm!r}; accepted: {', '.join(arms)}")
    first, several = next(iter(keys)), len(arms) > 1
    of = {key: variant for variant, key in keys.items()}
    found = {}
    for variant, (_, values) in keys.items():
        base = of.get((arm or arms[0], values)) if several else first
        if base is not None:
            found[variant] = base
    return found


def _samples(run: Run, measure: str, at: At) -> Mapping[str, float]:
    if at not in get_args(At):
        raise OpenError(f"at {at!r}; accepted: {', '.join(get_args(At))}")
    samples = run.table("measures", ["episode", measure])
    samples = samples[~np.isnan(samples[measure])]
    grouped = samples.groupby("episode", observed=True)[measure]
    found: dict[str, float] = {str(k): float(v) for k, v in getattr(grouped, at)().items()}
    return found


def _computed(run: Run, measure: str, at: At | None, options: Mapping[str, object]) -> Mapping[str, float]:
    from simworld_analysis.measures import NotApplicableError, find_measure  # noqa: PLC0415

    found = find_measure(measure, run.measures)
    if at not in (None, "last"):
        raise OpenError(f"at {at!r}: measure {measure!r} is one number for each episode; accepted: last")
    try:
        frame = found.of(run, **options)
    except NotApplicableError as error:
        raise OpenError(f"measure {measure!r} does not apply to {run.path}: {error}") from error
    # The mean over whoever or whatever the measure tells apart within an episode.
    return {str(k): float(v) for k, v in frame.groupby("episode", observed=True)["value"].mean().items()}
