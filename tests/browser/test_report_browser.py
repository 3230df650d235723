"""The report in a real browser, at the widths of a phone and of a desk."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

STUDY = """
name: looked_at
description: A small study with more arms than one panel holds, of which one asks a stand-in
world: {kind: economy, brackets: three, calibration: 0.026, tax_year: 1}
roles:
  worker: {kind: rational, count: 20}
  planner: {kind: fixed, schedule: flat, rate: 0.5}
models: {default: stand-in/in-context}
horizon: 12
episodes: 4
arms:
  stay_at_50: {}
  free_market: {roles.planner: {kind: fixed, schedule: free_market}}
  saez_bracket: {roles.planner: {kind: saez, form: bracket}}
  hill_climb: {roles.planner: {kind: hill_climb}}
  a_name_that_is_rather_long_for_an_arm_of_a_study: {roles.planner: {kind: random_search}}
  llm_planner: {roles.planner: {kind: llm_planner, explore: 8}}
measures: [inverse_income_mean, gini_net, mean_income, mean_hours, top_rate, revenue]
claims:
  - name: taxes_level
    says: a tax that is paid back makes net incomes more equal than no tax does
    source: what anybody would expect
    measure: gini_net
    compare: {stay_at_50: free_market}
    expect: less
  - {name: all_work_much, measure: mean_hours, at: min, expect: above 60}
"""
# Every element that reaches beyond the window, unless something around it scrolls.
PROBE = """
<script>
addEventListener("load", () => {
  const wide = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1
    && !e.closest(".scroll, pre, details, svg"));
  const drawn = [...document.querySelectorAll("svg")].filter(e => e.getBoundingClientRect().height > 40);
  document.title = JSON.stringify({
    page: document.documentElement.scrollWidth, window: innerWidth, wide: wide.map(e => e.outerHTML.slice(0, 80)),
    height: document.documentElement.scrollHeight, drawn: drawn.length, text: document.body.innerText.length,
  });
});
</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("looked_at")
    (path / "study.yaml").write_text(STUDY)
    simworld = [sys.executable, "-c", "from simworld.cli import main; main()"]
    subprocess.run([*simworld, "run", "study.yaml", "--display", "none"], cwd=path, check=True, capture_output=True)
    (run,) = (path / "runs").iterdir()
    subprocess.run([*simworld, "report", str(run), "--out", "report.html"], cwd=path, check=True, capture_output=True)
    return path / "report.html"


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_reaches_beyond_the_window(chrome, page, width, tmp_path):
    # In a frame: a window of a browser cannot be as narrow as a phone.
    probed = page.with_name(f"probed{width}.html")
    probed.write_text(page.read_text().replace("</body>", f"{PROBE}</body>"))
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe src="{probed.as_uri()}" width="{width}" height="900" style="border:0"></iframe><script>'
        'addEventListener("load", () => setTimeout(() => document.title = frames[0].document.title, 0))</script>'
    )
    out = chrome(frame, "--allow-file-access-from-files", "--dump-dom", "--virtual-time-budget=5000", width=1400)
    found = json.loads(re.search(r"<title>(\{.*?\})</title>", out, flags=re.DOTALL)[1])
    assert found["window"] == width
    assert found["page"] <= width, found["wide"]
    assert found["wide"] == []
    assert found["height"] > 3000
    assert found["drawn"] == 13  # six measures over time and at the end, and the claims
    assert found["text"] > 5000


@pytest.mark.parametrize("width", [390, 1280])
def test_it_is_not_blank(chrome, page, artefacts, width):
    from matplotlib.image import imread

    picture = artefacts / f"report-{width}.png"
    picture.unlink(missing_ok=True)
    chrome(page, f"--screenshot={picture}", width=width, height=6000)
    pixels = imread(picture)
    assert pixels.shape[0] >= 5000
    inked = (pixels[..., :3] < 0.9).any(axis=2)
    # Something is drawn in every screenful, and most of a page is paper.
    assert all(inked[top : top + 750].any() for top in range(0, 5000, 750))
    assert 0.01 < inked.mean() < 0.5
