"""Walls are recorded beside positions, arm by arm, and drawn on the live map and beneath the paths."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from simworld.dashboard._canvas import draw_map
from simworld.dashboard._snapshot import Label, read_episode
from simworld.execution import Order, execute
from simworld.scenario import load
from simworld.worlds.plaza import Plaza
from simworld_analysis import open_run
from simworld_analysis.positions import backdrop

SCENARIO = """
name: walls
world: {kind: plaza, scene: doorway, size: 6, width: 2}
roles:
  pedestrian: {kind: straight, count: 3}
  robot: {kind: still}
horizon: 4
episodes: 3
arms:
  door: {}
  wide: {world.width: 4}
  circle: {world.scene: circle}
  again: {roles.robot: {kind: straight}}
"""
DOOR, WIDE = ([[0, -6, 0, -half], [0, half, 0, 6]] for half in (1, 2))
WATCH = ["pedestrian.obs.position", "robot.obs.position"]


def made(folder, jobs):
    path = folder / "walls.yaml"
    path.write_text(SCENARIO)
    return open_run(execute(Order(load(path), folder / f"runs-{jobs}", jobs=jobs)).run)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("walls")


@pytest.fixture(scope="module")
def run(folder):
    return made(folder, 1)


def episodes(run, arm):
    table = run.table("episodes", ["episode", "arm"])
    return table["episode"][table["arm"] == arm].astype(str).tolist()


def test_each_episode_knows_its_walls_and_the_table_of_all_only_what_holds_for_all(run):
    assert Plaza(scene="doorway", size=6.0, width=2.0).backdrop.tolist() == DOOR
    for arm, walls in {"door": DOOR, "wide": WIDE, "circle": [], "again": DOOR}.items():
        for episode in episodes(run, arm):
            for role in ("pedestrian", "robot"):
                rows = run.rows_of(f"decisions.{role}", episode, ["agent", "obs.position"])
                assert backdrop(rows.schema).tolist() == walls
    assert backdrop(run.schema("decisions.robot")).tolist() == []
    assert "walls" not in " ".join(run.schema("decisions.robot").names)


def test_where_walls_are_others_a_part_ends_and_the_bytes_are_the_same_with_any_number_of_workers(folder, run):
    parts = sorted((run.path / "tables" / "decisions.robot").iterdir())
    assert [part.name for part in parts] == [f"part-0000{number}.arrow" for number in range(4)]
    other = made(folder, 2).path
    for path in sorted((run.path / "tables").rglob("*.arrow")):
        if path.parent.name != "telemetry":
            digests = [
                hashlib.sha256((at / path.relative_to(run.path)).read_bytes()).digest() for at in (run.path, other)
            ]
            assert digests[0] == digests[1], path


def test_the_live_map_shows_them_without_a_colour_within_its_frame(run):
    (shown,) = read_episode(run, Label(episodes(run, "door")[0], "door", 0), [], WATCH).panels
    assert shown.backdrop.tolist() == DOOR
    assert (shown.low[1], shown.high[1]) == (-6.0, 6.0)
    lines = draw_map(shown, (30, 18))
    wall = [place for place, cell in enumerate(lines[0].plain) if cell in "⡇⢸"]
    assert len(wall) == 1
    upright = [line.plain[wall[0]] for line in lines[:15]]
    through = [row for row, cell in enumerate(upright) if cell == lines[0].plain[wall[0]]]
    assert {0, 1, 2, 3, 4, 10, 11, 12, 13} <= set(through)
    assert 7 not in through  # the door
    assert not [span for span in lines[0].spans if span.start <= wall[0] < span.end and span.style]
    (circle,) = read_episode(run, Label(episodes(run, "circle")[0], "circle", 0), [], WATCH).panels
    assert not len(circle.backdrop)


def test_paths_lie_over_the_walls_of_their_own_arm(run):
    figure = run.plot.trajectories(arms=["door", "wide", "circle"])
    drawn = []
    for axes in figure.axes:
        found = [line.get_xydata() for line in axes.lines if line.get_label() == "what stands still"]
        drawn.append([line[np.isfinite(line[:, 0])].reshape(-1, 4).tolist() for line in found])
    assert drawn[:3] == [[DOOR], [WIDE], []]
    assert figure.axes[0].get_ylim()[0] < -6.0
    assert "what stands still" in [text.get_text() for text in figure.legends[0].texts]
    plain = run.plot.trajectories(arms=["circle"])
    assert "what stands still" not in [text.get_text() for text in plain.legends[0].texts]
    # A velocity is no place: beneath it nothing stands.
    ways = run.plot.trajectories(arms=["door"], column="obs.velocity")
    assert "what stands still" not in [text.get_text() for text in ways.legends[0].texts]
