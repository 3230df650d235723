"""The page on repeated games: its scenario runs, and its lines rank the players."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simworld.execution import Order, execute
from simworld.scenario import load
from simworld.worlds.games import STANDARD
from simworld_analysis import open_run

PAGE = (Path(__file__).parents[2] / "docs" / "games.md").read_text()


def test_the_scenario_of_the_page_ranks_its_players(tmp_path):
    (tmp_path / "five.yaml").write_text(re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1])
    quick = ["horizon=40", "roles.player.0={kind: brg, units: 6, epochs: 5}"]
    outcome = execute(Order(load(tmp_path / "five.yaml", quick), tmp_path / "runs"))
    told = {"open_run": open_run, "path": outcome.run}
    exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], told)
    ranking = told["ranking"]
    assert sorted(ranking.index.get_level_values("mind")) == sorted(
        ["always", "brg", "grim", "tit_for_tat", "win_stay_lose_shift"]
    )
    # By hand: player 4 has seats in four meetings, in two episodes of forty rounds.
    run = open_run(outcome.run)
    rows = run.table("decisions.player", ["agent", "obs.player", "reward", "end"])
    mine = rows[(rows["obs.player"] == 4) & rows["end"].isna()]
    assert len(mine) == 2 * 4 * 40
    assert ranking[4, "always"] == pytest.approx(mine["reward"].mean())


def test_the_page_names_the_payoffs_as_they_are():
    for name, pays in STANDARD.items():
        four = ", ".join(f"{x:g}" for x in (pays.reward, pays.sucker, pays.temptation, pays.punishment))
        assert name in PAGE
        assert four in re.sub(r"\s+", " ", PAGE)
