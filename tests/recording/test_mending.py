"""What was lost of finished episodes is noticed before a run goes on, and only that is made again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from simworld.errors import RunError
from simworld.recording import _sealing, compact, mend
from simworld.recording._sealing import finished_episodes

EPISODES = [f"e{i}" for i in range(6)]


def files(run: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in [*run.glob("tables/*/*"), *run.glob("tape/chain/*")]
        if path.parent.name != "telemetry"
    }


def record(toy, run: Path, episodes: list[str]) -> None:
    for episode in episodes:
        toy["record_episode"](run, episode, seed=int(episode[1:]), horizon=12)


@pytest.fixture
def whole(toy, tmp_path, monkeypatch) -> dict[str, bytes]:
    """What must come of it."""
    monkeypatch.setattr(_sealing, "_PART_EPISODES", 2)
    monkeypatch.setattr(_sealing, "_BLOCK_EPISODES", 4)
    monkeypatch.setattr(_sealing, "_MANY_FILES", 0)
    record(toy, tmp_path / "whole", EPISODES)
    compact(tmp_path / "whole", EPISODES)
    return files(tmp_path / "whole")


@pytest.fixture
def run(toy, tmp_path, whole) -> Path:
    """Five finished episodes: a block of four, and one by itself; of the sixth a broken attempt."""
    path = tmp_path / "run"
    record(toy, path, EPISODES)
    (path / "tables" / "episodes" / "e5.arrow").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sealing, "_PART_EPISODES", 6)
        compact(path, EPISODES, final=False)
    return path


BLOCK, SINGLE = "block-0000000-4.arrow", "e4.arrow"


def _truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])


def _emptied(file: Path) -> None:
    file.write_bytes(b"")


def _that_of_others(file: Path) -> None:
    shutil.copy(file.with_name(BLOCK if file.name == SINGLE else SINGLE), file)


def _of_another_table(file: Path) -> None:
    shutil.copy(file.parents[1] / "faults" / file.name, file)


@pytest.mark.parametrize("table", ["decisions.walker", "measures", "episodes"])
@pytest.mark.parametrize(("name", "lost"), [(BLOCK, EPISODES[:4]), (SINGLE, ["e4"])])
@pytest.mark.parametrize("harm", [Path.unlink, _truncated, _emptied, _that_of_others, _of_another_table])
def test_episodes_that_lack_a_table_are_made_again_and_no_others(toy, run, whole, table, name, lost, harm):
    harm(run / "tables" / table / name)
    wrong = mend(run, EPISODES, 5)
    assert f"tables/{table}" in wrong
    assert finished_episodes(run) == set(EPISODES[:5]) - set(lost)
    assert mend(run, EPISODES, 5 - len(lost)) == {}
    record(toy, run, [*lost, "e5"])
    compact(run, EPISODES)
    assert files(run) == whole


def test_what_is_whole_is_left_as_it_is(toy, run):
    before = files(run)
    assert mend(run, EPISODES, 5) == {}
    assert files(run) == before
    assert not (run / "damaged").exists()


def test_nothing_of_a_lost_episode_is_thrown_away(run):
    (run / "tables" / "measures" / SINGLE).unlink()
    kept = (run / "tables" / "decisions.walker" / SINGLE).read_bytes()
    assert mend(run, EPISODES, 5) == {"tables/measures": "lacks 1 of 5 finished episodes, e4 first"}
    assert (run / "damaged" / "tables" / "decisions.walker" / SINGLE).read_bytes() == kept
    assert (run / "damaged" / "tables" / "episodes" / SINGLE).exists()


@pytest.mark.parametrize(
    "harm", [Path.unlink, _truncated, lambda part: shutil.copy(part.with_stem("part-00002"), part)]
)
@pytest.mark.parametrize("table", ["agents", "episodes", "measures"])
def test_parts_that_were_made_already_are_made_again_from_the_first_that_is_not_whole(toy, run, whole, table, harm):
    record(toy, run, ["e5"])
    compact(run, EPISODES)
    harm(run / "tables" / table / "part-00001.arrow")
    assert f"tables/{table}" in mend(run, EPISODES, 6)
    lost = set(EPISODES) - finished_episodes(run)
    assert lost == {"e2", "e3"}
    record(toy, run, sorted(lost))
    compact(run, EPISODES)
    assert files(run) == whole


@pytest.mark.parametrize(("part", "lost"), [("part-00000", EPISODES[:4]), ("part-00001", EPISODES[2:4])])
def test_parts_that_were_made_before_the_run_ended_are_mended_as_well(toy, run, whole, part, lost):
    compact(run, EPISODES, final=False)
    folder = run / "tables" / "measures"
    assert sorted(path.stem for path in folder.iterdir()) == ["e4", "e5", "part-00000", "part-00001"]
    assert mend(run, EPISODES, 5) == {}
    _truncated(folder / f"{part}.arrow")
    assert f"tables/measures/{part}.arrow" in mend(run, EPISODES, 5)
    assert {"e4", *lost} >= set(EPISODES[:5]) - finished_episodes(run) >= {lost[0]}
    record(toy, run, sorted(set(EPISODES) - finished_episodes(run)))
    compact(run, EPISODES)
    assert files(run) == whole


def test_a_file_that_cannot_be_looked_at_is_one_line_and_nothing_is_changed(run):
    file = run / "tables" / "measures" / SINGLE
    file.unlink()
    file.mkdir()
    with pytest.raises(RunError, match=r"measures/e4\.arrow: Is a directory"):
        mend(run, EPISODES, 5)
    assert not (run / "damaged").exists()
