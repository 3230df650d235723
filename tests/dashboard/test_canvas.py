"""A map in braille: members bright, where they were dim, one scale on both axes."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from simworld.dashboard import View, render_view
from simworld.dashboard._canvas import COLOURS, braille, draw_map
from simworld.dashboard._live import Progress
from simworld.dashboard._snapshot import Episode, Label, read_episode, watched
from simworld.dashboard._tracks import Map, Track, _track
from simworld.execution import Order, execute
from simworld.scenario import load
from simworld_analysis import open_run, positions


def track(name, now=(), trail=()):
    return Track(name, np.array(now, dtype=float).reshape(-1, 2), np.array(trail, dtype=float).reshape(-1, 2))


def mapped(*tracks):
    places = np.concatenate([points for t in tracks for points in (t.now, t.trail)])
    return Map("obs.position", tracks, tuple(places.min(axis=0)), tuple(places.max(axis=0)))


def drawn(shown, size):
    """Lines of characters, blank cells as dots of the middle."""
    return [line.plain.replace("⠀", "·") for line in draw_map(shown, size)]


def looks(shown, size):
    """Which style each braille cell has that is not blank."""
    found = {}
    for row, line in enumerate(draw_map(shown, size)):
        for span in line.spans:
            for place in range(span.start, span.end):
                if "⠀" < line.plain[place] <= "⣿":
                    found[row, place] = span.style
    return found


def test_dots_are_bits_of_characters():
    dots = np.zeros((4, 6), dtype=bool)
    dots[0, 0] = dots[3, 1] = True
    dots[:, 2] = True
    assert braille(dots) == ["⢁⡇⠀"]
    assert braille(np.ones((8, 2), dtype=bool)) == ["⣿", "⣿"]


def test_a_walker_and_a_robot():
    """The walker came up from below; the robot stands at the left edge."""
    shown = mapped(track("walker", [(4, 4)], [(1, 1), (1.9, 1.6), (3, 3)]), track("robot", [(0, 1.9)]))
    assert drawn(shown, (15, 8)) == [
        "4┤············⠛",
        " │·········⠠···",
        " │·············",
        " │⠶·····⡀······",
        "1┤···⡀·········",
        " └─────────────",
        "  0         4 m",
        "  ● walker 1  ● robot 1 ",
    ]
    assert looks(shown, (15, 8)) == {
        (0, 14): f"bold {COLOURS[0]}",
        (1, 11): f"dim {COLOURS[0]}",
        (3, 2): f"bold {COLOURS[1]}",
        (3, 8): f"dim {COLOURS[0]}",
        (4, 5): f"dim {COLOURS[0]}",
    }


def test_a_metre_is_as_long_on_both_axes_and_the_frame_as_large_as_it_fits():
    corridor = mapped(track("walker", [(0, 0), (20, 3)]))
    wide, flat = drawn(corridor, (42, 30)), drawn(corridor, (200, 5))
    assert len(wide) == 4 + 3  # 79 gaps between dots for 20 m, so 13 dots for 3 m
    assert len(wide[3]) == 42
    assert len(flat) == 2 + 3
    assert len(flat[1]) == 2 + 24  # 7 gaps for 3 m, so 48 dots for 20 m


def test_the_frame_ends_at_round_numbers_and_stays_while_members_move():
    sizes = [drawn(mapped(track("walker", [(-3.9 + step, -3.6), (3.7, 3.81)])), (40, 20))[-3:-1] for step in (0, 0.2)]
    assert sizes[0] == sizes[1]
    assert sizes[0][1].split() == ["-4", "4", "m"]
    still = drawn(mapped(track("walker", [(5, 5)])), (12, 6))
    assert (still[0][:2], still[2][:2], still[-2].split()) == ("6┤", "4┤", ["4", "6", "m"])


def test_of_a_character_that_several_share_the_rarest_has_the_colour_and_a_crowd_is_of_single_dots():
    crowd = [(x, y) for x in range(11) for y in range(11)]
    shown = mapped(track("robot", [(5, 5)], [(5, 6)]), track("walker", crowd))
    styles = looks(shown, (24, 14))
    assert list(styles.values()).count(f"bold {COLOURS[0]}") in (1, 2, 4)
    assert f"bold {COLOURS[1]}" in styles.values()
    assert f"dim {COLOURS[0]}" not in styles.values()  # members lie over trails
    assert drawn(mapped(track("walker", crowd), track("robot", [(5, 5)])), (80, 40))[:-1] == drawn(shown, (80, 40))[:-1]
    dots = sum((ord(c) - 0x2800).bit_count() for line in drawn(shown, (80, 40)) for c in line if "⠀" < c <= "⣿")
    assert len(crowd) < dots <= len(crowd) + 4


@pytest.mark.parametrize("size", [(1, 1), (10, 3), (30, 9), (120, 50)])
def test_it_keeps_to_its_size_or_to_the_least_that_can_be_read(size):
    lines = drawn(mapped(track("walker", [(-120, 0), (950, 333)])), size)
    assert len(lines) <= max(size[1], 5)
    assert max(len(line) for line in lines[:-2]) <= max(size[0], 4 + 4)


def test_trails_of_many_are_shorter():
    """Three thousand positions in all, and none of a crowd of more."""
    for members, length in ((10, 19), (300, 10), (4000, 0)):
        ticks, agents = np.repeat(np.arange(30), members), np.tile(np.arange(members), 30)
        places = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(60 * members)), 2)
        place = pa.field("obs.position", places.type, metadata={"unit": "m"})
        rows = pa.table({"tick": ticks, "agent": agents, "end": pa.nulls(30 * members, pa.string())})
        found = _track("walker", rows.append_column(place, places), positions.places(pa.chunked_array([places])), 29)
        assert (len(found.now), len(found.trail)) == (members, length * members)


def test_vectors_that_are_not_there_are_nan():
    column = pa.chunked_array([pa.array([[1.0, 2.0], None, [3.0, float("nan")]], pa.list_(pa.float64(), 2))])
    assert np.array_equal(positions.places(column), [[1, 2], [np.nan, np.nan], [3, np.nan]], equal_nan=True)
    assert positions.places(column.slice(2)).shape == (1, 2)


PLAZA = """
name: plaza
world: {kind: plaza, scene: circle, time_limit: 24, on_arrival: leave}
roles:
  pedestrian: {kind: straight, count: 5}
  robot: {kind: still, count: 1}
