"""The garbage collector, kept from looking over and over again at what a process has loaded."""

from __future__ import annotations

import functools
import gc


@functools.cache
def spare_loaded() -> None:
    """Let the collector leave alone whatever there is by now, once in a process: it is needed until the end.

    Libraries are some hundred thousand objects. A world of many objects makes the collector look at all of them many
    times in an episode, which can take a fifth of its time.
    """
    gc.freeze()


def spare_nothing() -> None:
    """Let it look at everything again: the process has done with episodes, and goes on."""
    gc.unfreeze()
    spare_loaded.cache_clear()
