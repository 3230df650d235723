"""Few files are made of many while episodes are running: nobody waits for it, and nothing shows of it in the end."""

from __future__ import annotations

import gc

import pytest

from simworld.errors import RunError
from simworld.execution import _merging
from simworld.recording import _sealing, compact


@pytest.fixture
def at_once(monkeypatch):
    """Merges follow each other without a pause, and make parts of four episodes; returns what parts each saw made."""
    monkeypatch.setattr(_merging, "_PAUSE", 0.0)
    monkeypatch.setattr(_sealing, "_PART_EPISODES", 4)
    made = []

    def watched(run, episodes, final):
        compact(run, episodes, final)
        made.append(len(list((run / "tables" / "episodes").glob("part-*.arrow"))))

    monkeypatch.setattr(_merging, "compact", watched)
    return made


@pytest.fixture
def awaited(monkeypatch):
    """Each merge is over before the next episode: how many there are does not depend on the machine."""
    begin = _merging.Merging.now_and_then

    def wait(self):
        begun = begin(self)
        if self._under_way is not None:
            self._under_way.result()
        return begun

    monkeypatch.setattr(_merging.Merging, "now_and_then", wait)


@pytest.mark.usefixtures("awaited")
def test_parts_that_are_made_on_the_way_are_those_that_are_made_at_the_end(tiny, run, digests, at_once, monkeypatch):
    early = run(tiny, "episodes=8", out="early")
    assert 0 < max(at_once) <= 4
    monkeypatch.setattr(_merging, "_PAUSE", 1e9)
    del at_once[:]
    late = run(tiny, "episodes=8", out="late")
    assert not at_once
    assert digests(early.run) == digests(late.run)
    assert len(list((late.run / "tables" / "episodes").glob("part-*.arrow"))) == 4


def test_a_merge_that_fails_ends_the_run_and_loses_nothing(tiny, run, at_once, monkeypatch):
    def full(run, episodes, final):
        raise RunError("cannot seal it: No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(_merging, "compact", full)
        with pytest.raises(RunError, match="No space left"):
            run(tiny, "episodes=8")
    assert run(tiny, "episodes=8").status == "success"


def test_the_collector_looks_at_everything_again_when_a_run_in_this_process_is_over(tiny, run):
    run(tiny)
    assert gc.get_freeze_count() == 0
