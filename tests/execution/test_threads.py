"""BLAS and OpenMP run on one thread, however simworld is started."""

from __future__ import annotations

import subprocess
import sys

ASK = """
import json, sys
{first}
from simworld.threads import pin_threads
pin_threads()
import numpy
from threadpoolctl import threadpool_info
print(json.dumps([pool["num_threads"] for pool in threadpool_info()]))
"""


def _threads(first: str) -> str:
    clean = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(first=first)], capture_output=True, text=True, check=True, env=clean
    )
    return done.stdout.strip()


def test_threads_are_pinned_before_numpy_is_imported():
    assert _threads("") in {"[1]", "[1, 1]"}


def test_threads_are_pinned_where_numpy_was_there_before():
    assert _threads("import numpy") in {"[1]", "[1, 1]"}
