"""A planner who asks a model beside its controls, at equal numbers of tax years: share of the optimum reached.

Runs `scenarios/planner_search.yaml` with 15 and with 40 tax years of search over 20 populations, and compares the
schedule that each planner ends with to the best one on the 10-point grid of the same population. The model is the
stand-in unless another is named on the command line (`--model openai/...`): its row then says what that model can do.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from rich.table import Table
from scipy.stats import wilcoxon

from benchmarks.measure import wide_console
from simworld.execution import Order, execute
from simworld.scenario import load
from simworld.threads import pin_threads
from simworld.worlds.economy import FloatArray, Settlement, Workforce, named_edges
from simworld_agents.economist import brute_force
from simworld_analysis import Run, open_run
from simworld_analysis.formulas import inverse_income_mean

SCENARIO = Path(__file__).parents[2] / "scenarios" / "planner_search.yaml"
YEARS = (15, 40)
CONTROL = "hill_climb"


def welfare(utility: FloatArray, accounts: Settlement) -> float:
    return inverse_income_mean(utility, accounts.income)


def optimum(skills: FloatArray) -> float:
    """Welfare of the best schedule on the 10-point grid."""
    return brute_force(Workforce(skills, 0.026), named_edges("three"), welfare)[1]


def shares(run: Run) -> dict[str, FloatArray]:
    """Share of the optimum that each arm ends with, by seed."""
    episodes = run.table("episodes").sort_values("seed")
    last = run.table("measures").groupby("episode", observed=True)["inverse_income_mean"].last()
    agents = run.table("agents").query("role == 'worker'")
    first = episodes["arm"].iloc[0]
    best = {
        row.seed: optimum(agents[agents["episode"] == row.episode].sort_values("agent")["trait.skill"].to_numpy())
        for row in episodes[episodes["arm"] == first].itertuples()
    }
    return {
        str(arm): np.array([last[name] / best[seed] for name, seed in zip(mine["episode"], mine["seed"], strict=True)])
        for arm, mine in episodes.groupby("arm", sort=False, observed=True)
    }


def study(years: int, model: str, out: Path) -> tuple[Table, dict[str, FloatArray]]:
    text = SCENARIO.read_text(encoding="utf-8").replace("explore: 15", f"explore: {years}")
    path = out / f"planner_search_{years}.yaml"
    path.write_text(text, encoding="utf-8")
    scenario = load(path, [f"horizon={years + 1}", f"models.default={model}"])
    found = shares(open_run(execute(Order(scenario, out / "runs", jobs=2)).run))
    order = list(scenario.model.arms)
    table = Table(title=f"{years} tax years of search, {len(found[order[0]])} populations: share of the optimum")
    for column in ("planner", "mean", "median", "worst", f"minus {CONTROL}", "p (Wilcoxon)"):
        table.add_column(column, justify="left" if column == "planner" else "right")
    for arm in order:
        x = found[arm]
        paired = x - found[CONTROL]
        p = "" if arm == CONTROL else f"{wilcoxon(paired).pvalue:.3f}"
        name = f"{arm} ({model})" if arm.startswith("llm") else arm
        row = [f"{x.mean():.1%}", f"{np.median(x):.1%}", f"{x.min():.1%}", f"{100 * paired.mean():+.1f} points", p]
        table.add_row(name, *row)
    return table, found


def main() -> None:
    pin_threads()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="stand-in/in-context", help="as a scenario's models.default takes it")
    model = parser.parse_args().model
    console = wide_console()
    with tempfile.TemporaryDirectory() as folder:
        for years in YEARS:
            console.print(study(years, model, Path(folder))[0])
    if model.startswith("stand-in/"):
        console.print(f"{model} is a stand-in, not a language model: its answers come from a fixed rule")


if __name__ == "__main__":
    main()
