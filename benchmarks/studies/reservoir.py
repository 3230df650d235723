"""Body-Reservoir Governance (arXiv 2602.20846): its ten experiments and our controls, twenty seeds each.

All scenarios of ``scenarios/brg`` are run (those that were run before are read), their claims are judged, and what they
measure stands beside the paper's numbers and beside those with the paper's own random streams (paper mode, which
belongs to the tests: ``PYTHONPATH=tests/agents/reservoir``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.measure import wide_console
from simworld.execution import Order, execute
from simworld.scenario import load
from simworld.threads import pin_threads
from simworld_analysis import Run, open_run
from simworld_analysis.claims import run_claims
from simworld_analysis.measures import find_measure

FOLDER = Path(__file__).parents[2] / "scenarios" / "brg"
JOBS = 2
PHASES = (
    ("cooperation", 0, 500),
    ("defection", 500, 550),
    ("cooperation again", 550, 1050),
    ("noise", 1050, 1250),
    ("cooperation at last", 1250, 1750),
    ("all", 0, 1750),
)
"""Of the schedule of experiment 6, in rounds."""


@dataclass(frozen=True)
class Values:
    """One number for each seed and arm of a run."""

    of: Mapping[str, np.ndarray]

    def mean(self, arm: str) -> float:
        """Over seeds."""
        return float(self.of[arm].mean())

    def gap(self, one: str, other: str) -> float:
        """Of the means."""
        return self.mean(one) - self.mean(other)

    def ratio(self, one: str, other: str) -> float:
        """Of the means, as the paper has it: the seeds with the largest numbers decide it."""
        return self.mean(one) / self.mean(other)

    def median_ratio(self, one: str, other: str) -> float:
        """The median of the seeds' own ratios."""
        return float(np.median(self.of[one] / self.of[other]))


def measured(run: Run, measure: str, **options: object) -> Values:
    """A measure of the first player, by arm, in the order of seeds."""
    frame = find_measure(measure).of(run, agent=0, **options)
    episodes = run.table("episodes", ["episode", "arm", "seed"]).astype({"episode": str, "arm": str})
    joined = frame.merge(episodes, on="episode").sort_values("seed")
    return Values({str(arm): rows["value"].to_numpy(float) for arm, rows in joined.groupby("arm")})


def cost(run: Run, kind: str = "complexity") -> Values:
    """Complexity cost, nats."""
    return measured(run, "mean_between", role="player", column=f"mind.{kind}")


def variance(run: Run, since: int = 0) -> Values:
    """Of the action."""
    return measured(run, "variance_between", role="player", column="act.cooperate", since=since)


def action(run: Run, since: int, until: int) -> Values:
    """Mean action."""
    return measured(run, "mean_between", role="player", column="act.cooperate", since=since, until=until)


def receptivity(run: Run, since: int, until: int) -> Values:
    """Mean receptivity."""
    return measured(run, "mean_between", role="player", column="mind.receptivity", since=since, until=until)


def total(run: Run, since: int = 0, until: int | None = None) -> Values:
    """Payoffs."""
    return measured(run, "total_payoff", since=since, until=until)


@dataclass(frozen=True)
class Row:
    """A number of the paper, the check of paper mode that has it, and how a scenario's run gives it."""

    check: str
    """How the check of paper mode begins."""
    says: str
    scenario: str
    of: Callable[[Run], float]
    control: bool = False
    """Ours: the paper has no such number."""


