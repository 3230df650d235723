"""The dashboard: a pure function of what is known, and what is known comes from the run directory while it grows."""

from __future__ import annotations

import io
import threading
import time

import pytest
from rich.console import Console

from simworld.dashboard import LiveDisplay, Progress, View, render_view
from simworld.dashboard._live import bar, sparkline
from simworld.dashboard._snapshot import Bars, Episode, Histogram, Label, Lines, Said, read_episode
from simworld.execution import Order, execute
from simworld.scenario import load
from simworld_analysis import open_run

PROGRESS = Progress("study", "runs/x", 10, 4, 1, 0.45, 75.0, 92.0)
EPISODE = Episode(
    Label("e1", "llm", 3),
    17,
    {"welfare": (1.0, 2.0, 3.0), "gini_net": (0.5, 0.4)},
    {"welfare": "USD/year"},
    (
        Bars("planner.act.rates", "fraction", ("0", "11,600"), (0.1, 0.37)),
        Histogram("worker.obs.income", "USD/year", 0.0, 90_000.0, (5, 3, 0, 1)),
        Said("worker.mind.thought", (("worker 7", "I try 44 hours"),)),
        Lines("player.mind.receptivity", "", (("player 0", (0.85, 0.85, 0.05)),)),
    ),
    (0.0002, 0.0005),
    {"invalid": 3},
)
VIEW = View(
    PROGRESS,
    EPISODE,
    {"llm": (3.0, 5.0), "us": (8.0,)},
    "welfare",
    ("stand-in/in-context", "openai/x"),
    120,
    4_500,
    0.25,
)


