"""Replay says identical, or names the first moment that differs."""

from __future__ import annotations

import pytest

from simworld.errors import RunError
from simworld.execution import replay_run


def test_a_run_replays_identically(tiny, run):
    report = replay_run(run(tiny).run)
    assert report.identical
    assert len(report.episodes) == 6
    # 12 periods and 3 moves of the planner, and the closing of the episode
    assert [e.moments for e in report.episodes] == [16] * 6
    assert report.lines() == ["identical: 6 episodes, 96 moments"]


def test_one_episode_can_be_replayed(tiny, run):
    run_dir = run(tiny).run
    every = replay_run(run_dir)
    one = replay_run(run_dir, [every.episodes[2].episode])
    assert [e.episode for e in one.episodes] == [every.episodes[2].episode]
    with pytest.raises(RunError, match="no finished episode 'other'"):
        replay_run(run_dir, ["other"])


def test_a_changed_world_is_named_at_its_first_moment(tiny, run, monkeypatch):
    run_dir = run(tiny).run
    from simworld.worlds.economy import Economy

    plain = Economy.step

    def taxed_differently(self, moment, turn):
        if turn.tick == 7 and moment.priority == 0:
            moment.acts["worker"].done["hours"][3] += 1e-9
        plain(self, moment, turn)

    monkeypatch.setattr(Economy, "step", taxed_differently)
    report = replay_run(run_dir)
    assert not report.identical
    # the tenth moment: periods 0 to 6, and the planner at 0 and 4
    assert all(e.difference == "first difference at moment 9, tick 7" for e in report.episodes)


def test_a_damaged_table_is_noticed(tiny, run):
    run_dir = run(tiny).run
    victim = next((run_dir / "tables" / "measures").glob("*.arrow"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(bytes(data))
    report = replay_run(run_dir)
    assert not report.identical
    assert any("tables/measures" in line and "digest" in line for line in report.lines())


def test_a_folder_that_is_no_run_is_one_line(tmp_path):
    with pytest.raises(RunError, match="is not a run directory"):
        replay_run(tmp_path)
