"""Run directories, manifests and locks."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from simworld.errors import RunError
from simworld.recording import (
    Environment,
    Manifest,
    RunLock,
    TableFiles,
    create_run,
    find_run,
    is_locked,
    read_manifest,
)

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DIGEST = "0123456789abcdef" * 4
MANIFEST = Manifest(
    "running",
    "village",
    DIGEST,
    seeds=(1, 2),
    episodes=2,
    tables={"agents": TableFiles(3, {"tables/agents/part-00000.arrow": "ff"})},
    environment=Environment.here({"OMP_NUM_THREADS": 1}),
)


def test_no_run_overwrites_another(tmp_path):
    names = [create_run(tmp_path / "runs", "my village", DIGEST, NOW).name for _ in range(3)]
    stem = "20260304T050607Z_my-village_01234567"
    assert names == [stem, f"{stem}-2", f"{stem}-3"]


def test_a_runs_name_has_utc_whatever_the_zone(tmp_path):
    east = NOW.astimezone(timezone(timedelta(hours=5)))
    assert create_run(tmp_path, "v", DIGEST, east).name.startswith("20260304T050607Z_")


def test_a_file_in_the_way_is_one_line(tmp_path):
    (tmp_path / "runs").write_text("")
    for out in (tmp_path / "runs", tmp_path / "runs" / "deeper"):
        with pytest.raises(RunError, match="is a file"):
            create_run(out, "v", DIGEST, NOW)


def test_a_manifest_comes_back_as_it_was(tmp_path):
    MANIFEST.write(tmp_path)
    assert read_manifest(tmp_path) == MANIFEST
    replace(MANIFEST, status="partial", reason="no rows").write(tmp_path)
    assert read_manifest(tmp_path).reason == "no rows"
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_the_environment_says_what_decides_the_bits():
    here = MANIFEST.environment
    assert {"numpy", "pyarrow"} <= set(here.packages)
    assert here.cpu
    assert here.threads == {"OMP_NUM_THREADS": 1}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "it has no run.json"),
        ("{", "not readable"),
        ("[]", "schema version None"),
        (json.dumps({"schema_version": "99"}), "schema version '99'; this simworld reads '1'"),
        (json.dumps({"schema_version": "1", "status": "fine"}), "not a manifest"),
        (json.dumps({"schema_version": "1", "status": "running"}), "not a manifest"),
    ],
)
def test_a_foreign_or_damaged_manifest_is_one_line(tmp_path, text, why):
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match=why):
        read_manifest(tmp_path)


def test_find_run_finds_by_digest(tmp_path):
    assert find_run(tmp_path / "none", DIGEST) == []
    for status, digest in (("success", DIGEST), ("partial", DIGEST), ("running", DIGEST[:8] + "0" * 56)):
        replace(MANIFEST, status=status, digest=digest).write(create_run(tmp_path, "v", digest, NOW))
    create_run(tmp_path, "v", DIGEST, NOW)
    assert [(f.status, f.locked) for f in find_run(tmp_path, DIGEST)] == [("success", False), ("partial", False)]


def test_one_process_at_a_time(tmp_path):
    with RunLock(tmp_path):
        assert is_locked(tmp_path)
        with pytest.raises(RunError, match=r"is in use by process [0-9]+ on "), RunLock(tmp_path):
            pass
    assert not is_locked(tmp_path)
    with RunLock(tmp_path):
        pass


def test_a_dead_process_frees_its_lock(tmp_path):
    script = f"""
import os
from pathlib import Path
from simworld.recording import RunLock
lock = RunLock(Path({str(tmp_path)!r})).__enter__()
print("locked", flush=True)
input()
os._exit(1)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "locked\n"
    assert is_locked(tmp_path)
    process.communicate("\n")
    assert not is_locked(tmp_path)
    with RunLock(tmp_path):
        pass