ROWS = (
    Row(
        "complexity cost at receptivity 0",
        "complexity cost of the filter, nats",
        "complexity",
        lambda r: cost(r).mean("filter_alone"),
    ),
    Row(
        "complexity cost at receptivity 1",
        "complexity cost of the body, nats",
        "complexity",
        lambda r: cost(r).mean("body_alone"),
    ),
    Row(
        "variance, filter over body: ratio of means",
        "variance of the action, filter over body: ratio of means",
        "complexity",
        lambda r: variance(r).ratio("filter_alone", "body_alone"),
    ),
    Row(
        "the same, median",
        "the same: median of the seeds' ratios",
        "complexity",
        lambda r: variance(r).median_ratio("filter_alone", "body_alone"),
    ),
    Row(
        "the same ratio without habituation",
        "variance, filter over body: ratio of means, without habituation",
        "complexity",
        lambda r: variance(r).ratio("filter_alone", "fresh"),
        control=True,
    ),
    Row(
        "ratio of variances, over that",
        "the ratio with habituation, over that with a readout that learned again after it (F3)",
        "complexity",
        lambda r: variance(r).ratio("relearned", "body_alone"),
        control=True,
    ),
    Row(
        "Gaussian cost at receptivity 1",
        "complexity cost by normal distributions, body minus 0.7 (F4)",
        "complexity",
        lambda r: cost(r, "complexity_gaussian").gap("body_alone", "a070"),
        control=True,
    ),
    Row(
        "body alone: mean in the block",
        "in a block of defection: the body alone plays",
        "perturbation",
        lambda r: action(r, 200, 300).mean("body_alone"),
    ),
    Row("half body: mean", "half of it plays", "perturbation", lambda r: action(r, 200, 300).mean("half")),
    Row(
        "sentinel: mean in the block",
        "the sentinel plays",
        "perturbation",
        lambda r: action(r, 200, 300).mean("sentinel"),
    ),
    Row(
        "cost, filter, no habituation",
        "cost of the filter, fresh",
        "habituation",
        lambda r: cost(r).mean("filter_fresh"),
    ),
    Row("cost, filter, 300", "cost of the filter, 300 epochs", "habituation", lambda r: cost(r).mean("filter_after")),
    Row("cost, body, 300", "cost of the body, 300 epochs", "habituation", lambda r: cost(r).mean("body_after")),
    Row(
        "cost, sentinel, 300",
        "cost of the sentinel, 300 epochs",
        "habituation",
        lambda r: cost(r).mean("sentinel_after"),
    ),
    Row(
        "variance, sentinel over body",
        "variance, sentinel over body",
        "habituation",
        lambda r: variance(r).ratio("sentinel_after", "body_after"),
    ),
    Row(
        "mean receptivity of the sentinel",
        "receptivity, one defection in ten",
        "habituation",
        lambda r: receptivity(r, 0, 1500).mean("sentinel_after"),
    ),
    Row("total of the sentinel", "total of the sentinel", "sentinel", lambda r: total(r).mean("sentinel")),
    Row("total of tit for tat", "total of tit for tat", "sentinel", lambda r: total(r).mean("tit_for_tat")),
    Row("total of receptivity 0.7", "total of receptivity 0.7", "sentinel", lambda r: total(r).mean("static_070")),
    Row("total of the body alone", "total of the body alone", "sentinel", lambda r: total(r).mean("body_alone")),
    Row(
        "sentinel minus tit for tat",
        "sentinel minus tit for tat",
        "sentinel",
        lambda r: total(r).gap("sentinel", "tit_for_tat"),
    ),
    Row(
        "sentinel minus tit for tat, readout pushed",
        "sentinel minus tit for tat, readout pushed to cooperation by 3 (F1)",
        "sentinel",
        lambda r: total(r).gap("pushed", "tit_for_tat"),
        control=True,
    ),
    Row(
        "tit for tat times 0.98",
        "tit for tat times 0.98, minus the sentinel (F2)",
        "sentinel",
        lambda r: total(r).gap("scaled_tit_for_tat", "sentinel"),
        control=True,
    ),
    Row(
        "receptivity in noise of 0.3",
        "receptivity, three defections in ten",
        "sentinel",
        lambda r: receptivity(r, 1050, 1250).mean("sentinel"),
    ),
    Row(
        "sentinel minus tit for tat, d = 10",
        "sentinel minus tit for tat, block of L rounds, d = 10, L = 10",
        "block_length",
        lambda r: total(r).gap("d10_L10", "tft_L10"),
    ),
    Row(
        "the same, d = 30, L = 10",
        "sentinel minus tit for tat, block of L rounds, d = 30, L = 10",
        "block_length",
        lambda r: total(r).gap("d30_L10", "tft_L10"),
    ),
    Row(
        "d = 30, L = 1,000",
        "sentinel minus tit for tat, block of L rounds, d = 30, L = 1,000",
        "block_length",
        lambda r: total(r).gap("d30_L1000", "tft_L1000"),
    ),
    Row(
        "d = 30, L = 2,000",
        "sentinel minus tit for tat, block of L rounds, d = 30, L = 2,000",
        "block_length",
        lambda r: total(r).gap("d30_L2000", "tft_L2000"),
    ),
    Row(
        "ratio of means, d = 75",
        "variance, filter over body, d = 75",
        "dimension",
        lambda r: variance(r).ratio("d75_a00", "d75_a10"),
    ),
    Row("cost at receptivity 0, d = 5", "cost of the filter, d = 5", "dimension", lambda r: cost(r).mean("d5_a00")),
    Row("cost at receptivity 0, d = 75", "cost of the filter, d = 75", "dimension", lambda r: cost(r).mean("d75_a00")),
    Row(
        "variance, tit for tat over moving average 0.9",
        "variance, filter over average 0.9",
        "moving_average",
        lambda r: variance(r, 500).ratio("tit_for_tat", "average_090"),
    ),
    Row(
        "variance, tit for tat over the body",
        "variance, filter over body (experiment 10)",
        "moving_average",
        lambda r: variance(r, 500).ratio("tit_for_tat", "body_alone"),
    ),
    Row(
        "depth of the answer of the body",
        "the body's action after 100 defections",
        "moving_average",
        lambda r: action(r, 295, 300).mean("body_alone"),
    ),
)


