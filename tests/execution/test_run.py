"""A scenario becomes a run: complete, the same bytes every time, and never overwritten."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from simworld.errors import RunError, ScenarioError
from simworld_analysis import open_run

TROUBLE = '''
import numpy as np
from simworld.kernel import Agent, Field, Role, World


class Street(World):
    """People who wave; nothing else happens."""

    roles = (Role("person", obs=(Field("x"),), act=(Field("wave", low=0, high=1),)),)
    measures = (Field("waves"),)

    def reset(self, turn):
        turn.wake("person", turn.join("person", turn.seats("person")), 0)

    def observe(self, role, members):
        return {"x": members.astype(np.float64)}

    def step(self, moment, turn):
        turn.emit(waves=float(moment.acts["person"]["wave"].sum()))
        turn.wake("person", moment.acts["person"].members, turn.tick + 1)


class Trips(Agent):
    """Waves, and trips at a tick if its seed of misfortune says so."""

    def __init__(self, at: int = -1):
        self.at = at

    def act(self, seen, seat):
        if seat.tick == self.at:
            raise ValueError("tripped over")
        return {"wave": 1.0}


class GetsUp(Trips):
    """Trips, but has something to fall back on."""

    fallback = {"wave": 0.0}
'''

STREET = """
world: {kind: "trouble:Street"}
roles: {person: {kind: "trouble:Trips", count: 3}}
horizon: 6
episodes: 2
arms:
  steady: {}
  unlucky: {roles.person: {kind: "trouble:%s", at: 4, count: 3}}
