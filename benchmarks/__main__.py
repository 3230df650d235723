"""Run all benchmarks and print their figures with the bounds they are held to; exit code 1 if one does not hold."""

from __future__ import annotations

import importlib
import sys

from rich.table import Table

from benchmarks.measure import wide_console
from simworld.threads import pin_threads

MODULES = (
    "bench_kernel",
    "bench_recording",
    "bench_economy",
    "bench_games",
    "bench_tournament",
    "bench_crowd",
    "bench_hosts",
    "bench_plaza",
    "bench_casework",
    "bench_scale",
    "bench_asks",
    "bench_analysis",
    "bench_startup",
)


def main() -> int:
    pin_threads()
    wanted = sys.argv[1:] or MODULES
    console = wide_console()
    table = Table("what", "figure", "unit", "bound", "holds")
    missed = 0
    for name in wanted:
        with console.status(name):
            for line in importlib.import_module(f"benchmarks.{name}").lines():
                verdict = {None: "", True: "yes", False: "[red]NO[/]"}[line.holds]
                missed += line.holds is False
                table.add_row(
                    line.what,
                    f"{line.value:,.3g}" if line.value < 1000 else f"{line.value:,.0f}",
                    line.unit,
                    line.bound,
                    verdict,
                )
    console.print(table)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
