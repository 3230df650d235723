"""One thread for BLAS and OpenMP: with another number, the bits of a matrix product differ."""

from __future__ import annotations

import os
import sys

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""Environment variables that the libraries under numpy read when they are loaded."""


def pin_threads() -> None:
    """Set BLAS and OpenMP to one thread, for this process and those that it starts.

    Call it before numpy is imported. Where numpy is there already (in a notebook, say), its pools are limited at
    run time instead.
    """
    for name in VARIABLES:
        os.environ[name] = "1"
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits  # noqa: PLC0415  only where it is too late for the environment

        threadpool_limits(1)