horizon: 30
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plaza")
    (folder / "plaza.yaml").write_text(PLAZA)
    return open_run(execute(Order(load(folder / "plaza.yaml"), folder / "runs")).run)


def test_all_roles_share_one_map_with_those_who_are_there(run):
    """People walk past a robot that stands, and leave where they arrive."""
    label = Label(run.table("episodes")["episode"][0], "", 0)
    watch = ["pedestrian.obs.position", "robot.act.velocity", "robot.obs.position", "pedestrian.obs.nothing"]
    shown, other = read_episode(run, label, ["success"], watch).panels
    assert (shown.column, other.column) == ("obs.position", "robot.act.velocity")
    assert other.labels == ("0", "1")  # where it is does not say what the parts of its velocity are
    people, robot = shown.tracks
    rows = run.table("decisions.pedestrian", ["tick", "agent", "end", "obs.position"])
    rows = rows[rows["agent"].isin(rows[rows["tick"] == rows["tick"].max()]["agent"])]
    there = rows.groupby("agent")["obs.position"].last()
    assert 0 < len(there) < 5
    assert sorted(map(tuple, people.now)) == sorted(map(tuple, there))
    assert len(people.trail) == 19 * len(there)
    before = rows.groupby("agent").nth(-20)["obs.position"]
    assert {tuple(p) for p in before} <= {tuple(p) for p in people.trail}
    assert robot.now.tolist() == [[0.0, -4.0]]
    assert shown.low[1] <= -4.0
    assert watched(run, label)[:2] == ["pedestrian.obs.position", "robot.obs.position"]


@pytest.mark.parametrize(("width", "height"), [(30, 20), (60, 24), (99, 30), (120, 40), (200, 60)])
def test_the_map_fits_its_screen(run, width, height):
    label = Label(run.table("episodes")["episode"][0], "", 0)
    episode = read_episode(run, label, ["success"], watched(run, label))
    alone = Episode(label, episode.tick, episode.series, panels=episode.panels[:1])
    console = Console(file=io.StringIO(), width=width)
    console.print(render_view(View(Progress("plaza", "runs/x", 1, 0, 0, 0.4, 75.0, 92.0), alone), width, height))
    lines = console.file.getvalue().splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert any("● pedestrian" in line for line in lines)
