"""What is drawn is what was measured."""

from __future__ import annotations

import math

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from simworld_analysis import OpenError
from simworld_analysis.plots import (
    Plots,
    bands,
    column_bands,
    distribution,
    figure_svg,
    intervals,
    members_with,
    over_time,
)
from simworld_analysis.plots._style import spread_out, tick_text

NUMBERS = (("a", 1.0, 5.0), ("b", 3.0, 2.0), ("c", 2.0, 6.0))


@pytest.fixture
def samples():
    """Two arms, four seeds, five ticks, by hand: arm, seed, tick and value."""
    rows = [
        (f"{arm}{seed}", arm, seed, tick, 10.0 * place + seed * 1.5 + tick**2 * (1 + 0.1 * seed))
        for place, arm in enumerate(("plain", "rich"))
        for seed in range(4)
        for tick in range(5)
    ]
    return pd.DataFrame(rows, columns=["episode", "arm", "seed", "tick", "gini"])


@pytest.fixture
def run(hand, samples):
    first = samples.drop_duplicates("episode")
    table = {name: first[name].tolist() for name in ("episode", "arm", "seed")} | {"status": ["success"] * 8}
    return hand(episodes=table, measures={n: samples[n].tolist() for n in ("episode", "tick", "gini")})


def test_lines_are_means_over_episodes_and_bands_are_t_intervals(run, samples):
    (axes,) = run.plot.measure("gini").axes
    drawn = {line.get_label(): line for line in axes.lines}
    for arm, mine in samples.groupby("arm"):
        by_tick = mine.groupby("tick")["gini"]
        assert drawn[arm].get_xdata().tolist() == [0, 1, 2, 3, 4]
        assert drawn[arm].get_ydata() == pytest.approx(by_tick.mean().to_numpy())
        half = stats.t.ppf(0.975, 3) * by_tick.sem().to_numpy()
        assert bands(run, "gini")[arm].high == pytest.approx(by_tick.mean().to_numpy() + half)
    assert axes.get_xlabel() == "tick"
    assert {text.get_text() for text in axes.texts} == {"plain", "rich"}


def test_points_are_last_samples_and_differences_are_by_seed(run, samples):
    values, differences = run.plot.distribution("gini").axes
    last = samples[samples["tick"] == 4]
    points = [line.get_xdata() for line in values.lines if line.get_label() == "episodes"]
    assert points[0].tolist() == pytest.approx(last[last["arm"] == "plain"]["gini"].tolist())
    (pairs,) = (line.get_xdata() for line in differences.lines if line.get_label() == "episodes")
    assert list(pairs) == pytest.approx([10.0] * 4)
    assert differences.get_title(loc="left") == "difference to plain, by seed"


def test_who_is_beaten_in_neither_of_two_measures_is_on_the_line(hand):
    """Three arms, two seeds: the last one is worse than the first in both."""
    rows = [(f"{arm}{seed}", arm, seed, x + seed, y) for arm, x, y in NUMBERS for seed in (0, 1)]
    episode, arm, seed, x, y = (list(column) for column in zip(*rows, strict=True))
    run = hand(
        episodes={"episode": episode, "arm": arm, "seed": seed, "status": ["success"] * 6},
        measures={"episode": episode, "tick": [0] * 6, "cost": x, "harm": y},
    )
    (axes,) = run.plot.tradeoff("cost", "harm").axes
    (line,) = (line for line in axes.lines if line.get_label() == "beaten in neither")
    assert np.array_equal(line.get_xydata(), [[1.5, 5.0], [3.5, 2.0]])
    means = {
        line.get_label(): line.get_xydata()[0].tolist() for line in axes.lines if line.get_label() in {"a", "b", "c"}
    }
    assert means == {"a": [1.5, 5.0], "b": [3.5, 2.0], "c": [2.5, 6.0]}
    assert axes.get_xlabel() == "cost, less is better"
    (axes,) = run.plot.tradeoff("cost", "harm", better=("more", "more")).axes
    (line,) = (line for line in axes.lines if line.get_label() == "beaten in neither")
    assert np.array_equal(line.get_xydata(), [[2.5, 6.0], [3.5, 2.0]])
    with pytest.raises(OpenError, match=r"better: found .*'big'.*; accepted: a pair of less and more"):
        run.plot.tradeoff("cost", "harm", better=("big", "less"))


def test_a_column_of_decisions_is_drawn_by_member_or_as_their_mean(hand, decided):
    """Two episodes of two arms, two members; the second one has no confidence."""
    nan = float("nan")
    parts = [
        decided(
            [0, 1] * 3,
            [0, 0, 1, 1, 2, 2],
            f"{arm}{seed}",
            act_x=[b, b + 2, b + 1, b + 5, b, b],
            mind_sure=[0.5, nan] * 3,
        )
        for arm, b in (("plain", 0.0), ("rich", 10.0))
        for seed in range(2)
    ]
    rows = {name: [value for part in parts for value in part[name]] for name in parts[0]}
    names = [f"{arm}{seed}" for arm in ("plain", "rich") for seed in range(2)]
    episodes = {"episode": names, "arm": ["plain"] * 2 + ["rich"] * 2, "seed": [0, 1] * 2, "status": ["success"] * 4}
    run = hand(episodes=episodes, decisions_player=rows)
    assert members_with(run, "player.act.x") == [0, 1]
    assert members_with(run, "player.mind.sure") == [0]
    assert column_bands(run, "player.act.x")["rich"].mean.tolist() == [11.0, 13.0, 10.0]
    assert column_bands(run, "player.act.x", agent=0, arms=["plain"])["plain"].mean.tolist() == [0.0, 1.0, 0.0]
    (axes,) = run.plot.column("player.act.x", agent=1).axes
    assert {line.get_label(): line.get_ydata().tolist() for line in axes.lines}["plain"] == [2.0, 5.0, 0.0]
    assert axes.get_title(loc="left") == "player 1: act.x"
    with pytest.raises(OpenError, match=r"no column 'player.act.y'; accepted: a role and its column"):
        run.plot.column("player.act.y")
    with pytest.raises(OpenError, match=r"no column 'player.tick'"):
        run.plot.column("player.tick")
    with pytest.raises(OpenError, match=r"'player.mind.sure' of member 1 has no number"):
        run.plot.column("player.mind.sure", agent=1)


