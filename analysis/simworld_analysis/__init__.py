"""Analysis: opens what simworld left on disk. It needs Arrow files and ``run.json`` only, nothing of the engine.

::

    run = open_run("runs/20260101T120000Z_village_0a1b2c3d")
    run.tables, run.codebook()
    run.table("decisions.worker", columns=["tick", "agent", "act.hours"])

    runs = open_runs("runs/*tax*")
    runs.table("episodes")
    runs.dataset("decisions.worker").group(["arm", "tick"], hours=("act.hours", "mean"))
"""

from simworld_analysis._open import OpenError, Run, open_run
from simworld_analysis._runs import Runs, open_runs

__all__ = ["OpenError", "Run", "Runs", "open_run", "open_runs"]
