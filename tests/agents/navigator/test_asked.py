"""Robots that somebody steers: what they are told, what they do with an answer, and what without one."""

from __future__ import annotations

import numpy as np
import pytest

from simworld.errors import ScenarioError
from simworld.execution import Order, check, execute, replay_run
from simworld.kernel import read_tape
from simworld.scenario import load
from simworld_agents.navigator._asked import MOVES, _done
from simworld_analysis import open_run

TEXT = """
name: swap
world: {{kind: plaza, time_limit: 24, body: {body}}}
roles:
  pedestrian: {{kind: orca, count: 5}}
  robot: {robot}
people: {{default: {{kind: scripted, answers: {answers}}}}}
horizon: 100
measures: [success]
faults: {{most: 1}}
"""


@pytest.fixture
def ran(tmp_path):
    def go(robot, answers="[go]", body="holonomic", **more):
        (tmp_path / "it.yaml").write_text(TEXT.format(robot=robot, answers=answers, body=body))
        return open_run(execute(Order(load(tmp_path / "it.yaml"), tmp_path / "runs", new=True)).run)

    return go


ROBOTS = {
    "goal only": "{kind: planner}",
    "orca": "{kind: orca}",
    "social force": "{kind: social_force}",
    "model": "{kind: llm_robot}",
    "person": "{kind: person_robot, deadline: 1}",
    "any model": "{kind: llm_agent}",
    "random": "{kind: random}",
}


@pytest.mark.parametrize("robot", ROBOTS.values(), ids=list(ROBOTS))
@pytest.mark.parametrize("body", ["holonomic", "unicycle"])
def test_one_line_fills_the_seat_of_a_robot(ran, robot, body):
    run = ran(robot, body=body)
    assert run.manifest["status"] == "success"
    assert replay_run(run.path).identical


def test_a_person_is_asked_at_every_decision_and_no_answer_holds(ran):
    run = ran("{kind: person_robot}", "[go, left, null]")
    rows = run.table("decisions.robot").dropna(subset=["mind.move"])
    asks = run.table("asks")
    assert len(asks) == len(rows)
    assert rows["mind.move"].tolist()[:6] == ["go", "left", "wait"] * 2
    still = rows[rows["mind.move"] == "wait"]
    assert all(np.allclose(v, 0.0) for v in still["act.velocity"])
    assert (still["fault"] == "timeout").all()
    assert rows[rows["mind.move"] == "go"]["fault"].isna().all()


def test_a_move_is_kept_to_for_as_long_as_it_says(ran):
    run = ran("{kind: person_robot, seconds: 1}", "[go, left, wait]")
    moves = run.table("decisions.robot")["mind.move"].dropna().tolist()
    assert moves[:12] == ["go"] * 4 + ["left"] * 4 + ["wait"] * 4


def test_a_model_is_told_where_people_are_along_its_way(ran):
    run = ran("{kind: llm_robot}")
    asks = [ask for ask, _ in read_tape(next((run.path / "tape").glob("*.tape")))]
    system, first = (message["content"] for message in asks[0].content["messages"])
    assert "Your goal is 8.0 m away, straight ahead. You move at 0.0 m/s." in first
    assert "Goal: minimise time until you arrive." in system
    assert all(f"- {name}: " in system and f'"{name}"' in first for name in MOVES)
    assert first.count("m to the left)") == 5
    assert run.table("decisions.robot")["mind.thought"].notna().any()
    assert run.table("asks")["source"].str.startswith("stand-in").all()


@pytest.mark.parametrize("body", ["holonomic", "unicycle"])
def test_moves_are_along_the_way_to_the_goal(body):
    from simworld.worlds.plaza import Plaza

    role = Plaza(body=body).roles[1].sized({"pedestrian": 1, "robot": 1})
    seen = {
        "position": np.array([1.0, 1.0]),
        "aim": np.array([1.0, 5.0]),
        "speed": 1.0,
        "heading": np.pi / 2,
        "dt": 0.25,
    }
    done = {move: _done(move, seen, role) for move in MOVES}
    if body == "holonomic":
        assert done["go"]["velocity"] == pytest.approx([0.0, 1.0])
        assert done["slow"]["velocity"] == pytest.approx([0.0, 0.4])
        assert done["left"]["velocity"][0] < 0.0 < done["right"]["velocity"][0]
        assert done["wait"]["velocity"].tolist() == [0.0, 0.0]
    else:
        assert (done["go"]["forward"], done["go"]["turn"]) == pytest.approx((1.0, 0.0))
        assert done["left"]["turn"] > 0.0 > done["right"]["turn"]
        assert (done["wait"]["forward"], done["wait"]["turn"]) == (0.0, 0.0)
    # Near its goal it goes no farther than there.
    near = _done("go", seen | {"aim": np.array([1.0, 1.1])}, role)
    assert next(iter(near.values())).max() == pytest.approx(0.4)


def test_who_moves_in_another_way_is_told(tmp_path):
    (tmp_path / "it.yaml").write_text(
        "world: {kind: repeated_game}\nroles: {player: {kind: person_robot, count: 2}}\nhorizon: 3\n"
        "people: {default: {kind: scripted, answers: [go]}}\n"
    )
    with pytest.raises(ScenarioError, match="needs the observation field 'position'"):
        check(load(tmp_path / "it.yaml"))
