"""What README promises about tables holds for every table."""

from __future__ import annotations

from pathlib import Path

from simworld.execution import Order, execute
from simworld.scenario import load
from simworld_analysis import open_run

ROOT = Path(__file__).parents[2]
TABLES = {
    "agents",
    "asks",
    "chain",
    "decisions.planner",
    "decisions.worker",
    "episodes",
    "faults",
    "measures",
    "telemetry",
}


def test_pandas_opens_every_table_of_the_main_job(tmp_path):
    outcome = execute(Order(load(ROOT / "scenarios" / "tax_policy.yaml", ["episodes=1", "horizon=24"]), tmp_path))
    assert outcome.status == "success"
    run = open_run(outcome.run)
    assert set(run.tables) == TABLES
    for name in run.tables:
        frame = run.table(name)
        assert len(frame) == run.arrow(name).num_rows
        assert "episode" in frame.columns
    book = run.codebook().set_index(["table", "column"])
    assert book.loc[("decisions.worker", "act.hours"), "unit"] == "hours/week"
    assert (book["meaning"] != "").all()