"""


@pytest.fixture
def street(tmp_path, monkeypatch):
    """A scenario beside its own world and agents, one arm of which gets into trouble."""

    def of(agent: str, more: str = "") -> Path:
        (tmp_path / "trouble.py").write_text(TROUBLE)
        (tmp_path / "street.yaml").write_text(STREET % agent + more)
        return tmp_path / "street.yaml"

    monkeypatch.setattr(sys, "path", list(sys.path))
    yield of
    sys.modules.pop("trouble", None)


def test_a_run_is_complete_and_pandas_opens_it(tiny, run):
    outcome = run(tiny)
    assert outcome.status == "success"
    opened = open_run(outcome.run)
    assert opened.status == "success"
    workers = opened.table("decisions.worker")
    # 6 episodes of 12 workers: 12 decisions and a closing row each
    assert len(workers) == 6 * 12 * 13
    assert workers["end"].notna().sum() == 6 * 12
    assert set(opened.table("episodes")["arm"]) == {"flat", "climb"}
    assert len(opened.table("measures")) == 6 * 12
    assert (opened.table("decisions.planner").query("end.isna()").groupby("episode", observed=True).size() == 3).all()


def test_the_run_directory_says_what_was_run(tiny, run):
    outcome = run(tiny, "world.elasticity=0.3")
    manifest = json.loads((outcome.run / "run.json").read_text())
    assert manifest["status"] == "success"
    assert manifest["episodes"] == manifest["done"] == 6
    assert manifest["overrides"] == ["world.elasticity=0.3"]
    assert (outcome.run / "scenario.yaml").read_text() == tiny.read_text()
    assert "elasticity: 0.3" in (outcome.run / "resolved.yaml").read_text()


def test_a16_the_same_scenario_gives_the_same_bytes_with_one_job_and_with_two(tiny, run, digests):
    first = digests(run(tiny, out="a").run)
    assert first
    assert digests(run(tiny, out="b").run) == first
    assert digests(run(tiny, out="c", jobs=2).run) == first


def test_arms_share_seeds_so_populations_are_paired(tiny, run):
    agents = open_run(run(tiny).run).table("agents").query("role == 'worker'")
    episodes = open_run(run(tiny).run).table("episodes").set_index("episode")
    agents = agents.assign(arm=agents["episode"].map(episodes["arm"]), seed=agents["episode"].map(episodes["seed"]))
    paired = agents.pivot_table(index=["seed", "agent"], columns="arm", values="trait.skill", observed=True)
    assert len(paired) == 3 * 12
    assert (paired["flat"] == paired["climb"]).all()
    assert paired["flat"].nunique() == 3 * 12


def test_a_finished_run_is_not_run_again_unless_asked(tiny, run):
    first = run(tiny)
    again = run(tiny)
    assert again.finished_before
    assert again.run == first.run
    other = run(tiny, new=True)
    assert not other.finished_before
    assert other.run != first.run
    changed = run(tiny, "horizon=8")
    assert changed.run not in {first.run, other.run}


def test_a_failed_episode_is_a_row_and_the_rest_goes_on(street, run):
    outcome = run(street("Trips"))
    assert outcome.status == "partial"
    assert "2 of 4 episodes failed" in outcome.reason
    assert "ValueError: tripped over (trouble.py:31 in act; in Trips.act of person 0; seed 0, tick 4)" in outcome.reason
    episodes = open_run(outcome.run).table("episodes").set_index("arm")
    assert list(episodes.loc["steady", "status"]) == ["success"] * 2
    assert list(episodes.loc["unlucky", "status"]) == ["failed"] * 2
    assert episodes.loc["unlucky", "error"].str.contains("ValueError: tripped over").all()


def test_faults_beyond_what_the_scenario_accepts_make_a_run_partial(street, run):
    outcome = run(street("GetsUp"))
    assert outcome.status == "partial"
    assert "6 faults in 72 decisions" in outcome.reason
    opened = open_run(outcome.run)
    faults = opened.table("faults")
    assert len(faults) == 6
    assert set(faults["detail"]) == {"ValueError: tripped over (trouble.py:31)"}
    rows = opened.table("decisions.person")
    assert (rows[rows["fault"].notna()]["act.wave"] == 0.0).all()
    assert rows["fault"].notna().sum() == 6


def test_faults_within_what_the_scenario_accepts_are_a_success(street, run):
    assert run(street("GetsUp", "faults: {most: 0.1}\n")).status == "success"


def test_a_world_that_nobody_lives_in_is_not_a_success(street, run):
    outcome = run(street("Trips"), "arms={}", "roles.person.count=0")
    assert outcome.status == "partial"
    assert "nothing happened" in outcome.reason


def test_a_folder_that_cannot_be_written_is_one_line(tiny, run, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="is a file"):
        run(tiny, out="file/runs")


def test_a_mind_in_the_wrong_role_is_one_line_before_anything_is_written(tiny, run, tmp_path):
    with pytest.raises(ScenarioError, match=r"'rational' needs the observation field 'elasticity'"):
        run(tiny, "arms={}", "roles.planner={kind: rational}")
    assert not (tmp_path / "runs").exists()


def test_unknown_roles_and_too_many_seats_are_refused(tiny, run, tmp_path):
    with pytest.raises(ScenarioError, match="has no such role; did you mean 'worker'"):
        run(tiny, "arms={}", "roles={workr: {kind: rational}}")
    with pytest.raises(ScenarioError, match="found 2 seats; accepted: at most 1"):
        run(tiny, "arms={}", "roles.planner.count=2")
    with pytest.raises(ScenarioError, match="unknown measure 'ginni'"):
        run(tiny, "measures=[ginni]")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("scenario", ["tax_policy", "docs/examples/my_study.yaml"])
def test_an_episode_of_a_scenario_can_be_pickled_in_the_middle(scenario):
    import pickle

    from simworld.execution._build import build_society
    from simworld.gateway import Desk, ModelSpec
    from simworld.kernel import Broker, Kernel, Tape
    from simworld.scenario import load

    root = Path(__file__).parents[2]
    found = load(
        root / scenario if "/" in scenario else scenario, ["roles.worker.count=5"] if "/" not in scenario else []
    )
    cell = found.cells[-1]
    world, seating = build_society(cell.resolved, str(found.path.parent))
    kernel = Kernel(world, seating, 3, 20)
    broker = Broker(Desk().gateway({"default": ModelSpec("stand-in/in-context")}, 3), Tape())
    kernel.attach(None, broker)
    kernel.run(until=9)
    copy = pickle.loads(pickle.dumps(kernel))
    copy.attach(None, broker)
    for one in (kernel, copy):
        one.run()
    assert copy.chain == kernel.chain
