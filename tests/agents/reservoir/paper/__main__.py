"""All checks beside the paper's numbers: ``python -m paper [--quick]``; exit code 1 if one is not met."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor

from rich.console import Console
from rich.progress import track
from rich.table import Table

from ._checks import CHECKS


def measured(place):
    """One check's number."""
    return float(CHECKS[place].of())


def main():
    """Print the table."""
    chosen = [n for n, check in enumerate(CHECKS) if not (check.slow and "--quick" in sys.argv)]
    together = {}
    for n in chosen:
        together.setdefault(CHECKS[n].experiment, []).append(n)
    with ProcessPoolExecutor(2) as pool:
        waiting = [pool.submit(_all, places) for places in together.values()]
        found = {}
        for task in track(waiting, "experiments of the paper", console=Console(stderr=True)):
            found |= task.result()
    table = Table("check", "what", "paper", "here", "accepted", "")
    failed = 0
    for n in chosen:
        check, value = CHECKS[n], found[n]
        met = check.low <= value <= check.high
        failed += not met
        accepted = f"{check.low:.5g} to {check.high:.5g}"
        table.add_row(check.name, check.says, check.paper, f"{value:.4g}", accepted, "met" if met else "NOT MET")
    Console(width=140).print(table)
    print(f"{len(chosen) - failed} of {len(chosen)} met")
    return failed > 0


def _all(places):
    return {n: measured(n) for n in places}


if __name__ == "__main__":
    sys.exit(main())
