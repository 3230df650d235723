"""The pictures of README and docs, made from real runs: `make pictures`."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console, RenderableType
from rich.terminal_theme import MONOKAI

from simworld.dashboard import LiveDisplay, View, render_summary, render_view, summarise
from simworld.execution import Order, execute, prompts_of
from simworld.scenario import Scenario, load, scenario_digest
from simworld.threads import pin_threads
from simworld_analysis import Run, open_run
from simworld_analysis.plots import figure_svg

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 122, 30
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def save(name: str, shown: RenderableType, title: str, made_from: str, width: int = WIDTH) -> None:
    """A terminal as a picture, with fonts that are there and a note of what it was made from."""
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    console.print(shown)
    svg = console.export_svg(title=title, theme=MONOKAI, unique_id=name)
    # No font is fetched from anywhere: every machine has one of these.
    svg = re.sub(r"@font-face\s*\{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family:\s*[^;]+;", f"font-family: {FONTS};", svg)
    svg = re.sub(r"<!--.*?-->", f"<!-- {made_from} -->", svg, count=1, flags=re.DOTALL)
    (PICTURES / f"{name}.svg").write_text(svg, encoding="utf-8")


class Camera(LiveDisplay):
    """A live dashboard that keeps one view of an arm under way."""

    every = 0.1

    def __init__(self, arm: str, seed: int, after: int) -> None:
        super().__init__(Console(file=io.StringIO(), width=WIDTH, force_terminal=True))
        self._arm, self._seed, self._after = arm, seed, after
        self.taken: View | None = None
        self._best = False

    def show(self) -> None:
        """Look, and keep the first view of the seed after the tick; until then the newest of the arm."""
        self._looked = 0.0  # now, not once a second: short episodes would be over
        super().show()
        view = self.view()
        if view.episode is None or view.episode.label.arm != self._arm or self._best:
            return
        self.taken = view
        self._best = view.episode.label.seed == self._seed and view.episode.tick > self._after


def made_from(scenario: Scenario, name: str) -> str:
    """What a test compares with the scenario as it is."""
    # The digest of a scenario says nothing of the prompts that its minds bring.
    prompts = ",".join(digest[:8] for digest in prompts_of(scenario).values()) or "none"
    return f"made by `make pictures` from {name}, digest {scenario_digest(scenario)}, prompts {prompts}"


def save_figure(name: str, figure: Figure, title: str, made: str) -> None:
    """A figure as a picture of its own, on white as pages may be dark."""
    alone = 'xmlns="http://www.w3.org/2000/svg" style="background: #fff"'
    svg = figure_svg(figure, name, title).replace("<svg ", f"<svg {alone} ", 1)
    (PICTURES / f"{name}.svg").write_text(svg.replace(">", f">\n<!-- {made} -->", 1) + "\n", encoding="utf-8")


def the_study() -> None:
    """The figures of docs/analysis.md."""
    name = "scenarios/tax_elasticity.yaml"
    scenario = load(ROOT / name)
    made = made_from(scenario, name)
    with tempfile.TemporaryDirectory() as folder:
        plot = open_run(execute(Order(scenario, Path(folder), jobs=2)).run).plot
        estimates = plot.distribution("elasticity_of_taxable_income", ["reforms", "flat_reforms"])
        save_figure("study_elasticity", estimates, "Estimated elasticity in each of twenty populations", made)
        welfare = plot.distribution("inverse_income_mean", ["believes_true", "believes_half", "believes_twice"])
        save_figure("study_welfare", welfare, "Welfare by what the planner believes", made)


def the_reservoirs() -> None:
    """The figures of docs/studies/reservoir.md. Runs that `make study` has left are read, not made again."""
    run, made = run_of("scenarios/brg/sentinel.yaml")
    arms = ["sentinel", "tit_for_tat", "body_alone"]
    action = run.plot.column("player.act.cooperate", agent=0, arms=arms)
    save_figure("study_reservoir_action", action, "What a player with a sentinel plays, and those without", made)
    receptivity = run.plot.column("player.mind.receptivity", agent=0, arms=["sentinel"])
    save_figure("study_reservoir_receptivity", receptivity, "How far the body is listened to", made)
    save_figure("study_reservoir_claims", run.plot.claims(), "Claims about the sentinel with their intervals", made)
    run, made = run_of("scenarios/brg/graphs.yaml")
    ring = run.plot.measure("cooperation", ["sentinel_ring", "body_ring", "filter_ring"])
    save_figure("study_reservoir_graphs", ring, "Cooperation among their like on a ring", made)


def the_shift() -> None:
    """The figure of docs/studies/hila.md. A run that `make study` has left is read, not made again."""
    run, made = run_of("scenarios/deferral/shift.yaml")
    asks = run.plot.measure("deferral_rate_lately", ["taught", "untaught"])
    save_figure("casework_shift", asks, "How often teams ask, with and without learning from the answers", made)


def run_of(name: str) -> tuple[Run, str]:
    """A finished run of a shipped scenario, and what is noted of it."""
    scenario = load(ROOT / name)
    return open_run(execute(Order(scenario, ROOT / "runs", jobs=2)).run), made_from(scenario, name)


def the_main_job() -> None:
    """A view of its dashboard, and its summary."""
    name = "scenarios/tax_policy.yaml"
    scenario = load(ROOT / name)
    made = made_from(scenario, name)
    title = f"simworld run {name}"
    camera = Camera(list(scenario.model.arms)[-1], seed=2, after=60)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        summary = summarise(execute(Order(scenario), camera).run)
        save("summary", render_summary(summary, WIDTH), title, made)
    assert camera.taken is not None, "no view was taken: the last arm was over too soon"
    save("dashboard", render_view(camera.taken, WIDTH), title, made)


def the_plaza() -> None:
    """The pictures of docs/plaza.md: of its own crossing, and of more people where two corridors cross."""
    name = "docs/examples/plaza/crossing.yaml"
    scenario = load(ROOT / name)
    made = made_from(scenario, name)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        run = open_run(execute(Order(scenario, Path(folder), jobs=2)).run)
        paths = run.plot.trajectories(seed=5, arms=["nobody", "straight", "goal_only", "minds_people"])
        save_figure("plaza_paths", paths, "Five people without the robot, and with three that drive otherwise", made)
        disturbed = run.plot.distribution("perturbation", ["straight", "orca", "goal_only", "minds_people"])
        save_figure("plaza_perturbation", disturbed, "How far people are moved aside, by who drives the robot", made)
        corridors = ["world.scene=intersection", "world.size=7", "world.width=4", "roles.pedestrian.count=12"]
        camera = Camera("minds_people", seed=1, after=24)
        execute(Order(load(ROOT / name, [*corridors, "episodes=2"])), camera)
    assert camera.taken is not None, "no view was taken: the last arm was over too soon"
    title = f"simworld run {name} --set world.scene=intersection ..."
    save("plaza_map", render_view(camera.taken, WIDTH, HEIGHT), title, made)


def main() -> None:
    """Make all pictures."""
    pin_threads()
    the_study()
    the_reservoirs()
    the_main_job()
    the_plaza()
    the_shift()
    print(f"written: {PICTURES}")


if __name__ == "__main__":
    main()
