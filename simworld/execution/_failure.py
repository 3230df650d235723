"""What a failed episode failed of, in words: whatever a mind or a world raises, and the same words every time."""

from __future__ import annotations

import signal
import traceback
from pathlib import Path

from simworld.kernel import lasting, said_by, shortened

_PACKAGE = Path(__file__).parents[1]
_LONGEST = 20_000
"""Characters of a traceback."""


def is_own(failure: BaseException) -> bool:
    """Whether a mind or a world raised it, and not whoever pressed Ctrl-C."""
    # Workers do not hear Ctrl-C: there, nobody else can have raised it.
    return not isinstance(failure, KeyboardInterrupt) or signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def told(failure: BaseException, when: str) -> str:
    """A failure in one line that says what, where and when."""
    own = [f for f in traceback.extract_tb(failure.__traceback__) if Path(f.filename).parent.parent != _PACKAGE]
    # Where the stack overflows depends on where it began: in a worker process that is elsewhere.
    chosen = own[:1] if isinstance(failure, RecursionError) else own[-1:]
    places = [f"{Path(f.filename).name}:{f.lineno} in {f.name}" for f in chosen]
    words = shortened("; ".join([*places, *_notes(failure), when]), 500)
    said = " ".join(said_by(failure, 1_400).split())
    return shortened(lasting(f"{type(failure).__name__}: {said} ({words})"))


def traceback_of(failure: BaseException) -> str:
    """Its traceback, or as much of it as there is."""
    try:
        words = traceback.format_exception(failure)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  it may have attributes of its own making
        words = traceback.format_tb(failure.__traceback__)
    return shortened(lasting("".join(words)), _LONGEST)


def _notes(failure: BaseException) -> list[str]:
    found = vars(failure).get("__notes__")
    return [note for note in found if isinstance(note, str)] if isinstance(found, list) else []
