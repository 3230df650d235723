"""Where members went: arm beside arm, at one scale, and what differs lies beneath."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from simworld_analysis import OpenError, open_run
from simworld_analysis.plots import figure_svg, position_column, trajectories
from simworld_analysis.plots._paths import walks_of
from simworld_analysis.report import render_report

NAN = float("nan")


@pytest.fixture
def plaza(hand):
    """``plaza(walker={"e0": {member: [(tick, x, y), ...]}}, robot=...)``: a run of these positions, in metres."""

    def make(manifest=None, arms=None, unit="m", **roles):
        names = list(dict.fromkeys(name for episodes in roles.values() for name in episodes))
        arms = arms or dict.fromkeys(names, "")
        table = {"episode": names, "arm": [arms[n] for n in names], "status": ["success"] * len(names)}
        table["seed"] = [list(arms.values())[: names.index(n)].count(arms[n]) for n in names]
        run = hand(
            manifest=manifest,
            episodes=table,
            measures={"episode": names, "tick": [0] * len(names), "x": [1.0] * len(names)},
        )
        for role, episodes in roles.items():
            rows = [
                (e, t, a, [x, y], *(end or [None]))
                for e, paths in episodes.items()
                for a, way in paths.items()
                for t, x, y, *end in way
            ]
            frame = pd.DataFrame(rows, columns=["episode", "tick", "agent", "obs.position", "end"])
            frame = frame.sort_values(["episode", "tick", "agent"], kind="stable")
            fields = [("episode", pa.string()), ("tick", pa.int64()), ("agent", pa.int64()), ("end", pa.string())]
            place = pa.field("obs.position", pa.list_(pa.float64(), 2), metadata={"unit": unit, "meaning": "where"})
            schema = pa.schema([*(pa.field(*f) for f in fields), place])
            folder = run.path / "tables" / f"decisions.{role}"
            folder.mkdir()
            path, named = folder / "part-000000.arrow", {"simworld.episodes": "\n".join(episodes)}
            with pa.ipc.new_file(path, schema, metadata=named) as writer:
                writer.write_table(
                    pa.Table.from_pandas(frame, schema, preserve_index=False).replace_schema_metadata({})
                )
        return open_run(run.path)

    return make


def straight(x0, y0, x1, y1, ticks=11):
    return [(t, x0 + (x1 - x0) * t / (ticks - 1), y0 + (y1 - y0) * t / (ticks - 1)) for t in range(ticks)]


@pytest.fixture
def crossing(plaza):
    """Two walkers; with a robot, the second goes round it. The first never notices."""
    detour = [(t, x, y + 2.0 * (3 <= t <= 7)) for t, x, y in straight(10, 4, 0, 4)]
    walkers = {
        "with": {0: straight(0, 0, 10, 0), 1: detour},
        "without": {0: straight(0, 0, 10, 0), 1: straight(10, 4, 0, 4)},
    }
    return plaza(arms={"with": "robot", "without": "none"}, walker=walkers, robot={"with": {0: straight(5, 0, 5, 10)}})


def drawn(axes, label):
    return [line for line in axes.lines if line.get_label() == label]


def test_lines_are_the_positions_and_the_few_are_thick(crossing):
    panels = crossing.plot.trajectories().axes
    assert [axes.get_title(loc="left") for axes in panels] == ["robot", "none"]
    stages = drawn(panels[0], "robot")
    xy = np.concatenate([line.get_xydata() for line in stages])
    places = np.unique(xy[np.isfinite(xy[:, 0])], axis=0)
    assert places.tolist() == [[5.0, float(y)] for y in range(11)]
    alphas = [line.get_alpha() for line in stages]
    assert alphas == sorted(alphas)
    assert (alphas[0], alphas[-1]) == (0.22, 1.0)
    assert stages[0].get_xydata()[0].tolist() == [5.0, 0.0]
    assert stages[0].get_linewidth() > 2 * drawn(panels[0], "walker")[0].get_linewidth()
    assert [line.get_xydata().tolist() for line in drawn(panels[1], "walker start")] == [[[0.0, 0.0], [10.0, 4.0]]]
    assert [line.get_xydata().tolist() for line in drawn(panels[1], "walker end")] == [[[10.0, 0.0], [0.0, 4.0]]]
    assert len(drawn(panels[0], "walker every")[0].get_xydata()) == 2 * 10


def test_arms_are_at_one_scale_that_is_equal_on_both_axes(crossing):
    first, second = crossing.plot.trajectories().axes
    assert (first.get_xlim(), first.get_ylim()) == (second.get_xlim(), second.get_ylim())
    assert first.get_aspect() == second.get_aspect() == 1.0
    assert first.get_xlim() == pytest.approx((-0.5, 10.5))


def test_beneath_lies_the_path_of_the_first_arm_where_it_differs_or_has_no_other(crossing):
    first, second = crossing.plot.trajectories().axes
    assert not [line for line in first.lines if "beneath" in line.get_label()]
    (walker,), (robot,) = drawn(second, "walker beneath"), drawn(second, "robot beneath")
    assert walker.get_xydata()[5].tolist() == [5.0, 6.0]
    assert len(walker.get_xydata()) == 11 + 1  # one walker, and the gap after it
    assert robot.get_xydata()[0].tolist() == [5.0, 0.0]
    assert second.get_title(loc="right") == "1 of 2 paths differ, 1 absent"
    assert not [
        line for line in crossing.plot.trajectories(arms=["none"]).axes[0].lines if "beneath" in line.get_label()
    ]


def test_what_cannot_be_seen_is_no_difference_and_what_only_one_arm_lived_to_see_is_none(plaza):
    near = [(t, x, y + 0.01) for t, x, y in straight(0, 0, 10, 0)]
    walkers = {"a": {0: straight(0, 0, 10, 0)}, "b": {0: near}, "c": {0: straight(0, 0, 10, 0)[:4]}}
    run = plaza(arms={"a": "a", "b": "b", "c": "c"}, walker=walkers)
    assert [list(walk.beneath.get("walker", {})) for walk in walks_of(run, "obs.position", None, 4, None)[1]] == [
        [],
        [],
        [],
    ]
    walkers["b"] = {0: [(t, x, y + 0.05) for t, x, y in straight(0, 0, 10, 0)]}
    run = plaza(arms={"a": "a", "b": "b", "c": "c"}, walker=walkers)
    assert [list(walk.beneath.get("walker", {})) for walk in walks_of(run, "obs.position", None, 4, None)[1]] == [
        [],
        [0],
        [],
    ]


def test_members_come_and_go_and_are_unknown_at_times(plaza):
    way = {0: [(0, 0.0, 0.0), (1, NAN, NAN), (2, 2.0, 0.0)], 1: [(2, 5.0, 5.0)], 2: [(0, NAN, NAN)]}
    (axes,) = plaza(walker={"e": way}).plot.trajectories().axes
    (starts,) = drawn(axes, "walker start")
    assert starts.get_xydata().tolist() == [[0.0, 0.0], [5.0, 5.0]]
    xy = np.concatenate([line.get_xydata() for line in drawn(axes, "walker")])
    assert [1.0, 0.0] not in xy.tolist()
    assert np.isnan(xy).any()


def test_who_leaves_and_comes_back_was_nowhere_in_between(plaza):
    way = [(0, 0.0, 0.0), (1, 1.0, 0.0), (1, 1.5, 0.0, "left"), (6, 6.0, 1.0), (7, 7.0, 1.0, "truncated")]
    _, (walk,) = walks_of(plaza(walker={"e": {0: way}}), "obs.position", None, 4, None)
    path = walk.paths["walker"][0]
    assert path.tick.tolist() == [0, 1, 1, 1, 6, 7]
    assert np.isnan(path.xy[:, 0]).tolist() == [False, False, False, True, False, False]


def test_of_many_members_lines_are_thinned_and_marks_are_further_apart(plaza):
    crowd = {a: straight(0, a, 10, a, 101) for a in range(300)}
    run = plaza(walker={"e": crowd})
    (axes,) = run.plot.trajectories().axes
    assert sum(len(line.get_xydata()) for line in drawn(axes, "walker")) < 25_000
    assert len(drawn(axes, "walker every")[0].get_xydata()) == 300  # at tick 100, not at every one
    assert drawn(axes, "walker end")[0].get_xydata()[:, 0].tolist() == [10.0] * 300
    assert len(figure_svg(trajectories(run), "crowd")) < 1_000_000


def test_the_seed_is_one_that_all_arms_have(plaza):
    ways = {name: {0: straight(0, 0, 1, 1)} for name in ("a0", "a1", "b0")}
    run = plaza(arms={"a0": "a", "a1": "a", "b0": "b"}, walker=ways)
    assert len(trajectories(run).axes) == 2
    (axes,) = trajectories(run, seed=1).axes
    assert axes.get_title(loc="left") == "a"
    with pytest.raises(OpenError, match=r"no successful episode has seed 7; accepted: 0, 1"):
        trajectories(run, seed=7)
    with pytest.raises(OpenError, match=r"no role records positions in 'obs.place'; accepted: obs.position"):
        trajectories(run, column="obs.place")


def test_the_report_shows_paths_and_does_not_say_that_they_cannot_be_drawn(plaza, crossing, hand):
    page = render_report(crossing)
    assert re.search(r"<h3>Paths</h3>\s*<h4>obs.position</h4>\s*<figure", page)
    assert "1 of 2 paths differ, 1 absent" in page
    assert "These are the first" not in page
    names = [f"e{i}" for i in range(6)]
    six = plaza(arms={name: f"arm{name}" for name in names}, walker={name: {0: straight(0, 0, 1, 1)} for name in names})
    assert "These are the first 4 of 6; run.plot.trajectories(arms=[...]) draws others." in render_report(six)
    watching = plaza(manifest={"watch": ["walker.obs.position"]}, walker={"e": {0: straight(0, 0, 1, 1)}})
    assert "It has no numbers that could be drawn" not in render_report(watching)
    elsewhere = plaza(unit="USD", walker={"e": {0: straight(0, 0, 1, 1)}})
    assert position_column(elsewhere) is None
    assert "<h3>Paths</h3>" not in render_report(elsewhere)
    assert trajectories(elsewhere).axes  # for whoever asks
    assert "<h3>Paths</h3>" not in render_report(hand())
