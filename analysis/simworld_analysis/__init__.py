"""Analysis: opens what simworld left on disk. It needs Arrow files and ``run.json`` only, nothing of the engine.

::

    run = open_run("runs/20260101T120000Z_village_0a1b2c3d")
    run.tables, run.codebook()
    run.table("decisions.worker", columns=["tick", "agent", "act.hours"])
"""

from simworld_analysis._open import OpenError, Run, open_run

__all__ = ["OpenError", "Run", "open_run"]