def shown(view: View, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(render_view(view, width))
    return console.file.getvalue()


def test_everything_that_is_known_is_shown():
    text = shown(VIEW)
    for words in (
        "study  4/10 episodes, 1 failed, 1:15 elapsed, 1:32 left",
        " 45 %",
        "measures: llm, seed 3, tick 17",
        "gini net            ",
        "37 %",
        "most: 5",
        "90,000+ USD/year",
        "worker 7: I try 44 hours",
        "player 0 ██▁                0.05  0.05 to 0.85",
        "llm ██████████           4  n 2",
        "us  ████████████████████ 8  n 1",
        "120 asks, 4,500 tokens, $0.2500",
        "latency 0.2 ms, 95 % within 0.5 ms",
        "stand-in/in-context (a stand-in, not a language model)",
        "invalid        3",
    ):
        assert words in text


@pytest.mark.parametrize("width", [60, 80, 99, 100, 160])
def test_it_fits_its_width(width):
    assert max(map(len, shown(VIEW, width).splitlines())) <= width


def test_at_sixty_columns_neither_the_time_that_is_left_nor_what_a_stand_in_is_is_cut_off():
    progress = Progress("a_study_with_a_long_name", "runs/x", 100, 4, 1, 0.45, 75.0, 9200.0)
    text = shown(View(progress, EPISODE, models=VIEW.models), 60)
    assert "2:33:20 left" in text
    assert "not a language model)" in text.replace("│\n│", "").replace("  ", " ")


def test_nothing_is_known_at_first():
    text = shown(View(Progress("study", "runs/x", 10, 0, 0, 0.0, 0.2, None)))
    assert "0/10 episodes, 0:00 elapsed" in text
    assert "left" not in text


def test_sparklines_and_bars():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([5, 5, 5], 8) == "▅▅▅"
    assert len(sparkline(range(1000), 20)) == 20
    assert sparkline([], 20) == ""
    assert bar(0.5, 4) == "██"
    assert bar(0.53125, 4) == "██▏"
    assert bar(2.0, 3) == "███"


STUDY = """
name: watched
world: {kind: economy, brackets: three, tax_year: 5}
roles:
  worker: {kind: llm_worker, count: 40}
  planner: {kind: llm_planner}
horizon: 100
arms: {short: {horizon: 10}, long: {}}
measures: [objective, gini_net]
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_is_watched_from_its_directory_while_it_grows(tmp_path, jobs, monkeypatch):
    monkeypatch.setattr("simworld.dashboard._displays._LOOK", 0.05)
    (tmp_path / "watched.yaml").write_text(STUDY)
    display = LiveDisplay(Console(file=io.StringIO(), width=120, force_terminal=True))
    views: list[View] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            if hasattr(display, "_begun"):
                views.append(display.view())

    watcher = threading.Thread(target=look)
    watcher.start()
    outcome = execute(Order(load(tmp_path / "watched.yaml"), tmp_path / "runs", jobs), display)
    time.sleep(0.1)
    over.set()
    watcher.join()
    assert outcome.status == "success"
    shares = [v.progress.share for v in views]
    assert shares == sorted(shares)
    seen = [v.episode for v in views if v.episode is not None and v.episode.label.arm == "long"]
    assert seen, "the long episode was never seen"
    assert {type(p) for e in seen for p in e.panels} == {Bars, Histogram, Said}
    assert views[-1].models == ("stand-in/in-context",)
    assert views[-1].asks > 4000
    # the arm that was over first has its result while the other goes on
    assert any("short" in v.arms and "long" not in v.arms for v in views)


PLAYERS = """
name: players
world: {kind: repeated_game, repetitions: 1}
roles:
  player:
    - {kind: brg, units: 6, epochs: 5, warm_up: 20, calibration: 20}
    - {kind: scheduled, phases: [{rounds: 10}, {rounds: 20, level: 0}]}
horizon: 25
arms: {one: {}, other: {roles.player.1: {kind: always, level: 0.0}}}
watch: [player.mind.receptivity, player.act.cooperate, player.obs.other, player.mind.nothing]
"""


def test_numbers_of_a_few_members_are_shown_one_by_one_and_over_time(tmp_path):
    """A mind that one of the two has is not lost among those that do not have it."""
    (tmp_path / "players.yaml").write_text(PLAYERS)
    run = open_run(execute(Order(load(tmp_path / "players.yaml"), tmp_path / "runs")).run)
    label = Label(run.table("episodes")["episode"][0], "one", 0)
    receptivity, played, other = read_episode(run, label, ["cooperation"], run.manifest["watch"]).panels
    ((who, values),) = receptivity.series
    assert (who, len(values)) == ("player 0", 25)
    assert values[9] > 0.8 > values[24]
    assert [who for who, _ in played.series] == ["player 0", "player 1"]
    assert played.series[1][1] == (1.0,) * 10 + (0.0,) * 15
    assert other.series[0][1] == (1.0,) * 10 + (0.0,) * 14  # nothing is seen before the first round
    text = shown(View(PROGRESS, Episode(label, 24, panels=(receptivity, played))))
    assert "player.mind.receptivity" in text
    assert "player 1 █████▁▁▁▁▁▁▁▁▁▁▁▁▁ 0  0 to 1" in text


def test_of_episodes_too_short_to_be_seen_the_last_one_that_is_over_is_shown(tmp_path):
    (tmp_path / "players.yaml").write_text(PLAYERS)
    display = LiveDisplay(Console(file=io.StringIO(), width=120, force_terminal=True))
    display.every = 3600  # it looks when it is told to
    execute(Order(load(tmp_path / "players.yaml"), tmp_path / "runs"), display)
    display._look()
    assert display.view().episode.label.arm == "other"
    assert [type(panel) for panel in display.view().episode.panels] == [Lines] * 3


def test_what_an_arm_has_so_far_is_what_its_summary_will_say(tmp_path):
    """Of a flow, such as cooperation, an episode's number is the mean over its rounds, not its last one."""
    (tmp_path / "players.yaml").write_text(PLAYERS.replace("watch:", "measures: [cooperation]\nwatch:"))
    display = LiveDisplay(Console(file=io.StringIO(), width=120, force_terminal=True))
    display.every = 3600
    run = open_run(execute(Order(load(tmp_path / "players.yaml"), tmp_path / "runs"), display).run)
    display._look()
    rows = run.table("measures", ["cooperation"], arms=True).groupby("arm")["cooperation"]
    assert {arm: values for arm, (values,) in display.view().arms.items()} == pytest.approx(rows.mean().to_dict())
    assert (rows.mean() != rows.last()).all()
