"""The pictures of README and docs, made from real runs: `make pictures`."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from pathlib import Path

from rich.console import Console, RenderableType
from rich.terminal_theme import MONOKAI

from simworld.dashboard import render_summary, summarise
from simworld.execution import Order, execute
from simworld.scenario import load, scenario_digest
from simworld.threads import pin_threads

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def save(name: str, shown: RenderableType, title: str, made_from: str, width: int = 122) -> None:
    """A terminal as a picture, with fonts that are there and a note of what it was made from."""
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    console.print(shown)
    svg = console.export_svg(title=title, theme=MONOKAI, unique_id=name)
    # No font is fetched from anywhere: every machine has one of these.
    svg = re.sub(r"@font-face\s*\{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family:\s*[^;]+;", f"font-family: {FONTS};", svg)
    svg = re.sub(r"<!--.*?-->", f"<!-- {made_from} -->", svg, count=1, flags=re.DOTALL)
    (PICTURES / f"{name}.svg").write_text(svg, encoding="utf-8")


def main() -> None:
    """Run the main job, and keep its summary."""
    pin_threads()
    path = ROOT / "scenarios" / "tax_policy.yaml"
    scenario = load(path)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        summary = summarise(execute(Order(scenario)).run)
        made = f"made by `make pictures` from scenarios/tax_policy.yaml, digest {scenario_digest(scenario)}"
        save("summary", render_summary(summary, 118), "simworld run scenarios/tax_policy.yaml", made)
    print(f"written: {PICTURES}")


if __name__ == "__main__":
    main()
