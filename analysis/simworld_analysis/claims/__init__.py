"""Claims: what a scenario says that its runs will bear out, and whether they do.

A claim *holds* when its whole interval lies where it is expected, *fails* when it lies wholly elsewhere, and is
*undecided* otherwise. The intervals of a run's claims are widened together (Holm), so that all of them err at most as
often as one may. A claim that was not in the scenario when the run started is *post hoc*, and never holds.
"""

from simworld_analysis.claims._verdict import Verdict, all_hold, evaluate, run_claims
from simworld_analysis.claims._words import counted, expected, remarks
from simworld_analysis.grammar import Claim, ClaimError, Expectation, parse_claim

__all__ = [
    "Claim",
    "ClaimError",
    "Expectation",
    "Verdict",
    "all_hold",
    "counted",
    "evaluate",
    "expected",
    "parse_claim",
    "remarks",
    "run_claims",
]
