"""A recorder that is kept between two moments and taken up elsewhere leaves the bytes of one that was never disturbed."""

from __future__ import annotations

import pickle
import struct
from itertools import cycle

import pytest

from simworld.errors import SnapshotError
from simworld.kernel import Kernel
from simworld.recording import EpisodeRecorder


def files(run):
    return {str(p.relative_to(run)): p.read_bytes() for p in sorted(run.rglob("*.arrow*")) if p.parent.name != "tmp"}


def begun(toy, run, flush_rows):
    kernel = Kernel(toy["Village"](), toy["SEATING"], 1, 30)
    run.mkdir(exist_ok=True)
    recorder = EpisodeRecorder(run, toy["tables"]("e1"), flush_rows=flush_rows)
    kernel.attach(recorder)
    return kernel, recorder


@pytest.mark.parametrize("flush_rows", [1, 7, 100_000])
def test_kept_at_many_moments_and_gone_on_after_more_was_written_and_torn(toy, tmp_path, flush_rows):
    toy["record_episode"](tmp_path / "whole", "e1")
    lengths, run = cycle([3, 9, 1, 4, 7, 2]), tmp_path / "kept"
    kernel, recorder = begun(toy, run, flush_rows)
    going, times = True, 0
    while going:
        for _ in range(next(lengths)):
            going = going and kernel.step()
        if not going:
            break
        state = pickle.dumps((kernel, recorder.kept()))
        for _ in range(next(lengths) - 1):
            kernel.step()
        recorder.abandon()  # what came after is in the streams; the last of it is torn
        for stream in run.rglob("*.arrows"):
            with stream.open("ab") as file:
                file.write(b"\xff\xff\xff\xff torn")
        kernel, kept = pickle.loads(state)
        recorder = EpisodeRecorder(run, toy["tables"]("e1"), flush_rows=flush_rows, kept=kept)
        kernel.attach(recorder)
        times += 1
    recorder.finish("success", kernel.moments, kernel.tick)
    assert times > 3
    assert files(run) == files(tmp_path / "whole")


def test_a_crash_while_the_streams_were_copied_loses_nothing(toy, tmp_path):
    toy["record_episode"](tmp_path / "whole", "e1")
    run = tmp_path / "kept"
    kernel, recorder = begun(toy, run, 3)
    for _ in range(20):
        kernel.step()
    kept = pickle.dumps((kernel, recorder.kept()))
    recorder.abandon()
    # As it is if the process died in between: some are set aside, one of those is half copied.
    tables = ("agents", "chain", "decisions.walker", "measures")
    streams = [path for path in sorted(run.rglob("*.arrows")) if path.parent.name in tables]
    for stream in streams[: len(streams) // 2]:
        stream.rename(stream.with_name(stream.name + ".old"))
    streams[0].write_bytes(b"half")
    kernel, held = pickle.loads(kept)
    recorder = EpisodeRecorder(run, toy["tables"]("e1"), kept=held)
    kernel.attach(recorder)
    kernel.run()
    recorder.finish("success", kernel.moments, kernel.tick)
    assert files(run) == files(tmp_path / "whole")


def _cut(data: bytes) -> bytes:
    return data[:2000]


def _one_number_is_another(data: bytes) -> bytes:
    """Still a stream that can be read."""
    return data.replace(struct.pack("<d", 1.0), struct.pack("<d", 2.0), 1)


@pytest.mark.parametrize("harm", [_cut, _one_number_is_another])
def test_streams_that_do_not_hold_what_they_held_are_refused_and_left_as_they_are(toy, tmp_path, harm):
    kernel, recorder = begun(toy, tmp_path, 3)
    for _ in range(20):
        kernel.step()
    kept = recorder.kept()
    recorder.abandon()
    stream = tmp_path / "tables" / "decisions.walker" / "e1.arrows"
    whole = stream.read_bytes()
    stream.write_bytes(harm(whole))
    assert stream.read_bytes() != whole
    before = files(tmp_path)
    with pytest.raises(SnapshotError, match=r"decisions\.walker/e1\.arrows: not the stream of this snapshot"):
        EpisodeRecorder(tmp_path, toy["tables"]("e1"), kept=kept)
    assert files(tmp_path) == before


def test_streams_of_another_attempt_with_as_many_batches_are_refused(toy, tmp_path):
    kernel, recorder = begun(toy, tmp_path, 7)
    for _ in range(20):
        kernel.step()
    kept = recorder.kept()
    recorder.abandon()
    kernel, recorder = begun(toy, tmp_path, 2)  # the same rows, but others in each batch
    for _ in range(25):
        kernel.step()
    recorder.abandon()
    with pytest.raises(SnapshotError, match="not the stream of this snapshot"):
        EpisodeRecorder(tmp_path, toy["tables"]("e1"), kept=kept)


def test_what_was_gone_on_from_stays_until_something_newer_is_on_disk(toy, tmp_path):
    toy["record_episode"](tmp_path / "whole", "e1")
    run = tmp_path / "kept"
    kernel, recorder = begun(toy, run, 3)
    for _ in range(20):
        kernel.step()
    first = pickle.dumps((kernel, recorder.kept()))
    recorder.abandon()
    for torn in (False, True):  # gone on from twice, as the process died before it kept anything
        kernel, held = pickle.loads(first)
        recorder = EpisodeRecorder(run, toy["tables"]("e1"), flush_rows=5, kept=held)
        kernel.attach(recorder)
        for _ in range(5):
            kernel.step()
        if not torn:
            recorder.abandon()
            for stream in run.rglob("*.arrows"):
                stream.write_bytes(stream.read_bytes()[:1000])
    second = pickle.dumps((kernel, recorder.kept()))
    assert list(run.rglob("*.old"))
    recorder.forget()
    recorder.abandon()
    assert not list(run.rglob("*.old"))
    kernel, held = pickle.loads(second)
    recorder = EpisodeRecorder(run, toy["tables"]("e1"), kept=held)
    kernel.attach(recorder)
    kernel.run()
    recorder.finish("success", kernel.moments, kernel.tick)
    assert files(run) == files(tmp_path / "whole")