def runs_of(names: list[str], out: Path) -> dict[str, Run]:
    """All runs, made or found."""
    found = {}
    for name in track(names, "scenarios", console=Console(stderr=True)):
        if name == "axelrod_field" and find_spec("axelrod") is None:
            print("not run: axelrod_field, which needs the Axelrod library (make games)")
            continue
        outcome = execute(Order(load(FOLDER / f"{name}.yaml"), out, jobs=JOBS))
        assert outcome.status == "success", f"{name}: {outcome.reason}"
        found[name] = open_run(outcome.run)
    return found


def print_claims(runs: Mapping[str, Run], console: Console) -> None:
    """One line for each claim of each scenario."""
    table = Table("scenario", "claim", "verdict", "estimate", "interval", "why it fails")
    for name, run in runs.items():
        for n, verdict in enumerate(run_claims(run)):
            e = verdict.estimate
            why = verdict.claim.because if verdict.word == "fails" else ""
            row = (verdict.claim.name, verdict.word, f"{e.value:.4g}", f"{e.low:.4g} to {e.high:.4g}", why)
            table.add_row("" if n else name, *row)
    console.print(table)


def print_phases(run: Run, console: Console) -> None:
    """Where the sentinel's edge over tit for tat is made."""
    table = Table("sentinel minus tit for tat", "payoff")
    for name, since, until in PHASES:
        table.add_row(name, f"{total(run, since, until).gap('sentinel', 'tit_for_tat'):.1f}")
    console.print(table)


def print_field(run: Run, console: Console) -> None:
    """Mean payoff of a round by opponent."""
    opponent = "param.roles.player.1.kind"
    frame = find_measure("mean_between").of(run, role="player", column="reward", agent=0)
    episodes = run.table("episodes", ["episode", "arm", opponent]).astype(str)
    means = frame.merge(episodes, on="episode").pivot_table(index=opponent, columns="arm", values="value")
    table = Table("payoff of a round against", *(str(arm) for arm in means.columns))
    for name, row in means.iterrows():
        table.add_row(str(name), *(f"{value:.3f}" for value in row))
    table.add_row("all", *(f"{value:.3f}" for value in means.mean()))
    console.print(table)


def print_modes(runs: Mapping[str, Run], console: Console) -> None:
    """The paper's numbers, with its streams, and with our chance and true eigenvalues."""
    from paper import CHECKS  # noqa: PLC0415  belongs to the tests

    table, controls = Table("what", "paper", "paper mode", "normal mode"), Table("control", "paper mode", "normal mode")
    for row in track(ROWS, "paper mode", console=Console(stderr=True)):
        if row.scenario not in runs:
            continue
        check = next(c for c in CHECKS if c.says.startswith(row.check))
        both = f"{float(check.of()):.4g}", f"{row.of(runs[row.scenario]):.4g}"
        if row.control:
            controls.add_row(row.says, *both)
        else:
            table.add_row(row.says, check.paper, *both)
    console.print(table)
    console.print(controls)


def main() -> None:
    """Run all, or those that are named, and print what came of it."""
    pin_threads()
    names = sys.argv[1:] or sorted(path.stem for path in FOLDER.glob("*.yaml"))
    runs = runs_of(names, Path("runs"))
    console = wide_console()
    print_claims(runs, console)
    if "sentinel" in runs:
        print_phases(runs["sentinel"], console)
    if "axelrod_field" in runs:
        print_field(runs["axelrod_field"], console)
    print_modes(runs, console)


if __name__ == "__main__":
    main()
