"""What `scenarios/tax_rational.yaml` claims, on its thirty populations: about a minute on two cores."""

from __future__ import annotations

from pathlib import Path

import pytest

from simworld.execution import Order, execute
from simworld.scenario import load
from simworld_analysis import open_run
from simworld_analysis.claims import run_claims

ROOT = Path(__file__).parents[2]


# Thirty populations in fifteen arms take minutes: `make study` runs them.
pytestmark = pytest.mark.study


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    outcome = execute(Order(load(ROOT / "scenarios" / "tax_rational.yaml"), out, jobs=2))
    assert outcome.status == "success"
    return {verdict.claim.name: verdict for verdict in run_claims(open_run(outcome.run))}


def test_all_claims_hold(verdicts):
    said = {name: verdict.word for name, verdict in verdicts.items()}
    assert said == dict.fromkeys(
        ["budget_balance", "order", "linear_formula", "doing_nothing_is_good", "bracket_formula"], "holds"
    )


def test_they_stand_on_thirty_populations_and_on_numbers_that_were_stated_beforehand(verdicts):
    assert {verdict.estimate.n for verdict in verdicts.values()} == {30}
    # By brute force beforehand, over thirty populations: .854.
    assert verdicts["doing_nothing_is_good"].estimate.value == pytest.approx(0.854, abs=0.01)
    assert verdicts["order"].note == "least certain pair: saez_linear − saez_point"
