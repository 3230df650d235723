"""Every error that simworld raises on purpose, in one tree.

::

    SimworldError
    ├── UserError            bad input: one clear line, exit code 2, nothing written
    │   ├── ScenarioError    a scenario file, an override or a parameter in it
    │   ├── RunError         a run directory: missing, foreign, locked, unwritable, damaged
    │   │   └── SnapshotError  a snapshot that must not be taken up: its episode begins anew
    │   ├── ModelError       a provider rejects every ask alike: no key, no such model
    │   └── TapeError        a tape is damaged, cannot be written, or does not fit what is asked
    │       └── RedactedError  whoever gave an answer has withdrawn it: what came of it cannot be executed again
    ├── ContractError        a world or a mind broke its contract: a bug in its code
    │   ├── ActionError      an action outside what the role declares
    │   └── ChanceError      an address drawn twice, or a draw outside the addressed streams
    ├── AskError             an ask that is malformed, or without anybody to answer it
    ├── BudgetError          the run's budget does not allow another ask: a clean end, not a failure
    └── StoppedError         the run was asked to stop while answers were under way: a clean end, too

Context is added with ``add_note``, never by wrapping or copying an exception.
"""

from __future__ import annotations

__all__ = [
    "ActionError",
    "AskError",
    "BudgetError",
    "ChanceError",
    "ContractError",
    "ModelError",
    "RedactedError",
    "RunError",
    "ScenarioError",
    "SimworldError",
    "SnapshotError",
    "StoppedError",
    "TapeError",
    "UserError",
]


class SimworldError(Exception):
    """Base class of all errors that simworld raises on purpose."""


class UserError(SimworldError):
    """Bad input: reported as one line without a traceback, exit code 2."""


class ScenarioError(UserError):
    """A scenario, an override or a parameter in it cannot be used."""


class RunError(UserError):
    """A run directory is missing, foreign, locked, unwritable or damaged."""


class SnapshotError(RunError):
    """A snapshot must not be taken up, or does not fit the streams beside it: its episode begins anew."""


class ModelError(UserError):
    """A provider rejects what we send, whichever ask it is: no key, no such model."""


class ContractError(SimworldError):
    """A world or a mind broke its contract."""


class ActionError(ContractError):
    """An action lies outside what its role declares."""


class ChanceError(ContractError):
    """An address of chance was drawn twice, or cannot be drawn."""


class AskError(SimworldError):
    """An ask is malformed, or was made where nobody can answer it."""


class BudgetError(SimworldError):
    """The run's budget does not allow another ask: the run ends cleanly, and goes on with a larger one."""


class StoppedError(SimworldError):
    """The run was asked to stop before an answer came: it ends cleanly, and asks again when it goes on."""


class TapeError(UserError):
    """A tape is damaged, cannot be written, or does not fit the question that is asked."""


class RedactedError(TapeError):
    """An answer was withdrawn by whoever gave it: what came of it cannot be executed again."""
