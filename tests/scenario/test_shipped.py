"""Every scenario that is shipped fits its world, and what it claims can be measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from simworld.cli._measurable import check_measurable
from simworld.execution import Order, check, execute
from simworld.scenario import bundled, load
from simworld_analysis import open_run
from simworld_analysis.claims import run_claims

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(bundled()))
def test_a_shipped_scenario_is_valid(name):
    text = bundled()[name].read_text()
    if "axelrod:" in text:
        pytest.importorskip("axelrod", reason="axelrod is not installed here; it comes with simworld[games]")
    if "source: reasoning" in text:
        pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed: simworld[reasoning]")
    scenario = load(bundled()[name])
    check(scenario)
    check_measurable(scenario)
    assert scenario.model.description


@pytest.mark.study
def test_the_sentinel_does_what_it_must_whoever_is_under_it(tmp_path):
    """Six bodies of `brg/sentinel`: what does not depend on the body comes out with six as with twenty."""
    scenario = load(ROOT / "scenarios" / "brg" / "sentinel.yaml", ["episodes=6"])
    outcome = execute(Order(scenario, tmp_path, jobs=2))
    assert outcome.status == "success"
    run = open_run(outcome.run)
    said = {verdict.claim.name: verdict for verdict in run_claims(run)}
    for name in ("rest", "retaliates", "defection_is_better_still", "loss_under_attack"):
        assert said[name].word == "holds", name
    # Tit for tat against fifty defections in the schedule without noise: three a round, and the last round of each kind.
    earned = run.table("decisions.player", ["tick", "agent", "reward"], arms=True)
    mine = earned[(earned["agent"] == 0) & (earned["arm"] == "tit_for_tat") & (earned["tick"] < 1050)]
    assert set(mine.groupby("seed")["reward"].sum()) == {3001.0 + 50}