def test_many_arms_have_a_panel_each_beside_the_first(hand):
    names = [f"e{i}" for i in range(10)]
    table = {"episode": names, "arm": [f"arm{i}" for i in range(10)], "seed": [0] * 10, "status": ["success"] * 10}
    ticks = {"episode": names * 2, "tick": [0] * 10 + [1] * 10, "gini": [float(i) for i in range(10)] * 2}
    figure = over_time(hand(episodes=table, measures=ticks), "gini")
    panels = [axes for axes in figure.axes if axes.lines]
    assert [axes.get_title(loc="left") for axes in panels] == table["arm"]
    assert [[line.get_label() for line in axes.lines] for axes in panels[1:3]] == [["arm0", "arm1"], ["arm0", "arm2"]]
    assert len(over_time(hand(episodes=table, measures=ticks), "gini", ["arm3", "arm4"]).axes) == 1


def test_between_samples_an_episode_keeps_its_value_and_after_its_last_it_has_none(hand):
    rows = {"episode": ["a", "a", "b", "b", "b"], "tick": [0, 4, 0, 2, 6], "gini": [1.0, 3.0, 5.0, 7.0, 9.0]}
    found = bands(hand(measures=rows), "gini")[""]
    assert found.x.tolist() == [0, 2, 4, 6]
    assert found.mean.tolist() == [3.0, 4.0, 5.0, 9.0]
    assert np.isnan(found.low).tolist() == [False, False, False, True]


def test_long_runs_are_thinned(hand):
    ticks = list(range(1000))
    found = bands(hand(measures={"episode": ["a"] * 1000, "tick": ticks, "gini": [float(t) for t in ticks]}), "gini")[
        ""
    ]
    assert len(found.x) == 200
    assert (found.x[0], found.x[-1]) == (0, 999)
    assert found.mean.tolist() == found.x.tolist()


def test_drawing_changes_no_settings_and_obeys_none(run):
    before = dict(mpl.rcParams)
    svg = figure_svg(run.plot.measure("gini"), "one")
    assert dict(mpl.rcParams) == before
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9}):
        assert figure_svg(run.plot.measure("gini"), "one") == svg


def test_a_picture_for_a_page_has_ids_of_its_own_and_text_that_can_be_selected(run):
    svg = figure_svg(distribution(run, "gini"), "here", 'about "<gini>"')
    assert svg.startswith("<svg role=")
    assert 'aria-label="about &quot;&lt;gini&gt;&quot;"' in svg
    assert ">plain</text>" in svg
    assert "http" not in svg
    assert all(part.startswith('"here-') for part in svg.split(" id=")[1:])


def test_what_cannot_be_drawn_is_said(run, hand):
    with pytest.raises(OpenError, match="there is no arm 'poor'; accepted: plain, rich"):
        over_time(run, "gini", ["poor"])
    with pytest.raises(OpenError, match="accepted: gini"):
        Plots(run).measure("ginny")
    failed = {"episode": ["a"], "arm": [""], "seed": [0], "status": ["failed"]}
    with pytest.raises(OpenError, match=r"no episode of .* has succeeded"):
        over_time(hand(episodes=failed, measures={"episode": ["a"], "tick": [0], "gini": [1.0]}), "gini")
    with pytest.raises(OpenError, match="nothing to draw"):
        intervals([])
    with pytest.raises(OpenError, match="no table"):
        run.plot.network("walker", "way")


def test_a_network_has_its_members(hand, decided):
    way = ["left", "left", "right"] * 2
    run = hand(decisions_walker=decided([0, 1, 2] * 2, [0] * 3 + [1] * 3, act_way=way))
    (axes,) = run.plot.network("walker", "way").axes
    assert [text.get_text() for text in axes.texts] == ["0", "1", "2"]
    (lines,) = axes.collections
    assert len(lines.get_segments()) == 1  # only two of them ever do the same


def test_labels_move_apart_and_stay_inside():
    places = spread_out([0.5, 0.5, 0.98, 0.51], 0.1, 0.0, 1.0)
    assert places[0] < places[1] < places[3] < places[2]
    assert np.diff(sorted(places)).min() >= 0.1 - 1e-6
    assert 0.0 <= min(places) <= max(places) <= 1.0 + 1e-9
    assert [tick_text(v) for v in (0.0, 25000.0, 1.5e6, -0.25, 1234.0)] == ["0", "25k", "1.5M", "−0.25", "1,234"]


def test_infinite_samples_are_gaps_in_a_figure(hand):
    samples = {"episode": ["a", "a", "b", "b"], "tick": [0, 1, 0, 1], "time": [0.0, 1.0] * 2}
    run = hand(measures={**samples, "x": [1.0, math.inf, 2.0, 3.0]})
    assert run.plot.measure("x").axes
    assert run.plot.measure("x", arms="").axes
    with pytest.raises(OpenError, match="no arm is named"):
        run.plot.measure("x", arms=[])
