"""Without the library, a scenario that names one of its strategies is refused in one line."""

from __future__ import annotations

import sys

import pytest

from simworld.errors import ScenarioError
from simworld.execution import check
from simworld.scenario import find, kinds, load

SCENARIO = """\
world: {kind: repeated_game}
roles:
  player:
    - {kind: axelrod:TitForTat}
    - {kind: always}
horizon: 5
"""


@pytest.fixture(autouse=True)
def _not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "axelrod", None)


def test_a_scenario_says_what_to_install(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text(SCENARIO)
    with pytest.raises(ScenarioError) as caught:
        check(load(file))
    assert str(caught.value).endswith(
        "x.yaml:4:7: roles.player.0: axelrod:TitForTat: found no module 'axelrod';"
        " it comes with: pip install 'simworld[games]'"
    )


def test_it_is_listed_and_described_all_the_same():
    assert "simworld[games]" in kinds("agent")["axelrod:<strategy>"]
    found = find("agent", "axelrod")
    assert (found.spelling, found.parameters.names) == ("axelrod:<strategy>", ("options", "game", "noise"))
