"""The pictures of README and docs, made from real runs: `make pictures`."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from pathlib import Path

from rich.console import Console, RenderableType
from rich.terminal_theme import MONOKAI

from simworld.dashboard import LiveDisplay, View, render_summary, render_view, summarise
from simworld.execution import Order, execute, prompts_of
from simworld.scenario import load, scenario_digest
from simworld.threads import pin_threads

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
WIDTH, MIDDLE = 122, 2
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
    """A live dashboard that keeps one view of the last arm under way."""

    def __init__(self, arm: str) -> None:
        super().__init__(Console(file=io.StringIO(), width=WIDTH, force_terminal=True))
        self._arm = arm
        self.taken: View | None = None

    def show(self) -> None:
        """Look, and keep the first view from the middle of the arm."""
        super().show()
        view = self.view()
        if view.episode is not None and view.episode.label.arm == self._arm and self.taken is None:
            self.taken = view if view.episode.label.seed == MIDDLE and view.episode.tick > 60 else None


def main() -> None:
    """Run the main job, and keep a view of its dashboard and its summary."""
    pin_threads()
    path = ROOT / "scenarios" / "tax_policy.yaml"
    scenario = load(path)
    # The digest of a scenario says nothing of the prompts that its minds bring.
    prompts = ",".join(digest[:8] for digest in prompts_of(scenario).values())
    made = (
        f"made by `make pictures` from scenarios/tax_policy.yaml, digest {scenario_digest(scenario)}, prompts {prompts}"
    )
    title = "simworld run scenarios/tax_policy.yaml"
    camera = Camera(list(scenario.model.arms)[-1])
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        summary = summarise(execute(Order(scenario), camera).run)
        save("summary", render_summary(summary, WIDTH), title, made)
    assert camera.taken is not None, "no view was taken: the last arm was over too soon"
    save("dashboard", render_view(camera.taken, WIDTH), title, made)
    print(f"written: {PICTURES}")


if __name__ == "__main__":
    main()
