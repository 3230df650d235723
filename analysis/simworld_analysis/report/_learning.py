"""What a training learned: its curves, how much better its policies became, and where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from simworld_analysis._open import OpenError, Run
from simworld_analysis.learning import (
    curve_figure,
    described,
    evaluations,
    improvement,
    is_training,
    learning_curve,
    measured,
)
from simworld_analysis.plots import figure_svg
from simworld_analysis.report._results import Cell, Column, Picture, cell
from simworld_analysis.report._trained import Trained, policy_lines
from simworld_analysis.report._words import count, number

if TYPE_CHECKING:
    import pandas as pd

    from simworld_analysis.statistics import Estimate

_MOST_CURVES = 12
_MOST_TRAININGS = 50
FEWEST = 5
"""Trainings from which on an interval is taken at its word: that of fewer is theirs, from the worst to the best."""


@dataclass(frozen=True, slots=True)
class Learned:
    """The return, or a measure: untrained, trained, and the difference."""

    column: Column
    cells: tuple[Cell, Cell, Cell]


@dataclass(frozen=True, slots=True)
class Taught:
    """One training: how far it came, and what its policies are worth."""

    seed: int
    steps: str
    updates: str
    duration: str
    untrained: str
    last: str
    policies: tuple[str, ...]
    """Files in the folder ``policies``."""


@dataclass(frozen=True, slots=True)
class Learning:
    """What a training learned."""

    told: tuple[str, ...]
    """What was trained, and how it was evaluated."""
    unfinished: str = ""
    why_none: str = ""
    """Why there is nothing to compare yet."""
    picture: Picture | None = None
    small: tuple[tuple[Column, Picture], ...] = ()
    rows: tuple[Learned, ...] = ()
    about_rows: str = ""
    notes: tuple[str, ...] = ()
    trainings: tuple[Taught, ...] = ()
    policies: tuple[str, ...] = ()
    """For each policy, the line of a scenario that seats it."""
    tiles: tuple[tuple[str, str], ...] = ()
    summary: str = ""
    seconds: float = 0.0
    """Of all trainings together."""


def learning_of(run: Run, scenario: Mapping[str, Any]) -> Learning | None:
    """What a training learned; None for a run of any other kind.

    Args:
        run: The run.
        scenario: Its resolved scenario.
    """
    if not is_training(run):
        return None
    block = Trained.of(scenario)
    frame, sampled = _evaluated(run), _table(run, "training")
    files = sorted(p.name for p in run.path.glob("policies/*.npz"))
    trainings, seconds = _trainings(frame, sampled, files)
    planned = int(run.manifest.get("episodes") or len(trainings))
    done = int(run.manifest.get("done") or 0)
    steps = max((int(rows["steps"].max()) for rows in (sampled, frame) if rows is not None and len(rows)), default=0)
    found = Learning(
        told=(block.told(planned, steps), block.evaluated([] if frame is None else sorted(set(frame["seed"])))),
        unfinished="" if _why_none(frame) else _unfinished(planned, done, run.status),
        why_none=_why_none(frame),
        notes=_more_than(trainings),
        trainings=tuple(trainings[:_MOST_TRAININGS]),
        policies=policy_lines(run, block, files),
        tiles=_tiles(frame, planned, done, steps),
        summary=_summary(block, planned, done, len(files)),
        seconds=seconds,
    )
    return found if found.why_none or frame is None else _with_results(found, run)


def _with_results(found: Learning, run: Run) -> Learning:
    """With curves and the table."""
    names = ["return", *measured(run)]
    result = improvement(run)
    rows = tuple(_learned(run, name) for name in names)
    notes = list(found.notes)
    curves = [(name, _picture(run, name, str(place))) for place, name in enumerate(names[1 : _MOST_CURVES + 1])]
    if len(names) - 1 > _MOST_CURVES:
        notes.append(f"Drawn are {_MOST_CURVES} of {len(names) - 1} measures; all are in the table.")
    if result.trainings < FEWEST:
        notes.append(_few(result.trainings))
    return replace(
        found,
        picture=_picture(run, "return"),
        small=tuple((_column(run, name), picture) for name, picture in curves if picture is not None),
        rows=rows,
        about_rows=_about(result.trainings, any("–" in c.value for row in rows for c in row.cells)),
        notes=tuple(notes),
        tiles=(
            *found.tiles,
            (number(result.untrained.value), "return, untrained"),
            (number(result.trained.value), "return, trained"),
        ),
        summary=f"{found.summary} Their return on held-out seeds went from {number(result.untrained.value)} to "
        f"{number(result.trained.value)}.",
    )


def _evaluated(run: Run) -> pd.DataFrame | None:
    """All evaluations; None if nothing was evaluated yet."""
    try:
        return evaluations(run)
    except OpenError:
        return None


def _table(run: Run, name: str) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415  importing the analysis must stay cheap

    try:
        return run.table(name)
    except OpenError:
        return pd.DataFrame(columns=["training_seed", "iteration", "steps", "seconds"])


def _why_none(frame: pd.DataFrame | None) -> str:
    if frame is None:
        return "Nothing was evaluated yet: there is no learning curve."
    if not (frame["iteration"] > 0).any():
        value = frame.groupby("training_seed")["return"].mean().mean()
        return (
            "Nothing was evaluated after an update yet: there is no learning curve. The untrained policies have a "
            f"return of {number(float(value))} on held-out seeds."
        )
    return ""


def _unfinished(planned: int, done: int, status: str) -> str:
    if done >= planned or status == "success":
        return ""
    when = "so far" if status == "running" else "before they ended"
    return (
        f"{done} of {count(planned, 'training')} {'is' if done == 1 else 'are'} finished: of the others stands here "
        f"what their last evaluation {when} found."
    )


def _about(trainings: int, missing: bool) -> str:
    told = (
        "Untrained is before the first update, trained is the last evaluation; a training's number is its mean over "
        "the held-out seeds."
    )
    if trainings > 1:
        told = (
            f"Interquartile mean over {count(trainings, 'training')}, with its 95 % bootstrap interval below it "
            f"(Agarwal et al. 2021). {told} The difference is taken training by training, and seed by seed."
        )
    return told + (" A dash stands where there is no number on any seed." if missing else "")


def _few(trainings: int) -> str:
    if trainings == 1:
        return "One training says nothing about how another would have gone: an interval needs two."
    return (
        f"{trainings} trainings are few: an interval reaches at most from the worst to the best of them, and covers "
        f"the truth less often than it says. From {FEWEST} on, a difference is bold if its interval leaves out zero."
    )


def _learned(run: Run, name: str) -> Learned:
    found = improvement(run, name)
    estimates = (found.untrained, found.trained, found.difference)
    # All to as many digits as the least sure of them bears.
    widths = [e.half_width for e in estimates if np.isfinite(e.half_width)]
    told = [_cell(e, found.trainings, max(widths, default=None), e is found.difference) for e in estimates]
    return Learned(_column(run, name), (told[0], told[1], told[2]))


def _cell(e: Estimate, trainings: int, like: float | None, sign: bool) -> Cell:
    """A number with its interval, and of how many trainings it is if not of all; never bold if those are few."""
    made = cell(e, sign, like)
    if e.n < trainings:
        few = f"{e.n or 'none'} of {count(trainings, 'training')}"
        made = replace(made, interval=f"{made.interval}, {few}" if made.interval else few)
    return replace(made, clear=made.clear and e.n >= FEWEST)


def _column(run: Run, name: str) -> Column:
    unit, meaning = described(run, name)
    return Column(name, unit, meaning)


def _picture(run: Run, name: str, small: str = "") -> Picture | None:
    """A learning curve; None where there is no number to draw.

    Args:
        run: The run.
        name: Of what.
        small: Unlike that of any other small picture on the page; empty for the large one.
    """
    try:
        figure, curve = curve_figure(run, name, small=bool(small)), learning_curve(run, name)
    except OpenError:
        return None
    dotted = bool((curve["n"] < curve["n"].max()).any())
    words = "Interquartile mean over trainings with its 95 % interval; faint lines are single trainings"
    words += ", dotted: fewer trainings have a number there" if dotted else ""
    words += "; dashed: where the untrained policies stood." if curve["value"].notna().iloc[0] else "."
    svg = figure_svg(figure, f"learning{small}", f"{name.replace('_', ' ')} by decisions of learners. {words}")
    if not small:
        return Picture(svg, words)
    told = [f"{described(run, name)[1]}.".lstrip("."), "Dotted: fewer trainings have a number there." if dotted else ""]
    caption = " ".join(text for text in told if text)
    return Picture(svg, caption[:1].upper() + caption[1:], wide=False)


def _trainings(frame: pd.DataFrame | None, sampled: pd.DataFrame, files: list[str]) -> tuple[list[Taught], float]:
    """The trainings one by one, and the seconds that all of them took."""
    seeds = {int(seed) for seed in sampled["training_seed"]}
    seeds |= set() if frame is None else {int(seed) for seed in frame["training_seed"]}
    made, total = [], 0.0
    for seed in sorted(seeds):
        mine = sampled[sampled["training_seed"] == seed].sort_values("iteration")
        seconds = _seconds([float(v) for v in mine["seconds"]])
        total += seconds
        own = None if frame is None else frame[frame["training_seed"] == seed]
        worth = [] if own is None else list(own.groupby("iteration")["return"].mean().items())
        made.append(
            Taught(
                seed=seed,
                steps=f"{int(mine['steps'].max()) if len(mine) else 0:,}",
                updates=f"{int(mine['iteration'].max()) if len(mine) else 0:,}",
                duration=duration(seconds) if seconds else "–",
                untrained=number(float(worth[0][1])) if worth and worth[0][0] == 0 else "–",
                last=number(float(worth[-1][1])) if worth and worth[-1][0] != 0 else "–",
                policies=tuple(f for f in files if f.endswith(f"-seed-{seed:03d}.npz")),
            )
        )
    return made, total


def _seconds(told: list[float]) -> float:
    """Wall time of a training; it begins anew where a training went on in another process."""
    return sum(now for now, then in zip(told, [*told[1:], 0.0], strict=False) if not then > now)


def duration(seconds: float) -> str:
    """A time in words: ``45 s``, ``6.4 min``, ``2.5 h``."""
    for least, one, unit in ((3600.0, 3600.0, "h"), (90.0, 60.0, "min")):
        if seconds >= least:
            return f"{number(seconds / one)} {unit}"
    return f"{seconds:.0f} s"


def _tiles(frame: pd.DataFrame | None, planned: int, done: int, steps: int) -> tuple[tuple[str, str], ...]:
    tiles = [(f"{done:,}/{planned:,}", "trainings finished"), (f"{steps:,}", "decisions of learners")]
    if frame is not None:
        tiles.append((f"{frame['seed'].nunique():,}", "held-out seeds"))
    return tuple(tiles)


def _summary(block: Trained, planned: int, done: int, files: int) -> str:
    by = f" with {block.block['algo']}" if block.block else ""
    told = f"A training{by}: {done} of {count(planned, 'planned training')} finished"
    return f"{told}, and left {count(files, 'policy', 'policies')}." if files else f"{told}. There is no policy yet."


def _more_than(trainings: list[Taught]) -> tuple[str, ...]:
    if len(trainings) <= _MOST_TRAININGS:
        return ()
    return (f"Listed are the first {_MOST_TRAININGS} of {len(trainings)} trainings; the curves and means are of all.",)
